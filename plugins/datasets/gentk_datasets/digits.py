"""scikit-learn's digits: small, offline, and enough for a first try."""

from __future__ import annotations

import numpy as np

from . import options
from .arrays import Images, shares
from .augmenting import chosen_for
from .splits import checked, shuffled_rows

NAMES = tuple(str(digit) for digit in range(10))


def digits(split: str = "train", labels: bool = True, labelled: int | None = None, augment: options.Augmenting = None) -> Images:
    """Handwritten digits, (1, 8, 8) with 17 grey levels: 1,438 and 359 (Alpaydin and Kaynak 1998, by way of scikit-learn)."""
    from sklearn.datasets import load_digits

    chosen = options.Digits.model_validate({"labels": labels, "labelled": labelled, "augment": augment})
    source = load_digits()
    part = shuffled_rows(len(source.target), 0.2, checked(split, "digits"))
    training = shuffled_rows(len(source.target), 0.2, "train")
    return Images(
        source.images[part].astype(np.uint8)[:, None],
        source.target[part] if labels else None,
        names=NAMES,
        frequencies=shares(source.target[training], len(NAMES)),
        levels=17,
        augment=chosen_for(split, chosen.augment),
        stream=f"digits/{split}",
        labelled=labelled if split == "train" else None,
    )
