"""What a comparison looks like: samples of each model below the real examples, and the scores as multiples of the floor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError
from ..evaluation.comparing import Comparison
from ..host import lookup
from ..inference.samples import Samples
from ..legends import classes
from ..plots.panels import panel, panels
from ..plots.ratios import LETTERS, Dot, cut, ratios
from ..style import BRIGHT, CLASSES, DPI, INK, ONE, PALE, WIDE, Limits, dark, drawn, limits, literal, sheet
from ..text import one_line
from .notes import described
from .table import ARROW, columns_of, rows_of

if TYPE_CHECKING:
    import PIL.Image
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

REAL = "real examples"
ACROSS = 16  # pictures in a row
NARROW = 3.4  # inches of a picture for a small screen
PANEL = 2.4  # inches of a scatter on the page
FINE = 200  # pixels per inch of the page's pictures, as screens may have two where a page counts one
CRISP = 1000  # pixels of a row of small images
SIDE = 150  # pixels beside a row of pictures, for its name


class Look(NamedTuple):
    """What is shown of one model: a picture, another for dark screens where there is one, or words; else `why` nothing can be shown."""

    name: str
    alt: str
    picture: PIL.Image.Image | None = None
    night: PIL.Image.Image | None = None
    words: str = ""
    why: str = ""


def looks(found: Comparison) -> list[Look]:
    """The real examples, then each model's samples. Pictures of one comparison share their scale."""
    shown = _shown(found)
    kind, spec = lookup.modality(found.examples.data.modality), found.examples.data
    there = [samples for _, samples, _ in shown if samples is not None]
    pictures: Sequence[tuple[PIL.Image.Image | None, PIL.Image.Image | None]]
    if spec.modality == "image":
        pictures = [(_enlarged(kind.picture({"x": one["x"]}, spec, min(ACROSS, len(one)))), None) for one in there]
    elif _dots(found):
        pictures = _clouds(found, shown)
    else:
        pictures = _pictures(kind, there)
    drawn_ones, made = iter(pictures), []
    for name, samples, why in shown:
        if samples is None:
            made.append(Look(name, "", why=why))
            continue
        picture, night = next(drawn_ones)
        words = "" if picture else kind.words(samples.batch, samples.data) or ""
        nothing = "" if picture or words else f"there is no picture of {one_line(spec.modality)}"
        made.append(Look(name, described(samples, name, found, _labelled(found, name)), picture, night, words, nothing))
    return made


def _shown(found: Comparison) -> list[tuple[str, Samples | None, str]]:
    return [(REAL, found.examples, ""), *((entry.name, entry.samples, entry.why) for entry in found.entries)]


def _labelled(found: Comparison, name: str) -> bool:
    return bool(found.labels) and all(entry.labelled for entry in found.entries if entry.name == name)


def _dots(found: Comparison) -> bool:
    return found.examples.data.modality == "points"


