"""A module that had another name: an import of the old one gives the new one, and says so."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType


class Moved(Loader):
    def __init__(self, place: str) -> None:
        self.place = place

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(f"{spec.name} is now {self.place}", DeprecationWarning, stacklevel=2)
        found = import_module(self.place)
        self.own = found.__spec__
        return found

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own  # which the import has replaced


def spec(name: str, place: str) -> ModuleSpec:
    return ModuleSpec(name, Moved(place))
