"""Weights in several files: the field's layout, whole or not at all, and every disagreement between index and shards refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import load_torch_model, split_torch_state_dict_into_shards

import gentk
from gentk.errors import GentkError
from gentk.weights import numbers, safety, shards

from .changing import config as configured
from .changing import model, refused, save, tensors

SMALL = 900  # bytes: the little model lies in several files
INDEX = "model.safetensors.index.json"


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    return save(tmp_path / "sharded", shard_bytes=SMALL)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def index(folder: Path, change: Callable[[dict[str, str]], Any]) -> None:
    """Change the weight_map."""
    found = json.loads((folder / INDEX).read_text())
    change(found["weight_map"])
    (folder / INDEX).write_text(json.dumps(found))


def same(one: Any, two: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


# ---------------------------------------------------------------- writing
@pytest.mark.parametrize("sizes", [[6, 6, 2, 6, 2, 2], [12, 1, 1], [1, 12, 9, 1, 1], [10], [4, 6, 1], [1] * 25, [30, 30]])
def test_the_plan_is_the_hubs(sizes: list[int]) -> None:
    tensors = {f"t{i}": torch.zeros(size, dtype=torch.uint8) for i, size in enumerate(sizes)}
    theirs = split_torch_state_dict_into_shards(tensors, max_shard_size=10)
    groups = shards.plan({name: tensor.nbytes for name, tensor in tensors.items()}, 10)
    assert dict(zip(shards.file_names(len(groups)), groups, strict=True)) == theirs.filename_to_tensors


def test_the_index_says_what_is_where(sharded: Path) -> None:
    found = json.loads((sharded / INDEX).read_text())
    state = model().state_dict()
    theirs = split_torch_state_dict_into_shards(state, max_shard_size=SMALL)
    assert len(theirs.filename_to_tensors) > 2
    assert found == {"metadata": theirs.metadata, "weight_map": theirs.tensor_to_filename}
    assert names(sharded) == sorted({*found["weight_map"].values(), "config.json", INDEX})
    assert all(safety.allowed(name) for name in names(sharded))


def test_what_is_saved_in_shards_is_loaded_bit_identical(sharded: Path, folder: Path) -> None:
    assert same(gentk.load(sharded), model()) and same(gentk.load(folder), model())


def test_the_header_is_that_of_one_file(sharded: Path, folder: Path) -> None:
    one, many = safety.read_header(folder), safety.read_header(sharded)
    assert (many.tensors, many.parameters, many.dtypes) == (one.tensors, one.parameters, one.dtypes)
    assert many.bytes == sum(path.stat().st_size for path in safety.files_of(sharded))
    assert [path.name for path in safety.files_of(sharded)] == shards.file_names(len(names(sharded)) - 2)
    assert [path.name for path in safety.files_of(folder)] == ["model.safetensors"]


def test_other_tools_read_them(sharded: Path) -> None:
    other = model()
    with torch.no_grad():
        next(other.parameters()).add_(1)
    load_torch_model(other, sharded, strict=True, safe=True)
    assert same(other, model())


def test_halves_and_tied_weights(tmp_path: Path) -> None:
    one = model()
    one.net.last.weight = one.net.first.weight  # shapes that do not fit, but memory that two names share
    gentk.save(one, tmp_path / "tied")
    head = safety.read_header(tmp_path / "tied")
    found = safety.read_tensors(head)
    assert torch.equal(found["net.last.weight"], found["net.first.weight"])
    gentk.save(model(), tmp_path / "half", dtype="float16", shard_bytes=SMALL)
    head = safety.read_header(tmp_path / "half")
    assert head.dtypes == ["F16"] and head.parameters == sum(p.numel() for p in model().parameters())
    for a, b in zip(model().parameters(), gentk.load(tmp_path / "half").parameters(), strict=True):
        assert torch.equal(a.half().float(), b)


@pytest.mark.parametrize(("first", "second"), [(None, SMALL), (SMALL, None), (SMALL, 2 * SMALL), (SMALL, SMALL)])
def test_the_files_of_another_layout_go_and_no_others(first: int | None, second: int | None, tmp_path: Path) -> None:
    kept = ["README.md", "model-1.safetensors", "model-00001-of-00002.bin"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    for size in (first, second):
        save(tmp_path, **({"shard_bytes": size} if size else {}))
    alone = save(tmp_path / "alone", **({"shard_bytes": second} if second else {}))
    assert names(tmp_path) == sorted([*names(alone), *kept, "alone"])
    assert same(gentk.load(tmp_path), model())


def test_files_are_readable_by_others(sharded: Path) -> None:
    assert len({path.stat().st_mode & 0o777 for path in sharded.iterdir()}) == 1


@pytest.mark.parametrize(("first", "second"), [(None, SMALL), (SMALL, None), (SMALL, SMALL), (None, None)])
def test_a_save_that_fails_leaves_the_old_or_nothing(
    first: int | None, second: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full at the k-th file, or the process is stopped before the k-th renaming: old, new or refused, and never a mixture."""
    changed = model()
    with torch.no_grad():
        for p in changed.parameters():
            p.add_(1)
    state = {"calls": 0, "at": 0}

    def failing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            state["calls"] += 1
            if state["calls"] == state["at"]:
                raise OSError("disk full")
            return real(*args, **kwargs)

        return call

    for target, name, old_stays in ((shards, "_write_numbers", True), (os, "replace", False)):
        real = getattr(target, name)
        for k in range(1, 30):
            folder = tmp_path / f"{name}-{k}"
            save(folder, **({"shard_bytes": first} if first else {}))
            state.update(calls=0, at=k)
            with monkeypatch.context() as patch:
                patch.setattr(target, name, failing(real))
                try:
                    gentk.save(changed, folder, **({"shard_bytes": second} if second else {}))
                except OSError:
                    assert not list(folder.glob(".*"))
                else:
                    break
            try:
                found = gentk.load(folder)
            except GentkError:
                assert not old_stays
            else:
                assert same(found, model()) or (same(found, changed) and not old_stays)
        assert state["calls"] < k <= 29


