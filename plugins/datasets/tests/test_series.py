"""Series and their parts, without the network; and variables whose distribution is known."""

from __future__ import annotations

import hashlib
import io
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gentk.errors import GentkError, UsageError
from gentk_datasets import series, tables

VALUES = np.round(100 + 2 * np.arange(40) + 10 * np.sin(np.arange(40)), 1)
CONTENT = ('"Month","Passengers"\n' + "".join(f'"19{49 + i // 12}-{i % 12 + 1:02d}",{v}\n' for i, v in enumerate(VALUES))).encode()


class Web:
    """The only file of the network, or no network; counts who asked."""

    def __init__(self, content: bytes | None) -> None:
        self.content, self.asked = content, 0

    def __call__(self, url: str, timeout: float) -> Any:
        self.asked += 1
        assert url == series.PASSENGERS and timeout > 0
        if self.content is None:
            raise urllib.error.URLError("Name or service not known")
        return io.BytesIO(self.content)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty $GENTK_DATA, and the sum of our own file as the published one."""
    monkeypatch.setenv("GENTK_DATA", str(tmp_path))
    monkeypatch.setattr(series, "PASSENGERS_SHA256", hashlib.sha256(CONTENT).hexdigest())
    return tmp_path


def own(folder: Path, text: str | None = None) -> str:
    path = folder / "own.csv"
    path.write_text(text or "day,value\n" + "".join(f"d{i},{v}\n" for i, v in enumerate(VALUES)))
    return str(path)


# ---------------------------------------------------------------- the download
def test_it_is_fetched_once_and_then_read(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    web = Web(CONTENT)
    monkeypatch.setattr(urllib.request, "urlopen", web)
    first, again = series.airline_passengers(), series.airline_passengers("test")
    assert web.asked == 1 and torch.equal(first[0]["x"][:33], again[0]["x"][:33])
    assert again[0]["x"][:, 0].tolist() == VALUES.tolist()  # to the last digit of the file
    assert [path.name for path in folder.rglob("*") if path.is_file()] == ["airline-passengers.csv"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("content", "word"), [(None, "Name or service not known"), (b"other", "not the file that was published")])
def test_without_the_right_file_one_line_says_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, word: str
) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", Web(content))
    with pytest.raises(GentkError) as caught:
        series.airline_passengers()
    message = str(caught.value)
    assert "\n" not in message and word in message and "GENTK_DATA" in message and series.PASSENGERS in message
    assert str(folder / "timeseries" / "airline-passengers.csv") in message
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_appears_whole_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be renamed in the end has never had the name."""

    def full(source: Path, target: Path) -> None:
        assert source.read_bytes() == CONTENT
        raise OSError("no space left")

    monkeypatch.setattr(urllib.request, "urlopen", Web(CONTENT))
    monkeypatch.setattr("os.replace", full)
    with pytest.raises(GentkError, match="no space left"):
        series.airline_passengers()
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_that_was_changed_is_not_taken_for_the_published_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = Web(CONTENT)
    monkeypatch.setattr(urllib.request, "urlopen", web)
    (folder / "timeseries").mkdir()
    (folder / "timeseries" / "airline-passengers.csv").write_bytes(CONTENT[:-9])
    with pytest.raises(GentkError, match="is not the file that was published"):
        series.airline_passengers()
    assert web.asked == 0


# ---------------------------------------------------------------- one series, whole
def test_training_sees_the_first_part_and_the_test_is_the_whole(tmp_path: Path) -> None:
    train, test = (series.series(split, path=own(tmp_path), test_share=0.25) for split in ("train", "test"))
    assert train.spec == test.spec and train.spec.shape == (40, 1) and train.spec.leaves["length"].classes == 41
    assert len(train) == len(test) == 1
    assert (int(train[0]["length"]), int(test[0]["length"])) == (30, 40)
    assert np.allclose(test[0]["x"][:, 0], VALUES) and torch.equal(train[0]["x"][:30], test[0]["x"][:30])
    assert (train[0]["x"][30:] == 0).all()
    batch = train.batch([0])
    assert batch["x"].dtype == torch.float64 and batch["length"].dtype == torch.int64 and batch["length"].shape == (1,)


def test_the_last_two_of_twelve_years_are_held_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = b"a\n" + b"".join(b"%d\n" % (i + 1) for i in range(144))
    monkeypatch.setattr(series, "PASSENGERS_SHA256", hashlib.sha256(many).hexdigest())
    monkeypatch.setattr(urllib.request, "urlopen", Web(many))
    assert int(series.airline_passengers()[0]["length"]) == 120
    differences = series.airline_passengers("train", difference=12)
    assert differences.spec.shape == (132, 1) and int(differences[0]["length"]) == 110


def test_logarithms_come_before_differences(tmp_path: Path) -> None:
    x = series.series("test", path=own(tmp_path), log=True, difference=3)[0]["x"][:, 0]
    assert np.allclose(x, np.log(VALUES[3:] / VALUES[:-3]), atol=1e-6)


