"""A checkpoint is read as it was written, or named as damaged; the one before it is used, and nothing is begun again unasked."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import gentk
from gentk.errors import GentkError, UsageError
from gentk.runs import Run
from gentk.training import state
from tests.training.killed import recipe

SECRET = random.Random(7)


@pytest.fixture(scope="module")
def trained(stranger: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 20 rounds, a checkpoint every 5."""
    return gentk.train(recipe(), out=tmp_path_factory.mktemp("state") / "run").folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def end(folder: Path) -> dict[str, torch.Tensor]:
    found = state.read(folder / "state" / "step-00000020").tensors
    return {f"{name}/{key}": value for name, group in found.items() for key, value in group.items()}


def same(one: Path, two: Path) -> bool:
    first, second = end(one), end(two)
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def flip(path: Path, place: float) -> None:
    """Flip a bit at a share of the file's length."""
    raw = bytearray(path.read_bytes())
    raw[min(int(place * len(raw)), len(raw) - 1)] ^= 1 << SECRET.randrange(8)
    path.write_bytes(raw)


NAMES = ("model", "averaged", "optimizers", "state")


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_anywhere_is_seen_and_the_older_state_used(name: str, trained: Path, run: Path, capsys: Any) -> None:
    newest = run / "state" / "step-00000020"
    path = newest / ("state.json" if name == "state" else f"{name}.safetensors")
    sound = path.read_bytes()
    for place in (0, 0.0005, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999):
        flip(path, place)
        with pytest.raises(GentkError, match=path.name):
            state.read(newest)
        path.write_bytes(sound)
    flip(path, 0.6)
    gentk.train(recipe(), out=run, resume=True)
    said = capsys.readouterr().err
    assert f"{path.name}" in said and "the run goes on from step 15" in said
    assert same(run, trained) and (run / "state" / "damaged-step-00000020").is_dir()
    assert [row["step"] for row in Run(run).log()] == list(range(1, 21))


def test_two_checkpoints_are_kept(trained: Path) -> None:
    assert [path.name for path in state.checkpoints(trained / "state")] == ["step-00000020", "step-00000015"]


def test_if_nothing_can_be_read_the_log_is_kept_until_a_restart_is_asked_for(trained: Path, run: Path, capsys: Any) -> None:
    for checkpoint in state.checkpoints(run / "state"):
        (checkpoint / "model.safetensors").write_bytes(b"")
    log = (run / "log.jsonl").read_bytes()
    with pytest.raises(GentkError, match=r"SHA-256 differs; the optimizers and 20 rows of the log .*--restart .*--init"):
        gentk.train(recipe(), out=run, resume=True)
    assert (run / "log.jsonl").read_bytes() == log
    gentk.train(recipe(), out=run, resume=True, restart=True)
    assert "begins again at step 0" in capsys.readouterr().err and same(run, trained)


def test_a_state_that_is_gone_is_not_begun_again_unasked(run: Path) -> None:
    shutil.rmtree(run / "state")
    with pytest.raises(GentkError, match=r"state holds no checkpoint; .*--restart"):
        gentk.train(recipe(), out=run, resume=True)


def rewritten(**numbers: Any) -> Callable[[Path], None]:
    """state.json with other numbers, and with the digest that belongs to them."""

    def change(checkpoint: Path) -> None:
        path = checkpoint / "state.json"
        about = json.loads(path.read_text()) | numbers
        del about["sha256"]
        path.write_text(json.dumps({**about, "sha256": state._digest_of(about)}))

    return change


def as_format_1(**numbers: Any) -> Callable[[Path], None]:
    def change(checkpoint: Path) -> None:
        path = checkpoint / "state.json"
        about = json.loads(path.read_text())
        path.write_text(json.dumps({"format": 1, "step": about["step"], "last": about["last"], "best": about["best"], **numbers}))

    return change


def put(text: str) -> Callable[[Path], None]:
    def change(checkpoint: Path) -> None:
        (checkpoint / "state.json").write_text(text)

    return change


def replaced(make: Callable[[Path], Any], name: str = "model.safetensors") -> Callable[[Path], None]:
    def change(checkpoint: Path) -> None:
        (checkpoint / name).unlink()
        make(checkpoint / name)

    return change


