"""What holds for every modality: refusals before work, and files that are whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from gentk.errors import UsageError
from gentk.modalities import CORE, modality
from gentk.protocols import DataSpec, Leaf

SPECS = {
    "points": DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}),
    "image": DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1), levels=256)}),
    "text": DataSpec(modality="text", leaves={"x": Leaf(shape=(4,), classes=3)}),
    "molecule": DataSpec(modality="molecule", leaves={"types": Leaf(shape=(4,), classes=3), "pos": Leaf(shape=(4, 3))}),
}


def examples(name: str, n: int = 3) -> dict[str, torch.Tensor]:
    leaves = SPECS[name].leaves
    return {k: torch.zeros(n, *leaf.shape, dtype=torch.int64 if leaf.classes else torch.float32) for k, leaf in leaves.items()}


@pytest.mark.parametrize("name", SPECS)
def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    kind = modality(name)
    with pytest.raises(UsageError) as caught:
        kind.save(examples(name), SPECS[name], tmp_path / "x.docx")
    assert all(suffix in str(caught.value) for suffix in kind.suffixes)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", SPECS)
def test_every_suffix_it_names_can_be_written(tmp_path: Path, name: str) -> None:
    kind = modality(name)
    assert kind.default_suffix in kind.suffixes
    for suffix in kind.suffixes:
        kind.save(examples(name), SPECS[name], tmp_path / f"x{suffix}")
        assert (tmp_path / f"x{suffix}").stat().st_size > 0
    assert len(list(tmp_path.iterdir())) == len(kind.suffixes)  # and nothing else stays behind


@pytest.mark.parametrize("path", ["x.png", "folder", "x.npz", "x.safetensors"])
def test_a_failure_leaves_what_was_there(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, spec = modality("image"), SPECS["image"]
    kind.save(examples("image", 3), spec, tmp_path / path)
    before = contents(tmp_path)

    def torn(self: object, file: object, *args: object, **kwargs: object) -> None:
        (file if isinstance(file, Path) else Path(file.name)).write_bytes(b"half")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(PIL.Image.Image, "save", torn)
    monkeypatch.setattr(np, "savez_compressed", lambda file, **arrays: torn(None, file))
    monkeypatch.setattr("safetensors.numpy.save_file", lambda arrays, file, metadata: torn(None, file))
    with pytest.raises(UsageError, match="No space left"):
        kind.save(examples("image", 5), spec, tmp_path / path)
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write") as caught:
        modality("image").save(examples("image"), SPECS["image"], tmp_path / "no" / "such" / "x.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(os.urandom(200))
    with pytest.raises(UsageError, match="plain arrays") as caught:
        modality("points").read(path, (2,))
    assert "\n" not in str(caught.value)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    flag = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(flag),)

    np.savez(tmp_path / "x.npz", x=np.array([Evil()], dtype=object))
    with pytest.raises(UsageError):
        modality("points").read(tmp_path / "x.npz", (2,))
    assert not flag.exists()


def test_what_nothing_can_picture_is_still_saved(tmp_path: Path) -> None:
    kind = modality("molecule")
    kind.save(examples("molecule"), SPECS["molecule"], tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as file:
        assert sorted(file.files) == ["pos", "types"]
    with pytest.raises(UsageError, match="no picture of molecule"):
        kind.picture(examples("molecule"), SPECS["molecule"])


def test_a_wrong_out_is_refused_without_torch() -> None:
    code = (
        "import sys; from gentk.modalities import modality\n"
        f"for name in {list(CORE)!r}:\n"
        "    try: modality(name).check_path('x.docx')\n"
        "    except Exception as error: assert '.npz' in str(error), error\n"
        "    else: raise SystemExit('not refused')\n"
        "assert not {'torch', 'numpy', 'PIL', 'matplotlib'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_animation_that_cannot_be_written_is_refused_before_work(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.gif or \.webp"):
        modality("points").check_animation("x.png")
    with pytest.raises(UsageError, match="no folder"):
        modality("image").check_animation(tmp_path / "no" / "x.gif")
    with pytest.raises(UsageError, match="no animation of molecule"):
        modality("molecule").check_animation("x.gif")