def _enlarged(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A whole number of times as large, so that each pixel of a small image is seen as it is."""
    from PIL import Image

    times = max(1, round(CRISP / picture.width))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _pictures(kind: Any, there: Sequence[Samples]) -> list[tuple[PIL.Image.Image | None, None]]:
    """A picture of each by its modality, with one pair of limits where it has axes; None where there are only words, or nothing."""
    try:
        made = kind.frames([one.batch for one in there], there[0].data)
    except UsageError:
        return [(None, None)] * len(there)
    return [(picture, None) for picture in made]


# ---------------------------------------------------------------- points
def _clouds(found: Comparison, shown: Sequence[tuple[str, Samples | None, str]]) -> list[tuple[PIL.Image.Image, PIL.Image.Image]]:
    """A scatter of each, light and dark, all with one pair of axes."""
    states, labels = _points(shown), _classes(found, shown)
    span, key = limits(states), classes(_all(labels), found.examples.data.conditions.get("label"))
    made = []
    for x, own in zip(states, labels, strict=True):
        both = [_cloud(x, key.of(own, ONE), span, night) for night in (False, True)]
        made.append((both[0], both[1]))
    return made


def _cloud(x: NDArray[Any], colours: Any, span: Limits, night: bool) -> PIL.Image.Image:
    made = sheet(PANEL, PANEL)
    made.set_dpi(FINE)
    panel(made.add_subplot(1, 1, 1), x, colours, span)
    return drawn(dark(made) if night else made)


def _points(shown: Sequence[tuple[str, Samples | None, str]]) -> list[NDArray[Any]]:
    return [samples["x"].double().numpy() for _, samples, _ in shown if samples is not None]


def _classes(found: Comparison, shown: Sequence[tuple[str, Samples | None, str]]) -> list[NDArray[Any] | None]:
    return [samples["label"].numpy().reshape(-1) if "label" in samples.batch and _labelled(found, name) else None
            for name, samples, _ in shown if samples is not None]  # fmt: skip


def _all(labels: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
    import numpy as np

    known = [one for one in labels if one is not None]
    return np.concatenate(known) if known else None


def legend(found: Comparison) -> list[tuple[str, str, str]]:
    """(name, colour, colour on a dark ground) of each class of dots; empty where there are none, or too many to be told apart."""
    about = found.examples.data.conditions.get("label")
    if not _dots(found) or not found.labels or about is None or about.classes > len(CLASSES):
        return []
    named = classes(_all(_classes(found, _shown(found))), about)
    return [(name, CLASSES[k % len(CLASSES)], BRIGHT[k % len(BRIGHT)]) for k, (name, _) in named.entries.items()]


# ---------------------------------------------------------------- scores
class Chart(NamedTuple):
    """The dots of all scores that have a multiple of the floor; `alt`, in words."""

    wide: PIL.Image.Image
    wide_night: PIL.Image.Image
    narrow: PIL.Image.Image
    narrow_night: PIL.Image.Image
    alt: str


def chart(found: Comparison) -> Chart | None:
    """None where no score has a multiple of the floor."""
    metrics, models, dots = dots_of(found)
    if not dots:
        return None
    made = [_fine(ratios(metrics, models, dots, width), night) for width in (WIDE, NARROW) for night in (False, True)]
    told = [f"{metric}: " + ", ".join(f"{model} {dots[metric, model].ratio:.3g}" for model in models if (metric, model) in dots)
            for metric in metrics]  # fmt: skip
    return Chart(made[0], made[1], made[2], made[3], f"Scores as multiples of the floor. {'; '.join(told)}.")


def _fine(figure: Figure, night: bool) -> PIL.Image.Image:
    figure.set_dpi(FINE)
    return drawn(dark(figure) if night else figure)


def dots_of(found: Comparison) -> tuple[list[str], list[str], dict[tuple[str, str], Dot]]:
    """Metrics (with the direction that is good), models, and a dot for each pair that has a multiple of the floor."""
    rows = rows_of(found)
    models = [cut(row.name) for row in rows]
    if len(set(models)) < len(models):
        models = [f"{i + 1}: {cut(row.name)}" for i, row in enumerate(rows)]
    dots, metrics = {}, []
    for j, column in enumerate(columns_of(found)):
        name = f"{one_line(column.name, LETTERS)} {ARROW[column.better]}"
        for model, row in zip(models, rows, strict=True):
            cell = row.cells[j]
            if cell.ratio is not None and cell.score is not None and cell.score.floor:
                dots[name, model] = Dot(cell.ratio, (cell.score.error or 0.0) / cell.score.floor)
        metrics += [name] if any(metric == name for metric, _ in dots) else []
    return metrics, models, dots


# ---------------------------------------------------------------- one picture of all
def whole(found: Comparison) -> PIL.Image.Image:
    """Samples above scores. Raises UsageError where there is neither a picture of samples nor a multiple of the floor."""
    metrics, models, dots = dots_of(found)
    scores = drawn(ratios(metrics, models, dots)) if dots else None
    pictures = [one for one in (_samples(found), scores) if one is not None]
    if not pictures:
        raise UsageError("there is no picture of these examples, and no score has a multiple of the floor: write .html or .md instead")
    return stacked(pictures)


def _samples(found: Comparison) -> PIL.Image.Image | None:
    shown = _shown(found)
    if _dots(found):
        there = [(name, samples) for name, samples, _ in shown if samples is not None]
        about = found.examples.data.conditions.get("label")
        return drawn(panels(_points(shown), [cut(name) for name, _ in there], _classes(found, shown), about))
    rows = [look for look in looks(found) if look.picture is not None]
    return stacked([_named(look) for look in rows]) if rows else None


def _named(look: Look) -> PIL.Image.Image:
    """A picture as wide as the page, with its name beside it."""
    from PIL import Image

    assert look.picture is not None
    page = round(WIDE * DPI)
    room = page - SIDE
    times = room / look.picture.width
    picture = look.picture.convert("RGB").resize((room, round(look.picture.height * times)), Image.Resampling.LANCZOS)
    made = Image.new("RGB", (page, max(picture.height, 20)), "white")
    made.paste(_label(cut(look.name), made.height), (0, 0))
    made.paste(picture, (SIDE, 0))
    return made


def _label(text: str, height: int) -> PIL.Image.Image:
    """A name in the middle of the height, in two lines where it is long."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    made = Figure(figsize=(SIDE / DPI, height / DPI), dpi=DPI)
    FigureCanvasAgg(made)
    half = len(text) // 2
    lines = [text] if len(text) <= 18 else [text[:half], text[half:]]
    colour = PALE if text == REAL else INK
    made.text(0.03, 0.5, "\n".join(map(literal, lines)), ha="left", va="center", fontsize=8.5, color=colour)
    return drawn(made).resize((SIDE, height))


def stacked(pictures: Sequence[PIL.Image.Image], gap: int = 8) -> PIL.Image.Image:
    """Pictures one below the other."""
    from PIL import Image

    made = Image.new("RGB", (max(p.width for p in pictures), sum(p.height for p in pictures) + gap * (len(pictures) - 1)), "white")
    top = 0
    for picture in pictures:
        made.paste(picture, (0, top))
        top += picture.height + gap
    return made