@pytest.mark.parametrize(("share", "length"), [(0.0, 40), (0.001, 39), (0.999, 1)])
def test_a_share_leaves_something_in_each_part(tmp_path: Path, share: float, length: int) -> None:
    assert int(series.series(path=own(tmp_path), test_share=share)[0]["length"]) == length


# ---------------------------------------------------------------- windows
def test_windows_stay_inside_their_part(tmp_path: Path) -> None:
    about: dict[str, Any] = {"path": own(tmp_path), "window": 6, "stride": 4, "test_share": 0.25}
    train, test = series.series("train", **about), series.series("test", **about)
    assert train.spec == test.spec and train.spec.shape == (6, 1) and set(train.spec.leaves) == {"x"}
    starts = {"train": range(0, 25, 4), "test": range(30, 35, 4)}
    for part, data in (("train", train), ("test", test)):
        wanted = np.stack([VALUES[s : s + 6] for s in starts[part]])
        assert np.allclose(data.batch(range(len(data)))["x"][..., 0], wanted)
    assert torch.equal(train[3]["x"], train.batch([5, 3])["x"][1])
    with pytest.raises(IndexError):
        train[len(train)]


def test_columns_are_channels(tmp_path: Path) -> None:
    path = own(tmp_path, "day,a,b,c\n" + "".join(f"{i},{i},{2 * i},{3 * i}\n" for i in range(10)))
    assert series.series(path=path).spec.shape == (10, 3)
    assert series.series("test", path=path, columns="c, a")[0]["x"][2].tolist() == [6, 2]


@pytest.mark.parametrize(
    ("about", "word"),
    [
        ({"window": 11}, "no window of 11 steps fits: 10 steps are in the split 'test'"),
        ({"log": True}, "no logarithm of -5"),
        ({"difference": 39}, "too few for differences over 39"),
        ({"columns": "valeu"}, "did you mean 'value'"),
    ],
)
def test_what_cannot_be_had_is_said_in_one_line(tmp_path: Path, about: dict[str, Any], word: str) -> None:
    text = "day,value\n" + "".join(f"d{i},{v if i else -5}\n" for i, v in enumerate(VALUES))
    with pytest.raises(UsageError) as caught:
        series.series("test", path=own(tmp_path, text), test_share=0.25, **about)
    assert word in str(caught.value) and "\n" not in str(caught.value)


def test_several_series_in_one_file_and_unknown_splits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds 2 series"):
        series.series(path=own(tmp_path, "series,x0\n0,1\n0,2\n1,3\n1,4\n"))
    with pytest.raises(UsageError, match="did you mean 'test'"):
        series.series("tset", path=own(tmp_path))


# ---------------------------------------------------------------- generated
def test_generated_series_are_functions_of_their_index() -> None:
    data = series.seasonal(steps=31)
    batch = data.batch([7, 2**16 - 1, 0])
    assert batch["x"].shape == (3, 31, 1) == (3, *data.spec.shape) and torch.equal(batch["x"][0], data[7]["x"])
    both = torch.cat([data.batch(range(100))["x"], series.seasonal("test", steps=31).batch(range(100))["x"]])
    assert len(both.unique(dim=0)) == 200
    with pytest.raises(IndexError):
        data[len(data)]


def test_they_are_a_trend_and_seasons_and_a_noise_of_the_memory_asked_for() -> None:
    """Mean and autocovariances of the definition; the noise is as wide at the first step as at the last."""
    about: dict[str, Any] = {"steps": 60, "period": 10, "trend": 0.5, "amplitude": 2.0, "noise": 0.3, "memory": -0.7}
    x = series.seasonal(**about).batch(range(20_000))["x"][..., 0].double().numpy()
    t = np.arange(60)
    mean = 0.05 * t + 2 * np.sin(0.2 * np.pi * t) + np.sin(0.4 * np.pi * t + 1)
    spread = 0.3 / np.sqrt(1 - 0.49)
    u = x - mean
    assert np.abs(u.mean(0)).max() < 5 * spread / np.sqrt(20_000)
    assert np.abs(u.std(0) / spread - 1).max() < 0.025
    for lag in (1, 2, 5):
        assert np.abs((u[:, lag:] * u[:, :-lag]).mean(0) / spread**2 - (-0.7) ** lag).max() < 0.04


def test_the_lawn_has_the_joint_distribution_of_its_tables() -> None:
    data = tables.sprinkler()
    x = data.batch(range(200_000))["x"]
    assert x.dtype == torch.int64 and data.spec.leaves["x"].names == ("no", "yes") and torch.equal(data[5]["x"], x[5])
    counts = torch.bincount((x * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16).reshape(2, 2, 2, 2).double().numpy() / 200_000
    for c, s, r, w in np.ndindex(2, 2, 2, 2):
        chances = [0.5, (0.5, 0.1)[c], (0.2, 0.8)[c], ((0.0, 0.9), (0.9, 0.99))[s][r]]
        p = float(np.prod([chance if on else 1 - chance for chance, on in zip(chances, (c, s, r, w), strict=True)]))
        assert abs(counts[c, s, r, w] - p) <= 4.5 * np.sqrt(p * (1 - p) / 200_000)
    assert not torch.equal(tables.sprinkler("test").batch(range(99))["x"], x[:99])
