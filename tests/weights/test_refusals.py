"""Folders that nobody vouches for: each bad one is refused in one line that says what is wrong."""

from __future__ import annotations

import json
import pickle
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import gentk
from gentk.errors import GentkError
from gentk.host.lookup import build_model, sampler
from gentk.protocols import DataSpec, Leaf

DATA = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small, sound weights."""
    torch.manual_seed(0)
    place = tmp_path / "weights"
    gentk.save(build_model("ddpm", "ddpm-points", {"width": 8, "blocks": 1}, DATA), place, sampler=sampler("heun", steps=4))
    return place


def refused(folder: Path) -> str:
    with pytest.raises(GentkError) as error:
        gentk.load(folder)
    message = str(error.value)
    assert "\n" not in message and len(message) < 400
    return message


def config(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "config.json"
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def tensors(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / "model.safetensors"
    found = load_file(path)
    change(found)
    save_file(found, path)


def header(folder: Path, change: Callable[[bytes], bytes]) -> None:
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    new = change(raw[8 : 8 + length])
    path.write_bytes(struct.pack("<Q", len(new)) + new + raw[8 + length :])


def test_only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    assert "only pytorch_model.bin; gentk does not load pickle" in refused(folder)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (pickle.dumps({"a": 1}) * 100, "looks like a pickle"),
        (b"PK\x03\x04" + b"\0" * 600, "looks like a pickle"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "Git-LFS pointer"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>" * 20, "looks like a web page"),
        (b"", "truncated"),
        (b"\x05\0\0", "truncated"),
        (b"\xff" * 4000, "not a safetensors file"),
    ],
)
def test_what_is_no_safetensors_file(folder: Path, content: bytes, word: str) -> None:
    (folder / "model.safetensors").write_bytes(content)
    assert word in refused(folder)


def test_truncated_and_too_long(folder: Path) -> None:
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    path.write_bytes(raw[:-5])
    assert f"truncated: expected {len(raw)} bytes, found {len(raw) - 5}" in refused(folder)
    path.write_bytes(raw + b"x")
    assert "too long" in refused(folder)


def test_a_huge_header_is_not_read(folder: Path) -> None:
    path = folder / "model.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 38_000_000))
        file.truncate(40_000_000)
    assert "header of 38 MB exceeds 25 MB" in refused(folder)


def test_a_name_twice(folder: Path) -> None:
    entry = b'"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},'
    header(folder, lambda raw: b"{" + entry + entry + raw[1:])
    assert "tensor 'w' appears twice" in refused(folder)


def test_shapes_names_and_types(folder: Path, tmp_path: Path) -> None:
    config(folder, lambda c: c["config"].update(width=16))
    assert "the config wants" in refused(folder) and "do not fit the config" in refused(folder)
    config(folder, lambda c: c["config"].update(width=8))
    tensors(folder, lambda t: t.update(extra=torch.zeros(1)))
    assert "have no place for extra" in refused(folder)
    tensors(folder, lambda t: [t.pop("extra"), t.pop("net.first.bias")])  # type: ignore[func-returns-value]
    assert "lack net.first.bias" in refused(folder)
    tensors(folder, lambda t: t.update({"net.first.bias": torch.zeros(8, dtype=torch.int64)}))
    assert "net.first.bias is I64, the model wants F32" in refused(folder)
    tensors(folder, lambda t: t.update({"net.first.bias": torch.zeros(8, dtype=torch.float64)}))
    assert "net.first.bias is F64, the model wants F32" in refused(folder)
    tensors(folder, lambda t: t.update({"net.first.bias": torch.tensor([float("nan"), float("inf"), 1, 1, 1, 1, 1, 1])}))
    assert "net.first.bias has 2 non-finite values" in refused(folder)


def test_absurd_sizes_cost_nothing(folder: Path) -> None:
    config(folder, lambda c: c["config"].update(width=16384, blocks=64))
    config(folder, lambda c: c["data"]["leaves"]["x"].update(shape=[50_000_000]))
    assert "parameters" in refused(folder)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[1, 2]", "must be an object, found list"),
        ("{", "is not JSON"),
        ('{"format": NaN}', "NaN is no number"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        (json.dumps({"format": 1, "x": "y" * 1_100_000}), "at most 1 MB"),
        ('{"format": 7}', "this gentk reads format 1"),
        ('{"format": 1}', "'plugin' is missing"),
    ],
)
def test_what_is_no_config(folder: Path, text: str, word: str) -> None:
    (folder / "config.json").write_text(text)
    assert word in refused(folder)


def test_wrong_values_in_the_config(folder: Path) -> None:
    config(folder, lambda c: c["config"].update(width="4; import os"))
    assert "width" in refused(folder) and "4; import os" in refused(folder)
    config(folder, lambda c: c.update(config={"width": 8, "blocks": 1}, plugin=["ddpm"]))
    assert "plugin" in refused(folder)
    config(folder, lambda c: c.update(plugin="os.path", requires={"gentk": ">=0.1", "gentk-tides": ">=2"}))
    assert "need plugin 'os.path', which is not installed (they were made with gentk-tides)" in refused(folder)
    config(folder, lambda c: c.update(plugin="ddpm", model="dppm-points"))
    assert "did you mean 'ddpm-points'" in refused(folder)
    config(folder, lambda c: c.update(model="ddpm-points", data={"modality": "points", "leaves": 3}))
    assert "data.leaves" in refused(folder)


def test_a_link_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.safetensors"
    (folder / "model.safetensors").rename(secret)
    (folder / "model.safetensors").symlink_to(secret)
    assert "points outside the folder" in refused(folder)


def test_links_of_the_hubs_cache_are_followed(folder: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "models--a--b/snapshots/0123", tmp_path / "models--a--b/blobs"
    snapshot.mkdir(parents=True), blobs.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).rename(blobs / name)
        (snapshot / name).symlink_to(Path("../../blobs") / name)
    gentk.load(snapshot)


def test_no_pickle_is_ever_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pytorch_model.bin", "model.pt", "optimizer.pkl", "last.ckpt"):
        (folder / name).write_bytes(pickle.dumps({"a": 1}))
    (folder / "modeling.py").write_text("raise SystemExit('run')")
    (folder / "link").symlink_to("/etc/hostname")

    def opened(*args: object, **kwargs: object) -> None:
        raise AssertionError("unpickled")

    for module, name in ((pickle, "load"), (pickle, "loads"), (pickle, "Unpickler"), (torch, "load")):
        monkeypatch.setattr(module, name, opened)
    gentk.load(folder)


def test_flipped_bytes_and_cuts_are_refused_or_harmless(folder: Path) -> None:
    """Damage at 150 places, in the header and behind it: one clear line or sound numbers, never another error."""
    path = folder / "model.safetensors"
    raw, draw = path.read_bytes(), random.Random(0)
    for i in range(150):
        at = draw.randrange(1500) if i % 3 else draw.randrange(len(raw))
        damaged = raw[:at] if i % 10 == 0 else raw[:at] + bytes([raw[at] ^ (1 << draw.randrange(8))]) + raw[at + 1 :]
        path.write_bytes(damaged)
        try:
            model = gentk.load(folder)
        except GentkError as error:
            assert "\n" not in str(error)
        else:
            assert all(bool(p.isfinite().all()) for p in model.parameters())
