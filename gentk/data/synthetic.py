"""`synthetic`: made-up examples of any shape, for checks, and for trying a model before there are data. Light until it is called.

A few prototypes for each class, and noise: enough of a pattern to learn, and every number is a function of (split, index).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from ..protocols import DataSpec, Leaf

if TYPE_CHECKING:
    from torch import Tensor

    from ..noise import Philox
    from ..protocols import Noise

SPREAD = 0.3  # of the noise, where the prototypes' own is 1
SWAPPED = 0.1  # share of the classes that are not their prototype's
BLOCK = 4  # neighbours along a long axis that share the prototype's number


class Options(DataSpec):
    """Of synthetic: what an example is, as in a model's config.json, and how many there are."""

    size: int = Field(4096, ge=1, description="Examples in each split.")
    prototypes: int = Field(4, ge=1, description="Examples to vary, for each class.")


class Synthetic:
    """A prototype for each example, by its conditions: classes choose among the prototypes, numbers move what is chosen.

    Numbers are normal around their prototype; with a range they are bent into it, and rounded to its levels. Of classes, a share is swapped
    for any other. A leaf `length` counts what is filled of the axes as long as it can count, `mask` says it place by place; the rest is 0.
    """

    def __init__(self, spec: DataSpec, split: str, size: int, prototypes: int) -> None:
        self.spec, self.size, self.prototypes = spec, size, prototypes
        self.seed = zlib.crc32(f"synthetic/{split}".encode())
        self.room = _room(spec.leaves)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < self.size:
            raise IndexError(index)
        return {name: rows[0] for name, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`. Nothing is drawn from `noise`."""
        import torch

        from ..noise import Philox

        own = Philox(self.seed, [int(i) for i in indices])
        asked = {name: self._condition(name, leaf, own.fork(name)) for name, leaf in self.spec.conditions.items()}
        which = (own.fork("prototype").uniform() * self.prototypes).long()
        for name, leaf in self.spec.conditions.items():
            if leaf.classes and not leaf.shape:
                which = which * leaf.classes + asked[name]
        moved = torch.zeros(len(own))
        for value in asked.values():
            if value.is_floating_point():
                moved = moved + value.reshape(len(own), -1).mean(1)
        made = {name: self._leaf(name, leaf, which, moved, own.fork(name)) for name, leaf in self.spec.leaves.items()}
        return {**self._cut(made, own), **asked}

    def _condition(self, name: str, leaf: Leaf, own: Philox) -> Tensor:
        import torch

        if not leaf.classes:
            return fitted(own.normal(*leaf.shape), leaf)
        if leaf.shape:
            return (own.uniform(*leaf.shape) * leaf.classes).long()
        shares = self.spec.frequencies.get(name) or [1.0] * leaf.classes
        return own.categorical(torch.tensor(shares).log().expand(len(own), -1))

    def _leaf(self, name: str, leaf: Leaf, which: Tensor, moved: Tensor, own: Philox) -> Tensor:
        """(n, *shape) around the prototypes `which` (n,): of numbers moved by `moved` (n,)."""
        import torch

        from ..noise import Philox

        chosen, place = torch.unique(which, return_inverse=True)
        model = Philox(zlib.crc32(name.encode()), chosen.tolist(), name="prototype")
        if leaf.classes:
            same = (model.uniform(*leaf.shape) * leaf.classes).long()[place]
            draws = own.uniform(2, *leaf.shape)
            return torch.where(draws[:, 0] < SWAPPED, (draws[:, 1] * leaf.classes).long(), same)
        centre = smooth(model.normal, leaf.shape)[place]
        return fitted(centre + SPREAD * own.normal(*leaf.shape) + moved.view(-1, *[1] * len(leaf.shape)), leaf)

    def _cut(self, made: dict[str, Tensor], own: Philox) -> dict[str, Tensor]:
        """Where examples differ in length: the leaves that say so, and 0 behind the end of the others. At least half is filled."""
        import torch

        if not self.room:
            return made
        count = self.room // 2 + 1 + (own.fork("length").uniform() * (self.room - self.room // 2)).long()
        inside = torch.arange(self.room) < count[:, None]
        for name, value in made.items():
            if name == "length":
                made[name] = count
            elif name == "mask":
                made[name] = inside.to(value.dtype)
            else:
                for axis in range(1, value.ndim):
                    if value.shape[axis] != self.room:
                        break
                    made[name] = made[name] * inside.view(len(count), *[self.room if a == axis else 1 for a in range(1, value.ndim)])
        return made


def fitted(x: Tensor, leaf: Leaf) -> Tensor:
    """Numbers of about unit size (n, …), bent into the leaf's range and rounded to its levels."""
    if leaf.range is None:
        return x
    low, high = leaf.range
    x = (low + high) / 2 + (high - low) / 2 * x.tanh()
    if leaf.levels < 2:
        return x
    step = (high - low) / (leaf.levels - 1)
    return low + step * ((x - low) / step).round()


def smooth(normal: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
    """Normals (n, *shape); where there are several axes, neighbours along the long ones share theirs, as in images and series."""
    if len(shape) < 2:
        return normal(*shape)
    x = normal(*(-(-size // BLOCK) if size > BLOCK else size for size in shape))
    for axis, size in enumerate(shape, 1):
        if size > BLOCK:
            x = x.repeat_interleave(BLOCK, axis).narrow(axis, 0, size)
    return x


def _room(leaves: Mapping[str, Leaf]) -> int:
    """How long a padded example can be; 0 where all are full."""
    if "length" in leaves and leaves["length"].classes:
        return leaves["length"].classes - 1
    return leaves["mask"].shape[0] if "mask" in leaves and leaves["mask"].shape else 0


def synthetic(split: str = "train", *, size: int = 4096, prototypes: int = 4, **spec: Any) -> Synthetic:
    """The data set `synthetic`. Raises UsageError for a spec that contradicts itself, or is not of its modality."""
    from ..errors import UsageError
    from ..host.lookup import modality

    data = DataSpec.model_validate(spec)
    if not data.leaves:
        raise UsageError("synthetic: there are no leaves; give, say, leaves = {x = {shape = [2]}}")
    if both := set(data.leaves) & set(data.conditions):
        raise UsageError(f"synthetic: '{min(both)}' is a leaf and a condition")
    for name, shares in data.frequencies.items():
        if name not in data.conditions or len(shares) != data.conditions[name].classes:
            raise UsageError(f"synthetic: frequencies.{name} must be as many numbers as the condition has classes")
    try:
        modality(data.modality).check(data)
    except KeyError as error:
        raise UsageError(f"synthetic: {data.modality} has a leaf {error}, and these leaves have none") from None
    return Synthetic(_known(data), split, size, prototypes)


def _known(data: DataSpec) -> DataSpec:
    """With how often each class occurs: all alike where nothing is said."""
    alike = {name: [1 / leaf.classes] * leaf.classes for name, leaf in data.conditions.items() if leaf.classes and not leaf.shape}
    return data.model_copy(update={"frequencies": {**alike, **data.frequencies}})
