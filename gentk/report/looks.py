"""What is shown of each model: a picture of its samples, light and dark, or words; the real examples come first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UsageError
from ..evaluation.comparing import Comparison
from ..host import lookup
from ..inference.samples import Samples
from ..legends import classes
from ..plots.panels import panel, panels
from ..plots.ratios import cut
from ..style import BRIGHT, CLASSES, ONE, Limits, dark, drawn, limits, sheet
from ..text import one_line
from .notes import described

if TYPE_CHECKING:
    import PIL.Image
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

REAL = "real examples"
ACROSS = 16  # pictures in a row
PANEL = 2.4  # inches of a scatter on the page
FINE = 200  # pixels per inch of the page's pictures, as screens may have two where a page counts one
CRISP = 1000  # pixels of a row of small images


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


def cloud_panels(found: Comparison) -> Figure | None:
    """All scatters in one figure; None for what are no points."""
    if not _dots(found):
        return None
    shown = _shown(found)
    titles = [cut(name) for name, samples, _ in shown if samples is not None]
    return panels(_points(shown), titles, _classes(found, shown), found.examples.data.conditions.get("label"))
