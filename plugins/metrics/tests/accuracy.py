"""How often the shipped featurizers are right on the test splits: `python plugins/metrics/tests/accuracy.py [WEIGHTS DATASET]`."""

from __future__ import annotations

import sys

import torch

import gentk

SHIPPED = [("metrics/digits", "mnist"), ("metrics/fashion", "fashion-mnist")]


def main() -> None:
    for weights, name in [(sys.argv[1], sys.argv[2])] if sys.argv[2:] else SHIPPED:
        model, data = gentk.load(weights), gentk.dataset(name, "test")
        examples = [data[i] for i in range(len(data))]
        batch = {key: torch.stack([example[key] for example in examples]) for key in ("x", "label")}
        right = model.features(batch)["logits"].argmax(1) == batch["label"]
        numbers = sum(parameter.numel() for parameter in model.parameters())
        print(f"{weights}: {numbers:,} parameters, {float(right.double().mean()):.2%} of {len(data):,} test images of {name}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
