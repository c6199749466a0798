"""One trainer for every family: gradient phases or additive statistics, averages, validation, exact resume.

It knows no file: `gentk.training.run` gives it a folder. Round k, and everything drawn in it, is a function of (seed, k).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..compiling import Compiled
from ..distributed import Ranks
from ..errors import GentkError, UsageError
from ..examples import fetch, some
from ..noise import Philox
from ..permutation import mixed
from ..protocols import Batch, Dataset, GradientModel, StatisticsModel, can
from ..recipes import TrainingPart
from .averages import Average, decay
from .feed import helper, near, pinned
from .gradient import GradientRounds, micro_batches
from .logs import Logs, Means, read
from .order import Order, indices_of, seed_all
from .precision import autocast_dtype
from .statistics import one_pass
from .validation import likelihood, losses

MOST = 1000  # rounds between two looks of the host
START = 1024  # examples that `start` sees where the model does not say, and that a validation is taken over


class Progress(NamedTuple):
    """After round `step` of `total`. On a device that runs ahead, reading a value of `logs` waits for it."""

    step: int
    total: int
    logs: Mapping[str, float]


class Trainer:
    """Trains `model` on `dataset` (its `loss` or its `statistics` decide how). Iterate `rounds`; stop whenever you like.

    `compile`: compile the network's blocks, or go on without where that fails. Raises GentkError where the loss stops being a number.
    """

    def __init__(
        self,
        model: Any,
        dataset: Dataset,
        settings: TrainingPart,
        *,
        validation: Dataset | None = None,
        device: torch.device | str = "cpu",
        ranks: Ranks | None = None,
        compile: bool = False,
    ) -> None:
        self.settings, self.validation = settings, validation
        self.ranks = ranks or Ranks()
        if settings.batch_size % (settings.accumulate * self.ranks.world):
            parts = f"{settings.accumulate} micro-batches on each of {self.ranks.world} ranks"
            raise UsageError(f"training.batch_size = {settings.batch_size} does not divide into {parts}")
        if not len(dataset):
            raise UsageError("there is nothing to train on: the data set is empty")
        self.device = torch.device(device)
        self.dataset = near(dataset, self.device)
        if (decoder := getattr(dataset, "decoder", None)) is not None:
            model.latents = decoder.requires_grad_(False).eval()
        self.model = model.to(self.device)
        self.step = 0
        self.statistical = can(model, StatisticsModel)
        if not self.statistical and not can(model, GradientModel):
            what = "neither phases() and loss() nor statistics() and update()"
            raise GentkError(f"{type(model).__name__} cannot be trained: it has {what}")
        self.autocast = None if self.statistical else autocast_dtype(settings.precision, self.device)
        self.total = model.passes if self.statistical else settings.steps
        self.last: dict[str, float] = {}  # of each phase's last round
        self.means = Means()
        self._unseen: list[Logs] = []  # of the rounds since the host last looked
        self.converged = False  # a fit that gained less than `tolerance`, or a validation that has not improved for `patience`
        self._gradient: GradientRounds | None = None
        self._average: Average | None = None
        self._compiled = Compiled(model) if compile and not self.statistical else None
        self._ready = False
        self._ahead: tuple[int, Future[Batch]] | None = None
        self._order = Order(len(dataset), settings.batch_size, settings.seed)
        self._pool = helper()

    # ---- what comes out
    @property
    def averaged(self) -> Any:
        """The model to look at: the averaged copy, or the model itself where nothing is averaged."""
        return self._average.model if self._average else self.model

    def rounds(self, until: int | None = None) -> Iterator[Progress]:
        """Train up to round `until` (default: all), yielding after each. The rate's schedule does not depend on `until`."""
        self.prepare()
        end = self.total if until is None else min(until, self.total)
        try:
            while self.step < end and not self.converged:
                logs = self._pass() if self.statistical else self._round()
                self.step += 1
                self.converged = self._settled(logs)
                self._unseen.append(logs)
                if self._eager or not self.step % min(self.settings.log_every, MOST) or self.step == end:
                    self.look()
                yield Progress(self.step, self.total, logs)
        finally:  # also where the caller breaks off, or the loss is no number
            if self._gradient:
                self._gradient.release()

    def look(self) -> None:
        """Wait for the device, and count what the rounds since the last look logged.

        Raises GentkError where one of them met what is no number; the trainer is then as before that round.
        """
        unseen, self._unseen = self._unseen, []
        read(unseen)
        for step, logs in enumerate(unseen, self.step - len(unseen)):
            if self._gradient and (fault := self._gradient.fault(step, logs)):
                self._gradient.gate.reopen()
                self.step = step
                raise fault
            self.last.update(logs)
            self.means.add(logs)

    @property
    def _eager(self) -> bool:
        return self._gradient is None or self._gradient.gate.eager

    def validate(self, size: int = START) -> dict[str, float]:
        """What the averaged model logs of `size` fixed examples of the test split, in every phase, with fixed draws."""
        self.look()
        if self.validation is None:
            return {}
        self.prepare()
        model, size, examples = self.averaged, min(size, len(self.validation)), self.validation

        chosen = some(len(examples), size)

        def held_out(rows: range) -> Batch:
            return self._to_device(fetch(examples, chosen[rows.start : rows.stop]))

        if self._gradient is None:
            return likelihood(model, held_out, size, self.device)
        known, batch_size = self._gradient.trainable, self.settings.batch_size
        return losses(model, held_out, size, batch_size=batch_size, step=self.step, trainable=known)

    def finite(self) -> bool:
        """Whether every weight is a number: worse ones must not replace good ones."""
        weights = [p for p in self.model.parameters() if p.is_floating_point() or p.is_complex()]
        return not weights or bool(torch.stack([p.isfinite().all() for p in weights]).all())

    # ---- state
    def state(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]]:
        """(tensors by file name, numbers): all that the next round depends on."""
        self.prepare()
        self.look()
        tensors = {"model": dict(self.model.state_dict())}
        if self._average:
            tensors["averaged"] = dict(self._average.model.state_dict())
        if self._gradient:
            tensors["optimizers"] = self._gradient.tensors()
        return tensors, {"last": self.last, "means": self.means.state(), "converged": self.converged}

    def restore(self, tensors: Mapping[str, Mapping[str, Tensor]], numbers: Mapping[str, Any]) -> None:
        """Go on from `state()`. `start` is not called again: what it did is in the state."""
        self.step, self.last, self.converged = int(numbers["step"]), dict(numbers["last"]), bool(numbers.get("converged"))
        self.means.restore(numbers.get("means", {}))
        self.model.load_state_dict(tensors["model"])
        self.prepare(fresh=False)
        if self._average:
            self._average.model.load_state_dict(tensors["averaged"])
        if self._gradient:
            self._gradient.restore(tensors["optimizers"])

    def prepare(self, *, fresh: bool = True) -> None:
        if self._ready:
            return
        self._ready = True
        if fresh and hasattr(self.model, "start"):
            seed_all(self.settings.seed, "start")
            size = min(getattr(self.model, "start_size", START), len(self.dataset))
            rows = indices_of(0, len(self.dataset), size, self.settings.seed)
            batch = self._pool.submit(fetch, self.dataset, rows).result()  # where every batch is made: latents round as their thread does
            with torch.no_grad():
                self.model.start(self._to_device(batch))
        self.ranks.share([*(p.detach() for p in self.model.parameters()), *self.model.buffers()])  # all begin alike
        if not self.statistical:
            self._gradient = GradientRounds(self.model, self.settings, self.ranks, self.autocast)
            if getattr(self.model, "ema", ()):
                self._average = Average(self.model)

    # ---- one round
    def _round(self) -> Logs:
        assert self._gradient is not None
        first, count = self._own()
        batch = self._next_batch()
        try:
            logs = self._gradient.round(self.step, batch, first, count)
        except Exception as error:
            self.look()  # an earlier round that met what is no number may be the cause
            judged = isinstance(error, GentkError) and error.__cause__ is None  # a loss that is no number: no failure of the compiler's
            if self._compiled is None or judged:
                raise
            self._compiled.give_up(error)  # the round has left nothing behind: once more
            self._compiled = None
            return self._round()
        if self._average:
            self._average.update(decay(self.step, self.settings), self._gradient.gate)
        return logs

    def _pass(self) -> Logs:
        self.model.train()
        logs = one_pass(self.model, self.dataset, self.ranks, seed=self.settings.seed, step=self.step, device=self.device)
        if not all(math.isfinite(v) for v in logs.values()):
            raise GentkError(f"pass {self.step} gave {logs}: the fit left the numbers")
        return Logs(logs)

    def _settled(self, logs: Mapping[str, float]) -> bool:
        if not self.statistical or "log_likelihood" not in logs or "log_likelihood" not in self.last:
            return False
        return abs(logs["log_likelihood"] - self.last["log_likelihood"]) < self.settings.tolerance

    def _own(self) -> tuple[int, int]:
        """(this rank's first micro-batch, how many it has). Micro-batches are counted over all ranks, in one order."""
        return self.ranks.rank * self.settings.accumulate, self.settings.accumulate

    def _fetch(self, step: int) -> Batch:
        """This rank's rows of batch `step`; augmentation draws from streams of the rows' places, so it depends on nothing else."""
        size, seed = self.settings.batch_size, self.settings.seed
        first, count = self._own()
        parts = micro_batches(size, count * self.ranks.world)
        rows = range(parts[first][0], parts[first + count - 1][1])
        batch = fetch(self.dataset, self._order[step][rows.start : rows.stop], Philox(mixed(seed, "data", step), rows))
        return pinned(batch) if self.device.type == "cuda" else batch

    def _next_batch(self) -> Batch:
        """Batch `step`, fetched while the round before was computed: fetching draws from no shared generator."""
        if self._ahead is None or self._ahead[0] != self.step:
            self._ahead = self.step, self._pool.submit(self._fetch, self.step)
        batch = self._ahead[1].result()
        self._ahead = self.step + 1, self._pool.submit(self._fetch, self.step + 1)
        return self._to_device(batch)

    def _to_device(self, batch: Batch) -> Batch:
        return {key: value.to(self.device, non_blocking=True) for key, value in batch.items()}
