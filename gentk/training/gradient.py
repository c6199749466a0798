"""One round of a GradientModel: every phase that is due, each with its micro-batches, its sums and its optimizer step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ..distributed import Ranks
from ..errors import GentkError, UsageError, did_you_mean
from ..protocols import Batch, Phase
from ..recipes import TrainingPart
from ..text import cause
from .averages import under
from .gate import Gate
from .logs import Logs
from .optimizers import Optimizer, make
from .order import seed_all
from .precision import Lowered
from .rates import share
from .undo import Undo


def cut(batch: Batch, low: int, high: int) -> dict[str, Tensor]:
    return {key: value[low:high] for key, value in batch.items()}


def micro_batches(size: int, count: int) -> list[tuple[int, int]]:
    """Where each of `count` micro-batches of a batch lies."""
    return [(size * j // count, size * (j + 1) // count) for j in range(count)]


@contextmanager
def flushed() -> Iterator[None]:
    """Floats below the smallest normal one (1e-38 in float32) are 0 in here, where the processor can.

    Where a gradient stays 0, as of a dead ReLU unit, the averages that optimizers keep of it halve for a thousand steps and more, until
    they are such floats; a product with them takes 200 times as long on a CPU.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class GradientRounds:
    """The phases of one model and their optimizers. The trainer scales nothing, and what the model froze stays frozen."""

    def __init__(self, model: Any, settings: TrainingPart, ranks: Ranks, autocast: torch.dtype | None) -> None:
        self.model, self.settings, self.ranks, self.autocast = model, settings, ranks, autocast
        self.device = next(model.parameters()).device
        self.wide = torch.float32 if self.device.type == "mps" else torch.float64  # of sums over micro-batches and ranks
        self.trainable = [name for name, p in model.named_parameters() if p.requires_grad]
        self.phases: tuple[Phase, ...] = model.phases()
        known = {path for path, _ in model.named_modules() if path}
        for path in getattr(model, "autocast", ()):
            if path not in known:
                raise UsageError(f"{type(model).__name__}.autocast names no submodule: '{path}'{did_you_mean(path, known)}")
        self.lowered = Lowered(model, autocast)
        parameters = dict(model.named_parameters())
        self.parameters = list(parameters.values())
        self.owned: dict[str, list[nn.Parameter]] = {}
        self.optimizers: dict[str, Optimizer] = {}
        shared: dict[str, set[str]] = {}
        for phase in self.phases:
            for path in phase.trains:
                model.get_submodule(path)  # a path that names nothing must not silently train nothing
            names = [n for n in self.trainable if under(n, phase.trains)]
            if not names:
                raise GentkError(f"phase '{phase.name}' of {type(model).__name__} trains no parameter")
            self.owned[phase.name] = [parameters[n] for n in names]
            shared.setdefault(phase.optimizer or phase.name, set()).update(names)
        for key in settings.optimizers:
            if key not in shared:
                raise UsageError(f"training.optimizers.{key}: {type(model).__name__} has no such optimizer{did_you_mean(key, shared)}")
        for key, wanted in shared.items():
            self.optimizers[key] = make(model, [n for n in self.trainable if n in wanted], settings, key)
        self.gate = Gate(self.device, eager=not all(optimizer.asks for optimizer in self.optimizers.values()))
        if not self.gate.eager:
            for optimizer in self.optimizers.values():
                optimizer.guard(self.gate.shut)
        self.undo = Undo(model, self.gate)

    def round(self, step: int, batch: Batch, first: int, count: int) -> Logs:
        """Round `step` on this rank's part of its batch: micro-batches `first` … of `count` in all. Returns the logs.

        Where it fails, the model and its optimizers are as before the round. Raises GentkError naming phase and step: for a loss that is no
        number at once where the gate is eager, else `fault` finds it in the logs, and no round after it has changed anything.
        """
        if not self.model.training:  # walking over every module costs as much as a small net's step
            self.model.train()
        if hasattr(self.model, "latents"):
            self.model.latents.eval()  # frozen, and encoding the next batch in another thread at this moment
        logs = Logs()
        due = [phase for phase in self.phases if step % phase.every == 0]
        writes = hasattr(self.model, "after")
        with self.undo, flushed():
            for k, phase in enumerate(due):
                if writes or k + 1 < len(due):  # something that may fail follows this phase's step
                    self.undo.keep(self.model.parameters() if writes else self.owned[phase.name])
                    self.undo.keep(self._optimizer(phase).state())
                self._phase(phase, step, batch, first, count, logs)
        self.ranks.share(self.model.buffers())  # a model that writes buffers inside loss(): everyone goes on with rank 0's
        return logs

    def _phase(self, phase: Phase, step: int, batch: Batch, first: int, count: int, logs: Logs) -> None:
        owned = self.owned[phase.name]
        self._require(owned)
        totals, sums = self._accumulate(phase.name, step, batch, first, count)
        self.ranks.add_gradients(owned)
        names = sorted(totals.keys() - {"loss", "weight"})
        packed = torch.stack([totals[name] for name in ("weight", "loss", *names)])
        self.ranks.add([packed, *(sums[key] for key in sorted(sums))])
        grads = [p.grad for p in owned if p.grad is not None]
        if not self._alone(count):
            weight = packed[0].clone()
            packed /= weight
            torch._foreach_div_(grads, weight.to(owned[0].dtype))
        norm = nn.utils.get_total_norm(grads)
        packed[0] = norm
        self.gate.watch(packed[:2])
        logs.write([self._logged(phase, name) for name in ("grad", "loss", *names)], packed)
        if self.gate.eager and (fault := self.fault(step, logs)):
            raise fault
        if self.settings.clip:
            nn.utils.clip_grads_with_norm_(owned, self.settings.clip, norm)
        self._optimizer(phase).step(share(step, self.settings))
        for p in owned:
            p.grad = None
        if hasattr(self.model, "after"):
            with torch.no_grad():
                self.model.after(phase.name, step, sums)

    def _logged(self, phase: Phase, name: str) -> str:
        return name if len(self.phases) == 1 else f"{phase.name}/{name}"

    def fault(self, step: int, logs: Logs) -> GentkError | None:
        """What is to be said where the loss or the gradient of round `step` is no number."""
        for phase in self.phases:
            for name, what in (("loss", "loss"), ("grad", "gradient")):  # before the step: no weight, average or state ever holds it
                value = logs.get(self._logged(phase, name), 0.0)
                if not math.isfinite(value):
                    where = f"the {what} of phase '{phase.name}' is {value} at step {step}"
                    return GentkError(f"{where}: lower training.lr or set training.clip")
        return None

    def _require(self, owned: list[nn.Parameter]) -> None:
        """Gradients for `owned`, and for nothing else."""
        mine = {id(p) for p in owned}
        for p in self.parameters:
            p.requires_grad_(id(p) in mine)

    def _accumulate(self, phase: str, step: int, batch: Batch, first: int, count: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Gradients of Σ weight · loss into `.grad` (of the loss itself where there is but one micro-batch); Σ weight, Σ weight · value of
        all that is logged (the values themselves of one micro-batch), and the model's own sums."""
        totals: dict[str, Tensor] = {}
        sums: dict[str, Tensor] = {}
        for j, (low, high) in enumerate(micro_batches(len(next(iter(batch.values()))), count)):
            part = cut(batch, low, high)
            seed_all(self.settings.seed, step, phase, first + j)
            out, weight = self._differentiated(part, phase, step, count)
            names = [name for name in out if name not in ("weight", "sums")]
            logged = torch.stack([self._number(out[name]) for name in names])
            logged = logged if self._alone(count) else logged * weight
            for name, value in (("weight", weight), *zip(names, logged.unbind(), strict=True)):
                totals[name] = totals[name] + value if name in totals else value
            for name, value in out.get("sums", {}).items():
                sums[name] = sums[name] + value.detach() if name in sums else value.detach().clone()
        return totals, sums

    def _number(self, value: Any) -> Tensor:
        """A logged value on the device (), as wide as that computes. A number is filled in there: copying it would wait for the device."""
        if isinstance(value, Tensor):
            return value.detach().to(self.device, self.wide, non_blocking=True)
        return torch.full((), float(value), dtype=self.wide, device=self.device)

    def _differentiated(self, part: Batch, phase: str, step: int, count: int) -> tuple[Mapping[str, Any], Tensor]:
        """(what `loss` returns, its weight), with the gradients added to `.grad`. Only layers compute in the lower precision."""
        try:
            with self.lowered:
                out: Mapping[str, Any] = self.model.loss(part, phase, step)
                weight = self._number(out.get("weight", len(next(iter(part.values())))))
                (out["loss"] if self._alone(count) else out["loss"] * weight.to(out["loss"].dtype)).backward()
        except GentkError:
            raise
        except Exception as error:
            low = "; linear layers and convolutions ran in bfloat16: try --set training.precision=float32" if self.autocast else ""
            raise GentkError(f"the loss of phase '{phase}' failed at step {step}: {cause(error)}{low}") from error
        return out, weight

    def _alone(self, count: int) -> bool:
        """Whether a batch is one micro-batch, whose mean needs no weight."""
        return count == 1 and self.ranks.world == 1

    def _optimizer(self, phase: Phase) -> Optimizer:
        return self.optimizers[phase.optimizer or phase.name]

    def release(self) -> None:
        """Every parameter that was trainable is so again."""
        wanted = set(self.trainable)
        for name, p in self.model.named_parameters():
            p.requires_grad_(name in wanted)

    def tensors(self) -> dict[str, Tensor]:
        return {f"{key}/{name}": t for key, optimizer in self.optimizers.items() for name, t in optimizer.tensors().items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        for key, optimizer in self.optimizers.items():
            optimizer.restore({n.removeprefix(f"{key}/"): t for n, t in tensors.items() if n.startswith(f"{key}/")})
