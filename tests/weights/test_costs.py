"""What a config can make a computer spend is bounded before the first step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import gentk
from gentk import memory
from gentk.errors import GentkError, UsageError
from gentk.host.lookup import weights_path
from gentk.text import size


def changed(name: str, folder: Path, change: Any) -> Path:
    plugin, recipe = name.split("/")
    shutil.copytree(weights_path(plugin, recipe), folder)
    about = json.loads((folder / "config.json").read_text())
    change(about)
    (folder / "config.json").write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("ddpm/mnist", [1, 4096, 4096]), ("ddpm/mnist", [1, 2048, 2048]), ("ddpm/fashion-mnist", [1, 16, 10**6]),
        ("classical/ar", [10**9, 1]), ("classical/ar", [2 * 10**6, 1]), ("classical/hmm", [10**8]), ("classical/markov", [10**9]),
    ],
)  # fmt: skip
def test_an_example_is_bounded_by_the_weights(name: str, shape: list[int], tmp_path: Path) -> None:
    folder = changed(name, tmp_path / "w", lambda about: about["data"]["leaves"]["x"].update(shape=shape))
    with pytest.raises(GentkError) as told:
        gentk.load(folder)
    assert "\n" not in str(told.value) and "bug" not in str(told.value), told.value
    assert "numbers in one example" in str(told.value) or "do not fit" in str(told.value) or "no model that can be built" in str(told.value)


def test_every_shipped_model_is_within_the_bound() -> None:
    for name in ("ddpm/mnist", "classical/ar", "classical/markov", "vae/vq-mnist"):
        gentk.load(name)


def test_more_samples_than_memory_are_refused_before_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    model = gentk.load("ddpm/moons")
    monkeypatch.setattr(memory, "available", lambda: 10**9)
    steps: list[Any] = []
    with pytest.raises(UsageError, match=r"1,000,000,000 samples take 16\.0 GB of memory, and 1\.0 GB are free: ask for fewer"):
        gentk.sample(model, 10**9, on_step=lambda *step: steps.append(step))
    assert not steps
    monkeypatch.setattr(memory, "available", lambda: None)
    assert len(gentk.sample(model, 2, steps=2)) == 2


def test_sizes_are_told_in_units_that_fit() -> None:
    told = {0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 3.9e6: "3.9 MB", 123e6: "123 MB", 2.5e9: "2.5 GB", 7e12: "7.0 TB"}
    assert {count: size(count) for count in told} == told
