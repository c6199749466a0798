"""The kinds of model that a plugin can be begun from: by what trains them, or by what they can."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """What is said of a kind in the files that all kinds share. `flags`: of `gentk sample`, for an example."""

    summary: str
    paper: str
    modality: str
    examples: str
    flags: str


KINDS = {
    "denoiser": Kind(
        summary="Denoising diffusion of points, optionally by class",
        paper="arXiv:2006.11239",
        modality="points",
        examples="A pinwheel with three arms",
        flags="--label 0-2 -n 600",
    ),
    "gradient": Kind(
        summary="A normalizing flow of points",
        paper="arXiv:1605.08803",
        modality="points",
        examples="Points along a wave",
        flags="-n 1000",
    ),
    "statistics": Kind(
        summary="Principal components with a likelihood, in one pass",
        paper="doi:10.1111/1467-9868.00196",
        modality="series",
        examples="Days of hourly water levels",
        flags="-n 6",
    ),
    "autoregressive": Kind(
        summary="A recurrent net, token by token",
        paper="arXiv:1406.1078",
        modality="text",
        examples="Sums of two digits",
        flags='--prompt "3+" -n 5',
    ),
}
