"""What gentk-template offers. Light: strings name the code, and nothing here imports torch or numpy."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import DatasetSpec, ModelSpec, RecipeSpec, hookimpl


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    yield ModelSpec(
        "template",
        "gentk_template.model:Template",
        config="gentk_template.config:TemplateConfig",
        summary="SUMMARY",
        paper="PAPER",
        check="recipes/template.toml",
    )


@hookimpl
def gentk_datasets() -> Iterator[DatasetSpec]:
    yield DatasetSpec(
        "template",
        "gentk_template.data:TemplateData",
        modality="MODALITY",
        options="gentk_template.config:TemplateOptions",
        summary="EXAMPLES",
    )


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    # Weights that come with the plugin: RecipeSpec(…, weights="weights/template"), see the README.
    yield RecipeSpec("template", "recipes/template.toml", summary="Seconds of training on data made up here")
