"""Downloads as they go: the client's bar on a terminal, a line every few seconds elsewhere, nothing for small files. On stderr."""

from __future__ import annotations

import sys
import time
from typing import Any

EVERY = 5.0


def bar(shown: bool) -> Any:
    """The class that the client is to make its bars of."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, tqdm

    class Silent(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})  # type: ignore[no-untyped-call]

    class Bar(tqdm):
        """Disabled, as tqdm is where stderr is no terminal, it still counts."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)  # type: ignore[no-untyped-call]
            self.what, self.bytes, self.start = options.get("desc") or "", int(options.get("initial") or 0), time.monotonic()
            self.said, self.come = self.start, 0

        def update(self, n: float | None = 1) -> Any:
            self.come += int(n or 0)
            now = time.monotonic()
            if self.disable and not are_progress_bars_disabled() and now - self.said >= EVERY and self.come:
                self.said, done = now, self.bytes + self.come
                rate = self.come / (now - self.start)
                left = f", {((self.total or done) - done) / rate:.0f} s left" if self.total else ""
                print(f"{self.what}: {done / 1e6:.1f} of {(self.total or done) / 1e6:.1f} MB{left}", file=sys.stderr, flush=True)
            return super().update(n)

    return Bar if shown else Silent
