"""What gentk-datasets offers. Light: nothing here imports torch, numpy, torchvision or scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator

from gentk.host import DatasetSpec, hookimpl


def _images(name: str, target: str, options: str, summary: str) -> DatasetSpec:
    return DatasetSpec(name, f"gentk_datasets.{target}", "image", f"gentk_datasets.options:{options}", summary=summary)


def _points(name: str, target: str, options: str, summary: str) -> DatasetSpec:
    return DatasetSpec(name, f"gentk_datasets.points:{target}", "points", f"gentk_datasets.options:{options}", summary=summary)


def _series(name: str, target: str, options: str, summary: str, argument: str | None = None) -> DatasetSpec:
    target, options = f"gentk_datasets.series:{target}", f"gentk_datasets.options:{options}"
    return DatasetSpec(name, target, "series", options, argument=argument, summary=summary)


def _own(name: str, target: str, modality: str, options: str, summary: str, argument: str = "path") -> DatasetSpec:
    target, options = f"gentk_datasets.{target}", f"gentk_datasets.options:{options}"
    return DatasetSpec(name, target, modality, options, argument=argument, summary=summary)


@hookimpl
def gentk_datasets() -> Iterator[DatasetSpec]:
    yield _images("mnist", "downloads:mnist", "GreyImages", "Handwritten digits, 28×28, 10 classes (downloaded)")
    yield _images("fashion-mnist", "downloads:fashion_mnist", "GreyImages", "Clothes, 28×28, 10 classes (downloaded)")
    yield _images("cifar10", "downloads:cifar10", "ColourImages", "Small photographs, 3×32×32, 10 classes (downloaded)")
    yield _images("digits", "digits:digits", "Digits", "Handwritten digits, 8×8, 10 classes (comes with scikit-learn)")
    yield _own("folder", "folder:folder", "image", "Folder", "folder:PATH, your own images, resized and cropped to a square")
    yield _own("npz", "npz:npz", "", "Npz", "npz:PATH, your own arrays, or what `gentk sample --out x.npz` wrote")
    yield _own("hf", "hub:hf", "", "Hub", "hf:USER/NAME, a data set of the Hugging Face Hub: images, text, tables", argument="repo")
    yield _points("swiss-roll", "swiss_roll", "SwissRoll", "A spiral in the plane")
    yield _points("moons", "moons", "Moons", "Two interleaving half circles, 2 classes")
    yield _points("circles", "circles", "Circles", "Two concentric circles, 2 classes")
    yield _points("checkerboard", "checkerboard", "Checkerboard", "Every other square of a board")
    yield _points("eight-gaussians", "eight_gaussians", "EightGaussians", "Eight Gaussians on a circle, 8 classes")
    yield _series("airline-passengers", "airline_passengers", "AirlinePassengers", "Airline passengers, 144 months (downloaded)")
    yield _series("series", "series", "OwnSeries", "series:PATH, your own table of numbers over time", argument="path")
    yield _series("seasonal", "seasonal", "Seasonal", "Generated series: trend, seasons and noise with a memory")
    yield DatasetSpec(
        "sprinkler",
        "gentk_datasets.tables:sprinkler",
        "table",
        "gentk_datasets.options:Sprinkler",
        summary="Clouds, sprinkler, rain, wet grass: four variables of a known graph",
    )
    for name, options, summary in (
        ("iris", "BundledClasses", "Four lengths of irises, 3 species (comes with scikit-learn)"),
        ("wine", "BundledClasses", "Thirteen measurements of wines, 3 growers (comes with scikit-learn)"),
        ("breast-cancer", "BundledClasses", "Thirty measurements of cell nuclei, 2 classes (comes with scikit-learn)"),
        ("diabetes", "Bundled", "Ten measurements of patients and a year's progress (comes with scikit-learn)"),
    ):
        target = f"gentk_datasets.bundled:{name.replace('-', '_')}"
        yield DatasetSpec(name, target, "table", f"gentk_datasets.options:{options}", summary=summary)
    own = "table:PATH, your own table: numbers, categories, dates, missing values (.csv, .tsv, .parquet)"
    yield _own("table", "table_files:table", "table", "OwnTable", own)
    for name, options, summary in (
        ("tiny-shakespeare", "TinyShakespeare", "A million characters of Shakespeare's plays (downloaded)"),
        ("names", "Names", "32,033 first names, letter by letter (downloaded)"),
    ):
        target = f"gentk_datasets.published_texts:{name.replace('-', '_')}"
        yield DatasetSpec(name, target, "text", f"gentk_datasets.options:{options}", summary=summary)
    yield _own("text", "text:text", "text", "OwnText", "text:PATH, your own text, by character, word or byte pairs, in windows or lines")
    yield DatasetSpec(
        "sentences",
        "gentk_datasets.text:sentences",
        "text",
        "gentk_datasets.options:Sentences",
        summary="Generated sentences: words of nine kinds in turn, by word or letter",
    )
