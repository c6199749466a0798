"""A capability of this plugin's own, and the sampler for it: leaves of different kinds that go from noise to data together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict, Field

from gentk.protocols import Batch, Noise, Prediction, Schedule, Step

if TYPE_CHECKING:
    from torch import Tensor


class JointDenoiser(Protocol):
    schedule: Schedule

    def begin(self, n: int, noise: Noise, cond: Batch) -> dict[str, Tensor]: ...  # every leaf at t = 1, the mask included
    def denoise_leaves(self, x_t: Batch, t: Tensor, cond: Batch) -> Mapping[str, Prediction | Tensor]: ...  # logits for a discrete leaf
    def project(self, x: Batch) -> dict[str, Tensor]: ...  # what every state obeys: symmetry, the mask, the centre


class JointFlow(BaseModel):
    """Positions follow the straight path; from t to s a discrete value jumps to a draw of the prediction with probability (t − s)/t
    (Campbell et al. 2024, "Generative flows on discrete state-spaces")."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    needs: ClassVar[type] = JointDenoiser
    steps: Annotated[int, Field(ge=1, le=10_000)] = Field(8, description="Evaluations of the net.")

    def __call__(self, model: Any, n: int, *, noise: Noise, cond: Batch) -> Iterator[Step]:
        import torch

        from gentk.noise import pick

        times = torch.linspace(1, 0, self.steps + 1, dtype=torch.float64)
        x = model.project(model.begin(n, noise, cond))
        yield Step(0, self.steps, x)
        for i in range(self.steps):
            t, s = times[i], times[i + 1]
            alpha, sigma = model.schedule(s)
            moved = dict(x)
            for name, guess in model.denoise_leaves(x, t, cond).items():
                if isinstance(guess, Prediction):
                    moved[name] = alpha * guess.x + sigma * guess.eps
                else:
                    u = noise.uniform(2, *guess.shape[1:-1]).to(guess.device)
                    moved[name] = torch.where(u[:, 0] < (t - s) / t, pick(guess, u[:, 1]), x[name])
            x = model.project(moved)
            yield Step(i + 1, self.steps, {name: value.clone() for name, value in x.items()})  # the mask is that of all states
