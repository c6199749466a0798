"""The Hub's data sets: `hf:USER/NAME`. What an example is follows from the features, and is said in a line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

from gentk.errors import UsageError, did_you_mean
from gentk.text import one_line

from . import options
from .hub_client import Found, found
from .splits import checked

if TYPE_CHECKING:
    from gentk.protocols import Dataset

NAMES = ("text", "content", "sentence")
"""A column of texts that is called so makes a data set one of text, whatever else a row holds."""


def hf(
    split: str = "train",
    *,
    repo: str,
    revision: str = "",
    config: str = "",
    train: str = "",
    test: str = "",
    test_share: float = 0.1,
    modality: Literal["", "image", "text", "table"] = "",
    column: str = "",
    label: str = "",
    labels: bool = True,
    streaming: bool = False,
    examples: int | None = None,
    buffer: int = 1000,
    seed: int = 0,
    size: int | None = None,
    channels: Literal[1, 3] | None = None,
    flip: bool = False,
    augment: options.Augmenting = None,
    unit: Literal["character", "word"] = "character",
    lines: bool = False,
    length: int = 0,
    stride: int = 0,
    columns: str = "",
    drop: str = "",
    states: int = 1000,
) -> Dataset:
    """The data set `repo` of the Hub: images, texts or the rows of a table.

    Raises UsageError: no such config, split or column, nothing that can be an example. GentkError: no such data set, one that is closed, no
    network, no library `datasets`.
    """
    given = {key: value for key, value in locals().items() if key != "split"}
    return chosen_from(options.Hub.model_validate(given), checked(split, "hf"))


def chosen_from(chosen: options.Hub, split: str) -> Dataset:
    """The same for options that are checked."""
    rows = found(chosen)
    modality = chosen.modality or _modality(rows, chosen)
    resolved: dict[str, Any] = {"revision": rows.place.sha, "config": rows.config, "modality": modality, **rows.names}
    made: Any
    if modality == "image":
        from .hub_images import HubImages

        made = HubImages(rows, chosen, split)
    elif modality == "text":
        from .hub_texts import texts

        made = texts(rows, chosen, split)
    else:
        from .hub_tables import HubTable

        made = HubTable(rows, chosen, split)
    made.resolved = {**resolved, **made.resolved}
    if split == "train":
        _say(rows, made, chosen)
    return made  # type: ignore[no-any-return]


def _modality(rows: Found, chosen: options.Hub) -> str:
    """What an example is, by the features. Raises UsageError where they do not tell."""
    kinds = {name: kind_of(feature) for name, feature in rows.features.items()}
    if chosen.column:
        kind = kinds.get(column_of(rows, chosen.column), "")
        return kind if kind in ("image", "text") else _unclear(rows)
    if "image" in kinds.values():
        return "image"
    texts = [name for name, kind in kinds.items() if kind == "text"]
    alone = len(texts) == 1 and not any(kind == "value" for kind in kinds.values())
    if not chosen.columns and (alone or any(name in NAMES for name in texts)):
        return "text"
    return "table" if any(kinds.values()) else _unclear(rows)


def _unclear(rows: Found) -> str:
    raise UsageError(f"data set {rows.place}: no column is an image, a text or a single value; {told(rows)}")


def kind_of(feature: Any) -> str:
    """What a column holds: "image", "class", "text", "value" (a number, a date …), "" for what no example is made of."""
    import datasets

    if isinstance(feature, datasets.Image):
        return "image"
    if isinstance(feature, datasets.ClassLabel):
        return "class"
    if not isinstance(feature, datasets.Value) or feature.dtype in ("binary", "large_binary", "null"):
        return ""
    return "text" if feature.dtype in ("string", "large_string", "string_view") else "value"


def column_of(rows: Found, name: str) -> str:
    """`name`, if there is such a column. Raises UsageError."""
    if name not in rows.features:
        raise UsageError(f"data set {rows.place} has no column '{one_line(name)}'{did_you_mean(name, rows.features) or '; ' + told(rows)}")
    return name


def one_of(rows: Found, kind: str, asked: str, what: str) -> str:
    """The column of a kind: the one that is asked for, or the only one (of texts: or the one of a usual name). Raises UsageError."""
    fits = [name for name, feature in rows.features.items() if kind_of(feature) == kind]
    if asked:
        if column_of(rows, asked) not in fits:
            raise UsageError(f"data set {rows.place}: column '{one_line(asked)}' holds no {what}; {told(rows)}")
        return asked
    usual = [name for name in NAMES if name in fits] if kind == "text" else []
    if len(fits) == 1 or usual:
        return usual[0] if usual else fits[0]
    if not fits:
        raise UsageError(f"data set {rows.place} has no column of {what}; {told(rows)}")
    raise UsageError(f"data set {rows.place} has {len(fits)} columns of {what} ({_list(fits)}): choose with dataset.options.column")


def told(rows: Found) -> str:
    """Its columns and what they hold."""
    import datasets

    def kind(feature: Any) -> str:
        return str(feature.dtype) if isinstance(feature, datasets.Value) else type(feature).__name__

    return "its columns: " + _list([f"{name} ({kind(feature)})" for name, feature in rows.features.items()])


def _list(names: list[str]) -> str:
    return one_line(", ".join(names[:12]) + (" …" if len(names) > 12 else ""), 400)


def _say(rows: Found, made: Any, chosen: options.Hub) -> None:
    """What was chosen, and what of it can be chosen otherwise."""
    parts = [f"commit {rows.place.sha[:12]}", f"config {rows.config}", made.chose]
    held = f"test is {rows.names['test']}" if "test" in rows.names else f"{chosen.test_share:g} of its rows held out as test"
    streamed = f"; {chosen.examples:,} streamed examples of each split" if chosen.streaming else ""
    text = f"{rows.place}: {'; '.join(parts)}; train is {rows.names['train']}, {held}{streamed}"
    print(one_line(text, 1000), file=sys.stderr)
