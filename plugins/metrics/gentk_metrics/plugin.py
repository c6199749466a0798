"""What gentk-metrics offers. Light: nothing here imports torch."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import FeaturizerSpec, MetricSpec, ModelSpec, RecipeSpec, hookimpl


@hookimpl
def gentk_metrics() -> Iterator[MetricSpec]:
    yield from _distances()
    yield from _of_classes()
    yield from _of_the_model()
    yield from _of_copies()
    yield from _of_series_and_tables()


def _distances() -> Iterator[MetricSpec]:
    """Between two sets of features, whatever they are features of."""
    needs = ("features",)
    yield MetricSpec("frechet", "gentk_metrics.frechet:Frechet", "Fréchet distance of two Gaussians: FID, in the features of Inception",
                     "arXiv:1706.08500", needs, examples=50_000)  # fmt: skip
    yield MetricSpec("frechet-infinity", "gentk_metrics.frechet:FrechetInfinity", "Fréchet distance, extrapolated to endless samples",
                     "arXiv:1911.07023", needs, asked=True, examples=50_000)  # fmt: skip
    yield MetricSpec("kid", "gentk_metrics.kernels:KID", "Kernel distance: unbiased, for few samples", "arXiv:1801.01401", needs,
                     options="gentk_metrics.options:KIDOptions")  # fmt: skip
    yield MetricSpec("mmd", "gentk_metrics.kernels:MMD", "Maximum mean discrepancy with Gaussian kernels", "Gretton et al. 2012", needs,
                     options="gentk_metrics.options:MMDOptions", asked=True)  # fmt: skip
    yield MetricSpec("prdc", "gentk_metrics.neighbours:PRDC", "Precision, recall, density and coverage by nearest neighbours",
                     "arXiv:1904.06991, arXiv:2002.09797", needs, options="gentk_metrics.options:PRDCOptions")  # fmt: skip
    yield MetricSpec("w2", "gentk_metrics.transport:W2", "Exact Wasserstein distance", "Peyré and Cuturi 2019", needs,
                     modalities=("points",))  # fmt: skip
    yield MetricSpec("sliced-w2", "gentk_metrics.transport:SlicedW2", "Wasserstein distance over random directions",
                     "Bonneel et al. 2015", needs, options="gentk_metrics.options:SlicedOptions", asked=True)  # fmt: skip
    yield MetricSpec("energy", "gentk_metrics.transport:Energy", "Energy distance", "Székely and Rizzo 2013", needs,
                     modalities=("points", "series", "table"))  # fmt: skip
    yield MetricSpec("c2st", "gentk_metrics.two_sample:C2ST", "Accuracy of a classifier that tells samples from examples",
                     "arXiv:1610.06545", needs, modalities=("points", "series", "table", "text"))  # fmt: skip
    yield MetricSpec("diversity", "gentk_metrics.diversity:Diversity", "Mean distance between two samples", "", needs)


def _of_classes() -> Iterator[MetricSpec]:
    """By a classifier that is the featurizer."""
    yield MetricSpec("inception-score", "gentk_metrics.classes:InceptionScore", "Classes that are sure and varied", "arXiv:1606.03498",
                     ("samples", "logits"), examples=50_000)  # fmt: skip
    yield MetricSpec("mode-coverage", "gentk_metrics.classes:ModeCoverage", "Classes found, and how evenly", "arXiv:1712.04086",
                     ("samples", "logits"))  # fmt: skip
    yield MetricSpec("obedience", "gentk_metrics.classes:Obedience", "Share of samples of the class that was asked for", "",
                     ("samples", "logits", "labels"))  # fmt: skip


def _of_the_model() -> Iterator[MetricSpec]:
    yield MetricSpec("nll", "gentk_metrics.likelihoods:NLL", "−log p of held-out examples, in nats and in bits per number", "",
                     ("log_prob",))  # fmt: skip
    yield MetricSpec("perplexity", "gentk_metrics.likelihoods:Perplexity", "Of held-out text, per token", "", ("log_prob",), ("text",))
    yield MetricSpec("accuracy", "gentk_metrics.classes:Accuracy", "Held-out examples whose class the model tells", "",
                     ("log_label",))  # fmt: skip
    yield MetricSpec("reconstruction", "gentk_metrics.pairs:Reconstruction", "Error of held-out examples, there and back", "",
                     ("reconstruction",))  # fmt: skip


def _of_copies() -> Iterator[MetricSpec]:
    yield MetricSpec("memorisation", "gentk_metrics.memorisation:Memorisation", "Samples too near to a training example",
                     "arXiv:2004.05675", ("samples", "features", "training"))  # fmt: skip


def _of_series_and_tables() -> Iterator[MetricSpec]:
    yield MetricSpec("marginal-w1", "gentk_metrics.series:MarginalW1", "W₁ of each channel's values, in its deviations", "",
                     modalities=("series",))  # fmt: skip
    yield MetricSpec("acf", "gentk_metrics.series:ACF", "Distance of the autocorrelations", "arXiv:1711.10604",
                     modalities=("series",))  # fmt: skip
    yield MetricSpec("marginals", "gentk_metrics.tables:Marginals", "Distance of each column's law: total variation, Kolmogorov-Smirnov",
                     "", modalities=("table",))  # fmt: skip
    yield MetricSpec("correlations", "gentk_metrics.tables:Correlations", "Distance of the columns' associations", "",
                     modalities=("table",))  # fmt: skip
    yield MetricSpec("tstr", "gentk_metrics.tables:TSTR", "Train on samples, test on real rows: accuracy, beside training on real ones",
                     "arXiv:1706.02633", ("samples", "labels", "training"), ("table",))  # fmt: skip


@hookimpl
def gentk_featurizers() -> Iterator[FeaturizerSpec]:
    place = "gentk_metrics.classifiers"
    yield FeaturizerSpec("digits", f"{place}:digits", "The last layer of a classifier of MNIST", datasets=("mnist",))
    yield FeaturizerSpec("fashion", f"{place}:fashion", "The last layer of a classifier of Fashion-MNIST", datasets=("fashion-mnist",))
    place = "gentk_metrics.features"
    yield FeaturizerSpec("lags", f"{place}:Lags", "Values and their lag statistics", modalities=("series",))
    yield FeaturizerSpec("ngrams", f"{place}:NGrams", "Hashed n-grams", modalities=("text",))
    yield FeaturizerSpec("columns", f"{place}:Columns", "Numbers on a signed logarithm, categories one-hot", modalities=("table",))
    place = "gentk_metrics.downloaded"
    yield FeaturizerSpec("inception", f"{place}:inception", "Inception v3 of TensorFlow, as FID was published with", "arXiv:1512.00567")
    yield FeaturizerSpec("dinov2", f"{place}:dinov2", "DINOv2 ViT-L/14: FD-DINOv2", "arXiv:2306.04675")


@hookimpl
def gentk_models() -> Iterator[ModelSpec]:
    yield ModelSpec("featurizer", "gentk_metrics.classifier:Featurizer", "gentk_metrics.config:FeaturizerConfig",
                    "A classifier of images, whose last layer distances are measured in", check="recipes/check.toml")  # fmt: skip


@hookimpl
def gentk_recipes() -> Iterator[RecipeSpec]:
    yield RecipeSpec("digits", "recipes/digits.toml", "weights/digits", "Ten classes of handwritten digits")
    yield RecipeSpec("fashion", "recipes/fashion.toml", "weights/fashion", "Ten classes of clothes")
    yield RecipeSpec("featurizer", "recipes/featurizer.toml", summary="Any labelled images: --dataset folder:PATH")
