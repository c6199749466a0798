"""Data sets from a person's own files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gentk.errors import GentkError, UsageError
from gentk.modalities import modality
from gentk.modalities.soundness import look
from gentk.noise import Philox
from gentk_datasets.folder import folder
from gentk_datasets.npz import npz
from gentk_datasets.points import moons


def paint(path: Path, level: int, size: tuple[int, int] = (20, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, 0, 255 - level)).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for i in range(20):
        paint(tmp_path / "set" / ("cat" if i % 4 else "dog") / f"{i:02d}.png", 10 * i)
    return tmp_path / "set"


def levels(data: object) -> set[int]:
    return {round((float(data[i]["x"][0, 0, 0]) + 1) * 127.5) for i in range(len(data))}  # type: ignore[arg-type, index]


def test_splits_of_a_folder_share_nothing_and_leave_nothing_out(pictures: Path) -> None:
    train, test = folder("train", path=str(pictures), size=8, test_share=0.2), folder("test", path=str(pictures), size=8, test_share=0.2)
    assert (len(train), len(test)) == (16, 4)
    assert levels(train) | levels(test) == {10 * i for i in range(20)}


def test_the_split_does_not_depend_on_where_the_folder_lies(pictures: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    before = levels(folder("test", path=str(pictures), size=8))
    pictures.rename(moved)
    assert levels(folder("test", path=str(moved), size=8)) == before


def test_a_folder_gives_its_pixels_and_its_classes(pictures: Path) -> None:
    data = folder(path=str(pictures), size=8, labels=True)
    assert data.spec.conditions["label"].names == ("cat", "dog")
    batch = data.batch(range(len(data)))
    for x, label, file in zip(batch["x"], batch["label"].tolist(), data.files, strict=True):
        level = 10 * int(file.stem)
        assert torch.allclose((x[:, 4, 4] + 1) * 127.5, torch.tensor([level, 0.0, 255 - level]), atol=0.5)
        assert ("cat", "dog")[label] == file.parent.name
    assert sum(data.spec.frequencies["label"]) == pytest.approx(1)
    assert torch.equal(data[3]["x"], batch["x"][3])


def test_the_centre_of_a_wide_image_is_kept(tmp_path: Path) -> None:
    wide = np.zeros((10, 30), np.uint8)
    wide[:, 10:20] = 255
    for name in ("a.png", "b.png"):
        Image.fromarray(wide).save(tmp_path / name)
    data = folder(path=str(tmp_path), size=10, channels=1)
    assert data.spec.shape == (1, 10, 10)
    assert data[0]["x"].min() == 1


def test_flips_are_drawn_for_training_only(tmp_path: Path) -> None:
    half = np.zeros((8, 8), np.uint8)
    half[:, 4:] = 255
    for i in range(4):
        Image.fromarray(half).save(tmp_path / f"{i}.png")
    train = folder(path=str(tmp_path), size=8, channels=1, flip=True)
    noise = Philox(0, range(64))
    left = train.batch([0] * 64, noise)["x"][:, 0, 0, 0]
    assert {-1.0, 1.0} == set(left.tolist())
    test = folder("test", path=str(tmp_path), size=8, channels=1, flip=True)
    assert (test.batch([0] * 64, Philox(0, range(64)))["x"][:, 0, 0, 0] == -1).all()
    assert train[0]["x"][0, 0, 0] == -1  # without noise, as it is


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    paint(tmp_path / "good.png", 0)
    (tmp_path / "bad.png").write_bytes(b"no image")
    with pytest.raises(UsageError, match=r"1 of 2 images cannot be read \(bad\.png: no image") as caught:
        folder(path=str(tmp_path), size=8, test_share=0)
    assert "\n" not in str(caught.value) and "skip_broken=true" in str(caught.value)
    data = folder(path=str(tmp_path), size=8, test_share=0, skip_broken=True)
    assert [file.name for file in data.files] == ["good.png"]
    (tmp_path / "good.png").write_bytes(b"")  # meanwhile
    with pytest.raises(GentkError, match=r"good\.png") as caught:
        data.batch([0])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prepare", ["missing", "empty"])
def test_a_folder_without_images_is_one_clear_line(tmp_path: Path, prepare: str) -> None:
    path = tmp_path / "set"
    if prepare == "empty":
        path.mkdir()
    with pytest.raises(UsageError, match=str(path)):
        folder(path=str(path))


def test_loose_images_have_no_class(tmp_path: Path) -> None:
    paint(tmp_path / "loose.png", 0)
    with pytest.raises(UsageError, match=r"loose\.png"):
        folder(path=str(tmp_path), labels=True)


def test_what_was_sampled_can_be_trained_on(tmp_path: Path) -> None:
    source = moons()
    saved = source.batch(range(50))
    modality("points").save(saved, source.spec, tmp_path / "x.npz")
    data = npz(path=str(tmp_path / "x.npz"), test_share=0)
    batch = data.batch(range(50))
    assert torch.equal(batch["x"], saved["x"])
    assert torch.equal(batch["label"], saved["label"])
    assert data.spec.modality == "points"
    assert data.spec.conditions["label"].classes == 2


def test_bytes_in_an_npz_are_images(tmp_path: Path) -> None:
    x = np.arange(10 * 4 * 5 * 3, dtype=np.uint8).reshape(10, 4, 5, 3)
    np.savez(tmp_path / "x.npz", x=x, label=np.arange(10) % 3, cond_weight=np.linspace(0, 1, 10))
    train, test = npz(path=str(tmp_path / "x.npz")), npz("test", path=str(tmp_path / "x.npz"))
    assert train.spec.shape == (3, 4, 5)
    assert train.spec.leaves["x"].levels == 256
    assert (len(train), len(test)) == (9, 1)
    seen = torch.cat([train.batch(range(9))["x"], test.batch([0])["x"]])
    wanted = torch.from_numpy(x.transpose(0, 3, 1, 2) / 127.5 - 1).float()
    assert torch.cdist(seen.flatten(1), wanted.flatten(1)).min(1).values.max() < 1e-3
    assert train.spec.conditions["weight"].classes == 0
    assert set(npz(path=str(tmp_path / "x.npz"), labels=False)[0]) == {"x"}
    assert train.spec == test.spec


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": np.zeros((3, 2))}, "no array 'x'"),
        ({"x": np.zeros((3, 2)), "label": np.zeros(2, int)}, "'label'"),
        ({"x": np.full((3, 2), np.nan)}, "NaN"),
        ({"x": np.zeros((0, 2))}, "no rows"),
        ({"x": np.zeros((3, 2)), "label": np.array([0, -1, 1])}, "negative"),
        ({"x": np.zeros((3, 2, 2, 2, 2))}, "modality"),
        ({"x": np.full((3, 1, 4, 4), 9.0)}, r"\[-1, 1\]"),
        ({"x": np.array([{}, {}], dtype=object)}, "plain arrays"),
    ],
)
def test_an_npz_that_is_no_data_set_is_one_clear_line(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    np.savez(tmp_path / "x.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=said) as caught:
        npz(path=str(tmp_path / "x.npz"))
    assert "\n" not in str(caught.value)


def test_a_missing_npz_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        npz(path=str(tmp_path / "x.npz"))


@pytest.mark.parametrize("kind", ["png", "jpg", "gif", "bmp", "tif", "tga", "ppm", "jp2", "webp", "avif", "pgm", "dib"])
def test_a_file_that_is_cut_off_is_found_whatever_its_kind(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    whole = tmp_path / f"whole.{kind}"
    try:
        Image.fromarray(noise).convert("L" if kind == "pgm" else "RGB").save(whole)
    except (OSError, KeyError, ValueError):
        pytest.skip(f"this Pillow writes no {kind}")
    assert not look(whole).trouble
    data = whole.read_bytes()
    for share in (0.3, 0.6, 0.95):
        cut = tmp_path / f"cut.{kind}"
        cut.write_bytes(data[: int(len(data) * share)])
        assert look(cut).trouble, f"{kind} cut at {share} passed for whole"


def test_what_is_no_image_of_the_folder_is_left_out_or_named(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/2.png", ".thumbnails/3.png", "__MACOSX/4.png", "a/.cache/5.png"):
        paint(tmp_path / name, 0)
    assert folder(path=str(tmp_path), test_share=0).spec.conditions["label"].names == ("a", "b")
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    Image.fromarray(np.array([[np.nan, 1], [0, 1]], np.float32)).save(tmp_path / "b" / "nan.tif")
    with pytest.raises(UsageError, match=r"2 of 4 images cannot be read .*gone\.png: a link to nothing.*nan\.tif: it holds NaN"):
        folder(path=str(tmp_path))
    assert len(folder(path=str(tmp_path), test_share=0, skip_broken=True)) == 2


def test_linked_folders_are_followed_and_a_loop_ends(tmp_path: Path) -> None:
    paint(tmp_path / "elsewhere" / "1.png", 0)
    paint(tmp_path / "set" / "a" / "2.png", 0)
    (tmp_path / "set" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "a" / "loop").symlink_to(tmp_path / "set")
    data = folder(path=str(tmp_path / "set"), test_share=0)
    assert [file.relative_to(tmp_path / "set").as_posix() for file in data.files] == ["a/2.png", "again/1.png", "b/1.png"]


def test_folders_named_train_and_test_are_the_splits(tmp_path: Path) -> None:
    for i in range(6):
        paint(tmp_path / ("train" if i < 4 else "val") / "ab"[i % 2] / f"{i}.png", 10 * i)
    train, test = folder("train", path=str(tmp_path)), folder("test", path=str(tmp_path))
    assert (levels(train), levels(test)) == ({0, 10, 20, 30}, {40, 50})
    assert train.spec == test.spec and train.spec.conditions["label"].names == ("a", "b")


def test_a_class_that_is_only_held_out_is_named(tmp_path: Path) -> None:
    for place in ("train/a/1.png", "train/b/2.png", "test/c/3.png"):
        paint(tmp_path / place, 0)
    with pytest.raises(UsageError, match="class 'c' is trained on, only held out"):
        folder(path=str(tmp_path))
    assert len(folder(path=str(tmp_path), labels=False)) == 2


def test_a_cameras_several_jpegs_in_a_file_are_not_decoded_to_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    first, second = map(Image.fromarray, noise)
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[second])
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 4])
    assert look(tmp_path / "cut.jpg").trouble
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("decoded"))
    assert not look(tmp_path / "a.jpg").trouble


def test_a_class_of_one_image_is_trained(tmp_path: Path) -> None:
    for i in range(40):
        paint(tmp_path / f"{i:02d}" / "only.png", i)
    paint(tmp_path / "00" / "second.png", 0)
    train, test = folder("train", path=str(tmp_path), test_share=0.4), folder("test", path=str(tmp_path), test_share=0.4)
    assert (len(train), len(test)) == (40, 1) and all(share > 0 for share in train.spec.frequencies["label"])
    few = tmp_path / "few"
    for i in range(20):
        paint(few / f"{i % 4}" / f"{i}.png", i)
    paint(few / "rare" / "x.png", 0)
    assert all(share > 0 for share in folder(path=str(few), test_share=0.5).spec.frequencies["label"])


@pytest.mark.parametrize(("sides", "size"), [((28,), 28), ((30,), 32), ((33, 33, 500), 32), ((5,), 8), ((2000,), 64)])
def test_images_keep_a_size_that_a_network_halves_twice(tmp_path: Path, sides: tuple[int, ...], size: int) -> None:
    for i, side in enumerate(sides):
        paint(tmp_path / f"{i}.png", 0, (side, side + 3))
    assert folder(path=str(tmp_path), test_share=0).size == size


def test_the_range_says_what_is_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 1000], [2000, 4000]], np.uint16)).save(tmp_path / "a.png")
    x = folder(path=str(tmp_path), size=4, channels=1, test_share=0, range=(0, 4000))[0]["x"]
    assert float(x.min()) == -1 and float(x.max()) == 1
    for wrong in ((1, 1), (2, 1), (0, float("nan"))):
        with pytest.raises(ValueError, match="LOW, HIGH"):
            folder(path=str(tmp_path), range=wrong)


RAMP = np.linspace(0, 1, 3 * 6 * 5 * 3).reshape(3, 6, 5, 3)


@pytest.mark.parametrize(
    ("x", "span", "wanted"),
    [
        (RAMP, None, RAMP * 2 - 1),
        (RAMP * 2 - 1, None, RAMP * 2 - 1),
        (RAMP * 255, (0, 255), RAMP * 2 - 1),
        (np.round(RAMP * 65535).astype(np.uint16), None, RAMP * 2 - 1),
        (np.round(RAMP * 40_000).astype(np.uint16), None, RAMP * 80_000 / 65535 - 1),
        (np.round(RAMP * 65535).astype(np.uint16), (0, 32767.5), np.minimum(RAMP * 4 - 1, 1)),
        (np.round(RAMP * 100_000 - 5000).astype(np.int32), None, RAMP * 2 - 1),
        (np.round(RAMP * 65535).astype(np.int64), None, RAMP * 2 - 1),
    ],
)
def test_arrays_of_any_depth_keep_their_full_range(
    tmp_path: Path, x: np.ndarray, span: tuple[float, float] | None, wanted: np.ndarray
) -> None:
    for name, given, axes in (
        ("last", x, wanted.transpose(0, 3, 1, 2)),
        ("first", x.transpose(0, 3, 1, 2), wanted.transpose(0, 3, 1, 2)),
        ("grey", x[..., 0], None),
    ):
        np.savez(tmp_path / f"{name}.npz", x=given)
        data = npz(path=str(tmp_path / f"{name}.npz"), modality="image", test_share=0, range=span)
        found = data.batch(range(3))["x"].numpy()
        if axes is not None:
            assert np.abs(found - axes).max() < 4e-5
        else:
            assert found.shape == (3, 1, 6, 5)


def test_the_range_is_of_images(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((9, 2)))
    with pytest.raises(UsageError, match=r"range is of images, and these are points"):
        npz(path=str(tmp_path / "x.npz"), range=(0, 1))


def test_float_images_of_unknown_range_name_the_option(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=RAMP * 255)
    with pytest.raises(UsageError, match=r"from 0 to 255; dataset\.options\.range=\[LOW,HIGH\]"):
        npz(path=str(tmp_path / "x.npz"))
