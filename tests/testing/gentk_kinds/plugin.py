"""What gentk-kinds offers."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import ExpectedFailure, ModelSpec, hookimpl

PLACES = {
    "denoiser": "gradient:Denoiser",
    "autoencoder": "gradient:Autoencoder",
    "guide": "gradient:Guide",
    "gaussian": "statistics:Gaussian",
    "trend": "statistics:Trend",
    "chain": "tokens:Chain",
    "pixels": "tokens:Pixels",
}
POINTS = ("denoiser", "autoencoder", "guide", "gaussian")


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    for name, place in PLACES.items():
        recipe = f"recipes/{'points' if name in POINTS else name}.toml"
        yield ModelSpec(name, f"gentk_kinds.{place}", config="gentk_kinds.config:Config", summary=f"A {name}", check=recipe)


@hookimpl
def gentk_expected_failures() -> Iterator[ExpectedFailure]:
    yield ExpectedFailure("models-have-recipes", "kinds", "these models are for the kit's own tests")
