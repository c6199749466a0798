"""Drawing samples: `stream` yields the steps of one batch, `sample` runs batches to the end."""

from __future__ import annotations

import itertools
import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from .. import memory
from ..columns import valid
from ..errors import UsageError, did_you_mean
from ..known_rows import Row
from ..noise import Philox
from ..protocols import Batch, Condition, DataSpec, Decoder, LatentPrior, Sampler, Step, can
from ..stages import listener
from .opening import opened
from .samples import Samples as Samples
from .samples import joined

TOGETHER = 16_000_000  # numbers drawn together at most: large examples come in smaller batches
BATCH = 250  # samples drawn together where nobody says otherwise: enough for a CPU, and it bounds the memory
SMALL = 400_000  # numbers that a batch may hold beyond that: a step for a few points costs as much as one for thousands of them
MOST = 4096  # samples drawn together, however small: with more, what a network computes leaves a core's cache


def known_conditions(model: Any, sampler: Any) -> dict[str, Condition]:
    """What can be asked for: the model's own conditions, and what the sampler adds (`start`, `known` …)."""
    from ..known_rows import conditions
    from ..table_encoding import of

    added = sampler.conditions(model.data) if hasattr(sampler, "conditions") else {}
    if of(model) is not None and added:  # what is known of a table are columns, not numbers of its encoding
        added = conditions(model.latents.data)
    return {**added, **model.conditions}


def resolve_conditions(
    conditions: Mapping[str, Condition], cond: Mapping[str, Any], noise: Philox, *, first: int, total: int
) -> dict[str, Tensor]:
    """The conditions of samples `first` … `first + len(noise) − 1` of `total`, on the noise's device.

    What sample i is asked for depends on i alone: given values cycle over all `total`, defaults come from i's own stream, and that
    stream is a fork, so that giving a label does not move the noise. Raises UsageError naming the condition.
    """
    n, found = len(noise), {}
    for name in set(cond) - set(conditions):
        offers = did_you_mean(name, conditions) or "; it takes no conditions"
        raise UsageError(f"this model has no condition '{name}'{offers}")
    for name, condition in conditions.items():
        try:
            if cond.get(name) is None:
                value = condition.default(n, noise.fork(name))
            else:
                value = condition.prepare(cond[name], total)[first : first + n]
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None
        if value is not None:
            narrow = value.is_floating_point() and not getattr(condition, "double", False)
            found[name] = value.to(noise.device, noise.dtype) if narrow else value.to(noise.device)
    return found


def as_batch(x: Tensor | Batch) -> Batch:
    return {"x": x} if isinstance(x, Tensor) else x


def place_of(model: nn.Module) -> Tensor:
    """A tensor of the model's device and floating dtype (float32 where it has no floating tensor)."""
    if (floating := next((t for t in model.parameters() if t.is_floating_point()), None)) is not None:
        return floating.new_empty(0)
    first = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.empty(0, device="cpu" if first is None else first.device, dtype=torch.float32)


