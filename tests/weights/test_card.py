"""The model card: what it says is true and can be copied, and no stranger's string gets out of its place."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

import gentk
from gentk import cli
from gentk.cli.commands.sample import sample
from gentk.cli.flags import own_names
from gentk.errors import GentkError
from gentk.host.lookup import weights_path
from gentk.protocols import DataSpec, Leaf
from gentk.weights.card import card, front, usage

from .carded import METRICS, NAMES, RECIPE, change, head, names, roll, section


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Small, sound weights called `roll`, with a recipe."""
    return roll(tmp_path / "roll")


# ---------------------------------------------------------------- what it says
@pytest.mark.parametrize(
    ("weights", "task", "says"),
    [
        ("ddpm/mnist", "unconditional-image-generation", "images of 28 × 28 pixels in grey"),
        ("ddpm/swiss-roll", "other", "points in 2 dimensions"),
        ("ddpm/mnist-classifier", "other", "draw no samples by themselves"),
        ("classical/markov", "text-generation", "texts of at most 191 tokens from a vocabulary of 26"),
        ("classical/ar", "time-series-forecasting", "series of at most 144 steps of 1 value"),
        ("classical/bayes-net", "other", "rows of 4 variables"),
        ("vae/mnist", "unconditional-image-generation", "arXiv:1312.6114](https://arxiv.org/abs/1312.6114)"),
    ],
)
def test_every_modality(weights: str, task: str, says: str) -> None:
    plugin, recipe = weights.split("/")
    text = card(weights_path(plugin, recipe), repo=f"someone/{recipe}")
    about = head(text)
    assert about["library_name"] == "gentk" and about["pipeline_tag"] == task and "license" not in about
    assert about["tags"][0] == "gentk" and {f"plugin:{plugin}", plugin} <= set(about["tags"])
    assert says in text and f"# {recipe}\n" in text and "[recipe.toml](recipe.toml)" in text
    assert card(weights_path(plugin, recipe), repo=f"someone/{recipe}", existing=text) == text


