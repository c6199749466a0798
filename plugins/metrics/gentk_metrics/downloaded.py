"""Networks that were trained elsewhere, by way of torch-fidelity: their weights are downloaded once, 90 MB and 1.2 GB."""

from __future__ import annotations

import contextlib
import importlib.metadata
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gentk.errors import GentkError, UsageError
from gentk.protocols import Batch, DataSpec
from gentk.text import one_line

from .classifiers import ends

ROWS = 32  # images at a time


def inception(data: DataSpec) -> Downloaded:
    """Inception v3 as FID was published with: 2048 features, and logits without their bias, as the Inception score takes them.

    Raises UsageError for what is no image; GentkError without torch-fidelity, or if the weights cannot be had.
    """
    return Downloaded("inception", data, _inception, ("2048", "logits_unbiased"))


def dinov2(data: DataSpec) -> Downloaded:
    """DINOv2 ViT-L/14: 1024 features. torch.hub also downloads the network's code from facebookresearch/dinov2, and runs it.

    Raises UsageError for what is no image; GentkError without torch-fidelity, or if the weights cannot be had.
    """
    return Downloaded("dinov2", data, _dinov2, ("dinov2",))


class Downloaded:
    """A feature extractor of torch-fidelity, given bytes: grey becomes RGB, and the network resizes as its authors did.

    It computes in float32, as published figures do, always `ROWS` images at once, so a row does not depend on how a set is cut.
    """

    def __init__(self, name: str, data: DataSpec, make: Callable[[tuple[str, ...]], Any], outputs: tuple[str, ...]) -> None:
        leaf = data.leaves.get("x")
        if leaf is None or len(leaf.shape) != 3 or leaf.shape[0] not in (1, 3):
            raise UsageError(f"the featurizer '{name}' is for grey or RGB images x (1 or 3, H, W), and these are {data.modality} examples")
        self.low, self.high = ends(leaf, name)
        self.shape = leaf.shape
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.extractor = _made(name, make, outputs).to(self.device)
        self.id = f"{self.extractor.get_name()}-torch-fidelity-{importlib.metadata.version('torch-fidelity')}"

    @torch.no_grad()
    def features(self, batch: Batch) -> Mapping[str, Tensor]:
        """{"features": (n, d)}, of Inception also {"logits": (n, 1008)}, of batch["x"] (n, C, H, W); float64, on the host."""
        if tuple(batch["x"].shape[1:]) != self.shape:
            raise UsageError(f"the featurizer is for images {self.shape}, and these are {tuple(batch['x'].shape[1:])}")
        parts = [self._extracted(part) for part in torch.split(batch["x"], ROWS)]
        found = [torch.cat(column) for column in zip(*parts, strict=True)]
        return dict(zip(("features", "logits"), found, strict=False))

    def _extracted(self, x: Tensor) -> list[Tensor]:
        n = len(x)
        given = self.bytes(x.cpu())
        given = torch.cat([given, given[:1].expand(ROWS - n, -1, -1, -1)]) if 0 < n < ROWS else given
        return [found[:n].cpu().to(torch.float64) for found in self.extractor(given.to(self.device))]

    def bytes(self, x: Tensor) -> Tensor:
        """(n, 3, H, W) uint8 of images in the data's units."""
        share = (x.to(torch.float64) - self.low) / (self.high - self.low)
        return (share * 255).round().clamp(0, 255).to(torch.uint8).expand(-1, 3, -1, -1)


def _made(name: str, make: Callable[[tuple[str, ...]], Any], outputs: tuple[str, ...]) -> Any:
    """What `make` makes. Raises GentkError in one line if it cannot."""
    try:
        with contextlib.redirect_stdout(sys.stderr):  # torch.hub prints; stdout is for results
            return make(outputs)
    except ImportError as error:
        why = "" if isinstance(error, ModuleNotFoundError) and error.name == "torch_fidelity" else f" ({one_line(error)})"
        raise GentkError(f"the featurizer '{name}' needs torch-fidelity{why}: uv pip install 'gentk-metrics[image]'") from error
    except Exception as error:  # urllib's, torch.hub's, the unpickler's …
        folder = torch.hub.get_dir()
        raise GentkError(
            f"the network of the featurizer '{name}' can be neither read from {folder} nor downloaded ({one_line(error)}); go online once, "
            "or copy that folder from a machine that has it (TORCH_HOME chooses the place)"
        ) from error


def _inception(outputs: tuple[str, ...]) -> Any:
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

    return FeatureExtractorInceptionV3("inception-v3-compat", list(outputs), feature_extractor_weights_path=_checked(URL_INCEPTION_V3))


def _checked(url: str) -> str:
    """The file at `url` in torch.hub's folder, downloaded if it is missing, that holds numbers and nothing else.

    torch-fidelity unpickles it without looking; the file's own name says how its SHA-256 begins.
    """
    torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    return str(Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2])


def _dinov2(outputs: tuple[str, ...]) -> Any:
    from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

    return FeatureExtractorDinoV2("dinov2-vit-l-14", list(outputs))
