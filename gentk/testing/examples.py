"""Made-up examples that metrics and featurizers are tried on: rows of every modality, and what a featurizer or a model says of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import GentkError
from ..host import lookup
from ..protocols import Batch, Column, DataSpec, Leaf, Side
from .registry import Skip

if TYPE_CHECKING:
    from torch import Tensor

    from ..noise import Philox

ROWS = 600  # of each side
CLASSES, FEATURES = 3, 16
FAR = 5.0  # deviations from the mean to a damaged row
CLOSE = 1e-3  # deviations between damaged rows

COLUMNS = (
    Column(name="height"),
    Column(name="weight", missing=True),
    Column(name="visits", kind="integer"),
    Column(name="colour", kind="category", names=("red", "green", "blue")),
    Column(name="town", kind="category", names=("north", "east", "south", "west"), missing=True),
)
LEAVES: Mapping[str, Mapping[str, Leaf]] = {
    "points": {"x": Leaf(shape=(2,))},
    "image": {"x": Leaf(shape=(3, 32, 32), range=(-1, 1), levels=256)},
    "series": {"x": Leaf(shape=(24, 2))},
    "table": {"x": Leaf(shape=(len(COLUMNS),), double=True, columns=COLUMNS)},
    "text": {"x": Leaf(shape=(32,), classes=12, names=tuple("abcdefghijkl")), "length": Leaf(classes=33)},
}
LABEL = {"label": Leaf(classes=CLASSES)}
LABELLED = {"labels", "log_label"}
"""Needs of a metric without which rows have no label."""


def spec_of(modality: str, plugin: str, *, label: bool = True) -> DataSpec:
    """Examples of a modality: of the core's as LEAVES has them, of the plugin's own as its first data set has them. Raises Skip."""
    if modality in LEAVES:
        return DataSpec(modality=modality, leaves=dict(LEAVES[modality]), conditions=LABEL if label else {})
    own = [name for name, spec in lookup.specs("datasets", plugin).items() if spec.modality == modality]
    if not own:
        raise Skip(f"there are no examples of the modality '{modality}' to try it on: give the plugin a data set of it")
    spec = spec_of_dataset(own[0], plugin)
    return spec if label else spec.model_copy(update={"conditions": {}, "frequencies": {}})


def spec_of_dataset(name: str, plugin: str) -> DataSpec:
    """What the examples of a data set are. Raises Skip where nobody here has it, or it needs a download."""
    from .datasets import DatasetTrial

    if name in DOWNLOADED:
        return DOWNLOADED[name]
    try:
        found = lookup.find("datasets", name, plugin)
    except GentkError as error:
        raise Skip(str(error)) from None
    trial = DatasetTrial(found.plugin, found.spec)
    try:
        spec: DataSpec = trial.make(found.spec.splits[-1]).spec
    except Skip as why:
        raise Skip(f"its data set '{name}' {why}") from None
    return spec


_GREY = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 28, 28), range=(-1, 1), levels=256)}, conditions={"label": Leaf(classes=10)})
DOWNLOADED = {"mnist": _GREY, "fashion-mnist": _GREY}
"""What the examples of well-known data sets are that have to be downloaded."""


# ---------------------------------------------------------------- rows
def rows(spec: DataSpec, indices: Sequence[int]) -> dict[str, Tensor]:
    """Examples (n, …) of any spec, functions of their indices. Cells of tables depend on the label and on each other."""
    from ..data.synthetic import Synthetic
    from ..noise import Philox

    batch = Synthetic(spec, "check", max(indices) + 1, 4).batch(indices)
    own = Philox(0, list(indices), name="cells")
    for name, leaf in spec.leaves.items():
        if leaf.double:
            batch[name] = batch[name].double()
        if any(column.kind != "number" or column.missing for column in leaf.columns) and not leaf.classes:
            batch[name] = _cells(leaf, _classes(batch, own), own.fork(name))
    return batch


def _classes(batch: Batch, own: Philox) -> Tensor:
    """The label, or a class that nobody is told, (n,)."""
    label = batch.get("label")
    if label is not None and label.ndim == 1 and not label.is_floating_point():
        return label
    return (own.fork("class").uniform() * CLASSES).long()


def _cells(leaf: Leaf, classes: Tensor, own: Philox) -> Tensor:
    """(n, …, columns): the numbers of a row share half their variance."""
    import torch

    between, shape = leaf.shape[:-1], [len(classes), *[1] * len(leaf.shape[:-1])]
    common, level, cells = own.normal(*between).double(), classes.double().view(shape), []
    for column in leaf.columns:
        z = own.normal(*between).double()
        number = common + z + level
        if column.kind == "category":
            states = len(column.names)
            number = torch.where(z < 0, level.long() % states, (own.uniform(*between) * states).long()).double()
        elif column.kind in ("integer", "date"):
            number = (20 + 4 * number).round()
        if column.missing:
            number = number.where(own.uniform(*between) > 0.1, torch.nan)
        cells.append(number)
    found = torch.stack(cells, -1)
    return found if leaf.double else found.float()


def given(spec: DataSpec, needs: Collection[str], indices: Sequence[int]) -> dict[str, Tensor]:
    """Rows with what a metric needs of them: "features" and "logits" of a made-up classifier that is nearly always right, "log_prob",
    "log_label" and "reconstruction" of a made-up model."""
    import torch

    from ..noise import Philox

    batch, own = rows(spec, indices), Philox(0, list(indices), name="given")
    classes = _classes(batch, own)
    if "features" in needs:
        centre = 2 * Philox(1, range(int(classes.max()) + 1)).normal(FEATURES).double()
        batch["features"] = centre[classes] + own.fork("features").normal(FEATURES).double()
    number = spec.conditions["label"].classes if "label" in spec.conditions else CLASSES
    for key in {"logits", "log_label"} & set(needs):
        sure = 8.0 * torch.nn.functional.one_hot(classes, number).double() + own.fork(key).normal(number).double()
        batch[key] = sure.log_softmax(1) if key == "log_label" else sure
    if "log_prob" in needs:
        batch["log_prob"] = -20 + 2 * own.fork("log_prob").normal().double()
    if "reconstruction" in needs:
        batch["reconstruction"] = _moved(spec.leaves["x"], batch["x"], own.fork("reconstruction"), 0.1)
    return batch


def sides(spec: DataSpec, needs: Collection[str], n: int = ROWS) -> dict[Side, dict[str, Tensor]]:
    """Real rows in place of generated ones, beside other real rows, and those of training; of a model's numbers only the real ones."""
    from ..evaluation.choosing import OF_MODEL

    wanted: tuple[Side, ...] = ("generated", "real", *(["training"] if "training" in needs else []))  # type: ignore[arg-type]
    if OF_MODEL & set(needs):
        wanted = ("real",)
    return {side: given(spec, needs, range(i * n, (i + 1) * n)) for i, side in enumerate(wanted)}


