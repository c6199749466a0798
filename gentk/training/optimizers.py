"""Optimizers: AdamW, or Muon for the matrices inside the network and AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..recipes import OptimizerPart, TrainingPart
from .averages import under

FUSED = ("cpu", "cuda")  # devices of fused kernels
_QUINTIC = (3.4445, -4.7750, 2.0315)  # Jordan et al. 2024: takes singular values in (0, 1] to about 1 in five steps


def orthogonalised(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrix with singular values near 1, by Newton-Schulz; (m, n) → (m, n).

    Each step is X ← p(G) X with G = X Xᵀ and p(G) = a + b G + c G², which all commute: so only G is stepped, and the long side of X is met
    twice, not twice a step. In float32 that takes less time than the whole in bfloat16, and is 1,000 times nearer to the exact result.
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).float()
    x = x / (x.norm() + 1e-7)
    gram = x @ x.T
    product = torch.eye(len(gram), device=gram.device)
    for _ in range(steps):
        p = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        p.diagonal().add_(a)
        product, gram = p @ product, p @ gram @ p
    x = product @ x
    out: Tensor = (x.T if tall else x).to(matrix.dtype)
    return out


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised (Jordan et al. 2024). torch.optim.Muon takes matrices only; here a convolution's weight
    (out, in, k, k) is the matrix (out, in·k·k). Like torch's fused optimizers it does nothing where its attribute `found_inf` is 1."""

    found_inf: Tensor | None = None

    def __init__(self, parameters: list[nn.Parameter], lr: float, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        skipped = self.found_inf
        taken: Tensor | float = 1.0 if skipped is None else 1 - skipped
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                grad = parameter.grad if skipped is None else parameter.grad.masked_fill(skipped.bool(), 0)  # 0 · NaN is NaN
                momentum = state["momentum"].lerp_(grad, (1 - group["momentum"]) * taken)
                ahead = grad.lerp(momentum, group["momentum"]).flatten(1)  # Nesterov
                scale = max(1.0, ahead.shape[0] / ahead.shape[1]) ** 0.5
                parameter.mul_(1 - group["lr"] * group["weight_decay"] * taken)
                parameter.add_(orthogonalised(ahead).view_as(parameter) * taken, alpha=-group["lr"] * scale)


def alike(value: Any, parameter: Tensor) -> Any:
    """`value` in the memory order of a parameter of its shape: the fused kernels go by memory, not by strides, and would mix up the
    numbers of a convolution in channels-last order."""
    if not isinstance(value, Tensor) or value.shape != parameter.shape or value.stride() == parameter.stride():
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


class Optimizer:
    """One or two torch optimizers that step together; each parameter group remembers its peak rate."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self.parts = parts
        for part in parts:
            for group in part.param_groups:
                group["peak"] = group["lr"]
        self.prime()

    @torch.no_grad()
    def prime(self) -> None:
        """Make the state that torch makes in a parameter's first step, so that it can be copied and watched before that."""
        for part in self.parts:
            new = [p for group in part.param_groups for p in group["params"] if p not in part.state]
            rates = [group["lr"] for group in part.param_groups]
            for p in new:
                p.grad = torch.zeros_like(p)
            for group in part.param_groups:
                group["lr"] = 0.0  # and a gradient of zero: the step moves nothing
            part.step()
            for group, rate in zip(part.param_groups, rates, strict=True):
                group["lr"] = rate
            for p in new:
                p.grad = None
                for value in part.state[p].values():
                    value.zero_()

    @property
    def asks(self) -> bool:
        """Whether every part can be told on the device that a step is not to be taken."""
        return all(isinstance(part, Muon) or part.defaults.get("fused") for part in self.parts)

    def guard(self, shut: Tensor) -> None:
        """From now on no step is taken while `shut` is 1."""
        for part in self.parts:
            part.found_inf = shut  # type: ignore[attr-defined]

    def state(self) -> list[Tensor]:
        """All tensors of the state, as they lie there."""
        return [value for part in self.parts for own in part.state.values() for value in own.values()]

    def step(self, share: float) -> None:
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = group["peak"] * share
            part.step()

    def tensors(self) -> dict[str, Tensor]:
        """The state, flat: "part/parameter/name"."""
        found = {}
        for j, part in enumerate(self.parts):
            for i, state in part.state_dict()["state"].items():
                found.update({f"{j}/{i}/{name}": torch.as_tensor(value) for name, value in state.items()})
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        for j, part in enumerate(self.parts):
            whole = part.state_dict()
            state: dict[int, dict[str, Tensor]] = {}
            for key, value in tensors.items():
                at, i, name = key.split("/")
                if int(at) == j:
                    state.setdefault(int(i), {})[name] = value
            part.load_state_dict({**whole, "state": state})
            for parameter, own in part.state.items():
                own.update({name: alike(value, parameter) for name, value in own.items()})
        self.prime()


def make(model: nn.Module, names: list[str], settings: TrainingPart, key: str) -> Optimizer:
    """The optimizer `key` for the parameters `names`, as the recipe says. Matrices under `model.outer` (first and last layers) and
    embeddings are left to AdamW."""
    own = settings.optimizers.get(key, OptimizerPart())

    def chosen(field: str) -> Any:
        value = getattr(own, field)
        return getattr(settings, field) if value is None else value

    parameters = dict(model.named_parameters())
    adam: dict[str, Any] = {"betas": chosen("betas"), "weight_decay": chosen("weight_decay")}
    if chosen("optimizer") == "adamw":
        return Optimizer([_adamw([parameters[n] for n in names], chosen("lr"), adam)])
    embeddings = {f"{path}.weight" for path, m in model.named_modules() if isinstance(m, nn.Embedding)}
    outer: tuple[str, ...] = tuple(getattr(model, "outer", ()))
    inner = [n for n in names if parameters[n].ndim >= 2 and n not in embeddings and not (outer and under(n, outer))]
    rest = [n for n in names if n not in set(inner)]
    parts: list[torch.optim.Optimizer] = []
    if inner:
        parts.append(Muon([parameters[n] for n in inner], chosen("lr"), weight_decay=chosen("weight_decay")))
    if rest:
        parts.append(_adamw([parameters[n] for n in rest], chosen("adam_lr"), adam))
    return Optimizer(parts)


def _adamw(parameters: list[nn.Parameter], lr: float, options: Mapping[str, Any]) -> torch.optim.Optimizer:
    fused = all(p.device.type in FUSED and p.is_floating_point() for p in parameters)
    return torch.optim.AdamW(parameters, lr=lr, fused=fused, **options)
