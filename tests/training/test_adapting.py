"""A recipe used with other data or another model than its own: what it says for its own gives way, what the user says does not."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from gentk.cli import run
from gentk.host import lookup

RECIPES = [(plugin, name) for plugin in ("ddpm", "vae", "classical") for name in lookup.specs("recipes", plugin)]
LABELS = {"ddpm/mnist-classifier", "vae/cvae-mnist", "vae/m2-mnist", "classical/naive-bayes"}  # models of p(label | x), or of p(x | label)
OTHER = {  # modality: what another data set's examples are
    "image": "leaves={x={shape=[3,12,12],range=[-1,1],levels=256}}",
    "points": "leaves={x={shape=[3]}}",
    "series": "leaves={x={shape=[30,2]}}",
    "text": 'leaves={x={shape=[6],classes=3,names=["a","b","c"]}}',
    "table": "leaves={x={shape=[6],classes=3}}",
}
SMALL = {
    "ddpm": ["model.config.channels=[8,16]", "model.config.groups=4", "model.config.head_dim=8"],
    "classifier": ["model.config.channels=[8,16]", "model.config.groups=4"],
    "ddpm-points": ["model.config.width=16"],
    "vae": ["model.config.widths=[8,16]", "model.config.groups=4"],
    "cvae": ["model.config.widths=[8,16]", "model.config.groups=4"],
    "ae": ["model.config.widths=[8,16]", "model.config.groups=4"],
    "vq-vae": ["model.config.widths=[8,16]", "model.config.groups=4", "model.config.codes=8", "model.config.start_size=16"],
    "gmm": ["model.config.n_init=1", "model.config.components=2"],
    "hmm": ["model.config.starts=1", "model.config.states=2"],
    "ar": ["model.config.order=2"],
}


def words(plugin: str, name: str, *, labelled: bool) -> list[str]:
    """A command line that trains a recipe, made small, for one step on made-up data of its data set's modality."""
    recipe = lookup.recipe(plugin, name)
    modality = lookup.dataset_spec(recipe.dataset.name, plugin)[0].modality
    sets = [f"dataset.options.modality={modality}", f"dataset.options.{OTHER[modality]}", "dataset.options.size=64"]
    sets += ["training.batch_size=4", "training.preview_every=1", *SMALL.get(recipe.model.name, [])]
    if recipe.model.plugin == "classical":
        sets.append("training.batch_size=1000")
    if labelled:
        sets.append("dataset.options.conditions={label={classes=4}}")
    return ["train", "--plugin", plugin, "--recipe", name, "--dataset", "synthetic", *(w for s in sets for w in ("--set", s))]


@pytest.mark.parametrize("labelled", [False, True], ids=["unlabelled", "labelled"])
@pytest.mark.parametrize(("plugin", "name"), RECIPES, ids=lambda v: v)
def test_every_recipe_trains_previews_and_samples_on_other_data(
    plugin: str, name: str, labelled: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code = run([*words(plugin, name, labelled=labelled), "--out", "run", "--max-steps", "1"])
    out, err = capfd.readouterr()
    if not labelled and f"{plugin}/{name}" in LABELS:
        assert code == 2 and "labels" in err.splitlines()[-1] and not Path("run").exists()
        return
    assert code == 0, err
    assert "no preview" not in err
    _, _, look = out.splitlines()[0].partition("look: gentk ")
    assert run([*shlex.split(look), *(["-n", "2"] if look.startswith("sample") else [])]) == 0, capfd.readouterr().err
    assert look.startswith("sample") == bool(list(Path("run/samples").glob("*")) if Path("run/samples").exists() else [])


@pytest.mark.parametrize(
    "line",
    [
        "--plugin ddpm --recipe moons --dataset swiss-roll --set sampler.options.guidance=1.5",
        "--plugin ddpm --recipe moons --set dataset.options.labels=false --set sampler.options.guidance=1.5",
        "--plugin classical --recipe gmm --dataset swiss-roll --set model.config.per_class=true",
        "--plugin vae --recipe cvae-mnist --dataset digits --set dataset.options.labelled=100",
        "--plugin classical --recipe naive-bayes --set dataset.options.labelled=100",
    ],
)
def test_what_the_user_sets_is_refused_before_the_first_round(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = []
    for more in ([], ["--dry-run"]):
        assert run(["train", *shlex.split(line), "--out", "run", *more]) == 2
        said.append(capfd.readouterr().err.strip().splitlines()[-1])
    assert said[0].startswith("error: ") and said[0] == said[1] and not Path("run").exists()


def resolved(line: str, capfd: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    assert run(["--json", "train", *shlex.split(line), "--dry-run"]) == 0
    out, err = capfd.readouterr()
    return json.loads(out), err


def test_a_key_of_the_recipes_data_gives_way_though_the_model_would_take_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.txt").write_text("one. two. three. " * 40)
    told, err = resolved(f"--plugin classical --recipe markov --dataset text:{tmp_path}/own.txt", capfd)
    assert told["model"]["config"].get("stop") is None and told["model"]["config"]["order"] == 4 and "stop = . gives way" in err


def test_a_recipe_trains_another_model_with_the_options_that_it_has(capfd: pytest.CaptureFixture[str]) -> None:
    told, err = resolved("--plugin vae --model wae-gan --recipe mnist --dataset digits", capfd)
    assert told["model"]["name"] == "wae-gan" and told["model"]["config"]["widths"] == [512, 256]
    assert "warmup" not in told["model"]["config"] and "has no" in err and "warmup" in err


def test_nothing_behind_the_equals_sign_unsets_a_key() -> None:
    assert "stop" not in lookup.recipe("classical", "hmm", ["model.config.stop="]).model.config
    assert lookup.recipe("classical", "gmm", ["dataset.examples="]).dataset.examples is None
    assert lookup.recipe("classical", "hmm", ['model.config.stop=""']).model.config["stop"] == ""


def test_hidden_labels_are_met_by_a_line_that_names_the_models_for_them(capfd: pytest.CaptureFixture[str]) -> None:
    line = "train --plugin vae --recipe cvae-mnist --dataset digits --set dataset.options.labelled=100 --dry-run"
    assert run(line.split()) == 2
    assert "--model m2 does" in capfd.readouterr().err
    assert run([*line.split(), "--model", "m2"]) == 0