# ---------------------------------------------------------------- damage
def damaged(spec: DataSpec, batch: Batch, share: float) -> dict[str, Tensor]:
    """A share of the rows replaced by copies of one that noise has moved FAR from where it was. What was asked for stays: conditions."""
    return _replaced(batch, {key: _copies(spec, key, value) for key, value in batch.items() if key not in spec.conditions}, share)


def copied(spec: DataSpec, batch: Batch, training: Batch, share: float) -> dict[str, Tensor]:
    """A share of the rows replaced by rows of training."""
    return _replaced(batch, {key: training[key] for key in batch if key not in spec.conditions}, share)


def _replaced(batch: Batch, other: Batch, share: float) -> dict[str, Tensor]:
    import torch

    found = {}
    for key, value in batch.items():
        chosen = torch.arange(len(value)) * 7 % 10 < 10 * share  # spread evenly
        found[key] = torch.where(chosen.view(-1, *[1] * (value.ndim - 1)), other[key], value) if key in other else value
    return found


def _copies(spec: DataSpec, key: str, value: Tensor) -> Tensor:
    """As many copies of a damaged row; numbers differ a little, so that no deviation is 0."""
    from ..noise import Philox

    leaf = spec.leaves.get("x" if key == "reconstruction" else key, Leaf())
    if key == "log_prob":
        worse = value.min() - FAR * value.std() - CLOSE * value.std() * Philox(3, range(len(value))).normal().abs().double()
        return worse.to(value)
    one = _moved(leaf, value, Philox(2, range(len(value)), name=key), FAR)[:1]
    copies = one.expand(len(value), *value.shape[1:])
    if key == "log_label":
        copies = copies.log_softmax(1)
    return _moved(leaf, copies, Philox(3, range(len(value)), name=key), CLOSE, value) if _continuous(leaf, value) else copies.clone()


