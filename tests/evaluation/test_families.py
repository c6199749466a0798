"""The table of families is made of the figures of shipped weights, and of nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gentk.errors import UsageError
from gentk.evaluation import families
from gentk.evaluation.families import Kin, kin, stability_of
from gentk.protocols import Score
from gentk.report.families import HEAD, markdown, rows


def one(recipe: str, dataset: str, *scores: Score) -> Kin:
    return Kin("made", recipe, "", dataset, scores, 0.002, None)


def log(folder: Path, losses: list[float]) -> Path:
    (folder / "log.jsonl").write_text("".join(json.dumps({"step": i, "validation/loss": loss}) + "\n" for i, loss in enumerate(losses)))
    return folder


def test_each_column_is_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    full = one("gan", "mnist", Score(name="frechet", value=12.34, error=0.5, floor=2.0, examples=1000), Score(name="precision", value=0.9),
               Score(name="recall", value=0.5, error=0.01), Score(name="nll", value=90.0, kind="bound"),
               Score(name="bits-per-dim", value=0.16),
               Score(name="obedience", value=0.987))  # fmt: skip
    bare = one("flow", "mnist")
    monkeypatch.setattr(families, "everyone", lambda: iter([full, bare, one("alone", "moons")]))
    (dataset, them), = kin().items()
    assert dataset == "mnist" and [each.name for each in them] == ["made/gan", "made/flow"], "one alone compares with nothing"
    cells = dict(zip(HEAD, rows(them)[0], strict=True))
    assert cells == {"weights": "made/gan", "training stability": "–", "quality": "12.34 (2), precision 0.9, n = 1,000",
                     "diversity": "recall 0.500", "speed": "2 ms", "likelihood": "bound, ≤ 0.16 bits per number",
                     "control": "class obeyed 98.7%"}  # fmt: skip
    assert rows(them)[1] == ("made/flow", "–", "–", "–", "2 ms", "–", "–")
    assert "| made/gan |" in markdown(kin()) and [each.recipe for each in kin("moons")["moons"]] == ["alone"]
    with pytest.raises(UsageError, match="did you mean"):
        kin("mnits")


def test_distances_are_compared_at_one_n() -> None:
    def at(*counts: int) -> list[Score]:
        return [Score(name="frechet", value=float(n), examples=n) for n in counts]

    them = [one("a", "mnist", *at(1000, 10_000)), one("b", "mnist", *at(1000)), one("c", "mnist", Score(name="nll", value=1.0))]
    assert [row[2].split()[0] for row in rows(them)] == ["1000,", "1000,", "–"]
    assert [row[2].split()[0] for row in rows(them[:1])] == ["1e+04,"]


def test_stability_is_what_a_training_lost_again(tmp_path: Path) -> None:
    assert stability_of(tmp_path) is None
    assert stability_of(log(tmp_path, [4.0, 3.0, 2.0])) == 0
    assert stability_of(log(tmp_path, [4.0, 2.0, 3.0, 1.0, 1.5])) == pytest.approx(1 / 3)
    assert stability_of(log(tmp_path, [4.0, 5.0, 6.0])) is None, "it never fell"


def test_figures_of_other_weights_do_not_count(tmp_path: Path) -> None:
    import shutil

    from gentk.host.lookup import weights_path

    folder = Path(shutil.copytree(weights_path("classical", "gmm"), tmp_path / "w", ignore=lambda _, names: {"metrics.json"} & set(names)))
    said = {"format": 1, "weights": "0" * 16, "dataset": {"name": "moons"}, "scores": [{"name": "frechet", "value": 1.0}]}
    (folder / "metrics.json").write_text(json.dumps(said))
    assert families.figures(folder) is None
    (folder / "metrics.json").write_text(json.dumps({**said, "weights": ""}))
    assert families.figures(folder) is not None
    (folder / "metrics.json").write_text("[]")
    assert families.figures(folder) is None


def test_shipped_weights_are_found() -> None:
    names = {each.name for each in families.everyone()}
    assert {"classical/gmm", "ddpm/mnist", "vae/mnist-conv"} <= names
    assert {"ddpm/mnist", "vae/mnist-conv"} <= {each.name for each in kin("mnist")["mnist"]}
