"""The options of every data set, as pydantic models. Light: checked before anything is loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Options(BaseModel):
    """No key but the ones below it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


TRAINING: Any = {"training": True}
"""Of what changes only how a model is trained: `gentk evaluate` lays samples beside examples without it."""

LABELLED: Any = Field(
    None, ge=1, json_schema_extra=TRAINING,
    description="Training: only so many keep their label, evenly over the classes, and are met as often as all those without.",
)  # fmt: skip


def _rising(span: tuple[float, float] | None) -> tuple[float, float] | None:
    if span is not None and not (math.isfinite(span[0]) and math.isfinite(span[1]) and span[0] < span[1]):
        raise ValueError("should be [LOW, HIGH], two numbers of which the second is the larger")
    return span


Range = Annotated[tuple[float, float] | None, AfterValidator(_rising)]


class Augment(Options):
    """How training images differ each time they are met. Drawn evenly between what is said and its opposite."""

    flip: bool = Field(False, description="Mirror half of them left to right.")
    shift: float = Field(0.0, ge=0, le=0.5, description="By this share of the side at most, in whole pixels.")
    rotate: float = Field(0.0, ge=0, le=180, description="By so many degrees at most.")
    zoom: float = Field(0.0, ge=0, le=1, description="By this share larger or smaller at most.")
    colour: float = Field(0.0, ge=0, le=1, description="Brightness, contrast and saturation, by this share at most.")


AUGMENT: Any = Field(None, json_schema_extra=TRAINING, description="Training images differ each time: flip, shift, rotate, zoom, colour.")
FLIP: Any = Field(False, json_schema_extra=TRAINING, description="Mirror half of the training images, anew each time: as augment.flip.")
Augmenting = Augment | Mapping[str, Any] | None


class GreyImages(Options):
    """Of mnist and fashion-mnist."""

    labels: bool = Field(True, description="Give the class as the condition `label`.")
    size: int = Field(28, ge=28, le=256, description="Height and width; a black border is added.")
    binarise: Literal["none", "threshold", "dynamic"] = Field(
        "none", json_schema_extra=TRAINING,
        description="Black and white only: by a threshold at one half, or drawn anew with the pixel's grey as its probability.",
    )  # fmt: skip
    labelled: int | None = LABELLED
    augment: Augment | None = AUGMENT


class ColourImages(Options):
    """Of cifar10."""

    labels: bool = Field(True, description="Give the class as the condition `label`.")
    flip: bool = FLIP
    augment: Augment | None = AUGMENT


class Digits(Options):
    """Of digits."""

    labels: bool = Field(True, description="Give the class as the condition `label`.")
    labelled: int | None = LABELLED
    augment: Augment | None = AUGMENT


class Folder(Options):
    """Of folder:PATH."""

    path: str = Field(description="The folder; images in its sub-folders count too. Of two named train and test, the latter is held out.")
    size: int | None = Field(
        None, ge=4, le=2048, description="Height and width, to which the shorter side is resized; left out: as the images are, 64 at most."
    )
    channels: Literal[1, 3] = Field(3, description="1 for grey, 3 for colour.")
    flip: bool = FLIP
    augment: Augment | None = AUGMENT
    labels: bool | None = Field(None, description="The first sub-folder's name is the condition `label`; left out: where all lie in some.")
    range: Range = Field(
        None, description="[LOW, HIGH]: the values of files beyond 8 bits that become black and white; left out: as their depth says."
    )
    skip_broken: bool = Field(False, description="Go on without the files that cannot be read.")
    test_share: float = Field(0.1, ge=0, lt=1, description="Share of the images held out as the split `test`.")


class Npz(Options):
    """Of npz:PATH."""

    path: str = Field(description="The file; keys: x (more leaves may follow), label, cond_NAME.")
    modality: str = Field("", description="What an example is; left out, it is told from the shape: (d,) points, (C, H, W) image.")
    labels: bool = Field(True, description="Give `label` and `cond_NAME` as conditions.")
    range: Range = Field(
        None, description="[LOW, HIGH]: the values of images that become black and white; left out: by their type, floats as they are."
    )
    augment: Augment | None = AUGMENT
    test_share: float = Field(0.1, ge=0, lt=1, description="Share of the examples held out as the split `test`.")


