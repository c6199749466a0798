"""`latents:WEIGHTS`: the data that some weights were trained on, as their encoder sees it. Any model can be trained on that, and is decoded
through them: a mixture on an autoencoder's latents, a sequence model on a codebook's codes, a diffusion model on a VAE's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from torch import Tensor

    from ..protocols import Dataset, Noise

REMEMBERED = 1 << 24  # numbers of z that are kept, so that each example is encoded once
AT_ONCE = 250


class Options(BaseModel):
    """Of latents."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    weights: str = Field(description="The encoder: a folder, a plugin's recipe, a Hub id.")
    dataset: str = Field("", description="Other data than the weights were trained on.")
    flat: bool = Field(True, description="Codes in one row, as sequence models want them; else in their own shape.")


class Latents:
    """z of each example as the leaf `x`, its conditions as they are. `decoder` makes examples of them again."""

    def __init__(self, source: Dataset, encoder: Any, *, flat: bool = True) -> None:
        import torch

        from ..protocols import DataSpec

        self.source, self.decoder = source, encoder
        leaf = encoder.latent
        if leaf.classes and flat:
            leaf = leaf.model_copy(update={"shape": (math.prod(leaf.shape),)})
        self.spec = DataSpec(
            modality="points" if len(leaf.shape) == 1 and not leaf.classes else "codes",
            leaves={"x": leaf},
            conditions=source.spec.conditions,
            frequencies=source.spec.frequencies,
        )
        self._known = torch.zeros(len(source) if len(source) * math.prod(leaf.shape) <= REMEMBERED else 0, dtype=torch.bool)
        self._z = torch.zeros(len(self._known), *leaf.shape, dtype=torch.int64 if leaf.classes else torch.float32)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return {key: rows[0] for key, rows in self.batch([index]).items()}

    def batch(self, indices: Sequence[int], noise: Noise | None = None) -> dict[str, Tensor]:
        """Examples `indices`, each as it is without augmentation, so that its z is always the same."""
        import torch

        from ..examples import fetch

        rows = torch.as_tensor(indices)
        given = dict(fetch(self.source, indices))
        kept = {key: value for key, value in given.items() if key in self.spec.conditions}
        if not len(self._known):
            return {"x": self._encode(given), **kept}
        if len(new := (~self._known[rows]).nonzero()[:, 0]):
            self._z[rows[new]] = self._encode({key: value[new] for key, value in given.items()})
            self._known[rows[new]] = True
        return {"x": self._z[rows], **kept}

    def _encode(self, batch: dict[str, Tensor]) -> Tensor:
        import torch

        from ..inference.sampling import evaluating, place_of

        device, parts = place_of(self.decoder).device, []
        with torch.no_grad(), evaluating(self.decoder):
            for first in range(0, len(batch["x"]), AT_ONCE):
                parts.append(self.decoder.encode({k: v[first : first + AT_ONCE].to(device) for k, v in batch.items()}).cpu())
        return torch.cat(parts).reshape(-1, *self._z.shape[1:])


def latents(split: str = "train", *, weights: str, dataset: str = "", flat: bool = True) -> Latents:
    """The data set `latents:WEIGHTS`. Raises UsageError for weights that encode or decode nothing."""
    from ..errors import UsageError
    from ..protocols import Decoder, Encoder, can
    from ..weights.folder import read
    from ..weights.names import locate
    from ..weights.origin import dataset_of
    from ..weights.safety import read_config

    found = locate(weights)
    encoder = read(found.folder).requires_grad_(False)
    if not (can(encoder, Encoder) and can(encoder, Decoder)):
        raise UsageError(f"latents:{weights}: these weights have no latents, a {type(encoder).__name__} neither encodes nor decodes")
    return Latents(dataset_of(found.folder, read_config(found.folder), found.title, dataset or None, split), encoder, flat=flat)
