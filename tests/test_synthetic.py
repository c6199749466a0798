"""Synthetic examples fit their spec, follow from (split, index), and have a pattern that can be learnt."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gentk import recipes
from gentk.errors import UsageError
from gentk.host import lookup
from gentk.testing.fitting import fits

SHAPES: dict[str, dict[str, Any]] = {
    "points": {"modality": "points", "leaves": {"x": {"shape": [2]}}, "conditions": {"label": {"classes": 3}}},
    "image": {"modality": "image", "leaves": {"x": {"shape": [1, 9, 9], "range": [-1, 1], "levels": 256}}},
    "binary": {"modality": "image", "leaves": {"x": {"shape": [1, 4, 4], "range": [0, 1], "levels": 2}}},
    "series": {"modality": "series", "leaves": {"x": {"shape": [10, 2]}, "length": {"classes": 11}}},
    "text": {"modality": "text", "leaves": {"x": {"shape": [8], "classes": 5}, "length": {"classes": 9}}},
    "table": {"modality": "table", "leaves": {"x": {"shape": [4], "classes": 3}}},
    "molecule": {
        "modality": "molecule",
        "leaves": {"pos": {"shape": [6, 3]}, "bonds": {"shape": [6, 6], "classes": 3}, "mask": {"shape": [6], "classes": 2}},
        "conditions": {"charge": {}, "target": {"shape": [2], "range": [0, 1]}, "prompt": {"shape": [4], "classes": 7}},
    },
}
LABELLED = SHAPES["points"]


def made(options: dict[str, Any], split: str = "train", **more: Any) -> Any:
    return lookup.dataset("synthetic", split, {**options, **more})


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", SHAPES)
def test_examples_fit_their_spec(name: str, split: str) -> None:
    data = made(SHAPES[name], split, size=200)
    wanted = {**data.spec.leaves, **data.spec.conditions}
    assert len(data) == 200 and data.spec.modality == SHAPES[name]["modality"]
    batch = data.batch(range(200))
    fits(batch, wanted, name, (200,))
    assert set(batch) == set(wanted)
    assert all(len(torch.unique(value.flatten(1), dim=0)) > 1 for value in batch.values() if value.ndim > 1)


@pytest.mark.parametrize("name", SHAPES)
def test_an_example_is_a_function_of_split_and_index(name: str) -> None:
    data, again = made(SHAPES[name]), made(SHAPES[name])
    batch = data.batch([7, 3, 4000])
    for i, index in enumerate([7, 3, 4000]):
        one = again[index]
        assert all(torch.equal(one[key], batch[key][i]) for key in batch)
    other = made(SHAPES[name], "test").batch([7, 3, 4000])
    assert any(not torch.equal(other[key], batch[key]) for key in batch)
    for index in (-1, 4096):
        with pytest.raises(IndexError):
            data[index]


def test_classes_are_apart_and_prototypes_few() -> None:
    """Deviation around a prototype is 0.3, that of prototypes 1; the test split has the same prototypes."""
    for split in ("train", "test"):
        batch = made(LABELLED, split, prototypes=1).batch(range(1000))
        within = torch.stack([batch["x"][batch["label"] == k].std(0) for k in range(3)])
        assert ((within > 0.27) & (within < 0.33)).all()
    train, test = (made(LABELLED, split, prototypes=1).batch(range(1000)) for split in ("train", "test"))
    centres = [torch.stack([b["x"][b["label"] == k].mean(0) for k in range(3)]) for b in (train, test)]
    assert (centres[0] - centres[1]).abs().max() < 0.1 and torch.pdist(centres[0]).min() > 0.5
    several = made(LABELLED, prototypes=3).batch(range(1000))
    assert several["x"][several["label"] == 0].std(0).max() > 0.5


def test_tokens_are_their_prototypes_but_for_some() -> None:
    batch = made(SHAPES["table"], prototypes=1).batch(range(2000))
    usual = batch["x"].mode(0).values
    assert (batch["x"] == usual).double().mean() == pytest.approx(1 - 0.1 * 2 / 3, abs=0.01)


def test_numbers_move_with_conditions_that_are_numbers() -> None:
    batch = made({"modality": "points", "leaves": {"x": {"shape": [1]}}, "conditions": {"level": {}}}, prototypes=1).batch(range(1000))
    residual = batch["x"][:, 0] - batch["level"]
    assert float(residual.std()) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("name", ["series", "text"])
def test_a_length_counts_what_is_filled(name: str) -> None:
    batch = made(SHAPES[name]).batch(range(500))
    room = batch["x"].shape[1]
    assert int(batch["length"].min()) == room // 2 + 1 and int(batch["length"].max()) == room
    behind = torch.arange(room) >= batch["length"][:, None]
    assert (batch["x"][behind] == 0).all() and (batch["x"][~behind] != 0).any()


def test_a_mask_says_what_is_there() -> None:
    batch = made(SHAPES["molecule"]).batch(range(300))
    mask = batch["mask"].bool()
    assert (mask.long().diff(dim=1) <= 0).all() and mask[:, 0].all() and not mask.all()
    assert (batch["pos"][~mask] == 0).all()
    assert (batch["bonds"][~(mask[:, :, None] & mask[:, None])] == 0).all() and batch["bonds"].any()


def test_classes_are_as_frequent_as_asked() -> None:
    data = made(LABELLED, frequencies={"label": [0.7, 0.2, 0.1]})
    found = torch.bincount(data.batch(range(2000))["label"], minlength=3) / 2000
    assert torch.allclose(found, torch.tensor([0.7, 0.2, 0.1]), atol=0.04)
    assert made(LABELLED).spec.frequencies == {"label": [1 / 3] * 3}


def test_images_are_smooth() -> None:
    batch = made(SHAPES["image"], prototypes=1).batch(range(500))
    image = batch["x"].mean(0)[0]
    assert (image[0, 0:4] - image[0, 0]).abs().max() < 0.1 < (image[0, ::4] - image[0, 0]).abs().max()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"modality": "points", "leaves": {}}, "there are no leaves"),
        ({"modality": "points", "leaves": {"y": {"shape": [2]}}}, "points has a leaf 'x'"),
        ({"modality": "image", "leaves": {"x": {"shape": [2]}}}, "images are"),
        ({**LABELLED, "conditions": {"x": {"classes": 2}}}, "'x' is a leaf and a condition"),
        ({**LABELLED, "frequencies": {"label": [1.0]}}, "frequencies.label must be as many"),
        ({**LABELLED, "frequencies": {"lable": [1.0]}}, "frequencies.lable must be"),
        ({**LABELLED, "prototypes": 0}, "prototypes: should be greater than or equal to 1"),
        ({**LABELLED, "prototype": 2}, "prototype: no such key; did you mean 'prototypes'?"),
        ({"leaves": {"x": {"shape": [2]}}}, "modality: is missing"),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_line(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(options)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["points", "image", "series"])
def test_a_recipe_with_it_survives_its_file(name: str, tmp_path: Path) -> None:
    raw = {
        "model": {"plugin": "ddpm", "name": "ddpm-points"},
        "dataset": {"name": "synthetic", "options": {**SHAPES[name], "size": 10}},
        "training": {"seed": 3},
    }
    recipe = recipes.check(raw, schema=lookup.schema, source="here")
    recipes.write(recipe, tmp_path / "recipe.toml")
    again = lookup.recipe("ddpm", str(tmp_path / "recipe.toml"))
    assert again == recipe
    assert made(again.dataset.options).spec == made(SHAPES[name]).spec


def test_its_options_are_light() -> None:
    code = "import gentk.data.synthetic, sys; gentk.data.synthetic.Options; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
