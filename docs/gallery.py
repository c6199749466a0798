"""Every shipped weights folder with its figures, its picture and the command that made it.

    uv run python docs/gallery.py             # the pages and pictures, from what is shipped
    uv run python docs/gallery.py --measure   # first `gentk evaluate` of all of it: needs the data sets, and hours
    uv run python docs/gallery.py --measure ddpm/mnist -n 10000

Writes docs/gallery/, and the table of figures in each plugin's README. A test fails where a page says other than metrics.json.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gentk.errors import GentkError
from gentk.host import lookup
from gentk.protocols import Score
from gentk.report.numbers import duration
from gentk.weights.card.scores import Metrics, metrics_of

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "docs/gallery"
BEGIN, END = "<!-- figures: made by docs/gallery.py -->", "<!-- end of figures -->"
SHOWN = {"points": 2000, "series": 8, "image": 32, "table": 8, "text": 4}  # samples in a picture
TABLE_HEAD = ("weights", "score", "value", "floor", "n", "measured in")
READING = (
    "Value ± one standard error. The floor is what real examples get, measured the same way beside other real ones of the same number. "
    "n: samples (of a likelihood and a reconstruction: held-out examples)."
)


class Shipped(NamedTuple):
    """Weights that a plugin brings along."""

    plugin: str
    recipe: str
    summary: str

    @property
    def name(self) -> str:
        return f"{self.plugin}/{self.recipe}"

    @property
    def folder(self) -> Path:
        return lookup.weights_path(self.plugin, self.recipe)

    @property
    def words(self) -> str:
        return f"--plugin {self.plugin} --recipe {self.recipe}"


def shipped() -> Iterator[Shipped]:
    """All of them, in the order in which their plugins list them."""
    for plugin in lookup.host().names():
        for name, spec in lookup.specs("recipes", plugin).items():
            if spec.weights and (lookup.weights_path(plugin, name) / "config.json").is_file():
                yield Shipped(plugin, name, spec.summary)


# ---------------------------------------------------------------- figures
def measure(one: Shipped, n: int) -> bool:
    """`gentk evaluate`, beside the weights. Weights of which nothing can be measured are named and passed over."""
    line = [sys.executable, "-m", "gentk", "evaluate", one.name, "--save", "-n", str(n)]
    print(f"gentk evaluate {one.name} --save -n {n}", flush=True)
    return subprocess.run(line).returncode == 0


def rows(one: Shipped, found: Metrics) -> Iterator[tuple[str, ...]]:
    for score in found.scores:
        yield (f"`{one.recipe}`", f"{score.name} {score.unit}".strip(), value(score), "" if score.floor is None else f"{score.floor:.4g}",
               f"{score.examples:,}" if score.examples else "", str(score.parameters.get("featurizer", "")))  # fmt: skip


def value(score: Score) -> str:
    bound = "" if score.kind != "bound" else "≤ " if score.better == "lower" else "≥ "
    return f"{bound}{score.value:.4g}" + (f" ± {score.error:.2g}" if score.error else "")


def table(lines: list[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [TABLE_HEAD, ("---",) * len(TABLE_HEAD), *lines])


def figures(plugin: str) -> str:
    """The part of a plugin's README that is made here."""
    found = [(one, metrics_of(one.folder)) for one in shipped() if one.plugin == plugin]
    lines = [row for one, read in found if read is not None for row in rows(one, read)]
    command = f"`gentk evaluate {plugin}/NAME --save`"
    return f"{BEGIN}\n\nBy {command}, on a split that no weights were trained on. {READING}\n\n{table(lines)}\n\n{END}"


def readme(plugin: str) -> str | None:
    """The plugin's README with its figures as they are now; None where it has no place for them."""
    path = ROOT / "plugins" / plugin / "README.md"
    text = path.read_text("utf-8") if path.is_file() else ""
    place = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.S)
    return place.sub(lambda _: figures(plugin), text) if place.search(text) else None


