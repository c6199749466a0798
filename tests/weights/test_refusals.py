"""More that is wrong with a folder than the table's twenty rows: each is refused in one line that says what is wrong."""

from __future__ import annotations

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gentk
from gentk.errors import GentkError
from gentk.host.lookup import build_model
from gentk.protocols import DataSpec, Leaf
from gentk.weights import files, safety

from .changing import config, header, refused, tensors


# ---------------------------------------------------------------- config.json
@pytest.mark.parametrize(
    ("text", "word"),
    [
        (json.dumps({"format": 1, "x": "y" * 1_100_000}), "at most 1 MB"),
        ('{"format": 7}', "this gentk reads 1 to 2"),
        ('{"format": true}', "has format True; this gentk reads 1 to 2"),
        ('{"format": 1.0}', "has format 1.0; this gentk reads 1 to 2"),
        ('{"format": 1}', "'plugin' is missing"),
        ('{"format": 1, "format": 1}', "key 'format' appears twice"),
        ('\ufeff{"format": 1}', "BOM"),
        ('{"format": 1, "plugin": "\\ud800"}', "surrogates"),
        ('{"format": 1e400}', "1e400 is out of range"),
        ('{"format": -Infinity}', "-Infinity is no number"),
        ('{"format": 1' + "0" * 5000 + "}", "is not JSON"),
        ('{"format": 1, "config": ' + "[" * 70 + "]" * 70 + "}", "at most 64 levels"),
        ("null", "must be an object, found NoneType"),
    ],
)
def test_what_is_no_config(folder: Path, text: str, word: str) -> None:
    (folder / "config.json").write_text(text)
    assert word in refused(folder)


def test_bytes_that_are_no_text(folder: Path) -> None:
    (folder / "config.json").write_bytes(b'{"format": 1, "plugin": "\xff"}')
    assert "utf-8" in refused(folder)


