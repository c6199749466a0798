"""What gentk-template offers. Light: strings name the code, and nothing here imports torch or numpy."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import FeaturizerSpec, MetricSpec, hookimpl


@hookimpl
def gentk_metrics() -> Iterator[MetricSpec]:
    yield MetricSpec(
        "template",
        "gentk_template.metric:Template",
        needs=("features",),  # of any examples; say modalities=("series",) if it is for these alone
        options="gentk_template.options:TemplateOptions",
        summary="SUMMARY",
        paper="PAPER",
    )


@hookimpl
def gentk_featurizers() -> Iterator[FeaturizerSpec]:
    # modalities=("MODALITY",) would make it the default for such data.
    yield FeaturizerSpec("template", "gentk_template.featurizer:Spectrum", summary="EXAMPLES")