def pick_device(name: str) -> torch.device:
    """ "auto": CUDA, else MPS, else the CPU. Raises UsageError for a device that is not there."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device '{name}' cannot be used: {' '.join(str(error).split())[:100]}") from None
    return torch.device(name)


_evaluated: dict[int, tuple[int, list[nn.Module]]] = {}  # of models that are in use: by how many, and what was training before
_lock = threading.Lock()


class evaluating:
    """Eval mode, as a context; every submodule's own mode comes back when the last of those who use the model, in any thread, is done.

    May be entered again after it was left: the modules are listed once.
    """

    def __init__(self, model: nn.Module) -> None:
        self.key, self.parts, self.holds = id(model), list(model.modules()), False

    def __enter__(self) -> None:
        with _lock:
            users, training = _evaluated.get(self.key) or (0, [part for part in self.parts if part.training])
            self.holds = bool(training)
            if training:
                for part in training:
                    part.training = False
                _evaluated[self.key] = users + 1, training

    def __exit__(self, *failure: object) -> None:
        if not self.holds:
            return
        with _lock:
            users, training = _evaluated.pop(self.key)
            if users > 1:
                _evaluated[self.key] = users - 1, training
                return
            for part in training:
                part.training = True


def default_sampler(model: Any) -> Sampler:
    """What the weights recommend, else the model's own, else the core's first that fits. Raises UsageError where none does."""
    if (recommended := getattr(model, "recommended_sampler", None)) is not None:
        return recommended  # type: ignore[no-any-return]
    if hasattr(model, "sampler"):
        return model.sampler()  # type: ignore[no-any-return]
    from ..host.builtin import gentk_samplers
    from ..host.specs import resolve

    for spec in gentk_samplers():
        kind = resolve(spec.target)
        if can(model, kind.needs):
            return kind()  # type: ignore[no-any-return]
    why = lacking(model) or "it offers no capability that a sampler of the core needs"
    raise UsageError(f"{type(model).__name__} cannot be sampled: {why}")


def lacking(model: Any) -> str:
    """Why nothing can be drawn from what only decodes, and what to do; empty for others."""
    if not can(model, Decoder) or can(model, LatentPrior):
        return ""
    return "nothing says how its latents are spread; fit a model on them (gentk train --dataset latents:WEIGHTS) and sample that"


def finish(model: Any, x: Tensor | Batch) -> Batch:
    """From what a sampler yields to what a person wants: decoded, where the data are another model's latents."""
    batch = as_batch(x)
    decoder = getattr(model, "latents", None)
    if decoder is None:
        leaf = model.data.leaves.get("x")
        if leaf is None or not leaf.columns:
            return batch
        return {**batch, "x": valid(batch["x"], leaf.columns)}  # whole numbers, decimals, dates that there are
    with torch.no_grad(), evaluating(decoder):
        return as_batch(decoder.decode(batch["x"].reshape(-1, *decoder.latent.shape), batch))


def final_data(model: Any) -> DataSpec:
    """What a finished sample is."""
    spec: DataSpec = model.latents.data if hasattr(model, "latents") else model.data
    return spec


def stream(
    model: Any,
    n: int,
    *,
    seed: int = 0,
    sampler: Sampler | None = None,
    cond: Mapping[str, Any] | None = None,
    first: int = 0,
    total: int | None = None,
    autocast: torch.dtype | None = None,
) -> Iterator[Step]:
    """The steps of samples `first` … `first + n − 1` of `total`, one batch; each step's x carries its conditions.

    Eval mode, no-grad and autocast hold only while a step is computed: the caller's loop body never runs under them.
    Raises UsageError when the model cannot do what the sampler needs.
    """
    return _stream(model, n, seed=seed, sampler=sampler, cond=cond or {}, first=first, total=total or first + n, autocast=autocast)


def _stream(
    model: Any,
    n: int,
    *,
    seed: int,
    sampler: Sampler | None,
    cond: Mapping[str, Any],
    first: int,
    total: int,
    autocast: torch.dtype | None,
    ahead: int | None = 1,
) -> Iterator[Step]:
    """`stream`, of whose steps `ahead` (None: all) are computed in one go, and only the last of them is yielded."""
    sampler = sampler or default_sampler(model)
    if not can(model, sampler.needs):
        if why := lacking(model):
            raise UsageError(f"{type(model).__name__} cannot be sampled: {why}")
        raise UsageError(f"{type(sampler).__name__} needs a {sampler.needs.__name__}, and {type(model).__name__} is none")
    place = place_of(model)
    noise = Philox(seed, range(first, first + n), place.device, dtype=torch.promote_types(place.dtype, torch.float32))
    known = known_conditions(model, sampler)
    given = resolve_conditions(known, opened(cond, known), noise, first=first, total=total)
    kept = {key: value for key, value in given.items() if key in model.conditions}
    steps = iter(sampler(model, n, noise=noise, cond=_encoded(model, given)))
    cast: AbstractContextManager[Any] = torch.autocast(place.device.type, autocast) if autocast else nullcontext()
    no_grad, eval_mode = torch.no_grad(), evaluating(model)
    while True:
        with no_grad, eval_mode, cast:
            computed = deque(itertools.islice(steps, ahead), maxlen=1)
        if not computed:
            return
        step = computed.pop()
        yield Step(step.index, step.total, {**as_batch(step.x), **kept}, step.preview)


