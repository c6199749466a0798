"""What a card says, a section each. Short: a person reads it, and may put better words in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...protocols import Score
from ..files import opened
from . import usage
from .facts import Facts
from .markdown import code, fence, paper, plain, table

PICTURES = (".png", ".gif", ".webp")
SIZED = ("image", "video", "text", "series")
LINES = 12  # of a preview in words
CLASSES = 20  # whose names are listed
INVITATION = "<!-- What it is for, and where it fails: your own words, here or anywhere. What stands outside gentk's sections stays. -->"
READ = 20_000  # bytes of it
_TYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def sections(facts: Facts, license: Any = None) -> dict[str, str]:
    """Name → Markdown, in the order of the page; empty where there is nothing to say. `license`: what the head of the card gives."""
    return {
        "title": f"# {plain(facts.repo.rpartition('/')[2], 80)}",
        "about": _about(facts),
        "preview": _preview(facts.preview),
        "use": _use(facts),
        "training": _training(facts),
        "scores": _scores(facts),
        "size": _size(facts),
        "licence": _licence(license),
        "limits": _limits(facts),
    }


def _about(facts: Facts) -> str:
    name = f"{code(facts.model)} of the gentk plugin {code(facts.plugin)}"
    told = facts.about.summary.strip().rstrip(".") if facts.about else ""
    source = f" ({paper(facts.about.paper)})" if facts.about and facts.about.paper else ""
    asked = [_asked(key, condition) for key, condition in facts.conditions.items()]
    said = f"Its data are {_examples(facts)}." + (f" It can be asked for {', '.join(asked)}." if asked else "")
    return f"Weights of {name}{f': {plain(told)}' if told else ''}{source}. {said}"


def _examples(facts: Facts) -> str:
    """One example in words."""
    spec = facts.spec
    x = spec.leaves.get("x")
    sizes = x.shape if x else ()
    if spec.modality == "image" and len(sizes) == 3:
        colours = {1: "in grey", 3: "in colour"}.get(sizes[0], f"of {sizes[0]} channels")
        return f"images of {sizes[1]} × {sizes[2]} pixels {colours}"
    if spec.modality == "video" and len(sizes) == 4:
        return f"videos of {sizes[1]} frames of {sizes[2]} × {sizes[3]} pixels"
    if spec.modality == "series" and len(sizes) == 2:
        return f"series of {_most(facts)}{sizes[0]} steps of {_count(sizes[1], 'value')}"
    if spec.modality == "text" and len(sizes) == 1 and x:
        return f"texts of {_most(facts)}{sizes[0]} tokens from a vocabulary of {x.classes:,}"
    if spec.modality == "points" and len(sizes) == 1:
        return f"points in {_count(sizes[0], 'dimension')}"
    if spec.modality == "table" and len(sizes) == 1:
        return f"rows of {_count(sizes[0], 'variable')}"
    leaves = ", ".join(f"{code(key)} {_shape(leaf.shape)}" for key, leaf in spec.leaves.items())
    return f"of the modality {code(spec.modality)}: {leaves}"


def _most(facts: Facts) -> str:
    return "at most " if "length" in facts.spec.leaves else ""


def _count(number: int, what: str, ending: str = "s") -> str:
    return f"{number:,} {what}{'' if number == 1 else ending}"


def _shape(sizes: tuple[int, ...]) -> str:
    return " × ".join(map(str, sizes)) or "one number"


def _asked(key: str, condition: Any) -> str:
    what = "a number"
    if condition.kind == "label":
        what = _count(condition.classes, "class", "es")
    elif condition.kind == "text":
        what = f"a text of at most {_count(condition.length, 'token')}"
    elif condition.kind == "file":
        what = f"a file of {_shape(condition.shape)}"
    return f"{code(key)} ({what}{', always' if condition.required else ''})"


def _preview(path: Path | None) -> str:
    if path is None:
        return ""
    name = f"samples/{path.name}"
    if path.suffix in PICTURES:
        return f"<Gallery />\n\n![Samples]({name})"
    if path.suffix == ".mp4":
        return f'<video controls src="{name}"></video>'
    with opened(path) as file:
        text = file.read(READ).decode("utf-8", "replace")
    lines = ["".join(c for c in line[:300] if c.isprintable()) for line in text.splitlines()[:LINES]]
    return f"Some samples; [{name}]({name}) has more.\n\n" + fence("\n".join(lines))


def _use(facts: Facts) -> str:
    more = (
        f"{code(f'gentk sample --weights {usage.repo(facts)} --help', 300)} shows what else can be asked for."
        if facts.drawable
        else "These weights draw no samples by themselves."
    )
    safe = "Nothing in this repository is ever run: the config is JSON, the numbers are safetensors."
    return f"## Use\n\n{fence(usage.commands(facts), 'sh')}\n\n{fence(usage.python(facts), 'python')}\n\n{more} {safe}"


def _training(facts: Facts) -> str:
    recipe = facts.recipe
    if recipe is None:
        return ""
    part, stated = recipe.training, recipe.training.model_fields_set
    data = [code(facts.dataset), f"split {code(recipe.dataset.split)}"]
    data += [f"the first {recipe.dataset.examples:,} examples"] if recipe.dataset.examples else []
    data += [f"{plain(key, 40)} {code(_toml(value), 40)}" for key, value in recipe.dataset.options.items() if _tells(value)]
    rows = [("data", ", ".join(data))]
    if facts.fitted:
        rows += [("fitted in", _count(facts.step, "pass", "es") + " over the data")] if facts.step else []
    elif stated & {"steps", "lr"}:
        done = f"{facts.step:,} of {part.steps:,}" if facts.step and facts.step < part.steps else f"{part.steps:,}"
        rate = f"{part.lr:g}" + (f", AdamW {part.adam_lr:g}" if part.optimizer == "muon" else "")
        rows += [("rounds", done), ("batch size", f"{part.batch_size:,}"), ("optimizer", part.optimizer), ("rate", rate)]
    again = "[recipe.toml](recipe.toml) has every number; `gentk train --recipe recipe.toml` trains it again."
    return f"## Training\n\n{table(('', ''), rows)}\n\n{again}"


def _toml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tells(value: Any) -> bool:
    """Whether an option of a data set says something to others: no table, and no place on somebody's machine."""
    return isinstance(value, (bool, int, float)) or (isinstance(value, str) and not set(value) & {"/", "\\", "~"})


