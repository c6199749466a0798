"""gentk: train, sample, measure and share any generative model. Importing this imports nothing else.

m = gentk.load("ddpm"); gentk.sample(m, 16, seed=0, label=3).save("threes.png")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classification import classify as classify
    from .encoding import encode as encode
    from .gaussian.guidance import guided as guided
    from .host.hookspecs import hookimpl as hookimpl
    from .host.lookup import dataset as dataset
    from .host.lookup import recipe as recipe
    from .host.lookup import sampler as sampler
    from .host.lookup import schedule as schedule
    from .imputation import impute as impute
    from .interpolation import interpolate as interpolate
    from .likelihood import log_prob as log_prob
    from .reconstruction import reconstruct as reconstruct
    from .sampling import finish as finish
    from .sampling import sample as sample
    from .sampling import stream as stream
    from .training import train as train
    from .weights import load as load
    from .weights import save as save
    from .weights.pull import pull as pull
    from .weights.push import push as push

_LAZY = {  # name: where it lives
    "classify": "gentk.classification",
    "dataset": "gentk.host.lookup",
    "encode": "gentk.encoding",
    "finish": "gentk.sampling",
    "guided": "gentk.gaussian.guidance",
    "hookimpl": "gentk.host.hookspecs",
    "impute": "gentk.imputation",
    "interpolate": "gentk.interpolation",
    "load": "gentk.weights",
    "log_prob": "gentk.likelihood",
    "pull": "gentk.weights.pull",
    "push": "gentk.weights.push",
    "recipe": "gentk.host.lookup",
    "reconstruct": "gentk.reconstruction",
    "sample": "gentk.sampling",
    "sampler": "gentk.host.lookup",
    "save": "gentk.weights",
    "schedule": "gentk.host.lookup",
    "stream": "gentk.sampling",
    "train": "gentk.training",
}
__all__ = [*_LAZY, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from .distribution import version

        return version()
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'gentk' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
