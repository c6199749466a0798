"""gentk compare: what it writes, what it prints, and what it refuses in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gentk.cli import main
from tests.evaluation.conftest import meter as meter

MODELS = ["ddpm/moons", "classical/gmm"]
ASKED = ["--metrics", "mean-gap,fraction", "-n", "40", "--shown", "6"]


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(list(args))
    said = capsys.readouterr()
    return int(left.value.code or 0), said.out, said.err


def test_it_writes_every_file_and_prints_a_table(
    meter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = [f"x{suffix}" for suffix in (".html", ".md", ".png", ".csv", ".json")]
    code, out, err = run(capsys, "compare", *MODELS, *ASKED, *(word for file in files for word in ("--out", file)))
    assert code == 0, err
    assert all((tmp_path / file).stat().st_size > 200 and file in out for file in files)
    table = {line.split(",")[0].split()[0]: line for line in out.splitlines() if line.strip()}
    assert "ddpm/moons" in table["metric"] and "±" in table["mean-gap"] and "330,882" in table["parameters"]
    assert json.loads((tmp_path / "x.json").read_text("utf-8"))["models"][1]["weights"] == "classical/gmm"
    assert not list(tmp_path.glob(".*")), "no temporary file is left"


def test_without_out_the_page_lies_here_and_json_says_so(
    meter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "--json", "compare", *MODELS, *ASKED)
    assert code == 0, err
    data = json.loads(out)
    assert data["files"] == ["compare.html"] and (tmp_path / "compare.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    places = {model["weights"]: model["scores"][0]["rank"]["place"] for model in data["models"]}
    assert sorted(places.values()) == [1, 2] and set(places) == set(MODELS)


def test_dash_is_stdout_and_gets_the_page_alone(meter: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["compare", *MODELS, *ASKED, "--out", "-"])
    said = capfd.readouterr().out
    assert not left.value.code and said.startswith("<!DOCTYPE html>") and said.endswith("</html>\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["classical/gmm"], "two models or more"),
        (["classical/gmm", "vae/mnist"], "makes image"),
        (["classical/gmm", "ddpm/moons", "--out", "x.pdf"], "a comparison is written as"),
        (["classical/gmm", "ddpm/moons", "--out", "-", "--out", "-"], "one stdout"),
        (["classical/gmm", "ddpm/moons", "--out", "x.md", "--out", "x.md"], "same file twice"),
        (["classical/gmm", "ddpm/moons", "--reference", "moonz"], "did you mean"),
        (["classical/gmm", "ddpm/moons", "--metrics", "mean-gapp"], "did you mean"),
        (["classical/gmm", "ddpm/moons", "--metrics", "classes"], "nothing of classical/gmm can be measured"),
        (["classical/gmm", "ddpm/moons", "-n", "1"], "-n"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str], said: str, meter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "compare", *words)
    assert code == 2 and out == "" and said in err
    assert len([line for line in err.splitlines() if line and "--help" not in line]) == 1, err
    assert not list(tmp_path.glob("cache/evaluation/*/*")), "nothing was drawn"
    assert {path.name for path in tmp_path.iterdir()} <= {"site", "cache"}
