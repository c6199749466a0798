"""A recipe and a folder: what `gentk train` and `gentk.train` do."""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from .. import recipes
from ..distributed import Ranks
from ..errors import GentkError, Interrupted, UsageError
from ..examples import First
from ..host import lookup, resolve
from ..inference.sampling import default_sampler, pick_device
from ..protocols import Dataset, Sampler
from ..recipes import Recipe
from ..runs import BEST, Run
from ..text import cause
from ..weights import folder as weights
from ..weights.preview import preview
from . import facts, state
from .claim import Claim
from .facts import peak_memory
from .fitting import fitting
from .loggers import Logger, Loggers
from .pace import Pace
from .report import loss_picture
from .resolving import resolved, taken_over
from .resuming import changes, whole_checkpoint
from .state import Checkpoint
from .trainer import Progress, Trainer
from .watch import Best, Measuring, watch_of, watched


class Stop:
    """The first Ctrl-C (or SIGTERM, as clusters send it) finishes the round and saves; the second one kills."""

    signal = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def stopping() -> Iterator[Stop]:
    """While it lasts, signals are noted instead of obeyed."""
    stop, before = Stop(), {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}
    for s in before:
        signal.signal(s, stop)
    try:
        yield stop
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)


def due_now(progress: Progress, every: int) -> bool:
    """Every `every` rounds, and after the last."""
    return progress.step % every == 0 or progress.step == progress.total