def _continuous(leaf: Leaf, value: Tensor) -> bool:
    return value.is_floating_point() and not leaf.columns and leaf.levels < 2


def _moved(leaf: Leaf, value: Tensor, own: Philox, by: float, like: Tensor | None = None) -> Tensor:
    """Each number `by` deviations to either side, inside of its range; tokens and states are drawn anew with the chance `by`."""
    import torch

    shape = value.shape[1:]
    if not value.is_floating_point():
        anew = (own.uniform(*shape) * max(leaf.classes, 1)).long() if shape else value  # a length stays
        return torch.where(own.uniform(*shape) < by, anew, value)
    if leaf.columns:
        return _moved_cells(leaf, value, own, by)
    sign = torch.where(own.uniform(*shape) < 0.5, -1.0, 1.0)
    moved = value + by * (value if like is None else like).std(0) * sign * (own.uniform(*shape) if like is not None else 1.0)
    if leaf.range is None:
        return moved.to(value.dtype)
    low, high = leaf.range
    moved = moved.clamp(low, high)
    if leaf.levels > 1:
        step = (high - low) / (leaf.levels - 1)
        moved = low + step * ((moved - low) / step).round()
    return moved.to(value.dtype)


def _moved_cells(leaf: Leaf, value: Tensor, own: Philox, by: float) -> Tensor:
    """Rows of a table (n, …, columns), where nothing is missing any more."""
    import torch

    shape, cells = value.shape[1:-1], []
    for j, column in enumerate(leaf.columns):
        cell = value[..., j]
        there = cell[~cell.isnan()]
        if column.kind == "category":
            full = cell.nan_to_num(0.0)
            cells.append(torch.where(own.uniform(*shape) < by, (full + 1) % len(column.names), full))
            continue
        moved = cell.where(~cell.isnan(), there.mean()) + by * there.std() * torch.where(own.uniform(*shape) < 0.5, -1.0, 1.0)
        cells.append(moved.round() if column.kind in ("integer", "date") else moved)
    return torch.stack(cells, -1).to(value.dtype)


def parts(batch: Batch, sizes: Sequence[int]) -> Iterator[dict[str, Tensor]]:
    """The rows in parts of these sizes, the last of which is given again until none is left."""
    n, start, i = len(next(iter(batch.values()))), 0, 0
    while start < n:
        size = sizes[min(i, len(sizes) - 1)]
        yield {key: value[start : start + size] for key, value in batch.items()}
        start, i = start + size, i + 1


def described(spec: DataSpec) -> str:
    """For messages: "image (3, 32, 32)"."""
    return f"{spec.modality} {spec.leaves['x'].shape if 'x' in spec.leaves else tuple(spec.leaves)}"


def others(spec: DataSpec) -> dict[str, DataSpec]:
    """Examples of other shapes and modalities."""
    known: dict[str, Any] = {"grey image": _GREY, **{name: DataSpec(modality=name, leaves=dict(leaves)) for name, leaves in LEAVES.items()}}
    return {name: other for name, other in known.items() if (other.modality, other.leaves) != (spec.modality, spec.leaves)}
