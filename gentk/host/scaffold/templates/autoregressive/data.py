"""The examples: made up, so that nothing has to be downloaded."""

from __future__ import annotations

import torch
from gentk.protocols import DataSpec, Leaf
from torch import Tensor

ALPHABET = ("\n", *"0123456789+=")
ROOM = len("9+9=18\n")


class TemplateData:
    """x (7,): the characters of a sum of two digits, `3+4=7`, and a newline that ends it. length: how many of them count.

    There are a hundred of them, all as likely: −log p(x) = ln 100 = 4.61 nats is the best that a model can reach.
    """

    spec = DataSpec(
        modality="text",
        leaves={"x": Leaf(shape=(ROOM,), classes=len(ALPHABET), names=ALPHABET), "length": Leaf(classes=ROOM + 1)},
    )

    def __init__(self, split: str = "train", size: int = 4096) -> None:
        draw = torch.Generator().manual_seed(("train", "test").index(split))
        pairs = torch.randint(10, (size, 2), generator=draw).tolist()
        texts = [f"{a}+{b}={a + b}\n" for a, b in pairs]
        self.x = torch.tensor([[ALPHABET.index(c) for c in text.ljust(ROOM, "\n")] for text in texts])
        self.length = torch.tensor([len(text) for text in texts])

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"x": self.x[index], "length": self.length[index]}
