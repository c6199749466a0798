"""gentk: train, sample, measure and share any generative model. Importing this imports nothing else.

m = gentk.load("ddpm"); gentk.sample(m, 16, seed=0, label=3).save("threes.png")
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .evaluation.requests import evaluate as evaluate
    from .host.hookspecs import hookimpl as hookimpl
    from .host.lookup import dataset as dataset
    from .host.lookup import recipe as recipe
    from .host.lookup import sampler as sampler
    from .host.lookup import schedule as schedule
    from .inference.classification import classify as classify
    from .inference.encoding import encode as encode
    from .inference.imputation import impute as impute
    from .inference.interpolation import interpolate as interpolate
    from .inference.likelihood import log_prob as log_prob
    from .inference.reconstruction import reconstruct as reconstruct
    from .inference.sampling import finish as finish
    from .inference.sampling import sample as sample
    from .inference.sampling import stream as stream
    from .inference.steering import guided as guided
    from .samplers.speculative import drafted as drafted
    from .training import train as train
    from .weights import load as load
    from .weights import save as save
    from .weights.pull import pull as pull
    from .weights.push import push as push

_LAZY = {  # name: where it lives
    "classify": "gentk.inference.classification",
    "dataset": "gentk.host.lookup",
    "drafted": "gentk.samplers.speculative",
    "encode": "gentk.inference.encoding",
    "evaluate": "gentk.evaluation.requests",
    "finish": "gentk.inference.sampling",
    "guided": "gentk.inference.steering",
    "hookimpl": "gentk.host.hookspecs",
    "impute": "gentk.inference.imputation",
    "interpolate": "gentk.inference.interpolation",
    "load": "gentk.weights",
    "log_prob": "gentk.inference.likelihood",
    "pull": "gentk.weights.pull",
    "push": "gentk.weights.push",
    "recipe": "gentk.host.lookup",
    "reconstruct": "gentk.inference.reconstruction",
    "sample": "gentk.inference.sampling",
    "sampler": "gentk.host.lookup",
    "save": "gentk.weights",
    "schedule": "gentk.host.lookup",
    "stream": "gentk.inference.sampling",
    "train": "gentk.training",
}
__all__ = [*_LAZY, "__version__"]

_MOVED = {  # modules by the name that they had: where they are
    **{f"gentk.{name}": f"gentk.inference.{name}" for name in ("asking", "classification", "encoding", "imputation", "interpolation")},
    **{f"gentk.{name}": f"gentk.inference.{name}" for name in ("likelihood", "reconstruction", "samples", "sampling")},
    **{f"gentk.{name}": f"gentk.data.{name}" for name in ("latents", "synthetic")},
    "gentk.training.distributed": "gentk.distributed",
}


class _Moved:
    """Finds a module by its old name."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        if name not in _MOVED:
            return None
        from .moved import spec

        return spec(name, _MOVED[name])


sys.meta_path.append(_Moved)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from .distribution import version

        return version()
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gentk' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
