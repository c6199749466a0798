"""A comparison as one HTML page: no script, no request, nothing outside of it. What strangers wrote is escaped where it is written."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import distribution
from ..evaluation.comparing import Comparison
from ..text import harmless
from . import notes, numbers
from .chart import Chart, chart
from .inlining import inlined
from .looks import REAL, Look, legend, looks
from .table import ARROW, BETTER, Cell, Column, columns_of, rows_of

if TYPE_CHECKING:
    import PIL.Image

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
NONE = ' class="none"'
DARK, SMALL = "screen and (prefers-color-scheme: dark)", "screen and (max-width: 600px)"


def page(found: Comparison) -> str:
    """The whole document."""
    title = escaped(notes.title(found))
    style = Path(__file__).with_suffix(".css").read_text("utf-8")
    body = "\n".join([*_scores(found), *_samples(found), *_chart(found), *_method(found), *_missing(found)])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="gentk {escaped(distribution.version())}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="lead">{escaped(notes.subject(found))}</p>
</header>
<main>
{body}
</main>
<footer><p>Made by gentk {escaped(distribution.version())} with <code>gentk compare</code>.</p></footer>
</body>
</html>
"""


def escaped(text: str) -> str:
    """Text for between tags and within quotes: no markup, and nothing that turns around the letters that follow."""
    return html.escape(harmless(text), quote=True)


def broken(name: str) -> str:
    """A name that may go on in the next line behind a slash, a hyphen or an underline."""
    return re.sub("([/_-])", r"\1<wbr>", escaped(name))


# ---------------------------------------------------------------- scores
def _scores(found: Comparison) -> Iterator[str]:
    columns, rows = columns_of(found), rows_of(found)
    trained = any(row.training for row in rows)
    yield '<section aria-labelledby="scores">\n<h2 id="scores">Scores</h2>'
    yield '<div class="scroll" role="region" tabindex="0" aria-label="Table of scores; it scrolls sideways">\n<table>'
    yield f"<caption><span>{escaped(notes.reading(found))}</span></caption>"
    costs = ["seconds per sample", "parameters", *(["training"] if trained else [])]
    heads = [_head(column) for column in columns] + [f'<th scope="col">{name}<small>&nbsp;</small></th>' for name in costs]
    yield f'<thead>\n<tr><th scope="col">Model</th>{"".join(heads)}</tr>\n</thead>\n<tbody>'
    if any(column.floor is not None for column in columns):
        floors = [_td(column.name, "" if column.floor is None else numbers.value(column.floor)) for column in columns]
        floors += [_td(name, "") for name in costs]
        yield f'<tr class="real"><th scope="row">Real examples: the floor</th>{"".join(floors)}</tr>'
    for row in rows:
        cells = [_cell(column, cell) for column, cell in zip(columns, row.cells, strict=True)]
        seconds, cost = numbers.duration(row.entry.result.seconds), row.entry.cost
        told = [seconds, numbers.count(cost.parameters), *([row.training] if trained else [])]
        cells += [_td(name, text) for name, text in zip(costs, told, strict=True)]
        yield f'<tr><th scope="row">{broken(row.name)}</th>{"".join(cells)}</tr>'
    yield "</tbody>\n</table>\n</div>\n</section>"


def _head(column: Column) -> str:
    unit = f" ({escaped(column.unit)})" if column.unit else ""
    arrow = f'<span aria-hidden="true"> {ARROW[column.better]}</span>'
    return f'<th scope="col">{escaped(column.name)}{unit}<small>{BETTER[column.better]}{arrow}</small></th>'


def _td(column: str, text: str) -> str:
    """A plain cell, a dash where there is nothing to say; `column` is shown above it where it is printed."""
    return f'<td data-column="{escaped(column)}"{"" if text else NONE}>{escaped(text or "–")}</td>'


