"""gentk evaluate: the table, JSON, files of samples, where metrics.json goes, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gentk.cli import main
from gentk.host.lookup import weights_path
from tests.evaluation.conftest import meter as meter

ASKED = ["--metrics", "mean-gap,fraction", "-n", "300"]


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(args))
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder of weights of the user's own."""
    return Path(shutil.copytree(weights_path("classical", "gmm"), tmp_path / "mine", ignore=lambda _, names: {"metrics.json"} & set(names)))


def test_the_table_has_value_floor_error_and_count(meter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "evaluate", "classical/gmm", *ASKED)
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert code == 0, err
    assert lines["metric"].split() == ["metric", "value", "±", "floor", "better", "n"]
    assert lines["mean-gap"].split()[-2:] == ["lower", "300"] and len(lines["mean-gap"].split()) == 6
    assert "near the floor" in lines["fraction"] and "0.25" in lines["fraction"]
    assert "a quick look" in out and "distances in doubled" in out and "s a sample" in out


def test_metrics_json_goes_beside_weights_of_the_users_own_alone(meter: Path, mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped = weights_path("classical", "gmm") / "metrics.json"
    before = shipped.read_bytes() if shipped.exists() else None
    assert run(capsys, "evaluate", "classical/gmm", *ASKED)[0] == 0
    assert (shipped.read_bytes() if shipped.exists() else None) == before, "what a plugin brought is not written to"
    assert run(capsys, "evaluate", str(mine), *ASKED, "--no-save")[0] == 0 and not (mine / "metrics.json").exists()
    assert run(capsys, "evaluate", str(mine), *ASKED)[0] == 0
    written = json.loads((mine / "metrics.json").read_text())
    assert [score["name"] for score in written["scores"]] == ["mean-gap", "fraction", "left"]


def test_samples_of_a_file_are_measured(meter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "x.csv"
    assert run(capsys, "sample", "--plugin", "classical", "--recipe", "gmm", "-n", "300", "--out", str(file))[0] == 0
    code, out, err = run(capsys, "--json", "evaluate", "--samples", str(file), "--reference", "moons", "--metrics", "mean-gap")
    assert code == 0, err
    of_file = json.loads(out)["scores"][0]
    code, out, _ = run(capsys, "--json", "evaluate", "classical/gmm", "--reference", "moons", *ASKED)
    assert of_file["value"] == pytest.approx(json.loads(out)["scores"][0]["value"], rel=1e-3) and of_file["examples"] == 300


def test_more_samples_are_proposed_only_where_there_are_examples_for_them(meter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "a quick look (-n 10000 takes more)" in run(capsys, "evaluate", "classical/gmm", *ASKED)[1]
    code, out, err = run(capsys, "evaluate", "classical/copula", "--metrics", "energy")
    assert code == 0 and "quick look" not in out, err


def test_flags_of_the_weights_reach_the_draws(meter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = [json.loads(run(capsys, "--json", "evaluate", "classical/gmm", *ASKED, "--label", label)[1])["scores"][1]["value"]
             for label in ("0", "1")]  # fmt: skip
    assert abs(found[0] - found[1]) > 0.3, "the moons lie side by side"


@pytest.mark.parametrize(("args", "words"), [
    (["classical/gmm", "--weights", "ddpm"], "named twice"),
    (["classical/gmm", "--metrics", "mean-gpa"], "did you mean 'mean-gap'"),
    (["classical/gmm", "--metrics", "classes"], "no classifier"),
    (["classical/gmm", "--reference", "mnist"], "holds image"),
    (["classical/gmm", "-o", "sharpness=3"], "has an option 'sharpness'"),
    (["classical/gmm", "-n", "1"], "'-n'"),
    (["nowhere/at-all"], "no folder nowhere/at-all"),
    (["--samples", "none.csv"], "no file none.csv"),
])  # fmt: skip
def test_what_is_refused_is_one_line(meter: Path, capsys: pytest.CaptureFixture[str], args: list[str], words: str) -> None:
    code, out, err = run(capsys, "evaluate", *args)
    first, *more = err.strip().splitlines()
    assert code != 0 and words in first and not out and more in ([], ["gentk evaluate --help shows what there is"])


def test_samples_and_weights_are_not_both_measured(meter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.csv").write_text("x,y\n0,1\n1,0\n")
    beside = ["--reference", "moons"]
    for args, words in ((["ddpm"], "leave out the weights"), (["--save", *beside], "have none"), ([], "--reference DATASET")):
        code, _, err = run(capsys, "evaluate", "--samples", str(tmp_path / "x.csv"), *args)
        assert code != 0 and words in err
