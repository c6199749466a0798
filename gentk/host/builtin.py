"""What the core itself offers, through the same hooks as everybody."""

from __future__ import annotations

from collections.abc import Iterator

from .hookspecs import hookimpl
from .specs import DatasetSpec, FeaturizerSpec, ModalitySpec, ModelSpec, SamplerSpec, ScheduleSpec


@hookimpl
def gentk_samplers() -> Iterator[SamplerSpec]:
    """In the order in which a model without a default of its own is given one."""
    gaussian, solvers = "gentk.gaussian.samplers", "gentk.gaussian.solvers"
    yield SamplerSpec("ddim", f"{gaussian}:DDIM", summary="First order, from deterministic to ancestral", paper="arXiv:2010.02502")
    yield SamplerSpec("ancestral", f"{gaussian}:Ancestral", summary="DDPM's reverse chain", paper="arXiv:2006.11239")
    yield SamplerSpec("euler", f"{gaussian}:Euler", summary="First order, the probability-flow ODE", paper="arXiv:2011.13456")
    yield SamplerSpec("heun", f"{solvers}:Heun", summary="Second order, two evaluations a step", paper="arXiv:2206.00364")
    yield SamplerSpec("dpmpp-2m", f"{solvers}:DPMpp2M", summary="Second order, one evaluation a step", paper="arXiv:2211.01095")
    yield SamplerSpec("dpmpp-2m-sde", f"{solvers}:DPMpp2MSDE", summary="Its stochastic sibling", paper="arXiv:2211.01095")
    yield SamplerSpec("unipc", f"{solvers}:UniPC", summary="Second order, predicted and corrected", paper="arXiv:2302.04867")
    yield SamplerSpec("dopri5", f"{solvers}:Dopri5", summary="Fifth order, to a tolerance (needs scipy)", paper="arXiv:2011.13456")
    yield SamplerSpec("consistency", f"{gaussian}:Consistency", summary="Data and back: consistency models, LCM", paper="arXiv:2303.01469")
    yield SamplerSpec("repaint", f"{gaussian}:RePaint", summary="Inpainting back and forth", paper="arXiv:2201.09865")
    yield SamplerSpec("autoregressive", "gentk.samplers.autoregressive:AutoRegressive", summary="Token by token: temperature, top-k, top-p")
    yield SamplerSpec("beam", "gentk.samplers.beam:Beam", summary="The likeliest text, by beam search", paper="arXiv:1211.3711")
    yield SamplerSpec("prior", "gentk.samplers.prior:Prior", summary="Latents from the prior, decoded")
    yield SamplerSpec("direct", "gentk.samplers.direct:Direct", summary="One call of a model that draws by itself")


@hookimpl
def gentk_schedules() -> Iterator[ScheduleSpec]:
    place = "gentk.gaussian.schedules"
    yield ScheduleSpec("linear", f"{place}:LinearBeta", summary="DDPM's table: β from 1e-4 to 0.02", paper="arXiv:2006.11239")
    yield ScheduleSpec("scaled-linear", f"{place}:ScaledLinearBeta", summary="Stable Diffusion's: √β linear", paper="arXiv:2112.10752")
    yield ScheduleSpec("cosine", f"{place}:Cosine", summary="The quarter circle, or with an offset", paper="arXiv:2102.09672")
    yield ScheduleSpec("sigmoid", f"{place}:Sigmoid", summary="A logistic curve of α²", paper="arXiv:2212.11972")
    yield ScheduleSpec("rectified", f"{place}:Rectified", summary="Straight lines: flow matching", paper="arXiv:2209.03003")
    yield ScheduleSpec("karras", f"{place}:Karras", summary="Variance exploding: EDM", paper="arXiv:2206.00364")
    yield ScheduleSpec("zero-terminal", f"{place}:ZeroTerminal", summary="Another one, ending in pure noise", paper="arXiv:2305.08891")
    yield ScheduleSpec("betas", f"{place}:BetaTable", summary="Any table of betas")


@hookimpl
def gentk_datasets() -> Iterator[DatasetSpec]:
    about = "latents:WEIGHTS, what an encoder makes of the data it was trained on"
    yield DatasetSpec("latents", "gentk.data.latents:latents", "", "gentk.data.latents:Options", argument="weights", summary=about)
    made = "Made-up examples of any shape: a few prototypes and noise"
    yield DatasetSpec("synthetic", "gentk.data.synthetic:synthetic", "", "gentk.data.synthetic:Options", summary=made)


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    """No model of its own: what stands in front of others."""
    place = "gentk.table_encoding"
    about = "A table as vectors: quantile-normal numbers, one-hot categories"
    yield ModelSpec("table-encoding", f"{place}:TableEncoding", f"{place}:TableEncodingConfig", summary=about)


@hookimpl
def gentk_featurizers() -> Iterator[FeaturizerSpec]:
    about = "The numbers themselves"
    yield FeaturizerSpec("flat", "gentk.evaluation.featurizers:Flat", about, modalities=("points", "image", "series"))


@hookimpl
def gentk_modalities() -> Iterator[ModalitySpec]:
    yield ModalitySpec("points", "gentk.modalities.points:Points", summary="Points in a plane")
    yield ModalitySpec("image", "gentk.modalities.image:Image", summary="Grey or colour images")
    yield ModalitySpec("series", "gentk.modalities.series:Series", summary="Numbers over time")
    yield ModalitySpec("table", "gentk.modalities.table:Table", summary="Rows of named columns: numbers, categories, dates")
    yield ModalitySpec("text", "gentk.modalities.text:Text", summary="Characters or words")
