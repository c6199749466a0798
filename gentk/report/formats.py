"""A comparison for programs and for plain text: JSON, CSV, Markdown."""

from __future__ import annotations

import csv
import io
from typing import Any

from ..evaluation.comparing import Comparison
from ..weights.card.markdown import plain, table
from . import notes, numbers
from .table import BETTER, Cell, Row, columns_of, rows_of

HEAD = (
    "model", "metric", "value", "error", "floor", "ratio", "rank", "rank_low", "rank_high", "rank_share", "better", "kind", "unit",
    "examples", "reference", "seconds_per_sample", "parameters", "training_steps", "training_seconds",
)  # fmt: skip


def told(found: Comparison) -> dict[str, Any]:
    """Everything, as JSON."""
    return {
        "dataset": {"name": found.reference.name.partition(":")[0], "split": found.reference.split},
        "n": found.n,
        "seed": found.seed,
        "shown": {"examples": len(found.examples), "labels": list(found.labels)},
        "models": [_model(row) for row in rows_of(found)],
        "notes": [notes.subject(found), *notes.notes(found), *notes.shown(found)],
    }


def _model(row: Row) -> dict[str, Any]:
    result, cost = row.entry.result, row.entry.cost
    return {
        "weights": row.entry.name,
        "parameters": cost.parameters,
        "bytes": cost.bytes,
        "training_steps": cost.steps,
        "training_seconds": cost.seconds,
        "seconds_per_sample": result.seconds,
        "featurizer": result.featurizer,
        "scores": [_score(row, cell) for cell in row.cells if cell.score is not None],
        "failed": dict(result.failed),
        "passed_over": dict(result.passed_over),
    }


def _score(row: Row, cell: Cell) -> dict[str, Any]:
    assert cell.score is not None
    halves = row.entry.result.halves.get(cell.score.name)
    return {
        **cell.score.model_dump(mode="json"),
        "ratio": cell.ratio,
        "rank": cell.rank._asdict() if cell.rank else None,
        "halves": list(halves) if halves is not None else None,
    }


def comma(found: Comparison) -> str:
    """CSV: a row per model and score."""
    held = io.StringIO()
    writer = csv.writer(held, lineterminator="\n")
    writer.writerow(HEAD)
    for row in rows_of(found):
        cost = row.entry.cost
        costs = [row.entry.result.seconds, cost.parameters, cost.steps, cost.seconds]
        for cell in row.cells:
            if (score := cell.score) is not None:
                rank = cell.rank[:4] if cell.rank else (None,) * 4
                about = [score.better, score.kind, score.unit, score.examples, score.reference]
                writer.writerow([row.entry.name, score.name, score.value, score.error, score.floor, cell.ratio, *rank, *about, *costs])
    return held.getvalue()


def markdown(found: Comparison, picture: str = "") -> str:
    """A heading, a table with a row per model, and how it came about; `picture`: a file beside it that is shown."""
    columns, rows = columns_of(found), rows_of(found)
    heads = [f"{plain(column.name)}{f' ({plain(column.unit)})' if column.unit else ''}<br>{BETTER[column.better]}" for column in columns]
    lines = [["real examples: the floor", *(numbers.value(c.floor) if c.floor is not None else "–" for c in columns), "–", "–", "–"]]
    for row in rows:
        costs = [numbers.duration(row.entry.result.seconds), numbers.count(row.entry.cost.parameters), row.training]
        lines.append([plain(row.name), *map(_cell, row.cells), *(cost or "–" for cost in costs)])
    told = [f"- {plain(text, 2000)}" for text in (*notes.notes(found), *notes.shown(found))]
    lacking = [f"- {plain(names)}: {plain(text, 2000)}" for names, texts in notes.missing(found) for text in texts]
    image = f'![{plain("Samples of each model, and scores as multiples of the floor")}](<{picture}>)' if picture else ""
    parts = [f"# {plain(notes.title(found), 2000)}", plain(notes.subject(found), 2000),
             table(["model", *heads, "seconds per sample", "parameters", "training"], lines), plain(notes.reading(found), 2000), image,
             "## How this was measured", "\n".join(told),
             *(["## Not measured", "\n".join(lacking)] if lacking else [])]  # fmt: skip
    return "\n\n".join(part for part in parts if part) + "\n"


def _cell(cell: Cell) -> str:
    if cell.score is None:
        return "–"
    value = f"★ **{cell.value}**" if cell.best else f"☆ {cell.value}" if cell.rival else cell.value
    often = f", {numbers.share(cell.rank)}" if cell.rank and cell.rank.share is not None else ""
    more = [f"{numbers.times(cell.ratio)} × floor" if cell.ratio is not None else "",
            f"rank {numbers.place(cell.rank)}{often}" if cell.rank else ""]  # fmt: skip
    return "<br>".join(filter(None, [value, *more]))
