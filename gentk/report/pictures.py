"""A comparison as one picture: samples above scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..evaluation.comparing import Comparison
from ..plots.ratios import cut, ratios
from ..style import DPI, INK, PALE, WIDE, drawn, literal
from .chart import dots_of
from .looks import REAL, Look, cloud_panels, looks

if TYPE_CHECKING:
    import PIL.Image

SIDE = 150  # pixels beside a row of pictures, for its name


def whole(found: Comparison) -> PIL.Image.Image:
    """Samples above scores. Raises UsageError where there is neither a picture of samples nor a multiple of the floor."""
    metrics, models, dots = dots_of(found)
    scores = drawn(ratios(metrics, models, dots)) if dots else None
    pictures = [one for one in (_samples(found), scores) if one is not None]
    if not pictures:
        raise UsageError("there is no picture of these examples, and no score has a multiple of the floor: write .html or .md instead")
    return stacked(pictures)


def _samples(found: Comparison) -> PIL.Image.Image | None:
    if (panels := cloud_panels(found)) is not None:
        return drawn(panels)
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
