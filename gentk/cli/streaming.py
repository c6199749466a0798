"""A text on a terminal, as its tokens come."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..text import harmless
from .out import out

if TYPE_CHECKING:
    from ..protocols import DataSpec, Step
    from .subject import Subject


class Streaming:
    """Prints one text while it is drawn. `hold`: so many characters at its end are kept back, as a stop text may still cut them."""

    def __init__(self, data: DataSpec, hold: int) -> None:
        self.data, self.hold, self.shown = data, hold, ""

    def step(self, step: Step, first: int) -> None:
        x = step.x
        if "length" not in x:
            import torch

            count = self.data.shape[0] - step.total + step.index  # the last step has them all
            x = {**x, "length": torch.tensor([count])}  # type: ignore[dict-item]
        self.show(x, self.hold)

    def show(self, x: Any, hold: int = 0) -> None:
        from ..modalities.text import texts_of

        (text,) = texts_of(x, self.data)
        sure = text[: len(text) - hold]
        if sure.startswith(self.shown):
            print(harmless(sure[len(self.shown) :]), end="", flush=True)
            self.shown = sure

    def end(self, batch: Any) -> None:
        """The rest, and the end of the line."""
        self.show(batch)
        print("" if self.shown.endswith("\n") else "\n", flush=True)


def streaming(found: Subject, sampler: Any, n: int) -> Streaming | None:
    """What prints the text of a `gentk sample -n 1` in a terminal; None where there is no text, or no terminal."""
    from ..protocols import DataSpec

    data = DataSpec.model_validate(found.config["data"])
    if n != 1 or data.modality != "text" or "latents" in found.config or not getattr(sampler, "streams", False):
        return None
    if out.json or not sys.stdout.isatty():
        return None
    return Streaming(data, max((len(s) - 1 for s in sampler.stop), default=0))