def test_the_commands_work(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    said = section(card(folder, repo="roll"), "use")
    lines = re.search(r"```sh\n(.*?)\n```", said, re.S)[1].split("\n")  # type: ignore[index]
    assert lines[0] == "pip install gentk-core gentk-ddpm" and lines[1:] == [
        "gentk sample --weights roll -n 2000",
        "gentk sample --weights roll -n 2000 --label c",
    ]
    for line in lines[1:]:
        assert cli.run(shlex.split(line)[1:]) == 0, capfd.readouterr().err
    program = re.search(r"```python\n(.*?)\n```", said, re.S)[1]  # type: ignore[index]
    assert 'label="c"' in program and not (tmp_path / "samples.png").exists()
    exec(program, {})
    assert (tmp_path / "samples.png").stat().st_size > 1000


def test_the_names_that_commands_take() -> None:
    assert {name for name in own_names(sample) if name.startswith("--")} == usage.TAKEN
    assert [*usage.ARGUMENTS, "options"] == list(inspect.signature(gentk.sample).parameters)


@pytest.mark.parametrize(
    ("condition", "flag", "argument"),
    [
        ({"kind": "number", "low": 0.0, "high": 3.0}, "--size 1.5", ", size=1.5"),
        ({"kind": "number", "required": True}, "--size 1", ", size=1"),
        ({"kind": "label", "classes": 2, "names": ["a b", "c;d"]}, "--size 1", ", size=1"),
        ({"kind": "text", "length": 4, "names": ["ein", "Haus"]}, "--size ein", ', size="ein"'),
        ({"kind": "text", "length": 4}, "", ""),
        ({"kind": "file", "shape": [1, 8, 8], "modality": "image"}, "--size size.png", ', size="size.png"'),
    ],
)
def test_conditions_by_example(folder: Path, condition: dict[str, Any], flag: str, argument: str) -> None:
    change(folder, lambda about: about.update(conditions={"size": condition}))
    said = section(card(folder, repo="u/r"), "use")
    draws = [line for line in said.split("\n") if line.startswith("gentk sample")]
    base = "gentk sample --weights u/r -n 2000"
    wanted = [f"{base} {flag}"] if condition.get("required") else [base, *([f"{base} {flag}"] if flag else [])]
    assert draws == wanted and f"gentk.sample(model, 2000, seed=0{argument})" in said


def test_conditions_whose_names_are_taken(folder: Path) -> None:
    change(folder, lambda about: about.update(conditions={"seed": {"kind": "number"}, "my-label": {"kind": "label", "classes": 2}}))
    said = section(card(folder, repo="u/r"), "use")
    assert "--cond-seed 1 --my-label 1" in said and 'cond={"seed": 1, "my-label": 1}' in said
    change(folder, lambda about: about["conditions"].pop("my-label"))
    assert 'seed=0, cond={"seed": 1})' in section(card(folder, repo="u/r"), "use")


def test_training_and_size(folder: Path) -> None:
    text = card(folder)
    assert "| data | `moons`, split `train`, noise `0.1` |" in text and "| rounds | 2,000 |" in text and "| rate | 0.003 |" in text
    (folder / "log.jsonl").write_text('{"step": 50, "loss": 1.0}\n')
    assert "| rounds | 50 of 2,000 |" in card(folder)
    (folder / "log.jsonl").write_text('{"step": 3, "log_likelihood": 1.0}\n')
    assert "| fitted in | 3 passes over the data |" in card(folder) and "rounds" not in section(card(folder), "training")
    numbers = sum(p.numel() for p in gentk.load(folder).state_dict().values())
    assert f"{numbers:,} numbers, " in section(text, "size") and text.count("float32") == 1


def test_a_place_on_somebodys_machine_is_not_told(folder: Path) -> None:
    (folder / "recipe.toml").write_text(
        RECIPE.replace('"moons"', '"folder:/home/ann/pictures"').replace("noise = 0.1", 'root = "/home/ann", size = 8')
    )
    text = card(folder)
    assert "| data | `folder`, split `train`, size `8` |" in text and "ann" not in text


def test_without_its_plugin(folder: Path) -> None:
    change(folder, lambda about: about.update(plugin="elsewhere", requires={"gentk-core": ">=0.1", "gentk-elsewhere": ""}))
    text = card(folder, repo="u/r")  # nobody here vouches for gentk-elsewhere
    assert "Weights of `ddpm-points` of the gentk plugin `elsewhere`. " in text and "pip install gentk-core\n" in text
    assert head(text)["tags"] == ["gentk", "plugin:elsewhere", "elsewhere", "ddpm-points"]


def test_a_recipe_of_the_same_name_must_be_of_the_same_model(folder: Path) -> None:
    (folder / "recipe.toml").unlink()
    change(folder, lambda about: about.update(recipe="swiss-roll"))  # a run in a folder of that name: another width
    assert section(card(folder), "training") == ""


def test_the_card_needs_no_torch(folder: Path) -> None:
    code = f"import sys; from gentk.weights.card import card; card({str(folder)!r}); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


# ---------------------------------------------------------------- scores
def test_scores(folder: Path) -> None:
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    text = card(folder, repo="u/r")
    assert section(text, "scores").split("\n")[2:] == [
        "On the split `test` of `moons`:", "", "| score | value | examples |", "| --- | --- | --- |",
        "| energy distance | 0.012346 | 2,000 |", "| nll | 2 |  |",
    ]  # fmt: skip
    card_data: Any = ModelCard(text).data
    first = card_data.eval_results[0]
    assert (first.metric_type, first.metric_value) == ("energy distance", 0.0123457)
    assert (first.dataset_name, first.dataset_split) == ("moons", "test")
    assert card_data.model_name == "r" and len(card_data.eval_results) == 2


def test_scores_of_the_log(folder: Path) -> None:
    second = {"step": 20, "validation/loss": 1.5, "validation/nan": float("nan")}
    rows = [{"step": 10, "validation/loss": 2.0}, second, {"step": 30, "loss": 1.0}, [1], "x"]
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"cut": ')
    said = section(card(folder), "scores")
    assert "On the split `test` of `moons`, after 20 rounds:" in said and "| loss | 1.5 |" in said and "nan" not in said
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    assert "energy distance" in section(card(folder), "scores") and "1.5" not in section(card(folder), "scores")


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        ({**METRICS, "format": 2}, "format"),
        ({**METRICS, "scores": [{"name": "fid", "value": "low"}]}, "scores.0.value"),
        ({**METRICS, "scores": [{"name": "fid", "value": 1, "examples": 0}]}, "scores.0.examples"),
        ({"format": 1, "scores": []}, "dataset"),
        ([], "must be an object"),
    ],
)
def test_scores_of_another_shape(folder: Path, broken: Any, says: str) -> None:
    (folder / "metrics.json").write_text(json.dumps(broken))
    with pytest.raises(GentkError, match=says) as error:
        card(folder)
    assert "metrics.json" in str(error.value) and "\n" not in str(error.value)


# ---------------------------------------------------------------- the preview
def test_a_picture(folder: Path) -> None:
    assert "preview" not in names(card(folder)) and "widget" not in head(card(folder))
    (folder / "samples").mkdir()
    (folder / "samples" / "preview.png").touch()
    text = card(folder)
    assert section(text, "preview") == "<Gallery />\n\n![Samples](samples/preview.png)"
    assert head(text)["widget"] == [{"text": "samples", "output": {"url": "samples/preview.png"}}]


def test_a_text(folder: Path) -> None:
    (folder / "samples").mkdir()
    (folder / "samples" / "preview.txt").write_text("one\n```\n<!-- /gentk:preview -->\n" + "x" * 999 + "\x1b[2J\n" * 50)
    text = card(folder)
    said = section(text, "preview")
    assert "````\none\n```\n<! -- /gentk:preview -->\n" in said and said.endswith("\n````") and "\x1b" not in said and len(said) < 600
    assert names(text).count("preview") == 1 and "widget" not in head(text) and card(folder, existing=text) == text


