"""The data sets that torchvision knows how to fetch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import options, store
from .arrays import Binarise, Images, shares
from .augmenting import chosen_for
from .splits import checked

DIGITS = tuple(str(digit) for digit in range(10))
CLOTHES = ("T-shirt", "Trousers", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def mnist(
    split: str = "train",
    labels: bool = True,
    size: int = 28,
    binarise: Binarise = "none",
    labelled: int | None = None,
    augment: options.Augmenting = None,
) -> Images:
    """Handwritten digits, (1, 28, 28): 60,000 and 10,000 (LeCun, Cortes and Burges 1998)."""
    from torchvision.datasets import MNIST

    given = {"labels": labels, "size": size, "binarise": binarise, "labelled": labelled, "augment": augment}
    chosen = options.GreyImages.model_validate(given)
    return _grey("mnist", MNIST, "MNIST/raw", DIGITS, split, chosen)


def fashion_mnist(
    split: str = "train",
    labels: bool = True,
    size: int = 28,
    binarise: Binarise = "none",
    labelled: int | None = None,
    augment: options.Augmenting = None,
) -> Images:
    """Clothes, (1, 28, 28): 60,000 and 10,000 (Xiao, Rasul and Vollgraf 2017)."""
    from torchvision.datasets import FashionMNIST

    given = {"labels": labels, "size": size, "binarise": binarise, "labelled": labelled, "augment": augment}
    chosen = options.GreyImages.model_validate(given)
    return _grey("fashion-mnist", FashionMNIST, "FashionMNIST/raw", CLOTHES, split, chosen)


def cifar10(split: str = "train", labels: bool = True, flip: bool = False, augment: options.Augmenting = None) -> Images:
    """Small photographs, (3, 32, 32): 50,000 and 10,000 (Krizhevsky 2009). `flip` and `augment` act on the training split only."""
    from torchvision.datasets import CIFAR10

    chosen = options.ColourImages.model_validate({"labels": labels, "flip": flip, "augment": augment})
    images, classes, frequencies = _read("cifar10", CIFAR10, "cifar-10-batches-py", split, len(THINGS))
    return Images(
        images.transpose(0, 3, 1, 2),
        classes if chosen.labels else None,
        names=THINGS,
        frequencies=frequencies,
        augment=chosen_for(split, chosen.augment, flip=chosen.flip),
        stream=f"cifar10/{split}",
    )


def _grey(name: str, source: Any, folder: str, names: Sequence[str], split: str, chosen: options.GreyImages) -> Images:
    images, classes, frequencies = _read(name, source, folder, split, len(names))
    border = chosen.size - images.shape[-1]
    before, after = border // 2, border - border // 2
    images = np.pad(images, ((0, 0), (before, after), (before, after)))[:, None]
    return Images(
        images,
        classes if chosen.labels else None,
        names=names,
        frequencies=frequencies,
        binarise=chosen.binarise,
        augment=chosen_for(split, chosen.augment),
        stream=f"{name}/{split}",
        labelled=chosen.labelled if split == "train" else None,
    )


def _read(name: str, source: Any, folder: str, split: str, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64], list[float]]:
    """Images, classes, and how often each class occurs in the training split."""
    checked(split, name)
    data = store.load(name, source, folder, train=split == "train")
    training = data if split == "train" else store.load(name, source, folder, train=True)
    frequencies = shares(np.asarray(training.targets, np.int64), classes)
    return np.asarray(data.data, np.uint8), np.asarray(data.targets, np.int64), frequencies