def _scores(facts: Facts) -> str:
    scores = facts.scores
    if scores is None:
        return ""
    split = f" the split {code(scores.split)} of" if scores.split else ""
    where = f"On{split} {code(scores.dataset) if scores.dataset else 'its data'}"
    when = f", after {scores.step:,} rounds" if scores.step is not None else ""
    columns: list[tuple[str, Callable[[Score], str]]] = [
        ("score", lambda row: plain(f"{row.name} {row.unit}".strip(), 60)),
        ("value", _value),
        ("floor", lambda row: "" if row.floor is None else f"{row.floor:.5g}"),
        ("examples", lambda row: f"{row.examples:,}" if row.examples else ""),
        ("in", lambda row: plain(str(row.parameters.get("featurizer", "")), 60)),
    ]
    filled = [(head, cells) for head, cell in columns if any(cells := [cell(row) for row in scores.rows])]
    rows = list(zip(*(cells for _, cells in filled), strict=True))
    floor = " The floor is what real examples get beside other real ones." if any(head == "floor" for head, _ in filled) else ""
    return f"## Scores\n\n{where}{when}:{floor}\n\n{table(tuple(head for head, _ in filled), rows)}"


def _value(score: Score) -> str:
    bound = "≥ " if score.kind == "bound" and score.better == "higher" else "≤ " if score.kind == "bound" else ""
    return f"{bound}{score.value:.5g}" + (f" ± {score.error:.2g}" if score.error else "")


def _size(facts: Facts) -> str:
    header = facts.header
    size = f"{header.bytes / 1e6:,.2f} MB" if header.bytes >= 1e5 else f"{header.bytes / 1e3:.1f} kB"
    types = ", ".join(_TYPES[name] for name in header.dtypes)
    return f"## Size\n\n{header.parameters:,} numbers, {size}, {types}."


def _licence(license: Any) -> str:
    named = [license] if isinstance(license, str) else license if isinstance(license, list) else []
    if named:
        return f"## Licence\n\n{', '.join(code(name) for name in named)}"
    return "## Licence\n\nNone is stated: ask the author before you build on these weights."


def _limits(facts: Facts) -> str:
    data = f"{code(facts.dataset)}, split {code(facts.recipe.dataset.split)}" if facts.recipe else "its training data"
    points = [f"It has seen nothing but {data}."]
    for key, leaf in facts.spec.conditions.items():
        if leaf.names:
            more = f" and {len(leaf.names) - CLASSES:,} more" if len(leaf.names) > CLASSES else ""
            points.append(f"Classes of {code(key)}: {', '.join(code(name, 40) for name in leaf.names[:CLASSES])}{more}.")
    if facts.drawable:
        points += [f"It makes {_examples(facts)}, and nothing larger."] if facts.spec.modality in SIZED else []
        points.append("Samples imitate the training data, with its gaps and biases. They are made up, and may come close to an example.")
    return "## Limits\n\n" + "\n".join(f"- {point}" for point in points)