class Hub(Options):
    """Of hf:USER/NAME."""

    repo: str = Field(description="The data set's name on the Hub; behind an @ a branch, a tag or a commit.")
    revision: str = Field("", description="A branch, a tag or a commit; left out: main. A run records the commit.")
    config: str = Field("", description="The subset, where there are several.")
    train: str = Field("", description="What the Hub calls the split `train`; left out: train.")
    test: str = Field("", description="What the Hub calls the split `test`; left out: test or validation, else test_share is cut off.")
    test_share: float = Field(0.1, ge=0, lt=1, description="Where the Hub has no split to test on: share of the rows held out as one.")
    modality: Literal["", "image", "text", "table"] = Field("", description="What an example is; left out, it is told from the features.")
    column: str = Field("", description="The column of the images or texts; left out: the one that there is.")
    label: str = Field("", description="The column that is the condition `label` of images and tables; left out: the one of named classes.")
    labels: bool = Field(True, description="Give the class as the condition `label`.")
    streaming: bool = Field(False, description="Read only as many examples as are asked for, and keep them.")
    examples: int | None = Field(None, ge=2, description="With streaming: how many of each split.")
    buffer: int = Field(1000, ge=1, description="With streaming: rows among which the next one is drawn; 1: the first examples.")
    seed: int = Field(0, ge=0, lt=2**32, description="With streaming: of that draw.")
    size: int | None = Field(
        None, ge=4, le=2048, description="Height and width of images; left out: as they are, 64 at most. The shorter side is resized to it."
    )
    channels: Literal[1, 3] | None = Field(None, description="1 for grey, 3 for colour; left out: as the images are.")
    flip: bool = FLIP
    augment: Augment | None = AUGMENT
    unit: Literal["character", "word"] = Field("character", description="What a token of a text is; words have blanks between them.")
    lines: bool = Field(False, description="Each row is an example, and a line's end is its last token; else the text is cut into windows.")
    length: int = Field(0, ge=0, le=65_536, description="Tokens of an example. 0: windows of 256; of rows, as many as the longest has.")
    stride: int = Field(0, ge=0, description="Tokens from one window to the next; 0: its length.")
    columns: str = Field("", description="Columns of a table, with commas; left out: all that hold single values.")
    drop: str = Field("", description="Columns of a table to leave out, with commas.")
    states: int = Field(1000, ge=2, le=100_000, description="Different texts that a column of a table may have at most.")


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


class Series(Options):
    """Of every measured series."""

    log: bool = Field(False, description="Take logarithms.")
    difference: int = Field(0, ge=0, description="Take differences over so many steps; 0 takes none.")
    window: int = Field(0, ge=0, description="Steps of an example; 0: the whole series is the one example.")
    stride: int = Field(1, ge=1, description="Steps from one window to the next.")
    test_share: float = Field(0.2, ge=0, lt=1, description="Share of the steps, the last ones, held out as the split `test`.")


class AirlinePassengers(Series):
    """Of airline-passengers."""

    test_share: float = Field(1 / 6, ge=0, lt=1, description="Share of the steps, the last ones, held out as the split `test`.")


class OwnSeries(Series):
    """Of series:PATH."""

    path: str = Field(description="The file: .csv with a header and a row per step, .npz or .safetensors.")
    columns: str = Field("", description="Names of the columns that are channels, with commas; left out: all but a first one of dates.")
    encoding: str = Field("", description="Of the file, such as cp1252; left out: UTF-8, or what a mark at its start says.")
    separator: str = Field("", max_length=1, description="What stands between two cells; left out: what fits the first lines best.")


class Seasonal(Options):
    """Of seasonal."""

    steps: int = Field(144, ge=2, le=100_000, description="Length of a series.")
    period: int = Field(12, ge=2, description="Steps of a season.")
    trend: float = Field(0.2, description="Rise per season.")
    amplitude: float = Field(1.0, ge=0, description="Height of the seasons' first harmonic; the second has half of it.")
    noise: float = Field(0.2, gt=0, description="Standard deviation of what is new in each step.")
    memory: float = Field(0.6, gt=-1, lt=1, description="How much of the last step's deviation stays.")


class OwnTable(Options):
    """Of table:PATH."""

    path: str = Field(description="The file: .csv, .tsv or any text of cells, with a header; .parquet.")
    label: str = Field("", description="The column that is the condition `label`: a class for each row.")
    columns: str = Field("", description="Names of the columns to take, with commas; left out: all.")
    drop: str = Field("", description="Names of columns to leave out, with commas.")
    states: int = Field(1000, ge=2, le=100_000, description="Different texts that a category may have.")
    encoding: str = Field("", description="Of the file, such as cp1252; left out: UTF-8, or what a mark at its start says.")
    separator: str = Field("", max_length=1, description="What stands between two cells; left out: what fits the first lines best.")
    test_share: float = Field(0.2, ge=0, lt=1, description="Share of the rows held out as the split `test`.")


class Bundled(Options):
    """Of diabetes, which has none."""


class BundledClasses(Options):
    """Of iris, wine and breast-cancer."""

    labels: bool = Field(True, description="Give the class as the condition `label`.")


class Sprinkler(Options):
    """Of sprinkler, which has none."""


class OwnText(Options):
    """Of text:PATH."""

    path: str = Field(description="A file of text, a .jsonl with a `text` in each line, or a folder of such files.")
    encoding: str = Field("", description="Of the file, such as cp1252; left out: UTF-8, or what a mark at its start says.")
    unit: Literal["character", "word", "bpe"] = Field("character", description="A token: a character, a word, or by byte-pair encoding.")
    vocabulary: int = Field(4096, ge=257, le=1_000_000, description="Tokens of the encoding that the training part teaches; unit = bpe.")
    tokenizer: str = Field("", description="A tokenizer.json that cuts the text in place of a new one; unit = bpe.")
    lines: bool = Field(False, description="Each line is an example, and its end is its last token; else the text is cut into windows.")
    length: int = Field(0, ge=0, le=65_536, description="Tokens of an example. 0: windows of 256; of lines, as many as the longest has.")
    stride: int = Field(0, ge=0, description="Tokens from one window to the next; 0: its length.")
    test_share: float = Field(0.1, ge=0, lt=1, description="Share of the text, its last part, held out as the split `test`.")


class TinyShakespeare(Options):
    """Of tiny-shakespeare."""

    length: int = Field(256, ge=2, le=65_536, description="Characters of an example.")


class Names(Options):
    """Of names, which has none."""


class Sentences(Options):
    """Of sentences."""

    unit: Literal["character", "word"] = Field("word", description="What a token is.")
