"""Which two numbers of an example a picture in the plane shows: `--axes`, by their names or places."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

from typer import Option

from ....errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from ....protocols import Column, DataSpec
    from ...subject import Subject

Axes = Annotated[
    str | None,
    Option("--axes", metavar="A,B", help="Which two numbers of an example: names of columns, or places from 0. \\[default: both of two]"),
]
SHOWN = 20  # columns that a message names


@dataclass(frozen=True)
class Shown:
    """Some of the numbers of an example: where they stand in x, and what they are."""

    places: tuple[int, ...]
    columns: tuple[Column, ...]  # all of x
    units: bool  # whether they are columns of a table, each in units of its own

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns[j].name for j in self.places)

    @property
    def whole(self) -> bool:
        """Whether these are all the numbers that an example has."""
        return len(self.places) == len(self.columns)

    @property
    def titles(self) -> tuple[str, ...]:
        """What the axes are called; of two coordinates without names nobody asks which."""
        clear = not self.units and len(self.columns) == 2 and self.places == (0, 1)
        return ("", "") if clear else self.names

    def of(self, x: torch.Tensor) -> NDArray[Any]:
        """(n, 2): these numbers of the examples that have them."""
        found: NDArray[Any] = x.detach().cpu().double().numpy()[:, list(self.places)]
        return cast("NDArray[Any]", found[self.there(x)])

    @property
    def said(self) -> str:
        """What a result line tells of it: nothing where an example has no other numbers."""
        return "" if self.whole else f"; {' and '.join(self.names)}, {len(self.places)} of {len(self.columns)} dimensions"

    def there(self, x: torch.Tensor) -> NDArray[Any]:
        """(n,): which examples miss none of these numbers."""
        return (~x[:, list(self.places)].isnan().any(1)).cpu().numpy()


def rows_of(found: Subject) -> Any:
    """The spec of what `gentk sample` would write."""
    return (found.config.get("latents") or found.config)["data"]


def vectors(data: DataSpec, title: str, axes: str | None, what: str) -> Shown | None:
    """The two numbers that a panel shows, the first ones by default; None for what is no vector, or has no two numbers."""
    from ....columns import named

    leaf = data.leaves.get("x")
    flat = leaf is not None and len(leaf.shape) == 1 and sum(column.kind != "category" for column in named(leaf)) > 1
    return shown(data, title, axes, what, most=2) if axes is not None or flat else None


def shown(data: DataSpec, title: str, axes: str | None, what: str, *, most: int = 0) -> Shown:
    """The numbers that `axes` names; without it the only two or, of more, the first `most`.

    `what` is drawn: "a density". Raises UsageError, in one line, for examples that are no rows of numbers, and where it is to be said which
    two are meant.
    """
    from ....columns import named

    leaf = data.leaves.get("x")
    if leaf is None or len(leaf.shape) != 1 or leaf.classes:
        kind = f"{data.modality} of categories" if leaf and leaf.classes and len(leaf.shape) == 1 else data.modality
        see = "see gentk sample or gentk plot reverse"
        raise UsageError(f"{what} is drawn of two numbers of points or tables, and {title} makes {kind}: {see}")
    columns = named(leaf)
    numbers = [j for j, column in enumerate(columns) if column.kind != "category"]
    if axes is not None:
        return Shown(two(axes, columns), columns, bool(leaf.columns))
    if len(numbers) < 2:
        raise UsageError(f"{what} is drawn of two numbers, and an example of {title} has {len(numbers)}: see gentk sample")
    if len(numbers) > 2 and not most:
        raise UsageError(f"{many(columns, title)}; {what} is drawn of two of them: say which, {hint(columns, numbers)}")
    return Shown(tuple(numbers[: most or 2]), columns, bool(leaf.columns))


def many(columns: Sequence[Column], title: str) -> str:
    """How many numbers an example has, and what they are called."""
    names = ", ".join(column.name for column in columns[:SHOWN]) + (" …" if len(columns) > SHOWN else "")
    return f"an example of {title} has {len(columns)} dimensions ({names})"


def hint(columns: Sequence[Column], numbers: Sequence[int]) -> str:
    """What to type."""
    first, second = (short(columns[j].name) for j in numbers[:2])
    return f"--axes {first},{second} or --axes {numbers[0]},{numbers[1]}"


def short(name: str) -> str:
    """A column's name as it can be typed without quotes: sepal_length of "sepal length (cm)"."""
    return re.sub(r"\W+", "_", re.sub(r"\s*[(\[].*?[)\]]", "", name)).strip("_") or name


def two(axes: str, columns: Sequence[Column]) -> tuple[int, int]:
    """The places of the two that are named. Raises UsageError."""
    commas = [i for i, letter in enumerate(axes) if letter == ","]
    if not commas:
        raise UsageError(f"--axes wants two, with a comma between them, such as {hint(columns, range(len(columns)))}; got '{axes}'")
    for i in commas:  # a name may have a comma in it
        first, second = (place(part.strip(), columns) for part in (axes[:i], axes[i + 1 :]))
        if first is not None and second is not None:
            break
    if first is None or second is None:
        wrong = next(part.strip() for part, found in zip(axes.split(",", 1), (first, second), strict=True) if found is None)
        names = ", ".join(column.name for column in columns[:SHOWN]) + (" …" if len(columns) > SHOWN else "")
        guess = did_you_mean(wrong, [short(column.name) for column in columns])
        raise UsageError(f"--axes: no column is called '{wrong}'{guess}; there are {names}, and the places 0 to {len(columns) - 1}")
    if first == second:
        raise UsageError(f"--axes wants two different columns, got {columns[first].name} twice")
    for j in (first, second):
        if columns[j].kind == "category":
            raise UsageError(f"--axes: {columns[j].name} is a category, and an axis wants numbers")
    return first, second


def place(word: str, columns: Sequence[Column]) -> int | None:
    """Where the column stands that `word` means: its name, that as `short` says it, its place, or the only one that begins so."""
    names = [column.name for column in columns]
    if word in names:
        return names.index(word)
    wanted, plain = short(word).lower(), [short(name).lower() for name in names]
    if plain.count(wanted) == 1:
        return plain.index(wanted)
    if word.isdecimal():
        return int(word) if int(word) < len(names) else None
    begins = [j for j, name in enumerate(plain) if word and name.startswith(wanted)]
    return begins[0] if len(begins) == 1 else None
