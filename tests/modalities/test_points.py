"""Points: the table is exact, and the picture shows the points where they are, in the colours of their classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ImageColor

from gentk.errors import UsageError
from gentk.modalities import modality
from gentk.modalities.points import PIXELS
from gentk.protocols import DataSpec, Leaf
from gentk.style import CLASSES, ONE

POINTS = modality("points")
PLAIN = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))})
LABELLED = DataSpec(modality="points", leaves={"x": Leaf(shape=(2,))}, conditions={"label": Leaf(classes=2)})


def cloud(n: int = 50) -> dict[str, torch.Tensor]:
    return {"x": torch.randn(n, 2, generator=torch.Generator().manual_seed(0)), "label": torch.arange(n) % 2}


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".safetensors"])
def test_what_is_saved_is_what_is_read_to_the_last_bit(tmp_path: Path, suffix: str) -> None:
    POINTS.save(cloud(), LABELLED, tmp_path / f"x{suffix}")
    assert (POINTS.read(tmp_path / f"x{suffix}", (2,)) == cloud()["x"].numpy()).all()


def test_the_table_names_coordinates_and_conditions(tmp_path: Path) -> None:
    POINTS.save({"x": torch.tensor([[0.5, -2.0]]), "label": torch.tensor([1])}, LABELLED, tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_text() == "x0,x1,label\n0.5,-2,1\n"


def near(picture: np.ndarray, colour: str) -> np.ndarray:
    """Where (row, column) the picture has that colour, blended with white or not."""
    target = np.array(ImageColor.getrgb(colour), float)
    flat = picture.astype(float)
    cosine = ((255 - flat) @ (255 - target)) / (np.linalg.norm(255 - flat, axis=-1) * np.linalg.norm(255 - target) + 1e-9)
    return np.argwhere((cosine > 0.995) & (flat.min(-1) < 150))


def test_the_picture_shows_each_class_in_its_colour_and_place() -> None:
    x = torch.cat([torch.tensor([-1.0, -1.0]).expand(30, 2), torch.tensor([1.0, 1.0]).expand(30, 2)])
    picture = np.asarray(POINTS.picture({"x": x, "label": torch.arange(60) // 30}, LABELLED))[:, :PIXELS]  # beside it is the legend
    low, high = near(picture, CLASSES[0]).mean(0), near(picture, CLASSES[1]).mean(0)
    assert low[0] > high[0] + 200  # rows count downwards
    assert low[1] < high[1] - 200
    assert abs((low[0] - high[0]) - (high[1] - low[1])) < 4  # equal axes


def test_each_class_that_occurs_has_its_colour_beside_the_picture_and_no_other() -> None:
    x = torch.zeros(40, 2)
    beside = np.asarray(POINTS.picture({"x": x, "label": torch.full((40,), 1)}, LABELLED))[:, PIXELS:]
    assert len(near(beside, CLASSES[1])) and not len(near(beside, CLASSES[0]))
    assert np.asarray(POINTS.picture({"x": x}, PLAIN)).shape == (PIXELS, PIXELS, 3)


def test_one_far_outlier_does_not_shrink_the_rest() -> None:
    x = cloud(2000)["x"]
    x[0] = 1e6
    rows = near(np.asarray(POINTS.picture({"x": x}, PLAIN)), ONE)
    assert len(rows) > 2000  # coloured pixels: apart they are many, in one spot they would be a handful
    assert rows.std(0).min() > 60


def test_an_animation_keeps_its_axes() -> None:
    still = torch.tensor([[0.0, 0.0]]).expand(40, 2)
    moved = torch.tensor([[4.0, 4.0]]).expand(40, 2)
    frames = POINTS.frames([{"x": still}, {"x": moved}], PLAIN)
    first, second = (near(np.asarray(frame), ONE).mean(0) for frame in frames)
    assert first[0] > second[0] + 400  # what moves up and to the right is seen to move
    assert second[1] > first[1] + 400
    assert len({frame.size for frame in frames}) == 1


def test_a_table_without_the_columns_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="x0, x1") as caught:
        POINTS.read(tmp_path / "x.csv", (2,))
    assert "\n" not in str(caught.value)


def test_another_shape_is_refused(tmp_path: Path) -> None:
    POINTS.save(cloud(), PLAIN, tmp_path / "x.npz")
    with pytest.raises(UsageError, match="3"):
        POINTS.read(tmp_path / "x.npz", (3,))