def _encoded(model: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The conditions, with known columns of a table as the model behind the encoding is told them."""
    from ..table_encoding import of

    encoding = of(model)
    if encoding is None or "known" not in given or "known" in model.conditions:
        return given
    z, mask = encoding.known(given["known"])
    return {**given, "known": z, "known_mask": mask.float()}


def together(numbers: int, most: int = MOST) -> int:
    """How many samples of so many numbers are drawn together, `most` however small they are. It depends on no machine, so that a command
    gives the same bits again."""
    numbers = max(numbers, 1)
    return max(1, min(max(BATCH, SMALL // numbers), most, TOGETHER // numbers))


def sample(
    model: Any,
    n: int = 16,
    *,
    seed: int = 0,
    sampler: Sampler | None = None,
    cond: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    rows: range | None = None,
    autocast: torch.dtype | None = None,
    on_step: Callable[[Step, int], None] | None = None,
    **options: Any,
) -> Samples:
    """n samples of seed `seed`; the same whatever `batch_size` is. `rows`: only these of them (a rank's share, say).

    `options` change the default sampler's (`steps=50`, `guidance=2`); names of the model's conditions (`label=3`) are taken as such.
    `on_step(step, first)` hears every step of the batch that starts at sample `first`. Raises UsageError for what does not fit.
    """
    if n < 1:
        raise UsageError(f"n must be at least 1, got {n}")
    sampler = sampler or default_sampler(model)
    conditions = known_conditions(model, sampler) if can(model, sampler.needs) else model.conditions
    asked = {**(cond or {}), **{k: options.pop(k) for k in list(options) if k in conditions}}
    asked, sampler = opened(asked, conditions), with_options(sampler, options)
    numbers = sum(math.prod(leaf.shape) for leaf in final_data(model).leaves.values())
    size = batch_size or together(numbers, getattr(sampler, "most", MOST))
    wanted = range(n) if rows is None else rows
    memory.check(8.0 * len(wanted) * numbers, f"{len(wanted):,} samples")
    parts: list[dict[str, Tensor]] = []
    settings: dict[str, Any] = {"seed": seed, "sampler": sampler, "cond": asked, "total": n, "autocast": autocast}
    on_step = on_step or _counted(wanted)
    settings["ahead"] = 1 if on_step else None  # to enter and leave eval mode at every step is for those who look
    for first in range(wanted.start, wanted.stop, size):
        for step in _stream(model, min(size, wanted.stop - first), first=first, **settings):
            if on_step:
                on_step(step, first)
        with torch.no_grad(), evaluating(model):
            done = finish(model, step.x)
        kept = {k: v for k, v in as_batch(step.x).items() if k in model.conditions}
        if isinstance(row := conditions.get("known"), Row) and asked.get("known") is not None:  # to the last digit
            known = row.prepare(asked["known"], n)[first : first + len(done["x"])]
            done = {**done, "x": done["x"].cpu().where(known.isnan(), known.to(done["x"].dtype))}
        parts.append({k: v.detach().cpu() for k, v in {**done, **kept}.items()})
    return joined(parts, final_data(model))


def _counted(wanted: range) -> Callable[[Step, int], None] | None:
    """Tells whoever listens how far the samples are."""
    if (told := listener()) is None:
        return None

    def on_step(step: Step, first: int) -> None:
        rows = len(next(iter(as_batch(step.x).values())))
        told((first - wanted.start + rows * step.index / max(step.total, 1)) / len(wanted))

    return on_step


def with_options(sampler: Any, options: Mapping[str, Any]) -> Sampler:
    """The sampler with some options changed and checked. Raises UsageError for one it does not have."""
    if not options:
        return sampler  # type: ignore[no-any-return]
    from ..recipes import validate

    changed = {**sampler.model_dump(), **options}
    return validate(type(sampler), changed, type(sampler).__name__)  # type: ignore[no-any-return]
