"""Models without numbers: cheap to make, whatever a config says."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import gentk
from gentk.errors import GentkError
from gentk.weights import skeleton

ROOT = Path(__file__).parents[2]
LOAD_ALL = """
import json, sys
from pathlib import Path
import gentk
loaded = [gentk.load(path.parent) for path in Path("plugins").glob("*/gentk_*/weights/*/config.json")]
print(json.dumps([len(loaded), "torch._dynamo" in sys.modules]))
"""


def test_loading_imports_no_compiler() -> None:
    """Arithmetic on the meta device would: it is 2 to 8 seconds of every command that loads weights."""
    done = subprocess.run([sys.executable, "-c", LOAD_ALL], capture_output=True, text=True, cwd=ROOT)
    count, compiler = json.loads(done.stdout)
    assert count >= 15 and not compiler


def test_eye_has_its_shape_and_type() -> None:
    with skeleton.skeleton():
        made = torch.eye(3), torch.eye(3, 4, dtype=torch.float64), torch.eye(n=2, m=5)
        real = torch.eye(2, device="cpu")
    assert [(tuple(x.shape), x.dtype, x.is_meta) for x in made] == [
        ((3, 3), torch.float32, True), ((3, 4), torch.float64, True), ((2, 5), torch.float32, True),
    ]  # fmt: skip
    assert torch.equal(real, torch.eye(2))


def test_a_model_of_too_many_parts_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skeleton, "MAX_PARTS", 100)
    made = 0

    def layers() -> Any:
        nonlocal made
        while True:
            made += 1
            yield nn.SiLU()

    with pytest.raises(GentkError, match="more than 100 parts"), skeleton.skeleton():
        nn.ModuleList(layers())
    assert made <= 102
    with pytest.raises(GentkError, match="more than 100 parts"), skeleton.skeleton():
        nn.ParameterList(nn.Parameter(torch.zeros(1)) for _ in range(10**9))
    assert len(nn.ModuleList(nn.SiLU() for _ in range(200))) == 200  # outside, nothing is counted


def test_threads_that_load_and_threads_that_build_do_not_meet() -> None:
    """Eight threads load, four build modules of their own, under one interpreter that switches often: all get what they would alone."""
    names = ("ddpm/moons", "classical/gmm", "vae/ae-mnist", "ddpm/swiss-roll")
    alone = {name: gentk.load(name).state_dict() for name in names}
    trouble: list[BaseException] = []

    def loads(k: int) -> None:
        for i in range(6):
            found = gentk.load(name := names[(i + k) % len(names)]).state_dict()
            assert all(torch.equal(value, found[key]) for key, value in alone[name].items())

    def builds(k: int) -> None:
        for _ in range(40):
            made = nn.Sequential(*(nn.Linear(3, 3) for _ in range(20)))
            assert not any(p.is_meta for p in made.parameters()) and float(made[0].weight.abs().sum()) > 0

    def run(work: Any, k: int) -> None:
        try:
            work(k)
        except BaseException as error:
            trouble.append(error)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=run, args=(work, k)) for work, count in ((loads, 8), (builds, 4)) for k in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert not trouble
