"""No flag goes without effect: alone or beside another one it changes what comes out, or it is refused in one line.

What changes nothing by design (`QUIET`) is how a thing is computed, and a value that is the default already.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gentk.cli import run

MOONS, TWO_STEPS = "--weights ddpm/moons", "-o steps=2"
EXAMPLES = "--source x.npz|--dataset circles|--split train|-n 2|--label 0"
LINES = {  # the line, and what may be added to it
    "likelihood": (f"{MOONS} {TWO_STEPS}", f"{EXAMPLES}|--batch-size 3"),
    "classify": (f"{MOONS} {TWO_STEPS}", f"{EXAMPLES}|--out out.csv"),
    "encode": (f"{MOONS} {TWO_STEPS} --out out.npz", f"{EXAMPLES}|-o iterations=2"),
    "impute": (f"{MOONS} {TWO_STEPS} --out out.npz", f"{EXAMPLES}|--seed 3|--draws 2|--missing 0.6|--known-mask mask.npz"),
    "interpolate": (f"{MOONS} --out out.npz", f"{EXAMPLES}|--seeds 0,3|--frames 3|--labels 0,1|--steps 3"),
    "interpolate, latents": ("--weights vae/cvae-mnist --out out.npz", "-n 2|--label 1|--seeds 4,5|--frames 3|--labels 0,1"),
    "sample": (
        f"{MOONS} --out out.npz",
        "-n 2|--seed 4|--steps 3|--sampler ddim|--label 1|--guidance 2|--scale 3|--start one.npz|--strength 0.5|--noise one.npz"
        "|--known one.npz|--known-mask mask.npz",
    ),
    "train": (
        "--plugin vae --dry-run",
        "--recipe cvae-mnist|--model beta-vae|--dataset digits|--split test|--set training.batch_size=4|--resume|--restart",
    ),
}
QUIET = {"--batch-size 3"}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], tuple[int, str]]:
    """(exit code, what came out: the result and the files that were written) of a command line."""
    from gentk.cli.out import Out

    monkeypatch.chdir(tmp_path)
    rng, told = np.random.default_rng(0), list[str]()
    np.savez("x.npz", x=rng.normal(size=(6, 2)), label=np.arange(6) % 2)
    np.savez("one.npz", x=np.array([[0.5, 0.25]]))
    np.savez("mask.npz", x=np.array([[1.0, 0.0]]))

    def result(self: Out, data: Any, people: Any) -> None:
        told.append(json.dumps({k: v for k, v in data.items() if k not in ("seconds", "samples_per_second")}, sort_keys=True, default=str))

    monkeypatch.setattr(Out, "result", result)

    def asked(words: list[str]) -> tuple[int, str]:
        told.clear()
        for old in tmp_path.glob("out*"):
            old.unlink()
        code = run(words)
        files = [hashlib.sha256(_arrays(path)).hexdigest() for path in sorted(tmp_path.glob("out*"))]
        return code, " ".join([*told, *files])

    return asked


def _arrays(path: Path) -> bytes:
    """What a file holds, without the times in its archive."""
    if path.suffix != ".npz":
        return path.read_bytes()
    with np.load(path) as file:
        return b"".join(key.encode() + file[key].tobytes() for key in sorted(file.files))


@pytest.mark.parametrize("name", LINES)
def test_every_flag_has_an_effect_or_is_refused(name: str, ask: Callable[[list[str]], tuple[int, str]]) -> None:
    base, given = LINES[name]
    line, flags = [name.partition(",")[0], *base.split()], given.split("|")
    added = [(), *((flag,) for flag in flags), *itertools.combinations(flags, 2)]
    found = {both: ask([*line, *" ".join(both).split()]) for both in added}
    assert {code for code, _ in found.values()} <= {0, 2}
    silent = [
        f"{flag} beside {' '.join(other) or 'nothing'}"
        for both, (code, told) in found.items()
        for flag in both
        if code == 0 and flag not in QUIET and told == found[other := tuple(one for one in both if one != flag)][1]
    ]
    assert not silent
