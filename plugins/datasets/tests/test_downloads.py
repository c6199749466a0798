"""torchvision's data sets without the network: files laid out as it wants them, or one clear line."""

from __future__ import annotations

import gzip
import hashlib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.datasets import MNIST

from gentk.errors import GentkError
from gentk_datasets import downloads

FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx(array: np.ndarray) -> bytes:
    """The format of the four MNIST files: magic number, sizes, bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return header + array.astype(np.uint8).tobytes()


def contents() -> dict[str, bytes]:
    generator = np.random.default_rng(0)
    train, test = generator.integers(0, 256, (20, 28, 28)), generator.integers(0, 256, (10, 28, 28))
    return dict(zip(FILES, map(idx, (train, np.arange(20) // 4, test, np.arange(10))), strict=True))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty $GENTK_DATA, and no network."""
    monkeypatch.setenv("GENTK_DATA", str(tmp_path))

    def offline(*args: object, **kwargs: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    return tmp_path


def lay_out(folder: Path, name: str = "MNIST") -> None:
    (folder / name / "raw").mkdir(parents=True)
    for file, data in contents().items():
        (folder / name / "raw" / file).write_bytes(data)


@pytest.mark.parametrize("make", [downloads.mnist, downloads.fashion_mnist, downloads.cifar10])
def test_offline_is_one_line_that_says_where_the_files_belong(folder: Path, make: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(GentkError) as caught:
        make()
    message = str(caught.value)
    assert "\n" not in message
    assert "GENTK_DATA" in message
    assert str(folder) in message
    assert "Name or service not known" in message
    assert capsys.readouterr().out == ""  # progress belongs to stderr
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_files_in_torchvisions_layout_are_read(folder: Path) -> None:
    lay_out(folder)
    train, test = downloads.mnist("train"), downloads.mnist("test")
    assert (len(train), len(test)) == (20, 10)
    raw = np.frombuffer(contents()[FILES[0]], np.uint8, offset=16).reshape(20, 1, 28, 28)
    x = train.batch(range(20))["x"]
    assert torch.equal(((x + 1) * 127.5).round().to(torch.uint8), torch.from_numpy(raw.copy()))
    assert train.batch([0, 4, 19])["label"].tolist() == [0, 1, 4]
    assert train.spec == test.spec  # the frequencies are the training split's in both
    assert train.spec.frequencies["label"] == [0.2] * 5 + [0.0] * 5


def test_options_change_what_an_example_is(folder: Path) -> None:
    lay_out(folder, "FashionMNIST")
    wide = downloads.fashion_mnist(size=32, labels=False)
    assert wide.spec.shape == (1, 32, 32)
    assert not wide.spec.conditions
    x = wide[0]["x"]
    assert torch.equal(x[:, 2:30, 2:30], downloads.fashion_mnist()[0]["x"])
    assert (x[:, :2] == -1).all()
    assert downloads.fashion_mnist().spec.conditions["label"].names[9] == "Ankle boot"


def test_damaged_files_are_one_clear_line(folder: Path) -> None:
    lay_out(folder)
    (folder / "MNIST" / "raw" / FILES[0]).write_bytes(b"half")
    with pytest.raises(GentkError, match="damaged") as caught:
        downloads.mnist()
    assert "\n" not in str(caught.value)


def fake_mirror(monkeypatch: pytest.MonkeyPatch, answers: dict[str, bytes]) -> None:
    """A network that has the archives, with sums that match."""
    sums = [(f"{name}.gz", hashlib.md5(gzip.compress(data, mtime=0)).hexdigest()) for name, data in contents().items()]
    monkeypatch.setattr(MNIST, "resources", sums)

    def fetch(url: str, filename: str, *args: object) -> None:
        name = url.rsplit("/", 1)[-1]
        Path(filename).write_bytes(answers[name][:9])
        if len(answers[name]) < 10:
            raise urllib.error.URLError("connection lost")
        Path(filename).write_bytes(answers[name])

    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", fetch)
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, max_hops: url)


def archives() -> dict[str, bytes]:
    return {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in contents().items()}


def test_what_is_missing_is_downloaded_once(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fake_mirror(monkeypatch, archives())
    assert len(downloads.mnist()) == 20
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "downloading mnist" in printed.err
    assert sorted(path.name for path in folder.iterdir()) == ["MNIST"]
    downloads.mnist("test")
    assert "downloading" not in capsys.readouterr().err


def test_a_lost_connection_leaves_nothing_half_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_mirror(monkeypatch, {**archives(), f"{FILES[2]}.gz": b"part"})
    with pytest.raises(GentkError, match="connection lost"):
        downloads.mnist()
    assert not [path for path in folder.rglob("*") if path.is_file()]
