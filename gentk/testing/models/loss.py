"""That a loss works wherever training calls it: in both precisions, and in validation, where the number to watch comes from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from ...host import lookup
from ...host.specs import resolve
from ...protocols import GradientModel, StatisticsModel, can
from ...text import cause
from ..registry import Failure, Skip, check
from ..short import ROUNDS, snapshot
from ..trial import ModelTrial, N

if TYPE_CHECKING:
    import torch

DRAWS = 4  # batches and draws that a loss is taken over in each precision
LOSS, LOGGED = 0.05, 0.5  # of a value's scale: how far float32 and bfloat16 may be apart. What is logged may count (codes in use)


@check("model")
def loss_precision(trial: ModelTrial) -> None:
    """In train mode and in both precisions that training picks from, float32 and bfloat16 in layers, every phase's loss is a finite float32
    or float64 number with finite gradients, all that is logged is finite, and both precisions tell the same up to rounding. Which one a
    training takes depends on its machine, so a plugin that was tried on one dies, or learns less, on another."""
    import torch

    model = trial.build()
    if not can(model, GradientModel):
        raise Skip("it has no loss")
    model.load_state_dict(trial.trained.after)
    for phase in model.phases():
        exact, low = (_told(trial, model, phase, dtype) for dtype in (None, torch.bfloat16))
        for name, values in exact.items():
            if name not in low:
                raise Failure(f"the loss of phase '{phase.name}' gives '{name}' in float32, and not in bfloat16")
            wide = max(map(abs, values + low[name]))
            apart = abs(math.fsum(values) - math.fsum(low[name])) / DRAWS
            if apart > (LOSS if name == "loss" else LOGGED) * wide:
                one, other = (math.fsum(found) / DRAWS for found in (values, low[name]))
                raise Failure(f"'{name}' of phase '{phase.name}' is {one:.4g} with layers in float32 and {other:.4g} with layers in "
                              "bfloat16: keep what cancels or grows in float32, outside `autocast`")  # fmt: skip


def _told(trial: ModelTrial, model: Any, phase: Any, dtype: torch.dtype | None) -> dict[str, list[float]]:
    """What the phase's loss returns of each of `DRAWS` batches; the model is as before."""
    import torch

    from ...training.averages import under
    from ...training.order import seed_all
    from ...training.precision import Lowered

    where = f"phase '{phase.name}' with layers in {'bfloat16' if dtype else 'float32'}"
    before, free = snapshot(model), {name: p.requires_grad for name, p in model.named_parameters()}
    found: dict[str, list[float]] = {}
    model.train()
    try:
        for name, p in model.named_parameters():
            p.requires_grad_(free[name] and under(name, phase.trains))
        for i in range(DRAWS):
            seed_all("gentk.testing", i)
            batch = trial.examples(N, i * N % max(1, len(trial.data) - N))
            with torch.enable_grad(), Lowered(model, dtype):
                try:
                    out = model.loss(batch, phase.name, ROUNDS)
                    _scalar(out["loss"], where)
                    out["loss"].backward()
                except Failure:
                    raise
                except Exception as error:
                    raise Failure(f"the loss of {where} fails: {cause(error)}") from error
            for name, value in out.items():
                if name not in ("weight", "sums"):
                    found.setdefault(name, []).append(_finite(name, value, where))
            for name, p in model.named_parameters():
                if p.grad is not None and not bool(p.grad.isfinite().all()):
                    raise Failure(f"the gradient of '{name}' in {where} is not finite")
            model.zero_grad(set_to_none=True)
            model.load_state_dict(before)
    finally:
        for name, p in model.named_parameters():
            p.requires_grad_(free[name])
            p.grad = None
    return found


def _scalar(loss: Any, where: str) -> None:
    import torch

    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        raise Failure(f"the loss of {where} is no single number")
    if loss.dtype not in (torch.float32, torch.float64):
        raise Failure(f"the loss of {where} is {str(loss.dtype).removeprefix('torch.')}: sums over many want float32, so cast before them")


def _finite(name: str, value: Any, where: str) -> float:
    """The value as a number. Raises Failure for half precision, and for what is not finite."""
    import torch

    if isinstance(value, torch.Tensor) and value.dtype in (torch.bfloat16, torch.float16):
        raise Failure(f"'{name}' of {where} is logged as {str(value.dtype).removeprefix('torch.')}, a staircase: log float32")
    number = float(torch.as_tensor(value).detach().double())
    if not math.isfinite(number):
        raise Failure(f"'{name}' of {where} is {number}")
    return number


@check("model")
def validates(trial: ModelTrial) -> None:
    """In eval mode, with gradients on, every phase's loss of examples under fixed draws is finite and the same the second time. `watch`, if
    the model has one, names a value of that validation, or a metric of the plugin or of gentk, which gives a finite number. A validation
    that fails ends a training that went well, and one that wanders keeps the wrong weights as `best/`."""
    from ...training.validation import likelihood, losses
    from ...training.watch import Best, metrics, watched

    model = trial.build()
    model.load_state_dict(trial.trained.after)
    free = [name for name, p in model.named_parameters() if p.requires_grad]
    examples = min(2 * N, len(trial.data))

    def fetch(rows: range) -> dict[str, torch.Tensor]:
        return trial.examples(len(rows), rows.start)

    def validated() -> dict[str, float]:
        if can(model, StatisticsModel):
            import torch

            return likelihood(model, fetch, examples, torch.device("cpu"))
        return losses(model, fetch, examples, batch_size=N, step=ROUNDS, trainable=free)

    found, again = validated(), validated()
    for name, value in found.items():
        if not math.isfinite(value):
            raise Failure(f"'{name}' of a validation is {value}")
        if again.get(name) != value:
            raise Failure(f"'{name}' of a validation is {value:.6g}, and {again.get(name, math.nan):.6g} the second time: "
                          "draw from torch's generators, and keep nothing between calls")  # fmt: skip
    offers = metrics(trial.plugin)
    try:
        watch = watched(model, statistical=can(model, StatisticsModel))
        if watch and getattr(model, "watch", None) and watch.name not in found and watch.name in offers:
            found |= {watch.name: _measured(trial, offers[watch.name])}
        if getattr(model, "watch", None):
            Best(watch).improved(found, offers)
    except UsageError as wrong:
        raise Failure(str(wrong)) from None


def _measured(trial: ModelTrial, spec: Any) -> float:
    """The metric of a few draws against as many examples."""
    drawn = trial.draw(sampler=trial.samplers[0]).batch
    value = float(resolve(spec.target)(drawn, trial.examples()))
    if not math.isfinite(value):
        raise Failure(f"{lookup.one('metrics')} '{spec.name}', which the model watches, is {value}")
    return value