def test_a_preview_that_lies_elsewhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (folder / "samples").mkdir()
    (folder / "samples" / "preview.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(GentkError, match="points outside the folder"):
        card(folder)


# ---------------------------------------------------------------- hostile strings
HOSTILE = [
    "<!-- /gentk:limits -->", "-->", "---", "</details><script>alert(1)</script>", "a|b", "``` `x`", "`", "![x](http://evil/x.png)",
    "$(touch pwned)", "; rm -rf ~", "line\nbreak\n---\nlicense: evil", "\u202egnp.exe", "\x1b[2J", "{{ 7*7 }}", "*bold* _it_", "@everyone",
    "\ud7ff\uffff",
]  # fmt: skip


def test_hostile_names(folder: Path) -> None:
    """Class names, scores, data sets: shown as they are, in the place where they belong."""
    known = Leaf(classes=len(HOSTILE), names=tuple(HOSTILE))
    spec = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}, conditions={"label": known})

    def alter(about: dict[str, Any]) -> None:
        about["data"] = spec.model_dump(mode="json")
        about["conditions"] = {"label": {"kind": "label", "classes": len(HOSTILE), "names": HOSTILE}}
        about["requires"] = {"gentk-core": ">=0.1", **dict.fromkeys(HOSTILE, "")}

    change(folder, alter)
    scores = [{"name": name, "value": 1.0, "examples": 3} for name in HOSTILE]
    (folder / "metrics.json").write_text(json.dumps({"format": 1, "dataset": {"name": HOSTILE[3], "split": HOSTILE[0]}, "scores": scores}))
    recipe = RECIPE.replace('"moons"', json.dumps(HOSTILE[5])).replace("noise = 0.1", f"noise = {json.dumps(HOSTILE[7])}")
    (folder / "recipe.toml").write_text(recipe.replace("[dataset]", f"[dataset]\nsplit = {json.dumps(HOSTILE[4])}"))
    text = card(folder, repo="u/r")
    assert names(text) == [name for name in NAMES if name != "preview"] and card(folder, repo="u/r", existing=text) == text
    assert head(text)["library_name"] == "gentk" and "license" not in head(text)
    results: Any = ModelCard(text).data
    assert [result.metric_name for result in results.eval_results] == HOSTILE
    body = front.split(text)[1]
    assert all(c.isprintable() or c == "\n" for c in body) and "\x1b" not in text and "\u202e" not in body
    outside = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", re.sub(r"^```.*?^```$", "", body, flags=re.M | re.S))
    assert not re.search(r"<(?!!-- /?gentk:|!-- What)", outside) and "](http://evil" not in outside.replace("\\[", "").replace("\\]", "")
    rows = [line for line in section(text, "scores").split("\n") if line.startswith("|")]
    assert len(rows) == 2 + len(HOSTILE) and all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
    rows = [line for line in section(text, "training").split("\n") if line.startswith("|")]
    assert len(rows) == 7 and all(len(re.findall(r"(?<!\\)\|", row)) == 3 for row in rows)
    lines = re.search(r"```sh\n(.*?)\n```", section(text, "use"), re.S)[1].split("\n")  # type: ignore[index]
    assert lines[0] == "pip install gentk-core gentk-ddpm" and len(lines) == 3
    assert lines[-1] == "gentk sample --weights u/r -n 2000 --label 3"


@pytest.mark.parametrize("requires", [{"evil-stealer": ">=1"}, {"gentk-dppm": ""}, {"gentk-ddpm": "", "--index-url": ""}, {}])
def test_no_name_out_of_the_weights_is_offered_to_an_installer(
    folder: Path, requires: dict[str, str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from gentk.host.catalogue import Published

    monkeypatch.setattr("gentk.host.catalogue.published", lambda: {"flow": Published("flow", "gentk-flow", "", ())})
    change(folder, lambda about: about.update(requires=requires))
    lines = [line for line in card(folder).split("\n") if "pip install" in line]
    assert lines == ["pip install gentk-core gentk-ddpm"]
    assert cli.run(["inspect", str(folder)]) == 0
    said = capfd.readouterr()
    assert "evil" not in said.out + said.err and "dppm" not in said.out + said.err
    change(folder, lambda about: about.update(plugin="flow"))  # of our catalogue, and not installed
    assert "pip install gentk-core gentk-flow\n" in card(folder)
    change(folder, lambda about: about.update(plugin="nobodys"))
    assert "pip install gentk-core\n" in card(folder)
    assert cli.run(["sample", "--weights", str(folder)]) == 1
    assert "evil" not in capfd.readouterr().err


def test_words_make_no_links_of_a_page() -> None:
    from gentk.weights.card.markdown import plain

    said = plain("see https://evil.example, www.evil.example and @someone, a@b.example")
    assert not re.search(r"://|www\.|@", said)


def test_a_folder_with_a_hostile_name(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "$(touch pwned)`x` <b>"
    shutil.copytree(folder, other)
    text = card(other)
    assert "--weights USER/REPO" in text and "$(touch" not in section(text, "use") and "<b>" not in section(text, "title")
