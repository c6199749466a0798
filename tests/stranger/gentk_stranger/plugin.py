"""What gentk-stranger offers. Light: strings name the code, nothing here imports it."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import DatasetSpec, ExpectedFailure, MetricSpec, ModelSpec, RecipeSpec, SamplerSpec, hookimpl


def _model(name: str, target: str, config: str, summary: str, sampler: str | None = None, check: str | None = None) -> ModelSpec:
    return ModelSpec(name, f"gentk_stranger.{target}", f"gentk_stranger.config:{config}", summary, sampler=sampler, check=check)


def _data(name: str, modality: str, options: str, summary: str, argument: str | None = None) -> DatasetSpec:
    target, chosen = f"gentk_stranger.data:{name}", f"gentk_stranger.config:{options}"
    return DatasetSpec(name, target, modality, options=chosen, argument=argument, summary=summary)


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    yield _model("gmm", "mixture:Mixture", "MixtureConfig", "A mixture of Gaussians, fitted by EM")
    yield _model("wgan", "adversarial:Adversarial", "AdversarialConfig", "A Wasserstein GAN of points")
    yield _model("energy", "energy:Energy", "EnergyConfig", "An energy of points")
    yield _model("counter", "counter:Counter", "CounterConfig", "A GPT that learns to count")
    yield _model("chain", "chain:Chain", "ChainConfig", "Types, bonds and positions that flow together", sampler="joint-flow")
    yield _model("vae", "autoencoder:VAE", "VAEConfig", "A variational autoencoder of small images")
    check = "recipes/check-latent-flow.toml"
    yield _model("latent-flow", "latent_flow:LatentFlow", "LatentFlowConfig", "Flow matching on the codes of another model", check=check)


@hookimpl
def gentk_samplers() -> Iterator[SamplerSpec]:
    yield SamplerSpec("joint-flow", "gentk_stranger.joint:JointFlow", "Several leaves from noise to data together", "arXiv:2402.04997")


@hookimpl
def gentk_datasets() -> Iterator[DatasetSpec]:
    yield _data("ring", "points", "Ring", "Eight Gaussians on a circle, 8 classes")
    yield _data("counting", "counting", "Counting", "Counts upwards in steps of one or two, then a stop")
    yield _data("chains", "chain", "Chains", "Zigzag chains of three to six atoms")
    yield _data("tiles", "image", "Tiles", "8×8 images, one quarter bright, 4 classes")
    yield _data("codes", "latent", "Codes", "codes:WEIGHTS, what an encoder makes of the tiles", argument="weights")


@hookimpl
def gentk_metrics() -> Iterator[MetricSpec]:
    yield MetricSpec("radius-error", "gentk_stranger.metrics:radius_error", summary="Difference of the mean radii")


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    for name in ("gmm", "wgan", "energy", "counter", "chain", "vae", "latent-flow"):
        yield RecipeSpec(name, f"recipes/{name}.toml", summary=f"A second of training for `{name}`")


@hookimpl
def gentk_expected_failures() -> Iterator[ExpectedFailure]:
    yield ExpectedFailure("trains-everything", "wgan", "the critic's last bias cancels: only differences of its values count")
