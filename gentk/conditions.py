"""What a model can be conditioned on. JSON in config.json, so that a flag needs the weights' folder and nothing else.

Reading and parsing need no torch; `prepare`, `default` and `null` make tensors and import it when they are called.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from .errors import did_you_mean
from .vocabulary import cut

if TYPE_CHECKING:
    from torch import Tensor

    from .protocols import DataSpec, Noise

T = TypeVar("T")
UNOPENED = "'{}' is the name of a file, and numbers are wanted: gentk.inference.opening.opened reads it"


class _Condition(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    help: str = ""
    required: bool = False

    def default(self, n: int, noise: Noise) -> Tensor | None:
        if self.required:
            raise ValueError("is required by this model")
        return None

    def null(self, n: int) -> Tensor | None:
        return None


class Label(_Condition):
    """An integer class, (n,) int64. Not given, it is drawn by `frequencies`. With `dropout`, class number `classes` means none."""

    kind: Literal["label"] = "label"
    classes: int = Field(ge=1, le=1_000_000)
    names: tuple[str, ...] = ()
    frequencies: tuple[float, ...] = ()
    dropout: bool = Field(False, description="Trained with the label sometimes left out, so that guidance and `none` work.")

    @classmethod
    def of(cls, data: DataSpec, name: str = "label", *, dropout: bool = False) -> Label:
        """The condition `name` of a data set."""
        leaf = data.conditions[name]
        about = "Which class: one, several (1,4-6), a name" + (", or none." if dropout else ".")
        return cls(help=about, classes=leaf.classes, names=leaf.names, frequencies=tuple(data.frequencies.get(name, ())), dropout=dropout)

    def parse(self, text: str) -> list[int | None]:
        """`"3"`, `"0-9"`, `"1,4-6"`, `"boot"`, `"none"` → class indices (None: no class), to be dealt out over the samples."""
        found: list[int | None] = []
        for part in (p.strip() for p in text.split(",")):
            low, dash, high = part.partition("-")
            if part in self.names:
                found.append(self.names.index(part))
            elif part == "none":
                found.append(None)
            elif low.isdecimal() and (not dash or high.isdecimal()):
                if int(high or low) >= self.classes:  # before the range is made: 0-99999999999 must cost nothing
                    raise ValueError(f"classes are {self.metavar}, got '{text}'")
                found += range(int(low), int(high or low) + 1)
            else:
                raise ValueError(f"'{part}' is no class{did_you_mean(part, self.names) or f': give {self.metavar}'}")
        if not found:
            raise ValueError(f"classes are {self.metavar}, got '{text}'")
        if None in found and not self.dropout:
            raise ValueError("this model always has a label: it was trained without label dropout")
        return found

    def prepare(self, value: Any, n: int) -> Tensor:
        import torch

        if isinstance(value, str):
            value = self.parse(value)
        elif isinstance(value, torch.Tensor):
            value = value.reshape(-1).tolist()
        elif value is None or isinstance(value, int):
            value = [value]
        classes = [self.classes if v is None else int(v) for v in value]
        for given, v in zip(value, classes, strict=True):
            if given not in (v, None):
                raise ValueError(f"a class is a whole number, got {given}")
            if not (0 <= v < self.classes or (v == self.classes and self.dropout)):
                raise ValueError(f"no class {v}: this model knows {self.metavar}" + (" and none" if self.dropout else ""))
        return torch.tensor(dealt(classes, n))

    def default(self, n: int, noise: Noise) -> Tensor:
        import torch

        weights = torch.tensor(self.frequencies or [1.0] * self.classes)
        return noise.categorical(weights.log().expand(n, self.classes))

    def null(self, n: int) -> Tensor | None:
        import torch

        return torch.full((n,), self.classes) if self.dropout else None

    @property
    def metavar(self) -> str:
        return f"0-{self.classes - 1}"


class Text(_Condition):
    """A row of tokens, (n, length) int64, -1 where free. With `names`, the vocabulary, text is cut here; tokens pass through."""

    kind: Literal["text"] = "text"
    length: int = Field(ge=1)
    names: tuple[str, ...] = Field((), description="The vocabulary: characters, or words with blanks between them.")
    words: bool = False  # they are words, though each may be one character
    tokenizer: str = ""  # as that of a leaf: it cuts text in place of `names`
    metavar: str = "TEXT"

    @classmethod
    def of(cls, data: DataSpec, help: str = "") -> Text:
        """Of the texts in leaf `x`."""
        x = data.leaves["x"]
        names = () if x.tokenizer else x.names or tuple(map(str, range(x.classes)))
        return cls(help=help, length=x.shape[0], names=names, words=x.words, tokenizer=x.tokenizer)

    def parse(self, text: str) -> str:
        if self.names or self.tokenizer:
            self._fits(self._cut(text))
        return text

    def prepare(self, value: Any, n: int) -> Tensor:
        """`value`: a text, or several texts or rows of tokens. Raises ValueError for an unknown token and for one too many."""
        import torch

        given = [value] if isinstance(value, str) else value
        rows = dealt([self._cut(row) if isinstance(row, str) else [int(v) for v in row] for row in given], n)
        self._fits(max(rows, key=len))
        out = torch.full((n, self.length), -1)
        for i, row in enumerate(rows):
            out[i, : len(row)] = torch.tensor(row, dtype=torch.int64)
        return out

    def _cut(self, text: str) -> list[int]:
        if not self.names and not self.tokenizer:
            raise ValueError("this model has no vocabulary: give tokens, not text")
        return cut(text, self.names, words=self.words, tokenizer=self.tokenizer)

    def _fits(self, row: Sequence[int]) -> None:
        if len(row) > self.length:
            raise ValueError(f"{len(row)} tokens, this model holds {self.length}")


class Number(_Condition):
    """One number, (n,) float32."""

    kind: Literal["number"] = "number"
    low: float | None = None
    high: float | None = None

    def parse(self, text: str) -> float:
        try:
            value: float = TypeAdapter(Annotated[float, Field(ge=self.low, le=self.high, allow_inf_nan=False)]).validate_python(text)
        except ValidationError as error:
            raise ValueError(f"{error.errors()[0]['msg'].removeprefix('Input ')}, got '{text}'") from None
        return value

    def prepare(self, value: Any, n: int) -> Tensor:
        import torch

        if isinstance(value, torch.Tensor):
            value = value.reshape(-1).tolist()
        values = [value] if isinstance(value, (int, float, str)) else list(value)
        return torch.tensor(dealt([self.parse(v) if isinstance(v, str) else self._checked(float(v)) for v in values], n))

    def _checked(self, value: float) -> float:
        """As `parse`. float32 holds a bound only nearly, and what it holds is that bound."""
        import torch

        near = (bound for bound in (self.low, self.high) if bound is not None and float(torch.tensor(bound)) == value)
        return next(near, None) or self.parse(repr(value))

    @property
    def metavar(self) -> str:
        return f"{self.low:g}..{self.high:g}" if self.low is not None and self.high is not None else "NUMBER"


class File(_Condition):
    """A float tensor read from a file by its modality, (n, *shape): an image to translate, a history to continue."""

    kind: Literal["file"] = "file"
    shape: tuple[int, ...] = ()
    double: bool = False  # float64, else float32
    mask: bool = False  # says what is known, above 0
    modality: str = "image"
    metavar: str = "FILE"

    def parse(self, text: str) -> str:
        return text

    def read(self, file: str, kind: Any) -> dict[str, Any]:
        """x as its modality, `kind`, reads it: one or several, (*shape) or (n, *shape). Raises UsageError for a file that is none."""
        from .protocols import DataSpec, Leaf

        if self.double:
            spec = DataSpec(modality=self.modality, leaves={"x": Leaf(shape=self.shape, double=True)})
            return {"x": kind.read_examples(file, spec)["x"]}
        return {"x": (kind.read_mask if self.mask else kind.read)(file, self.shape)}

    def prepare(self, value: Any, n: int) -> Tensor:
        import torch

        if isinstance(value, str):
            raise ValueError(UNOPENED.format(value))
        given = torch.as_tensor(value, dtype=torch.float64 if self.double else torch.float32)
        given = given[None] if given.ndim == len(self.shape) else given
        if self.mask and bool((given > 0).all()):
            raise ValueError("marks everything as known, so that nothing is left to draw: what is known is white, the rest black")
        if self.mask and not bool((given > 0).any()):
            print("the mask marks nothing as known: all of it is drawn", file=sys.stderr)
        if tuple(given.shape[1:]) != self.shape:
            raise ValueError(f"has shape {tuple(given.shape[1:])}, this model takes {self.shape}")
        return given[:n].clone() if n <= len(given) else given[torch.arange(n) % len(given)]


Kind = Annotated[Label | Text | Number | File, Field(discriminator="kind")]
CONDITIONS: TypeAdapter[dict[str, Label | Text | Number | File]] = TypeAdapter(dict[str, Kind])


def dealt(values: Sequence[T], n: int) -> list[T]:
    """n values: the given ones in turn. Raises ValueError where there are none."""
    if not values:
        raise ValueError("is empty: give one value at least")
    return [values[i % len(values)] for i in range(n)]


def drop(condition: Label, values: Tensor, share: float) -> Tensor:
    """Each value replaced by the null with probability `share`, drawn from torch's generator (Ho & Salimans 2022)."""
    import torch

    null = condition.null(len(values))
    if null is None or share == 0:
        return values
    return torch.where(torch.rand(len(values), device=values.device) < share, null.to(values, non_blocking=True), values)
