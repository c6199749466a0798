"""The models' configurations. Apart from the models, so that a recipe is checked without torch."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class _Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GMMConfig(_Config):
    """A mixture of Gaussians."""


class NaiveBayesConfig(_Config):
    """Independent numbers given the class."""


class KDEConfig(_Config):
    """A kernel on every example."""


class HMMConfig(_Config):
    """A hidden Markov chain."""


class MarkovConfig(_Config):
    """A Markov chain of any order."""


class ARConfig(_Config):
    """An autoregression."""


class BayesNetConfig(_Config):
    """A directed graph of discrete variables."""