def test_only_one_files_numbers_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written is fetched file by file; what is read is held by the limit."""
    sizes: list[int] = []
    real = shards._write_numbers

    def watched(path: Path, tensors: dict[str, torch.Tensor], **more: Any) -> None:
        sizes.append(sum(tensor.nbytes for tensor in tensors.values()))
        real(path, tensors, **more)

    monkeypatch.setattr(shards, "_write_numbers", watched)
    save(tmp_path, shard_bytes=SMALL)
    assert len(sizes) > 2 and max(sizes) <= SMALL
    groups = list(numbers.parts(safety.read_header(tmp_path), most=500))
    largest = max(tensor.nbytes for group in groups for tensor in group.values())
    assert len(groups) > 2 and all(sum(tensor.nbytes for tensor in group.values()) < 500 + largest for group in groups)


def test_a_config_that_could_not_be_read_back_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for recipe in ("x" * 1_100_000, float("nan")):
        with pytest.raises(GentkError, match="this model's config"):
            save(tmp_path, recipe=recipe)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


# ---------------------------------------------------------------- reading
def first_name(folder: Path) -> str:
    return next(iter(json.loads((folder / INDEX).read_text())["weight_map"]))


def test_what_an_index_may_not_say(sharded: Path) -> None:
    count = len(safety.files_of(sharded))
    name, last = first_name(sharded), shards.file_names(count)[-1]
    original = (sharded / INDEX).read_text()
    for change, word in (
        (lambda w: w.update({name: last}), f"model-00001-of-0000{count}.safetensors holds '{name}', which {INDEX} does not say is there"),
        (lambda w: w.update(extra=last), "says that 'extra' is in"),
        (lambda w: w.update({name: f"model-00009-of-0000{count}.safetensors"}), "does not list the shards 1 to"),
        (lambda w: w.update({name: "model-00001-of-99999.safetensors"}), "does not list the shards 1 to 99999"),
        (lambda w: [w.pop(k) for k, v in list(w.items()) if v == last], "does not list the shards 1 to"),
        (lambda w: w.update({name: "samples/../model-00001-of-00001.safetensors"}), "which is no shard"),
        (lambda w: w.update({name: "/" + last}), "which is no shard"),
        (lambda w: w.update({name: None}), "weight_map must say"),
        (lambda w: w.clear(), "weight_map must say"),
        (lambda w: w.update({f"t{i}": last for i in range(100_001)}), "at most 100000 are read"),
    ):
        index(sharded, change)
        assert word in refused(sharded)
        (sharded / INDEX).write_text(original)
    (sharded / INDEX).write_text(original[:-3] + " " * 10_000_000 + original[-3:])
    assert "an index has at most 10 MB" in refused(sharded)


def test_what_shards_may_not_be(sharded: Path, tmp_path: Path) -> None:
    files = safety.files_of(sharded)
    name = first_name(sharded)
    raw = files[0].read_bytes()
    tensors(sharded, lambda t: t.update({name: t[name] * float("nan")}), files[0].name)
    assert f"{files[0].name}: {name} has" in refused(sharded)
    files[0].write_bytes(raw[:-1])
    assert f"{files[0].name} is truncated" in refused(sharded)
    files[0].rename(tmp_path / "elsewhere")
    assert f"has no {files[0].name}" in refused(sharded)
    files[0].symlink_to(tmp_path / "elsewhere")
    assert f"{files[0].name} points outside the folder" in refused(sharded)
    files[0].unlink()
    files[0].write_bytes(raw)
    tensors(sharded, lambda t: t.update({"other": torch.zeros(1)}), files[1].name)
    assert f"{files[1].name} holds 'other'" in refused(sharded)


def test_a_tensor_in_two_shards(sharded: Path) -> None:
    files, name = safety.files_of(sharded), first_name(sharded)
    value = safety.read_tensors(safety.read_header(sharded))[name]
    tensors(sharded, lambda t: t.update({name: value}), files[1].name)
    assert f"{files[1].name} holds '{name}', which {INDEX} does not say is there" in refused(sharded)


def test_two_layouts_at_once(sharded: Path, folder: Path) -> None:
    whole = folder / "model.safetensors"
    (sharded / whole.name).write_bytes(whole.read_bytes())
    assert f"holds both model.safetensors and {INDEX}" in refused(sharded)
    (sharded / whole.name).unlink()
    (sharded / INDEX).unlink()
    assert f"holds shards, but no {INDEX}" in refused(sharded)


def test_shards_must_fit_the_config(sharded: Path) -> None:
    configured(sharded, lambda c: c["config"].update(width=16))
    assert f"{INDEX}: weights do not fit the config" in refused(sharded)


def test_fill_reads_them(sharded: Path) -> None:
    from gentk.weights.folder import fill

    other = model()
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    fill(other, sharded)
    assert same(other, model())
