"""What was drawn, in hand: tensors, arrays, a data frame, files, a picture in a notebook."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ..errors import UsageError
from ..protocols import DataSpec

if TYPE_CHECKING:
    import PIL.Image
    from numpy.typing import NDArray

SHOWN = 2000  # samples of a picture in a notebook; of pictures, a sixteenth


@dataclass(repr=False)
class Samples:
    """What was drawn: `batch` holds each leaf (n, …), and the conditions it was drawn for, on the host. Iterating gives examples."""

    batch: dict[str, Tensor]
    data: DataSpec

    def __len__(self) -> int:
        return len(next(iter(self.batch.values())))

    def __getitem__(self, name: str) -> Tensor:
        return self.batch[name]

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Example by example, without the leading dimension."""
        for i in range(len(self)):
            yield {key: value[i] for key, value in self.batch.items()}

    def __repr__(self) -> str:
        held = ", ".join(f"{key} {tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}" for key, value in self.batch.items())
        return f"<{len(self)} samples, {self.data.modality}: {held}>"

    def numpy(self) -> dict[str, NDArray[Any]]:
        """Each leaf and condition as an array (n, …) on the host."""
        return {key: value.detach().cpu().numpy() for key, value in self.batch.items()}

    def to_pandas(self) -> Any:
        """A data frame: a row per example of points, tables and texts, a row per step of series. Raises UsageError where there is none."""
        try:
            import pandas
        except ImportError:
            raise UsageError("to_pandas() needs pandas: uv pip install pandas") from None
        kind = self._modality()
        suffix = ".csv" if ".csv" in kind.suffixes else ".jsonl" if ".jsonl" in kind.suffixes else ""
        if not suffix:
            raise UsageError(f"{self.data.modality} samples are no table: numpy() gives their arrays")
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"samples{suffix}"
            self.save(path)
            return pandas.read_csv(path) if suffix == ".csv" else pandas.read_json(path, lines=True)

    def save(self, path: str | Path) -> None:
        """Write the samples; the suffix chooses the format (a folder: one file each). Raises UsageError for an unknown suffix."""
        self._modality().save(self.batch, self.data, Path(path).expanduser())

    def picture(self) -> PIL.Image.Image:
        """All of them at a glance. Raises UsageError where their modality has no picture."""
        made: PIL.Image.Image = self._modality().picture(self.batch, self.data)
        return made

    def show(self) -> None:
        """The picture in the system's viewer, or the words on the screen."""
        if (words := self._modality().words(self.batch, self.data)) is not None:
            print(words)
        else:
            self.picture().show()

    def _repr_png_(self) -> bytes | None:
        """What a notebook draws: the picture, of the first ones where they are many. None for what has words instead."""
        try:
            most = SHOWN if len(self.data.leaves["x"].shape) == 1 else SHOWN // 16
            few = {key: value[:most] for key, value in self.batch.items()}
            picture = self._modality().picture(few, self.data)
        except (UsageError, KeyError):
            return None
        held = io.BytesIO()
        picture.save(held, "PNG")
        return held.getvalue()

    def _repr_html_(self) -> str | None:
        """What a notebook writes of texts and tables; what a stranger's data say is escaped."""
        import html

        words = self._modality().words(self.batch, self.data)
        return None if words is None else f"<pre>{html.escape(words)}</pre>"

    def _modality(self) -> Any:
        from ..host.lookup import modality

        return modality(self.data.modality)


def joined(parts: list[dict[str, Tensor]], data: DataSpec) -> Samples:
    """Batches of samples as one."""
    return Samples({key: torch.cat([part[key] for part in parts]) for key in (parts[0] if parts else ())}, data)