# ---------------------------------------------------------------- pictures
def picture(one: Shipped) -> Path | None:
    """docs/gallery/PLUGIN-RECIPE.png, or .txt where samples are words; None for weights that show nothing."""
    import gentk
    from gentk.inference.samples import Samples
    from gentk.inference.sampling import final_data

    model = gentk.load(one.name)
    data = final_data(model)
    try:
        samples = gentk.sample(model, SHOWN.get(data.modality, 16), seed=0)
    except GentkError:
        rebuilt = reconstructed(one, model)
        if rebuilt is None:
            return None
        samples = Samples({"x": rebuilt}, data)
    kind = lookup.modality(data.modality)
    if (words := kind.words(samples.batch, data)) is not None:
        path = PLACE / f"{one.plugin}-{one.recipe}.txt"
        path.write_text("\n".join(words.splitlines()[:12]) + "\n", "utf-8")
        return path
    path = PLACE / f"{one.plugin}-{one.recipe}.png"
    samples.picture().convert("P", colors=64).save(path, optimize=True)
    return path


def reconstructed(one: Shipped, model: Any) -> Any:
    """Held-out examples, a row above what the model makes of them; None where it cannot, or there are none at hand."""
    import torch

    import gentk
    from gentk.examples import fetch, some
    from gentk.weights.origin import dataset_of
    from gentk.weights.safety import read_config

    try:
        data = dataset_of(one.folder, read_config(one.folder), one.name)
        batch = fetch(data, some(len(data), 16))
        made = gentk.reconstruct(model, batch)
    except GentkError:
        return None
    return torch.cat([batch["x"][:8], made[:8], batch["x"][8:], made[8:]])


# ---------------------------------------------------------------- the page
def page() -> str:
    """docs/gallery/README.md, from the pictures and the figures that are there."""
    lines = ["# Gallery", "<!-- made by docs/gallery.py -->", "What each of the shipped weights makes, with its figures. " + READING]
    for plugin in dict.fromkeys(one.plugin for one in shipped()):
        lines.append(f"## {plugin}")
        for one in shipped():
            if one.plugin == plugin:
                lines += section(one)
    return "\n\n".join(lines) + "\n"


def section(one: Shipped) -> Iterator[str]:
    yield f"### {one.name}"
    yield f"{one.summary}."
    png, txt = (PLACE / f"{one.plugin}-{one.recipe}{suffix}" for suffix in (".png", ".txt"))
    if png.is_file():
        yield f"![{one.summary}]({png.name})"
    elif txt.is_file():
        yield f"```text\n{txt.read_text('utf-8').rstrip()}\n```"
    if (found := metrics_of(one.folder)) is not None:
        yield table(list(rows(one, found)))
        if found.seconds_per_sample is not None:
            yield f"A sample takes {duration(found.seconds_per_sample)}, on one or two busy cores of a shared Xeon."
    yield f"```\n{'gentk sample' if drawable(one) else 'gentk inspect'} {one.words if drawable(one) else one.name}\n```"


def drawable(one: Shipped) -> bool:
    """Whether its config names a sampler, which it does if one fits."""
    from gentk.weights.safety import read_config

    return bool((read_config(one.folder).get("sampler") or {}).get("name"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="PLUGIN/RECIPE; all where none is named")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("-n", type=int, default=1000)
    given = parser.parse_args()
    PLACE.mkdir(exist_ok=True)
    wanted = [one for one in shipped() if not given.names or one.name in given.names]
    for one in wanted:
        if given.measure:
            measure(one, given.n)
        print(one.name, picture(one) or "shows nothing")
    (PLACE / "README.md").write_text(page(), "utf-8")
    for plugin in dict.fromkeys(one.plugin for one in shipped()):
        if (text := readme(plugin)) is not None:
            (ROOT / "plugins" / plugin / "README.md").write_text(text, "utf-8")


if __name__ == "__main__":
    main()