class Training:
    """A run in progress. Iterate it; it writes log, previews, weights and state as the recipe says. `save()` any time.

    The folder is this training's from construction until its rounds end, or until `close()` or the end of a `with` block. Raises
    UsageError if another training holds it, if it is not empty (without `resume`), and if it holds no run or the recipe is not the run's
    own (with it); GentkError if nothing of the saved state can be read (unless `restart`). `loggers`: as `gentk.training.loggers.Loggers`.
    """

    def __init__(
        self,
        recipe: Recipe,
        out: Path,
        *,
        init: Path | None = None,
        resume: bool = False,
        restart: bool = False,
        max_steps: int | None = None,
        device: str = "auto",
        compile: bool = False,
        dataset: Dataset | None = None,
        loggers: Sequence[str | Logger] = (),
    ) -> None:
        self.loggers = Loggers(loggers)
        self.run, self.recipe, self.settings = Run(Path(out)), recipe, recipe.training
        self.ranks, self.max_steps = Ranks(), max_steps
        self._claim: Claim | None = None
        try:
            self.ranks.agreed(lambda: self._take(resume))
            checkpoint = self._checkpoint(restart) if resume else None
            changed = self._changes(checkpoint) if resume else {}
            self._build(init, device, compile, dataset, resume=resume)
            self._begin(checkpoint, changed, init=init, resume=resume)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Training:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the loggers, and let others train in this folder."""
        self.loggers.close()
        if self._claim is not None:
            self._claim.close()

    def _take(self, resume: bool) -> None:
        self._claim = Claim(self.run, resume=resume)

    def _build(self, init: Path | None, device: str, compile: bool, dataset: Dataset | None, *, resume: bool) -> None:
        """The data set, unless it is given, the model and their trainer."""
        recipe, part = self.recipe, self.recipe.dataset
        if dataset is None:
            dataset = lookup.dataset(part.name, part.split, part.options, recipe.model.plugin)
        self.recipe = recipe = recipe if resume else resolved(recipe, dataset)
        dataset = First(dataset, recipe.dataset.examples) if recipe.dataset.examples else dataset
        kind = resolve(lookup.model_spec(recipe.model.plugin, recipe.model.name).target)
        dataset = fitting(dataset, kind)
        model = self._model(dataset.spec, init)
        self.sampler = lookup.sampler(recipe.sampler.name, recipe.model.plugin, **recipe.sampler.options) if recipe.sampler.name else None
        how: dict[str, Any] = {"device": pick_device(device), "ranks": self.ranks, "compile": compile}
        self.trainer = Trainer(model, dataset, self.settings, validation=self._validation(kind, dataset), **how)
        watch = watched(model, statistical=self.trainer.statistical)
        self.best = Best(None if self.settings.evaluate_metrics else watch)  # the first of these then tells which way is better
        self.measuring = Measuring(recipe, watch, self.sampler)

    def _begin(self, checkpoint: Checkpoint | None, changed: Mapping[str, tuple[Any, Any]], *, init: Path | None, resume: bool) -> None:
        """Write the recipe of a new run, or put back the state of a resumed one and write down what is changed."""
        if resume:
            self._restore(checkpoint)
        elif init is not None:
            self._write_state()  # a run killed before its first checkpoint must still begin from these weights
        if self.ranks.first and (changed or not resume):
            recipes.write(self.recipe, self.run.recipe)
        if self.ranks.first and changed:
            self.run.append({"step": self.trainer.step, "changed": {key: list(values) for key, values in changed.items()}})
            for key, (before, now) in changed.items():
                print(f"{key}: {before} → {now} from step {self.trainer.step} on", file=sys.stderr)
        self.ranks.agreed(lambda: self.loggers.open(self.run.folder, self._recipe(), self.trainer.step if resume else None))
        self.ranks.wait()

    def _recipe(self) -> dict[str, Any]:
        return self.recipe.model_dump(mode="json", exclude_none=True)

    def _model(self, spec: Any, init: Path | None) -> Any:
        torch.manual_seed(self.settings.seed)
        part = self.recipe.model
        model = lookup.build_model(part.plugin, part.name, part.config, spec)
        if init is not None:
            weights.fill(model, init)
        return model

    def _validation(self, kind: type, dataset: Any) -> Any:
        """The test split, where the data set has one that is not what is trained on."""
        part = self.recipe.dataset
        spec, _ = lookup.dataset_spec(part.name, self.recipe.model.plugin)
        if not self.settings.evaluate_every or "test" not in spec.splits or part.split == "test":
            return None
        held_out = lookup.dataset(part.name, "test", part.options, self.recipe.model.plugin)
        return fitting(held_out, kind, like=dataset)

    def _checkpoint(self, restart: bool) -> Checkpoint | None:
        """The state to go on from, the same on every rank: rank 0 looks which is whole."""
        folder = self.ranks.agreed(lambda: whole_checkpoint(self.run, restart=restart))
        return state.read(folder) if folder else None

    def _changes(self, checkpoint: Checkpoint | None) -> dict[str, tuple[Any, Any]]:
        """What this recipe has otherwise than the run's own, which is in its state, or before the first one in its recipe.toml."""
        numbers = checkpoint.numbers if checkpoint else {}
        raw = numbers.get("recipe") or recipes.read(self.run.recipe)
        before = recipes.check(raw, schema=lookup.schema, source=str(self.run.folder))
        self.recipe = taken_over(before, self.recipe)
        now = recipes.check(self.recipe.model_dump(exclude_none=True), schema=lookup.schema, source="the recipe")
        same = numbers.get("micro_batches") == self.settings.accumulate * self.ranks.world
        return changes(before, now, same_micro_batches=same)

    def _restore(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is not None:
            try:
                self.trainer.restore(checkpoint.tensors, checkpoint.numbers)
            except (RuntimeError, KeyError, ValueError, TypeError) as error:  # a state of format 1, or of another version of the plugin
                raise GentkError(f"{checkpoint.folder} does not fit this model: {cause(error)}") from error
            if not self.trainer.finite():
                raise GentkError(f"{checkpoint.folder} holds weights that are no numbers: move it away to use the one before it")
            if self.trainer.step > self.trainer.total:
                raise UsageError(f"{self.run.folder} is at step {self.trainer.step}, beyond the {self.trainer.total} that are asked for")
            self.best.worth, self.best.stale = checkpoint.numbers["best"], checkpoint.numbers["stale"]
        if self.ranks.first:
            self.run.cut_log(self.trainer.step)

    def __iter__(self) -> Iterator[Progress]:
        """Train to the end (or `max_steps`), then save. A caller that breaks off should `save()`.

        Where a round, a validation or a plugin fails, the last completed round is saved first; the error says so.
        """
        try:
            yield from self._rounds()
            self.close()
        except KeyboardInterrupt:
            self._rescued("")
            self.close()
            raise
        except Exception as error:
            said = str(error) if isinstance(error, GentkError) else cause(error)
            where = self._rescued(said)
            self.close()
            if not where:
                raise
            kind = type(error) if type(error) in (GentkError, UsageError) else GentkError
            raise kind(said + where) from error

    def _rounds(self) -> Iterator[Progress]:
        pace, start = Pace(), time.monotonic()
        if self.ranks.first:
            facts.write(self.run.folder, self.facts)
        self._try_watch()
        for progress in self.trainer.rounds(self.max_steps):
            pace.tick()
            due = due_now(progress, self.settings.log_every) or self.trainer.statistical
            found: dict[str, float] = {}
            if self.settings.evaluate_every and (due_now(progress, self.settings.evaluate_every) or self.trainer.statistical):
                found = self._evaluate()
                due = True
            if due:
                rate = pace.per_second or 1 / max(time.monotonic() - start, 1e-9)
                self._log({"step": progress.step, **self.trainer.means.take(), **found}, rate)
            if progress.step % self.settings.checkpoint_every == 0:
                self.save()
            if self.settings.preview_every and progress.step % self.settings.preview_every == 0:
                self._preview()
            yield progress._replace(logs={**progress.logs, **found}) if found else progress
        self.save()
        if self.settings.preview_every and self.trainer.step % self.settings.preview_every:
            self._preview()

    def _log(self, row: dict[str, Any], rate: float) -> None:
        if not self.ranks.first:
            return
        row["steps_per_second"] = round(rate, 3)
        if (memory := peak_memory(self.trainer.device)) is not None:
            row["peak_memory_mb"] = memory
        self.run.append(row)
        self.loggers.log(row)

    @property
    def facts(self) -> dict[str, Any]:
        """Where and how this training computes: its precision, device and threads."""
        return facts.facts(self.trainer.device, self.trainer.autocast)

    @property
    def unwatched(self) -> bool:
        """Whether it is validated and keeps no `best/`, as nobody says which of several numbers counts."""
        return self.best.watch is None and self.trainer.validation is not None and not self.settings.evaluate_metrics

    @property
    def stalled(self) -> bool:
        """Whether the last `patience` validations were no better than the best before them."""
        return 0 < self.settings.patience <= self.best.stale

    def _try_watch(self) -> None:
        """A watched name that is not there is told now, not at the first validation."""
        own = getattr(self.trainer.model, "watch", None)
        if own and self.trainer.validation is not None and own.name not in self.measuring.offers:
            Best(own).improved(self.trainer.validate(self.settings.batch_size), self.measuring.offers)
        if self.settings.evaluate_metrics and self.trainer.validation is None:
            raise UsageError("training.evaluate_metrics are measured at validations: that needs a test split and training.evaluate_every")
        self.measuring.check(self.trainer.averaged)

    def _evaluate(self) -> dict[str, float]:
        """Validation on every rank alike, so that all know whether this is the best so far."""
        found = self._measured(self.trainer.validate())
        if self.best.improved(found, self.measuring.offers):
            if self.ranks.first:
                self._write(self.run.folder / BEST)
        elif self.stalled:
            self.trainer.converged = True
        return {f"validation/{name}": value for name, value in found.items()}

    def _measured(self, found: dict[str, float]) -> dict[str, float]:
        """`found` and the metrics, with rank 0's numbers on every rank: all must stop after the same round."""
        if self.trainer.validation is not None and self.measuring.due(self.trainer.step):
            scores = self.measuring.scores(self.trainer.averaged)
            found = {**found, **{score.name: score.value for score in scores}}
            if self.settings.evaluate_metrics:
                self.best.watch = watch_of(scores[0]) if scores else None
        elif self.settings.evaluate_metrics:
            self.best.watch = None  # nothing to go by this time
        shared = torch.tensor(list(found.values()), dtype=torch.float64)
        self.ranks.share([shared])
        return dict(zip(found, shared.tolist(), strict=True))

    def _rescued(self, trouble: str) -> str:
        """Save the last completed round after a failure; what to add to the message. Nothing where no round is complete."""
        if not self.trainer.step:
            return ""
        again = f"gentk train --resume --out {shlex.quote(str(self.run.folder))}"
        try:
            if not self.trainer.finite():
                return f"; the last saved state is kept, go on with: {again}" if state.latest(self.run.state) else "; nothing was saved"
            self._files()
        except Exception as error:  # a full disk may be what failed in the first place
            again_said = str(error) if isinstance(error, GentkError) else cause(error)
            why = "" if again_said == trouble else f" ({again_said})"
            return f"; step {self.trainer.step} could not be saved{why}: make room, then go on from the last state with: {again}"
        return f"; step {self.trainer.step} is saved, go on with: {again}"

    def _write(self, folder: Path) -> None:
        model = self.trainer.averaged
        weights.save(model, folder, sampler=self._sampler(model), recipe=self.run.folder.name, dtype=self.settings.weights_dtype)

    def _sampler(self, model: Any) -> Sampler | None:
        """None for what draws nothing by itself: an autoencoder, a classifier."""
        try:
            return self.sampler or default_sampler(model)
        except UsageError:
            return None

    def _preview(self) -> None:
        if not self.ranks.first:
            return
        model = self.trainer.averaged
        if sampler := self._sampler(model):
            try:
                file = preview(model, sampler, self.run.samples / f"step-{self.trainer.step:08d}")
            except Exception as error:  # a plugin's sampler or modality: a picture is not worth hours of training
                print(f"no preview at step {self.trainer.step}: {cause(error)}", file=sys.stderr)
            else:
                self.loggers.picture(self.trainer.step, file)

    def save(self) -> None:
        """State, then weights and the loss picture; each appears whole or not at all. Raises GentkError for weights that are no numbers."""
        if not self.trainer.finite():
            raise GentkError(f"step {self.trainer.step} left weights that are no numbers: lower training.lr or set training.clip")
        self._files()
        self.ranks.wait()

    def _files(self) -> None:
        self._write_state()
        if self.ranks.first:
            self._write(self.run.folder)
            loss_picture(self.run)

    def _write_state(self) -> None:
        tensors, numbers = self.trainer.state()
        if self.ranks.first:
            numbers |= {"best": self.best.worth, "stale": self.best.stale, "micro_batches": self.settings.accumulate * self.ranks.world}
            numbers["recipe"] = self._recipe()
            state.write(self.run.state, self.trainer.step, tensors, numbers)

    def stopped(self, stop: Stop) -> int:
        """The signal that ends the run, or 0. Ranks hear it at different moments: ask once a round, and all stop after the same one."""
        return self.ranks.highest(stop.signal)


def train(
    recipe: Recipe,
    out: str | Path,
    *,
    init: Path | None = None,
    resume: bool = False,
    restart: bool = False,
    max_steps: int | None = None,
    device: str = "auto",
    compile: bool = False,
    loggers: Sequence[str | Logger] = (),
    on_progress: Callable[[Progress], None] | None = None,
) -> Run:
    """Train a recipe into the folder `out`, and return the run.

    `init`: weights to start from. `resume`: go on with the run at `out`; `restart`: at step 0 where nothing of its state can be read.
    `max_steps`: stop early, with the learning rates of the whole run. `compile`: the network's blocks, whose numbers then round otherwise.
    `loggers`: "tensorboard", "wandb", or objects with the methods of `gentk.training.loggers.Logger`: where the log goes besides log.jsonl.
    Ctrl-C and SIGTERM save first, then raise Interrupted. Raises UsageError for a taken folder or other settings than the run's, GentkError
    where training fails.
    """
    how: dict[str, Any] = {"init": init, "resume": resume, "restart": restart, "max_steps": max_steps}
    how |= {"device": device, "compile": compile, "loggers": loggers}
    with stopping() as stop, Training(recipe, Path(out), **how) as training:
        for progress in training:
            if on_progress:
                on_progress(progress)
            if number := training.stopped(stop):
                training.save()
                where = f"stopped at step {progress.step} of {progress.total}, saved"
                raise Interrupted(f"{where}; go on with: gentk train --resume --out {out}", number)
    return training.run
