"""That training reaches everything, helps, and can be stopped and gone on with."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from ...noise import Philox
from ...protocols import GradientModel, Likelihood, StatisticsModel, can
from ..registry import Failure, Skip, check
from ..short import ROUNDS, rounds
from ..trial import ModelTrial, Trained
from .answers import distance

if TYPE_CHECKING:
    from torch import Tensor

JUDGED = 256  # examples that the loss is taken over
SUMS = 1e-9  # of the scale: what float64 sums in another order may differ by


@check("model")
def trains_everything(trial: ModelTrial) -> None:
    """Fifty rounds change every parameter that a phase names and that the model did not freeze; a fit by statistics changes its buffers.
    Nothing becomes infinite or NaN. A parameter that never moves is not connected to the loss, or belongs to no phase."""
    trained = trial.training
    for name, value in trained.after.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise Failure(f"'{name}' has {int((~value.isfinite()).sum())} values that are not finite after training")
    model = trial.build()
    statistical = can(model, StatisticsModel)
    changed = _changed(trained.built if statistical else trained.before, trained.after)
    if statistical:
        if not changed:
            raise Failure(f"{len(trained.logs)} passes changed nothing of its state")
        return
    wanted = [name for name, p in model.named_parameters() if p.requires_grad and not name.startswith("latents.")]
    if still := [name for name in wanted if name not in changed]:
        phases = [path for phase in model.phases() for path in phase.trains or ("",)]
        owned = any(not path or f"{still[0]}.".startswith(f"{path}.") for path in phases)
        why = "has no part in the loss, or its gradient is zero" if owned else "is in no phase: name it in one, or freeze it"
        more = f" (and {len(still) - 1} more)" if still[1:] else ""
        raise Failure(f"{ROUNDS} rounds do not change '{still[0]}'{more}: it {why}")


@check("model")
def learns(trial: ModelTrial) -> None:
    """Training lowers the loss: of fixed examples under fixed draws, where the phases are one; else what the model finds likely. A fit by
    several passes never makes the data less likely from one pass to the next, beyond rounding."""
    trained, model = trial.trained, trial.build()
    if can(model, StatisticsModel):
        told = [log["log_likelihood"] for log in trained.logs if "log_likelihood" in log]
        for i, (one, other) in enumerate(itertools.pairwise(told), 1):
            if other < one - 1e-6 * (1 + abs(one)):
                raise Failure(f"log_likelihood falls from {one:.6g} to {other:.6g} in pass {i + 1}")
        if len(told) > 1:
            return
        if not _changed(trained.before, trained.after):
            raise Skip("`start` fits it, and its one pass changes nothing")
    elif len(model.phases()) == 1:
        before, after = (_loss(trial, model, state) for state in (trained.before, trained.after))
        if not after < before:
            raise Failure(f"the loss of {JUDGED} fixed examples was {before:.6g} before {ROUNDS} rounds and is {after:.6g} after them")
        return
    if not can(model, Likelihood):
        raise Skip("no loss says how good it is: its phases are several, and it has no log_prob" if can(model, GradientModel)
                   else "it is fitted in one pass, and has no log_prob")  # fmt: skip
    _likelier(trial, model, trained)


def _likelier(trial: ModelTrial, model: Any, trained: Trained) -> None:
    before, after = (_log_prob(trial, model, state) for state in (trained.before, trained.after))
    if not after > before:
        raise Failure(f"{JUDGED} fixed examples had {before:.6g} nats each before training and have {after:.6g} after it")


def _loss(trial: ModelTrial, model: Any, state: dict[str, Tensor]) -> float:
    """Of the first examples in eval mode, always with the same draws."""
    import torch

    from ...training.order import seed_all
    from ...training.validation import untouched

    model.load_state_dict(state)
    seed_all("gentk.testing")
    with torch.enable_grad(), untouched(model):  # a loss may differentiate, as in validation
        return float(model.loss(trial.examples(JUDGED), model.phases()[0].name, ROUNDS)["loss"].detach())


def _log_prob(trial: ModelTrial, model: Any, state: dict[str, Tensor]) -> float:
    import torch

    from ...inference.sampling import evaluating

    model.load_state_dict(state)
    batch = trial.examples(JUDGED)
    with torch.no_grad(), evaluating(model):
        found = model.log_prob(batch, Philox(0, range(len(next(iter(batch.values()))))))
    return float(found.double().mean())


@check("model")
def resume_exact(trial: ModelTrial) -> None:
    """A run that was stopped on its way and gone on with ends as the one that was not, to the last bit: parameters, buffers, averages,
    optimizers. What a round depends on must be in the state, so nothing may be kept in attributes, nor in generators of one's own."""
    from ...training import state

    whole = trial.trained
    trainer = trial.trainer()
    trainer.restore(*state.read(state.latest(whole.half) or whole.half)[1:])
    for _ in rounds(trainer):
        pass
    other, _ = trainer.state()
    for part, tensors in whole.state.items():
        for name, value in tensors.items():
            if not _equal(other[part][name], value):
                raise Failure(f"'{name}' ({part}) differs after stopping at round {whole.stopped} of {len(whole.logs)} and going on")


@check("model")
def statistics_add(trial: ModelTrial) -> None:
    """`statistics` gives float64 sums over examples: those of a batch are those of its parts, added. Batches and ranks are put together so,
    and a mean, or a float32 sum, makes a fit depend on how it was cut."""
    import torch

    from ...training.order import seed_all

    model = trial.load()
    if not can(model, StatisticsModel):
        raise Skip("it is trained by gradients")
    batch = trial.examples(3 * 16)
    n = len(next(iter(batch.values())))

    def statistics(low: int, high: int, seed: int = 0) -> dict[str, Tensor]:
        seed_all("gentk.testing", seed)
        with torch.no_grad():
            return dict(model.statistics({name: value[low:high] for name, value in batch.items()}))

    whole, cut = statistics(0, n), max(1, n // 3)
    if any(distance(value, whole[name]) > 0 for name, value in statistics(0, n, 1).items()):
        raise Skip("its statistics draw from torch's generators, so they belong to the whole batch")
    parts = [statistics(0, cut), statistics(cut, n)]
    for name, value in whole.items():
        if value.dtype != torch.float64 and value.is_floating_point():
            raise Failure(f"statistics '{name}' is {str(value.dtype).removeprefix('torch.')}: sums over many examples want float64")
        if (far := distance(parts[0][name].double() + parts[1][name], value.double())) > SUMS:
            raise Failure(f"statistics '{name}' of a batch is off by {far:.1e} of the scale from those of its parts, added: give sums")


def _changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, value in after.items() if not _equal(value, before[name])}


def _equal(one: Tensor, other: Tensor) -> bool:
    import torch

    return one.shape == other.shape and one.dtype == other.dtype and torch.equal(one, other)


