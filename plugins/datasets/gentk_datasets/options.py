"""The options of every data set, as pydantic models. Light: checked before anything is loaded."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """No key but the ones below it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GreyImages(Options):
    """Of mnist and fashion-mnist."""

    labels: bool = Field(True, description="Give the class as the condition `label`.")
    size: int = Field(28, ge=28, le=256, description="Height and width; a black border is added.")
    binarise: Literal["none", "threshold", "dynamic"] = Field(
        "none", description="Black and white only: by a threshold at one half, or drawn anew with the pixel's grey as its probability."
    )


class ColourImages(Options):
    """Of cifar10."""

    labels: bool = Field(True, description="Give the class as the condition `label`.")
    flip: bool = Field(False, description="Mirror half of the training examples, drawn anew each time.")


class Digits(Options):
    """Of digits."""

    labels: bool = Field(True, description="Give the class as the condition `label`.")


class Folder(Options):
    """Of folder:PATH."""

    path: str = Field(description="The folder; images in its sub-folders count too.")
    size: int = Field(64, ge=4, le=2048, description="Height and width; the shorter side is resized to it and the centre kept.")
    channels: Literal[1, 3] = Field(3, description="1 for grey, 3 for colour.")
    flip: bool = Field(False, description="Mirror half of the training examples, drawn anew each time.")
    labels: bool = Field(False, description="Give the first sub-folder's name as the condition `label`.")
    test_share: float = Field(0.1, ge=0, lt=1, description="Share of the images held out as the split `test`.")


class Npz(Options):
    """Of npz:PATH."""

    path: str = Field(description="The file; keys: x (more leaves may follow), label, cond_NAME.")
    modality: str = Field("", description="What an example is; left out, it is told from the shape: (d,) points, (C, H, W) image.")
    labels: bool = Field(True, description="Give `label` and `cond_NAME` as conditions.")
    test_share: float = Field(0.1, ge=0, lt=1, description="Share of the examples held out as the split `test`.")


class SwissRoll(Options):
    """Of swiss-roll."""

    noise: float = Field(0.3, ge=0, description="Standard deviation around the spiral; its turns are 6.3 apart.")


class Moons(Options):
    """Of moons."""

    noise: float = Field(0.08, ge=0, description="Standard deviation around the half circles, whose radius is 1.")
    labels: bool = Field(True, description="Give the half circle as the condition `label`.")


class Circles(Options):
    """Of circles."""

    noise: float = Field(0.05, ge=0, description="Standard deviation around the circles; the outer radius is 1.")
    factor: float = Field(0.5, gt=0, lt=1, description="Radius of the inner circle.")
    labels: bool = Field(True, description="Give the circle as the condition `label`.")


class Checkerboard(Options):
    """Of checkerboard."""

    squares: int = Field(4, ge=2, le=64, multiple_of=2, description="Squares along each side.")


class EightGaussians(Options):
    """Of eight-gaussians."""

    noise: float = Field(0.1, ge=0, description="Standard deviation of each Gaussian; their centres are 1 from the origin.")
    labels: bool = Field(True, description="Give the Gaussian as the condition `label`.")