LABEL = {"kind": "label", "classes": 3}
WRONG: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "plugin": (lambda c: c.update(plugin=["ddpm"]), "plugin"),
    "model": (lambda c: c.update(model="dppm-points"), "did you mean 'ddpm-points'"),
    "leaves": (lambda c: c.update(data={"modality": "points", "leaves": 3}), "data.leaves"),
    "escape codes": (lambda c: c.update(plugin="\x1b[2Jddpm\n"), "is no name"),
    "escape codes in a key": (lambda c: c["config"].update({"\x1b[2J\n": 1}), "no such key"),
    "escape codes in help": (lambda c: c["conditions"]["label"].update(help="\x1b[2J"), "a line of text"),
    "a recommendation": (lambda c: c["sampler"].update(options={"name": "x", "plugin": "y"}), "no such key"),
    "another's sampler": (lambda c: c["sampler"].update(name="os.system"), "no sampler 'os.system'"),
    "steps": (lambda c: c["sampler"]["options"].update(steps=10**12), "steps"),
    "no leaves": (lambda c: c["data"].update(leaves={}), "there is none"),
    "a name twice": (lambda c: c["data"]["leaves"].update(label={"shape": []}), "'label' is a leaf and a condition"),
    "a name": (lambda c: c["data"]["leaves"].update({"--out": {"shape": []}}), "'--out' is no name"),
    "a condition's name": (lambda c: c["conditions"].update({"a b": LABEL}), "'a b' is no name"),
    "shape": (lambda c: c["data"]["leaves"]["x"].update(shape=[10**12]), "data.leaves.x.shape: [1000000000000]"),
    "negative": (lambda c: c["data"]["leaves"]["x"].update(shape=[-2]), "sizes are 1 or more"),
    "nothing": (lambda c: c["data"]["leaves"]["x"].update(shape=[2, 0]), "sizes are 1 or more"),
    "huge integers": (lambda c: c["data"]["leaves"]["x"].update(shape=[10**400]), "data.leaves.x.shape"),
    "dimensions": (lambda c: c["data"]["leaves"]["x"].update(shape=[1] * 9), "data.leaves.x.shape"),
    "classes": (lambda c: c["data"]["conditions"]["label"].update(classes=10**12, names=[]), "classes: 1000000000000: from 0 to 1000000"),
    "names": (lambda c: c["data"]["conditions"]["label"].update(names=["a"]), "1 names of 3 classes"),
    "range": (lambda c: c["data"]["leaves"]["x"].update(range=[1, 1]), "the lower end comes first"),
    "levels": (lambda c: c["data"]["leaves"]["x"].update(levels=1), "levels: 1"),
    "frequencies": (lambda c: c["data"].update(frequencies={"label": [0.1] * 150_000}), "a share of each class"),
    "no frequency": (lambda c: c["data"].update(frequencies={"label": [0, 0, 0]}), "a share of each class"),
    "a prompt": (lambda c: c["conditions"].update(prompt={"kind": "text", "length": 10**12}), "conditions.prompt.length"),
    "a file": (lambda c: c["conditions"].update(source={"kind": "file", "shape": [10**6, 10**6]}), "conditions.source.shape"),
    "condition's frequencies": (lambda c: c["conditions"]["label"].update(frequencies=[1, 2]), "conditions.label.frequencies"),
    "text of a megabyte": (lambda c: c["config"].update(schedule="a" * 900_000), "no schedule"),
    "a schedule of its own": (lambda c: c["config"].update(schedule_options={"name": "karras"}), "unexpected keyword"),
    "a long schedule": (lambda c: c["config"].update(schedule_options={"steps": 10**12}), "from 1 to 1000000"),
    "latents": (lambda c: c.update(latents={"plugin": "ddpm"}), "'latents.model' is missing"),
    "requires": (lambda c: c.update(requires={"gentk-ddpm": ">=900"}), "weights need gentk-ddpm>=900, this is gentk-ddpm "),
    "a size that is true": (lambda c: c["data"]["leaves"]["x"].update(shape=[True, 2]), "data.leaves.x.shape.0: should be a valid integer"),
    "levels that are true": (lambda c: c["data"]["leaves"]["x"].update(levels=True), "data.leaves.x.levels: should be a valid integer"),
    "classes in a text": (lambda c: c["data"]["conditions"]["label"].update(classes="3"), "label.classes: should be a valid integer"),
    "classes that are true": (lambda c: c["conditions"]["label"].update(classes=True), "classes: should be a valid integer"),
    "requires what": (lambda c: c.update(requires={"gentk-core": "newer"}), "no range of versions"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_values_in_the_config(folder: Path, case: str) -> None:
    change, word = WRONG[case]
    config(folder, change)
    assert word in refused(folder)


# ---------------------------------------------------------------- what is built
def test_what_is_in_no_file_is_bounded_too() -> None:
    """A critic is needed by training alone: no tensor of the file says how large it may be."""
    with torch.device("meta"):
        model = nn.Linear(10, 10)
        model.critic = nn.Linear(10**4, 10**5)
    own = safety.Header(Path("w/model.safetensors"), {"weight": ("F32", (10, 10)), "bias": ("F32", (10,))}, 440)
    with pytest.raises(GentkError, match=r"config.json describes 1.0e\+09 parameters \(4 GB\), the weights hold 1.1e\+02"):
        safety.check_size(own, model)
    del model.critic
    safety.check_size(own, model)


def test_a_critic_that_only_training_needs(tmp_path: Path) -> None:
    small = {"net": "dense", "widths": [8], "latent": 2, "critic": [4]}
    gentk.save(build_model("vae", "wae-gan", small, DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})), tmp_path / "w")
    gentk.load(tmp_path / "w")
    config(tmp_path / "w", lambda c: c["config"].update(critic=[16384] * 8))
    assert "config.json describes 1.9e+09 parameters (8 GB), the weights hold" in refused(tmp_path / "w")
    for critic, word in (([10**9], "less than or equal to 16384"), ([8] * 9, "at most 8 items")):
        config(tmp_path / "w", lambda c, critic=critic: c["config"].update(critic=critic))  # type: ignore[misc]
        assert word in refused(tmp_path / "w")


def test_whatever_a_models_code_meets_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gentk.weights import folder as module

    def broken(config: Any) -> Any:
        raise IndexError("tuple index\nout of range")

    monkeypatch.setattr(module, "build", broken)
    assert "config.json describes no model that can be built: IndexError: tuple index out of range" in refused(folder)


# ---------------------------------------------------------------- model.safetensors
def entry(text: str) -> Callable[[bytes], bytes]:
    return lambda raw: b"{" + text.encode() + b"," + raw[1:]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (entry('"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}'), "overlap"),
        (entry('"w":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}'), "the entry of tensor 'w' is damaged"),
        (entry('"w":{"dtype":"F32","shape":[-1],"data_offsets":[0,-4]}'), "the entry of tensor 'w' is damaged"),
        (entry('"w":{"dtype":"F4","shape":[0],"data_offsets":[0,0]}'), "the entry of tensor 'w'"),
        (entry('"w":{"dtype":"F32","shape":[true],"data_offsets":[0,4]}'), "the entry of tensor 'w' is damaged"),
        (entry('"w":[]'), "the entry of tensor 'w' is damaged"),
        (entry('"\\u001b[2J":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'), "have no place for \\x1b[2J"),
        (entry('"\\ud800":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'), "have no place for \\ud800"),
        (lambda raw: b"[" + raw + b"]", "is no object"),
        (lambda raw: b"[" * 60_000 + b"]" * 60_000, "not JSON"),
        (lambda raw: b'{"a":' + b"[]," * 500_000 + b"}", "lists 250000 things"),
        (lambda raw: raw.rstrip()[:-1], "not JSON"),
    ],
)
def test_headers(folder: Path, change: Callable[[bytes], bytes], word: str) -> None:
    header(folder, change)
    assert word in refused(folder)


