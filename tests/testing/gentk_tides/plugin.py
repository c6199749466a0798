"""What gentk-tides offers."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import (
    DatasetSpec,
    ExpectedFailure,
    FeaturizerSpec,
    ImporterSpec,
    MetricSpec,
    ModalitySpec,
    ModelSpec,
    RecipeSpec,
    SamplerSpec,
    ScheduleSpec,
    hookimpl,
)


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    yield ModelSpec("tides", "gentk_tides.model:Tides", config="gentk_tides.config:TidesConfig", summary="A Gaussian of each height")


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    yield RecipeSpec("brest", "recipes/brest.toml", weights="weights/brest", summary="The harbour of Brest")


@hookimpl
def gentk_datasets() -> Iterator[DatasetSpec]:
    yield DatasetSpec("gauges", "gentk_tides.data:gauges", "image", options="gentk_tides.config:GaugeOptions", summary="Made-up gauges")


@hookimpl
def gentk_samplers() -> Iterator[SamplerSpec]:
    yield SamplerSpec("ebb", "gentk_tides.sampler:Ebb", summary="Draws from high water down")


@hookimpl
def gentk_schedules() -> Iterator[ScheduleSpec]:
    yield ScheduleSpec("spring", "gentk_tides.schedule:Spring", summary="A straight line")


@hookimpl
def gentk_metrics() -> Iterator[MetricSpec]:
    yield MetricSpec("range-error", "gentk_tides.foreign:range_error", summary="Error of the tidal range")
    yield MetricSpec("levels", "gentk_tides.metrics:Levels", needs=("features",), modalities=("image",),
                     options="gentk_tides.config:LevelOptions", summary="Means and deviations of the harmonics")  # fmt: skip


@hookimpl
def gentk_featurizers() -> Iterator[FeaturizerSpec]:
    yield FeaturizerSpec("harmonics", "gentk_tides.metrics:Harmonics", datasets=("gauges",), summary="Amplitudes of the tides")


@hookimpl
def gentk_modalities() -> Iterator[ModalitySpec]:
    yield ModalitySpec("chart", "gentk_tides.modality:Chart", summary="Charts of a coast")


@hookimpl
def gentk_importers() -> Iterator[ImporterSpec]:
    yield ImporterSpec("utide", "gentk_tides.foreign:read", export="gentk_tides.foreign:write", summary="Other tide programs")


@hookimpl
def gentk_expected_failures() -> Iterator[ExpectedFailure]:
    yield from ()