def _cell(column: Column, cell: Cell) -> str:
    if cell.score is None:
        return f'<td data-column="{escaped(column.name)}"{NONE}>–<span class="hidden"> {escaped(cell.missing)}</span></td>'
    mark = ("★", "best") if cell.best else ("☆", "may be best") if cell.rival else None
    sign = f'<span aria-hidden="true">{mark[0]} </span><span class="hidden">{mark[1]}: </span>' if mark else ""
    lines = [f'{sign}<span class="value">{escaped(cell.value)}</span>']
    if cell.ratio is not None:
        lines.append(f"<small>{numbers.times(cell.ratio)} × floor</small>")
    if cell.rank is not None:
        often = f", {numbers.share(cell.rank)}" if cell.rank.share is not None else ""
        lines.append(f"<small>rank {numbers.place(cell.rank)}{often}</small>")
    best = ' class="best"' if cell.best else ""
    return f'<td data-column="{escaped(column.name)}"{best}>{"".join(lines)}</td>'


# ---------------------------------------------------------------- pictures
def _samples(found: Comparison) -> Iterator[str]:
    shown = looks(found)
    yield '<section aria-labelledby="samples">\n<h2 id="samples">Samples</h2>'
    yield from (f"<p>{escaped(text)}</p>" for text in notes.shown(found))
    if key := legend(found):
        dots = [f'<li><span class="dot" style="--day:{day};--night:{night}"></span>{escaped(name)}</li>' for name, day, night in key]
        yield f'<ul class="legend">{"".join(dots)}</ul>'
    pictured = [look for look in shown if look.picture is not None]
    grids = found.examples.data.modality == "image"
    if grids and pictured:
        yield '<div class="scroll strips" role="region" tabindex="0" aria-label="Samples, a row per model; they scroll sideways">'
    else:
        yield f'<div class="clouds{"" if any(look.night for look in shown) else " wide plain"}">'
    yield from map(_look, shown)
    yield "</div>\n</section>"


def _look(look: Look) -> str:
    name = escaped(look.name[:1].upper() + look.name[1:] if look.name == REAL else look.name)
    caption = f"<figcaption>{name}</figcaption>"
    if look.picture is not None:
        return f"<figure>{caption}{_picture(look.picture, look.alt, [(DARK, look.night)] if look.night else [])}</figure>"
    if look.words:
        words = f'<pre role="region" tabindex="0" aria-label="{escaped(look.alt)}">{escaped(look.words)}</pre>'
        return f"<figure>{caption}{words}</figure>"
    return f'<figure>{caption}<p class="pale">{escaped(look.why)}</p></figure>'


def _picture(picture: PIL.Image.Image, alt: str, others: Sequence[tuple[str, PIL.Image.Image]] = ()) -> str:
    """An image and, where the screen is as it is said, another in its place."""
    data, width, height = inlined(picture)
    image = f'<img src="{data}" width="{width}" height="{height}" alt="{escaped(alt)}">'
    if not others:
        return image
    sources = []
    for media, other in others:
        data, width, height = inlined(other)
        sources.append(f'<source media="{media}" srcset="{data}" width="{width}" height="{height}">')
    return f"<picture>{''.join(sources)}{image}</picture>"


def _chart(found: Comparison) -> Iterator[str]:
    made: Chart | None = chart(found)
    if made is None:
        return
    others = [(f"{SMALL} and (prefers-color-scheme: dark)", made.narrow_night), (SMALL, made.narrow), (DARK, made.wide_night)]
    yield '<section aria-labelledby="ratios">\n<h2 id="ratios">Beside real examples</h2>'
    yield (
        "<p>Each score as a multiple of the floor, with one standard error. The best are on the left where lower is better (↓), on the "
        "right where higher is better (↑), and at 1 where the nearest to the floor is best (≈).</p>"
    )
    yield f'<div class="chart">{_picture(made.wide, made.alt, others)}</div>\n</section>'


# ---------------------------------------------------------------- words
def _method(found: Comparison) -> Iterator[str]:
    yield '<section aria-labelledby="method">\n<h2 id="method">How this was measured</h2>\n<ul>'
    yield from (f"<li>{escaped(note)}</li>" for note in notes.notes(found))
    yield "</ul>\n</section>"


def _missing(found: Comparison) -> Iterator[str]:
    lines = notes.missing(found)
    if not lines:
        return
    yield '<section aria-labelledby="missing">\n<h2 id="missing">Not measured</h2>'
    for names, told in lines:
        yield f"<h3>{escaped(names[:1].upper() + names[1:] if names == 'all models' else names)}</h3>"
        yield f"<ul>{''.join(f'<li>{escaped(line)}</li>' for line in told)}</ul>"
    yield "</section>"
