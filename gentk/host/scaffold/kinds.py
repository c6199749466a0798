"""What a plugin can be begun from: kinds of model, by what trains them or by what they can, and a metric."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """What is said of a kind in the files that all kinds share. `flags`: of `gentk sample`, for an example; `noun`: what its class is."""

    summary: str
    paper: str
    modality: str
    examples: str
    flags: str = ""
    noun: str = "Model"

    def commands(self, plugin: str) -> list[str]:
        """What to try first, once it is installed."""
        if self.noun == "Metric":
            return [f"gentk evaluate --metrics {plugin} -n 500"]
        run = f"runs/{plugin}"
        return [f"gentk train --plugin {plugin} --out {run}", f"gentk sample --weights {run} {self.flags}"]


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
    "metric": Kind(
        summary="Distance of two Gaussians without correlations",
        paper="doi:10.1016/0047-259X(82)90077-X",
        modality="series",
        examples="Amplitudes of the frequencies",
        noun="Metric",
    ),
}
