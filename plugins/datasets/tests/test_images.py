"""Images in memory: ranges, labels, and augmentation that is drawn from the noise it is given and from nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gentk.noise import Philox
from gentk_datasets.arrays import Images
from gentk_datasets.digits import digits
from gentk_datasets.options import Augment


def ramp(n: int = 40, **options: object) -> Images:
    """Images whose pixels rise from left to right, so that a mirror shows."""
    images = np.broadcast_to(np.arange(0, 256, 17, dtype=np.uint8), (n, 1, 4, 16)).copy()
    images[:, 0, 0, 0] = np.arange(n)
    return Images(images, np.arange(n) % 4, names=("a", "b", "c", "d"), frequencies=[0.25] * 4, **options)  # type: ignore[arg-type]


def mirrored(x: torch.Tensor) -> torch.Tensor:
    return x[:, 0, 1, 0] > x[:, 0, 1, -1]


def test_bytes_become_minus_one_to_one() -> None:
    x = ramp().batch([0])["x"]
    assert x.dtype == torch.float32
    assert torch.equal(x[0, 0, 1], torch.arange(0, 256, 17) / 127.5 - 1)
    assert (float(x.min()), float(x.max())) == (-1, 1)


@pytest.mark.parametrize("options", [{}, {"augment": Augment(flip=True)}, {"binarise": "threshold"}, {"binarise": "dynamic"}])
def test_without_noise_a_batch_is_its_examples(options: dict[str, object]) -> None:
    data, torch_state = ramp(**options), torch.get_rng_state()
    indices = [7, 0, 39, 7]
    batch = data.batch(indices)
    for row, index in enumerate(indices):
        assert all(torch.equal(batch[key][row], value) for key, value in data[index].items())
    assert torch.equal(batch["label"], torch.tensor([3, 0, 3, 3]))
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("options", [{"augment": Augment(flip=True)}, {"binarise": "dynamic"}])
def test_augmentation_is_drawn_from_the_noise_alone(options: dict[str, object]) -> None:
    data = ramp(**options)
    first = data.batch(range(40), Philox(1, range(40)))["x"]
    torch.manual_seed(99)
    np.random.seed(99)
    assert torch.equal(first, data.batch(range(40), Philox(1, range(40)))["x"])
    assert not torch.equal(first, data.batch(range(40), Philox(2, range(40)))["x"])
    part = data.batch(range(20, 30), Philox(1, range(20, 30)))["x"]  # row i follows its noise, not its neighbours
    assert torch.equal(first[20:30], part)


def test_a_flip_is_a_mirror_of_half_of_them() -> None:
    data = ramp(augment=Augment(flip=True))
    noise = Philox(0, range(1000))
    x = data.batch([3] * 1000, noise)["x"]
    share = mirrored(x).double().mean()
    assert 0.44 < share < 0.56
    assert torch.equal(x[mirrored(x)][0].flip(-1), x[~mirrored(x)][0])


def test_dynamic_binarisation_keeps_the_mean() -> None:
    data = ramp(binarise="dynamic")
    x = data.batch([0] * 4000, Philox(0, range(4000)))["x"]
    assert set(x.unique().tolist()) == {-1.0, 1.0}
    assert (x.mean(0)[0, 1] - ramp().batch([0])["x"][0, 0, 1]).abs().max() < 0.08
    assert data.spec.leaves["x"].levels == 2


def test_the_threshold_is_one_half() -> None:
    x = ramp(binarise="threshold").batch([0])["x"][0, 0, 1]
    assert torch.equal(x, torch.tensor([-1.0] * 8 + [1.0] * 8))


def test_digits_are_split_without_overlap_and_count_their_classes() -> None:
    train, test = digits("train"), digits("test")
    a, b = train.batch(range(len(train))), test.batch(range(len(test)))
    assert (len(train), len(test)) == (1438, 359)
    assert float(torch.cdist(a["x"].flatten(1), b["x"].flatten(1)).min()) > 0
    assert (float(a["x"].min()), float(a["x"].max())) == (-1, 1)
    assert train.spec == test.spec
    counts = torch.bincount(a["label"]) / len(train)
    assert torch.allclose(counts, torch.tensor(train.spec.frequencies["label"]))
    assert train.spec.leaves["x"].levels == len(a["x"].unique()) == 17
    assert set(digits(labels=False)[0]) == {"x"}


def test_with_hidden_labels_every_other_example_has_one_and_all_classes_are_met() -> None:
    data, plain = digits("train", labelled=30), digits("train")
    batch = data.batch(range(400))
    known = batch["label"] < 10
    assert known.tolist() == [i % 2 == 1 for i in range(400)]
    assert torch.bincount(batch["label"][known][:30], minlength=10).tolist() == [3] * 10
    assert len(data) == 2 * (len(plain) - 30)
    whole = {tuple(x.flatten().tolist()): int(label) for x, label in zip(*plain.batch(range(len(plain))).values(), strict=True)}
    assert all(whole[tuple(x.flatten().tolist())] == int(label) for x, label in zip(batch["x"][known], batch["label"][known], strict=True))
    seen = {tuple(x.flatten().tolist()) for x in data.batch(range(len(data)))["x"]}
    assert len(seen) == len(whole)
    assert digits("test", labelled=30).batch(range(9))["label"].max() < 10


@pytest.mark.parametrize("options", [{}, {"augment": Augment(flip=True)}, {"binarise": "dynamic"}, {"labelled": 8}])
def test_held_on_a_device_the_examples_are_the_same_and_made_there(options: dict[str, object]) -> None:
    data = ramp(**options)
    assert data.nbytes == 40 * 64 + 40 * 8
    here, there = data.to(torch.device("cpu")), data.to(torch.device("meta"))
    assert len(here) == len(there) == len(data)
    expected = data.batch(range(5), Philox(1, range(5)))
    assert all(torch.equal(value, expected[key]) for key, value in here.batch(range(5), Philox(1, range(5))).items())
    assert {value.device.type for value in there.batch(range(5), Philox(1, range(5))).values()} == {"meta"}
    assert data.images.device.type == "cpu"
