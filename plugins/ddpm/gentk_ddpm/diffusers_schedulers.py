"""diffusers' schedulers as they are written down: their keys with the values that are supported, and the sampler of ours that does the
same. The defaults are those of their constructors. Light: no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from gentk.errors import GentkError

MAX_STEPS = 10_000
Beta = Annotated[float, Field(ge=0, lt=1)]
Spacing = Literal["linspace", "leading", "trailing"]
FIXED = Literal["fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"]


class Scheduler(BaseModel):
    """The keys that all of them have. `ours`: the sampler; `same`: whether it is the same method, given `alike`, values of keys."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    ours: ClassVar[str]
    same: ClassVar[bool] = True
    alike: ClassVar[Mapping[str, Any]] = {"use_beta_sigmas": False, "final_sigmas_type": "zero", "sigma_min": None, "sigma_max": None}

    num_train_timesteps: int = Field(1000, ge=1, le=MAX_STEPS)
    beta_start: Beta = 1e-4
    beta_end: Beta = 2e-2
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] = "linear"
    trained_betas: list[Beta] | None = Field(None, min_length=1, max_length=MAX_STEPS)
    prediction_type: Literal["epsilon", "sample", "v_prediction"] = "epsilon"
    timestep_spacing: Spacing = "linspace"
    steps_offset: int = 0
    rescale_betas_zero_snr: bool = False

    def sampling(self) -> dict[str, Any]:
        """The options of the sampler."""
        return {"steps": min(50, self.num_train_timesteps), "spacing": self.timestep_spacing, "clip": False}


class Clipping(Scheduler):
    timestep_spacing: Spacing = "leading"
    clip_sample: bool = True
    clip_sample_range: float = 1.0
    thresholding: Literal[False] = False
    dynamic_thresholding_ratio: Any = None  # of thresholding only, as the next
    sample_max_value: Any = None

    def sampling(self) -> dict[str, Any]:
        if self.clip_sample and self.clip_sample_range != 1:
            raise GentkError(f"clip_sample_range = {self.clip_sample_range}: the guess is clipped to the data's range, which is 1, or not")
        return super().sampling() | {"clip": self.clip_sample}


class DDPM(Clipping):
    ours = "ancestral"
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"] = "linear"  # type: ignore[assignment]
    variance_type: FIXED = "fixed_small"

    def sampling(self) -> dict[str, Any]:
        variance = self.variance_type.removesuffix("_log").replace("_", "-")
        return super().sampling() | {"steps": min(1000, self.num_train_timesteps), "variance": variance}


class DDIM(Clipping):
    ours = "ddim"
    alike = {"set_alpha_to_one": True, "clip_sample": False}  # theirs clips the guess of the data but not that of the noise
    set_alpha_to_one: bool = True


class PNDM(Scheduler):
    ours = "dpmpp-2m"
    same = False
    timestep_spacing: Spacing = "leading"
    skip_prk_steps: bool = False
    set_alpha_to_one: bool = False


class Spaced(Scheduler):
    use_karras_sigmas: bool | None = False
    use_exponential_sigmas: bool | None = False
    use_beta_sigmas: bool | None = False
    final_sigmas_type: Literal["zero", "sigma_min"] = "zero"

    def sampling(self) -> dict[str, Any]:
        spacing = "karras" if self.use_karras_sigmas else "exponential" if self.use_exponential_sigmas else ""
        return super().sampling() | ({"spacing": spacing} if spacing else {})


class Multistep(Spaced):
    solver_order: int = 2
    solver_type: str = ""
    lower_order_final: Any = None  # this and the next change nothing where the last noise level is zero
    euler_at_final: Any = None
    thresholding: Literal[False] = False
    dynamic_thresholding_ratio: Any = None
    sample_max_value: Any = None
    use_flow_sigmas: Literal[False] = False
    flow_shift: Any = None  # of flow sigmas only, as the next two
    use_dynamic_shifting: Any = None
    time_shift_type: Any = None

    def sampling(self) -> dict[str, Any]:
        options = super().sampling() | {"steps": min(20, self.num_train_timesteps)}
        if options["spacing"] == "linspace":  # theirs leaves out timestep 0, which is our trailing to within one timestep
            options["spacing"] = "trailing"
        return options


class DPMSolver(Multistep):
    ours = "dpmpp-2m"
    alike = {**Scheduler.alike, "solver_order": 2, "solver_type": "midpoint", "use_lu_lambdas": False, "algorithm_type": "dpmsolver++"}
    solver_type: str = "midpoint"
    algorithm_type: str = "dpmsolver++"
    use_lu_lambdas: bool | None = False
    lambda_min_clipped: Any = None  # clips levels that a walk from the end never meets
    variance_type: FIXED | None = None


class UniPC(Multistep):
    ours = "unipc"
    alike = {**Scheduler.alike, "solver_order": 2, "solver_type": "bh2", "predict_x0": True, "disable_corrector": [], "solver_p": None}
    solver_type: str = "bh2"
    predict_x0: bool = True
    disable_corrector: list[int] = []
    solver_p: Any = None
    sigma_min: float | None = None
    sigma_max: float | None = None
    shift_terminal: Literal[None] = None


class Euler(Spaced):
    ours = "euler"
    alike = {**Scheduler.alike, "interpolation_type": "linear"}
    interpolation_type: str = "linear"
    timestep_type: Literal["discrete"] = "discrete"
    sigma_min: float | None = None
    sigma_max: float | None = None


class EulerAncestral(Scheduler):
    ours = "ancestral"

    def sampling(self) -> dict[str, Any]:
        return super().sampling() | {"variance": "fixed-small"}


class FlowMatchEuler(BaseModel):
    """Straight lines; the network is told 1000 t and gives dx/dt."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    num_train_timesteps: Literal[1000] = 1000
    shift: float = Field(1.0, gt=0)
    use_dynamic_shifting: Literal[False] = False
    invert_sigmas: Literal[False] = False
    stochastic_sampling: Literal[False] = False
    shift_terminal: Literal[None] = None
    use_karras_sigmas: Literal[False, None] = False
    use_exponential_sigmas: Literal[False, None] = False
    use_beta_sigmas: Literal[False, None] = False
    base_shift: Any = None  # of dynamic shifting only, as the rest
    max_shift: Any = None
    base_image_seq_len: Any = None
    max_image_seq_len: Any = None
    time_shift_type: Any = None


CLASSES: dict[str, type[BaseModel]] = {
    "DDPMScheduler": DDPM,
    "GaussianDDPMScheduler": DDPM,  # its name in the first releases
    "DDIMScheduler": DDIM,
    "PNDMScheduler": PNDM,
    "DPMSolverMultistepScheduler": DPMSolver,
    "UniPCMultistepScheduler": UniPC,
    "EulerDiscreteScheduler": Euler,
    "EulerAncestralDiscreteScheduler": EulerAncestral,
    "FlowMatchEulerDiscreteScheduler": FlowMatchEuler,
}