def test_too_long_and_not_at_all(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes() + b"x")
    assert "too long" in refused(folder)
    path.write_bytes(b"\xff" * 4000)
    assert "not a safetensors file" in refused(folder)
    path.unlink()
    assert "has no model.safetensors" in refused(folder)


def test_too_many_or_too_few(folder: Path) -> None:
    tensors(folder, lambda t: t.update(extra=torch.zeros(1)))
    assert "weights do not fit the config: they have no place for extra" in refused(folder)
    tensors(folder, lambda t: [t.pop("extra"), t.pop("net.first.bias")])
    assert refused(folder).endswith("weights do not fit the config: they lack net.first.bias")


def test_truth_values_are_0_or_1(tmp_path: Path) -> None:
    raw = json.dumps({"mask": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}).encode()
    for last, sound in ((1, True), (2, False)):
        (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(raw)) + raw + bytes([1, last]))
        head = safety.read_header(tmp_path)
        if sound:
            assert safety.read_tensors(head)["mask"].tolist() == [True, True]
        else:
            with pytest.raises(GentkError, match="neither 0 nor 1"):
                safety.read_tensors(head)


def test_a_file_that_shrinks_while_it_is_read(folder: Path) -> None:
    head = safety.read_header(folder)
    path = folder / "model.safetensors"
    os.truncate(path, path.stat().st_size - 8)
    with pytest.raises(GentkError, match="became shorter"):
        safety.read_tensors(head)


def test_damage_is_refused_or_harmless(folder: Path) -> None:
    """Flipped bits and cuts at 150 places, in the header and behind it: one clear line or sound numbers, never another error."""
    path = folder / "model.safetensors"
    raw, draw = path.read_bytes(), random.Random(0)
    for i in range(150):
        at = draw.randrange(1500) if i % 3 else draw.randrange(len(raw))
        damaged = raw[:at] if i % 10 == 0 else raw[:at] + bytes([raw[at] ^ (1 << draw.randrange(8))]) + raw[at + 1 :]
        path.write_bytes(damaged)
        try:
            model = gentk.load(folder)
        except GentkError as error:
            assert str(error).isprintable()
        else:
            assert all(bool(p.isfinite().all()) for p in model.parameters())


# ---------------------------------------------------------------- names and links
@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("config.json", True), ("model.safetensors", True), ("model-00001-of-00002.safetensors", True),
        ("model.safetensors.index.json", True), ("README.md", True), ("samples/preview.png", True), ("tokenizer.json", True),
        ("pytorch_model.bin", False), ("modeling.py", False), ("../config.json", False), ("/config.json", False),
        ("config.json\n", False), ("Config.json", False), ("model-1-of-2.safetensors", False), ("samples/preview.npy", False),
        ("samples/../config.json", False), ("samples\\preview.png", False), ("state/step-1/model.safetensors", False), ("", False),
        ("model-٠٠٠٠١-of-00002.safetensors", False), ("model-00001-of-00002.safetensors.exe", False), ("samples/preview.svg", False),
    ],
)  # fmt: skip
def test_what_weights_consist_of(name: str, fits: bool) -> None:
    assert files.allowed(name) == fits


def test_links(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.rename(folder / "inside")
    path.symlink_to("inside")
    gentk.load(folder)
    for target in ("nowhere", "model.safetensors"):  # a dead end, a circle
        path.unlink()
        path.symlink_to(target)
        assert f"points to {target}, where there is no file" in refused(folder)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "is no regular file" in refused(folder)


def test_links_of_the_hubs_cache_are_followed(folder: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "hub/models--a--b/snapshots/0123", tmp_path / "hub/models--a--b/blobs"
    shared = tmp_path / "hub/blobs/ab" / ("ab" * 32)
    for place in (snapshot, blobs, shared.parent):
        place.mkdir(parents=True)
    (folder / "config.json").rename(blobs / "c0ffee")
    (snapshot / "config.json").symlink_to("../../blobs/c0ffee")
    (folder / "model.safetensors").rename(shared)  # where the client keeps a content that several repositories have
    (blobs / "beef").symlink_to(Path("../../blobs/ab") / shared.name)
    (snapshot / "model.safetensors").symlink_to("../../blobs/beef")
    gentk.load(snapshot)
    other = tmp_path / "hub/blobs/ab/other"
    shared.rename(other)
    (blobs / "beef").unlink()
    (blobs / "beef").symlink_to("../../blobs/ab/other")
    assert "points outside the folder" in refused(snapshot)
