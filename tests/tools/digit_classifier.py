"""A small classifier of handwritten digits: the judge of generated ones.

    GENTK_DATA=... OMP_NUM_THREADS=1 python -m tests.tools.digit_classifier

trains it in about seven minutes on one thread, prints its accuracy on the test digits, and saves it beside this file. It is a judge only
because it never saw what it judges: neither a generated image nor, in training, a test digit.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from .digits import digits

PLACE = Path(__file__).parent
FEATURES = 64


def block(inputs: int, outputs: int, stride: int, *, size: int = 3) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class DigitClassifier(nn.Module):
    """Images (n, 1, 28, 28) in [-1, 1] → logits (n, 10). About 145,000 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            block(1, 24, 2, size=5),  # 14 × 14
            block(24, 48, 1),
            block(48, 64, 2),  # 7 × 7
            block(64, 64, 1),
            nn.MaxPool2d(2, ceil_mode=True),  # 4 × 4
            nn.Flatten(),
        )
        self.penultimate = nn.Linear(64 * 4 * 4, FEATURES)
        self.head = nn.Linear(FEATURES, 10)

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, (n, 64): distances are measured here."""
        return F.relu(self.penultimate(F.dropout(self.body(x), 0.25, self.training)))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


def place(name: str = "MNIST") -> Path:
    return PLACE / ("digit_classifier.safetensors" if name == "MNIST" else f"{name.lower()}_classifier.safetensors")


def load(name: str = "MNIST") -> DigitClassifier:
    """The trained judge, in eval mode."""
    if not place(name).exists():
        raise SystemExit(f"no {place(name)}: train it with `python -m tests.tools.digit_classifier --data {name}`")
    model = DigitClassifier()
    model.load_state_dict({key: value.to(model.state_dict()[key].dtype) for key, value in load_file(place(name)).items()})
    return model.eval()


@torch.no_grad()
def judged(model: DigitClassifier, x: Tensor) -> tuple[Tensor, Tensor]:
    """Probabilities (n, 10) and features (n, 64) float64 of images in [-1, 1]."""
    found = [model.features(part) for part in x.float().split(500)]
    probabilities = [model.head(part).double().softmax(1) for part in found]
    return torch.cat(probabilities), torch.cat(found).double()


def shifted(x: Tensor, by: int = 2) -> Tensor:
    """Every image moved by up to `by` pixels each way, the gap filled with background."""
    n, side = len(x), x.shape[-1]
    padded = F.pad(x, (by, by, by, by), value=-1.0)
    row = torch.randint(2 * by + 1, (n, 1)) + torch.arange(side)
    column = torch.randint(2 * by + 1, (n, 1)) + torch.arange(side)
    return padded[torch.arange(n)[:, None, None], 0, row[:, :, None], column[:, None, :]][:, None]


def train(name: str, epochs: int, batch: int, rate: float) -> DigitClassifier:
    torch.manual_seed(0)
    x, y = digits("train", name)
    test_x, test_y = digits("test", name)
    model = DigitClassifier().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)
    rounds = len(x) // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * rounds)
    began = time.monotonic()
    for epoch in range(epochs):
        order = torch.randperm(len(x))
        for k in range(rounds):
            rows = order[k * batch : (k + 1) * batch]
            loss = F.cross_entropy(model(shifted(x[rows])), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        accuracy = float((judged(model.eval(), test_x)[0].argmax(1) == test_y).double().mean())
        model.train()
        seconds = time.monotonic() - began
        print(f"epoch {epoch + 1}/{epochs}  loss {float(loss.detach()):.4f}  test accuracy {accuracy:.2%}  {seconds:.0f} s", flush=True)
    return model.eval()


def save(model: DigitClassifier, path: Path) -> None:
    """As float16, to a temporary name first."""
    tensors = {key: value.half().contiguous() if value.is_floating_point() else value for key, value in model.state_dict().items()}
    temporary = path.with_suffix(".tmp")
    save_file(tensors, temporary)
    os.replace(temporary, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="MNIST", choices=("MNIST", "FashionMNIST"))
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=5e-3)
    options = parser.parse_args()
    save(train(options.data, options.epochs, options.batch, options.rate), place(options.data))
    x, y = digits("test", options.data)
    probabilities, _ = judged(load(options.data), x)  # what was saved, read back
    size = place(options.data).stat().st_size
    parameters = sum(p.numel() for p in DigitClassifier().parameters())
    print(f"{place(options.data).name}: {parameters:,} parameters, {size / 1000:.0f} kB")
    print(f"test accuracy {float((probabilities.argmax(1) == y).double().mean()):.2%}", end=", ")
    print(f"test images with p > 0.95: {float((probabilities.amax(1) > 0.95).double().mean()):.2%}")


if __name__ == "__main__":
    main()
