"""How good generated examples are, or a model, and beside what: metrics and featurizers are plugins', and so is all arithmetic."""

from .collected import Collected

__all__ = ["Collected"]