DAMAGE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a list": (put("[]"), "the file: Input should be"),
    "null": (put("null"), "the file: Input should be"),
    "empty": (put(""), "cannot be read"),
    "deep": (put("[" * 100_000), "cannot be read"),
    "without last": (put('{"format": 1, "step": 20}'), "last: Field required"),
    "a text for last": (as_format_1(last="x"), "last: Input should be"),
    "values that are texts": (as_format_1(last={"loss": "x"}), "last.loss: Input should be"),
    "a step that is true": (as_format_1(step=True), "step: Input should be"),
    "a step that is a fraction": (as_format_1(step=20.5), "step: Input should be"),
    "a large step": (as_format_1(step=10**9), "says step 1000000000, and its folder is step-00000020"),
    "a step below zero": (as_format_1(step=-5), "says step -5"),
    "another format": (put('{"format": 3, "step": 20, "last": {}}'), "has format 3"),
    "files elsewhere": (rewritten(files={"../x": {"size": 1, "sha256": ""}}), "outside its folder"),
    "a missing file": (replaced(lambda path: None), "model.safetensors is missing"),
    "a folder for a file": (replaced(Path.mkdir), "model.safetensors is no regular file"),
    "a FIFO for a file": (replaced(os.mkfifo), "model.safetensors is no regular file"),
    "a FIFO for the numbers": (replaced(os.mkfifo, "state.json"), "state.json is no regular file"),
    "a link for a file": (replaced(lambda path: path.symlink_to("/dev/zero")), "model.safetensors is no regular file"),
    "missing numbers": (replaced(lambda path: None, "state.json"), "state.json is missing"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_one_line_that_names_the_file(what: str, run: Path) -> None:
    change, said = DAMAGE[what]
    checkpoint = run / "state" / "step-00000020"
    change(checkpoint)
    with pytest.raises(GentkError) as told:
        state.read(checkpoint)
    assert said in str(told.value) and "\n" not in str(told.value) and len(str(told.value)) < 400
    Run(run).cut_log(15)  # the older one is what a resumed run goes on from
    from gentk.training.resuming import whole_checkpoint

    assert whole_checkpoint(Run(run), restart=False) == run / "state" / "step-00000015"


def test_a_state_of_format_1_is_gone_on_with(trained: Path, run: Path) -> None:
    shutil.rmtree(run / "state" / "step-00000020")
    as_format_1()(run / "state" / "step-00000015")
    gentk.train(recipe(), out=run, resume=True)
    assert same(run, trained)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda group: group.pop(min(group)), "does not fit this model"),
        (lambda group: group.update({min(group): group[min(group)].new_zeros(3, 3, 3)}), "does not fit this model"),
        (lambda group: group.update({name: value / 0 for name, value in group.items() if value.is_floating_point()}), "no numbers"),
    ],
)
def test_a_state_without_digests_must_fit_the_model(change: Any, said: str, run: Path) -> None:
    checkpoint = run / "state" / "step-00000020"
    as_format_1()(checkpoint)
    group = dict(state.read(checkpoint).tensors["model"])
    change(group)
    state.save_file(group, str(checkpoint / "model.safetensors"))
    with pytest.raises(GentkError, match=said):
        gentk.train(recipe(), out=run, resume=True)


# ---------------------------------------------------------------- the log
ROWS = ("\x00\xff" * 99, "[]\n7\nnull\n", '{"step": "x"}\n{"step": true}\n{"loss": 1}\n', '{"step": 3, "loss": "abc"}\n')


@pytest.mark.parametrize("text", ROWS)
def test_a_damaged_log_is_passed_over_and_the_run_goes_on(text: str, trained: Path, run: Path, capsys: Any) -> None:
    sound = (run / "log.jsonl").read_text()
    (run / "log.jsonl").write_bytes(text.encode("latin-1") + b"\n" + sound.encode())
    shutil.rmtree(run / "state" / "step-00000020")
    gentk.train(recipe(), out=run, resume=True)
    assert same(run, trained)
    assert [row["step"] for row in Run(run).log() if row.get("loss") != "abc"] == list(range(1, 21))


# ---------------------------------------------------------------- settings
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.lr", 0.5), ("training.seed", 9), ("training.batch_size", 8), ("training.precision", "bfloat16"),
        ("training.optimizer", "muon"), ("training.ema_decay", 0.5), ("training.clip", 1.0), ("training.accumulate", 2),
        ("training.weights_dtype", "float16"), ("dataset.examples", 100), ("dataset.split", "test"), ("sampler.name", "direct"),
    ],
)  # fmt: skip
def test_other_settings_are_another_run(key: str, value: Any, run: Path) -> None:
    asked = recipe()
    part, name = key.split(".")
    before = getattr(getattr(asked, part), name)
    setattr(getattr(asked, part), name, value)
    was = "unset" if before is None else repr(before)
    with pytest.raises(UsageError, match=f"^{key} is {was} in this run, and {value!r} is asked for"):
        gentk.train(asked, out=run, resume=True)


def test_how_long_it_trains_may_change_and_is_written_down(run: Path, capsys: Any) -> None:
    asked = recipe()
    asked.training.steps, asked.training.log_every = 24, 2
    gentk.train(asked, out=run, resume=True)
    from gentk.host.lookup import recipe as resolve

    assert resolve("stranger", str(run / "recipe.toml"), []) == asked
    [row] = [row for row in Run(run).log() if "changed" in row]
    assert row == {"step": 20, "changed": {"training.log_every": [1, 2], "training.steps": [20, 24]}}
    assert "training.steps: 20 → 24 from step 20 on" in capsys.readouterr().err
    gentk.train(asked, out=run, resume=True)
    with pytest.raises(UsageError, match="is at step 24, beyond the 20"):
        gentk.train(recipe(), out=run, resume=True)


def test_a_flip_in_the_recipe_is_seen_or_means_nothing(trained: Path, run: Path) -> None:
    """A bit in recipe.toml changes the text of a comment or a space, or is refused, or changes how long it trains and is said."""
    from gentk.host.lookup import recipe as resolve
    from gentk.training.resuming import MAY_CHANGE, changes

    sound = (run / "recipe.toml").read_bytes()
    told = 0
    for place in range(0, len(sound), max(1, len(sound) // 120)):
        flip(run / "recipe.toml", place / len(sound))
        try:
            found = resolve("stranger", str(run / "recipe.toml"), [])
            assert changes(recipe(), found).keys() <= MAY_CHANGE
        except UsageError as error:
            told += 1
            assert len(str(error).splitlines()) < 6
        (run / "recipe.toml").write_bytes(sound)
    assert told > 60
