"""What gentk-ddpm offers. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import ImporterSpec, ModelSpec, RecipeSpec, hookimpl


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    yield ModelSpec(
        "ddpm",
        "gentk_ddpm.model:DDPM",
        config="gentk_ddpm.config:DDPMConfig",
        summary="Denoising diffusion of images with a U-Net, any size, optionally by class",
        paper="arXiv:2006.11239",
        check="recipes/check.toml",
    )
    yield ModelSpec(
        "ddpm-points",
        "gentk_ddpm.points:DDPMPoints",
        config="gentk_ddpm.config:PointsConfig",
        summary="Denoising diffusion of points with an MLP",
        paper="arXiv:2006.11239",
        check="recipes/check-points.toml",
    )
    yield ModelSpec(
        "classifier",
        "gentk_ddpm.classifier:Classifier",
        config="gentk_ddpm.config:ClassifierConfig",
        summary="The class of a noisy image, for --guide; draws nothing by itself",
        paper="arXiv:2105.05233",
        check="recipes/check-classifier.toml",
    )


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    yield RecipeSpec("mnist", "recipes/mnist.toml", weights="weights/mnist", summary="Handwritten digits, by class")
    yield RecipeSpec("fashion-mnist", "recipes/fashion-mnist.toml", weights="weights/fashion-mnist", summary="Clothing of ten kinds")
    yield RecipeSpec("swiss-roll", "recipes/swiss-roll.toml", weights="weights/swiss-roll", summary="A spiral in the plane")
    yield RecipeSpec("moons", "recipes/moons.toml", weights="weights/moons", summary="Two half-moons, by class")
    guide = "weights/mnist-classifier"
    yield RecipeSpec("mnist-classifier", "recipes/mnist-classifier.toml", weights=guide, summary="Digits at any noise level, for --guide")


@hookimpl
def gentk_importers() -> Iterator[ImporterSpec]:
    place = "gentk_ddpm.diffusers"
    yield ImporterSpec("diffusers", f"{place}:read", export=f"{place}:write", summary="UNet2DModel pipelines: DDPM, DDIM and relatives")
