"""Links, claims and numbers that somebody planted in a folder of weights: none is followed, believed or fatal."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from gentk.errors import GentkError, UsageError
from gentk.runs import Run
from gentk.weights import folder as weights
from gentk.weights import origin
from gentk.weights.card.facts import gather
from gentk.weights.card.scores import scores_of
from gentk.weights.config import check_plugins
from gentk.weights.header import read_file
from gentk.weights.push import _keep

from .changing import config, model, refused, save

TENSORS = "model.safetensors"
MANY, LARGE = "9" * 5000, "9" * 400  # digits: more than Python reads; more than a float holds


# ---------------------------------------------------------------- links at the names of temporary files
@pytest.mark.parametrize("limit", [1000, 10**9])
def test_saving_writes_through_no_planted_link(limit: int, folder: Path, tmp_path: Path) -> None:
    weights.save(model(), tmp_path / "like", shard_bytes=limit)
    mine = tmp_path / "mine"
    mine.write_text("keep")
    mine.chmod(0o600)
    for path in (tmp_path / "like").iterdir():
        (folder / f".{path.name}.tmp").symlink_to(mine)
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to(mine)  # the last name may be one too: it is replaced
    weights.save(model(), folder, shard_bytes=limit)
    assert mine.read_text() == "keep" and mine.stat().st_mode & 0o777 == 0o600
    assert not list(folder.glob(".*.tmp")) and not (folder / "config.json").is_symlink()
    weights.read(folder)


def test_saving_makes_no_file_where_a_planted_link_points(folder: Path, tmp_path: Path) -> None:
    (folder / ".config.json.tmp").symlink_to(tmp_path / "nothing")
    (folder / f".{TENSORS}.tmp").symlink_to(tmp_path / "nothing")
    save(folder)
    assert not (tmp_path / "nothing").exists()


def test_the_files_have_the_ordinary_mode(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    modes = {path.stat().st_mode for path in (tmp_path / "plain", folder / "config.json", folder / TENSORS)}
    assert len(modes) == 1


def test_keeping_the_card_writes_through_no_planted_link(folder: Path, tmp_path: Path) -> None:
    parcel: Any = SimpleNamespace(keep=True, located=SimpleNamespace(folder=folder), card="the card\r\n")
    (tmp_path / "mine").write_text("keep")
    (folder / ".README.md.tmp").symlink_to(tmp_path / "mine")
    _keep(parcel, folder)
    assert (tmp_path / "mine").read_text() == "keep"
    assert (folder / "README.md").read_bytes() == b"the card\r\n" and not (folder / "README.md").is_symlink()
    (folder / ".README.md.tmp").mkdir()
    _keep(parcel, folder)  # was still pushed
    assert (folder / "README.md").read_bytes() == b"the card\r\n"


# ---------------------------------------------------------------- whose weights
def test_weights_in_the_cache_are_never_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--user--repo/snapshots" / ("a" * 40)
    (place / "state").mkdir(parents=True)
    (place / "recipe.toml").write_text('[dataset]\nname = "folder:/etc"\n')
    monkeypatch.chdir(place)
    for folder in (place, Path()):
        with pytest.raises(UsageError, match="trained on folder:/etc, with '/etc': gentk follows no path"):
            origin.dataset_of(folder, {"plugin": "ddpm"}, "user/repo")


# ---------------------------------------------------------------- sizes
@pytest.mark.parametrize(
    ("shape", "sound"),
    [
        ([0, 1 << 63], False),
        ([0, (1 << 40) + 1], False),
        ([0, 1 << 40, 1 << 40], False),
        ([1 << 40, 1 << 22, 2, 0], False),
        ([0, 1 << 40, 1 << 22], True),
        ([0], True),
    ],
)
def test_sizes_that_no_tensor_can_have(shape: list[int], sound: bool, tmp_path: Path) -> None:
    text = json.dumps({"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]}}).encode()
    path = tmp_path / TENSORS
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    if sound:
        assert read_file(path).tensors == {"x": ("F32", tuple(shape))}
        return
    with pytest.raises(GentkError, match="the entry of tensor 'x' is damaged or of an unknown type"):
        read_file(path)


@pytest.mark.parametrize(("tensor", "said"), [(torch.tensor([float("nan")]), "1 non-finite"), (torch.tensor([True]), "is damaged")])
def test_names_are_shown_without_what_a_terminal_obeys(tensor: torch.Tensor, said: str, tmp_path: Path) -> None:
    from gentk.weights.numbers import read_tensors

    path = tmp_path / TENSORS
    save_file({"a\x1b[2J" + "b" * 500: tensor}, path)
    if tensor.dtype == torch.bool:
        path.write_bytes(path.read_bytes()[:-1] + b"\x02")
    with pytest.raises(GentkError) as error:
        read_tensors(read_file(path))
    assert said in str(error.value) and str(error.value).isprintable() and len(str(error.value).replace(str(path), "")) < 250


# ---------------------------------------------------------------- digits
@pytest.mark.parametrize("wanted", [f">={MANY}", f"=={MANY}.*", f">={'9' * 4000}", "\x1b[2J"])
def test_versions_of_many_digits(wanted: str, folder: Path) -> None:
    config(folder, lambda found: found.update(requires={"gentk-core": wanted}))
    said = refused(folder)
    assert "no range of versions" in said or "weights need gentk" in said
    with pytest.raises(GentkError):
        check_plugins({"plugin": "ddpm", "model": "ddpm-points", "requires": {"gentk-core": wanted}})


def test_numbers_of_many_digits_in_a_log_are_passed_over(folder: Path) -> None:
    rows = ['{"step": 1, "validation/energy": 0.5}', *(f'{{"step": {n}, "validation/energy": -{n}}}' for n in (MANY, LARGE))]
    (folder / "log.jsonl").write_text("\n".join([*rows, '{"step": 2, "validation/energy": 1', '{"step": 9223372036854775807}']))
    assert Run(folder).log() == [{"step": 1, "validation/energy": 0.5}, {"step": (1 << 63) - 1}]
    facts = gather(folder)
    assert facts.scores and facts.scores.rows[0].value == 0.5 and facts.step == (1 << 63) - 1


def test_numbers_of_many_digits_in_scores(folder: Path) -> None:
    assert scores_of(folder, [{"validation/a": int(LARGE)}, {"validation/a": float("nan")}, {"validation/a": float("-inf")}], "") is None
    for key in ("value", "examples"):
        for digits in (MANY, LARGE):
            score = '{"name": "a", "value": 1, "examples": 2}'.replace({"value": "1", "examples": "2"}[key], digits)
            (folder / "metrics.json").write_text(f'{{"format": 1, "dataset": {{"name": "moons"}}, "scores": [{score}]}}')
            with pytest.raises(GentkError) as error:
                scores_of(folder, [], "moons")
            assert str(error.value).isprintable() and "metrics.json" in str(error.value)
