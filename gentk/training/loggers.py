"""Loggers: where a run's log goes besides log.jsonl. TensorBoard, Weights & Biases, or an object of the caller's.

They receive the rows that log.jsonl gets, whose values are on the host already: a logger never waits for a device and changes no number.
Only rank 0 has any.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ..errors import GentkError, UsageError
from ..files import replacing
from ..runs import check_loggers
from ..style import SUFFIXES
from ..text import cause, warn

JSONL = "jsonl"  # the run's own log, which is always written: resuming, the loss picture and `gentk plot loss` read it
PROJECT = "gentk"  # of wandb, where WANDB_PROJECT names no other


class Logger(Protocol):
    """Receives each row of a run's log. Optional: `picture(step: int, path: Path)`, called with each preview that is an image.

    After a failure it is called no more; the training goes on.
    """

    def log(self, step: int, values: Mapping[str, float]) -> None: ...  # names as in log.jsonl, after round `step`
    def close(self) -> None: ...


class TensorBoard:
    """Event files in the run's folder `tensorboard/`, by torch's own writer.

    `since`: the step that a resumed run goes on from; readers drop what was written of later steps. None for a new run.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any], since: int | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        purge = None if since is None else since + 1
        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=purge)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        now = time.time()
        for name, value in values.items():
            self._writer.add_scalar(name, value, step, walltime=now)
        self._writer.flush()  # 0.3 ms; a run that is killed has then the same rows here as in log.jsonl

    def picture(self, step: int, path: Path) -> None:
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            self._writer.add_image("preview", np.asarray(image.convert("RGB")), step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


class WandB:
    """One run of Weights & Biases, in the project `gentk` or the one that WANDB_PROJECT names.

    The run's folder keeps its id, and the last step that it certainly has, in wandb.json. A resumed run goes on with that id and leaves
    out the steps up to there: wandb takes each step once.
    """

    def __init__(self, folder: Path, recipe: Mapping[str, Any], since: int | None) -> None:
        import wandb

        self._wandb: Any = wandb
        self._file = folder / "wandb.json"
        self._id, self._has = self._kept()
        self._latest = self._has
        about = {"project": os.environ.get("WANDB_PROJECT", PROJECT), "name": folder.resolve().name, "dir": str(folder)}
        try:
            self._run = wandb.init(**about, id=self._id, resume="allow", config=dict(recipe), allow_val_change=True)
        except Exception as error:  # no account, no network: wandb's errors have no common class
            raise GentkError(f"{cause(error)}; log in with 'wandb login', or set WANDB_MODE=offline") from error
        self._keep()

    def _kept(self) -> tuple[str, int]:
        """(id, last step) of wandb.json; a new id where there is none. Raises UsageError for a damaged file."""
        try:
            found = json.loads(self._file.read_text("utf-8"))
            name, step = found["id"], found["step"]
            if not (isinstance(name, str) and name.isalnum() and type(step) is int):
                raise ValueError("neither an id nor a step")
        except FileNotFoundError:
            return secrets.token_hex(4), 0
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{self._file} does not name the run of wandb to go on with: remove it to begin a new one") from error
        return name, step

    def _keep(self) -> None:
        with replacing(self._file) as temporary:
            temporary.write_text(json.dumps({"id": self._id, "step": self._has}) + "\n", "utf-8")

    def _send(self, step: int, values: Mapping[str, Any]) -> None:
        if step <= self._has:
            return
        self._run.log(dict(values), step=step)
        if step > self._latest:  # wandb sends the values of one step when a later one begins
            self._has, self._latest = self._latest, step
            self._keep()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._send(step, values)

    def picture(self, step: int, path: Path) -> None:
        self._send(step, {"preview": self._wandb.Image(str(path))})

    def close(self) -> None:
        self._run.finish()
        self._has = self._latest
        self._keep()


MADE: Mapping[str, Callable[[Path, Mapping[str, Any], int | None], Logger]] = {"tensorboard": TensorBoard, "wandb": WandB}


class Loggers:
    """The loggers of one training. One that fails is named on stderr and left out: no log is worth hours of training.

    `wanted`: names ("jsonl", "tensorboard", "wandb") and objects with the methods of a Logger; a name that is given twice counts once.
    Raises UsageError for a name that is none, and for a package that is missing.
    """

    def __init__(self, wanted: Sequence[str | Logger] = ()) -> None:
        check_loggers(name for name in wanted if isinstance(name, str))
        self._wanted = [one for i, one in enumerate(wanted) if one not in wanted[:i] and one != JSONL]
        self._open: list[tuple[str, Logger]] = []

    def open(self, folder: Path, recipe: Mapping[str, Any], since: int | None) -> None:
        """Begin, or after step `since` of a resumed run go on. Raises GentkError, in one line, if a logger cannot."""
        for one in self._wanted:
            if not isinstance(one, str):
                self._open.append((type(one).__name__, one))
                continue
            try:
                self._open.append((one, MADE[one](folder, recipe, since)))
            except GentkError as error:
                raise type(error)(f"logger {one}: {error}") from error
            except Exception as error:  # a package that does not import, a file where its folder belongs
                raise GentkError(f"logger {one} does not start: {cause(error)}; train without it") from error

    def log(self, row: Mapping[str, Any]) -> None:
        """A row of log.jsonl: its step and its numbers."""
        step = row["step"]
        values = {name: value for name, value in row.items() if name != "step" and isinstance(value, int | float)}
        self._each(lambda logger: logger.log(step, values), f" at step {step}")

    def picture(self, step: int, path: Path) -> None:
        """A preview; only images are passed on."""
        if path.suffix.lower() not in SUFFIXES:
            return
        self._each(lambda logger: getattr(logger, "picture", lambda *_: None)(step, path), f" at step {step}")

    def close(self) -> None:
        """Write what is still to be written. May be called again."""
        self._each(lambda logger: logger.close(), " at the end")
        self._open = []

    def _each(self, act: Callable[[Logger], None], when: str) -> None:
        for name, logger in list(self._open):
            try:
                act(logger)
            except Exception as error:  # another library's, or the caller's
                self._open.remove((name, logger))
                warn(f"logger {name} failed{when}: {cause(error)}; the training goes on without it")
