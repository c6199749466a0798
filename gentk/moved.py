"""Modules that had another name: an import of the old one gives the new one, and says so."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_ROOMS = {
    "inference": "asking classification encoding imputation interpolation likelihood reconstruction samples sampling",
    "data": "latents synthetic",
}
MOVED = {f"gentk.{name}": f"gentk.{room}.{name}" for room, names in _ROOMS.items() for name in names.split()}


class Moved(MetaPathFinder, Loader):
    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MOVED else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        warnings.warn(f"{spec.name} is now {MOVED[spec.name]}", DeprecationWarning, stacklevel=2)
        self.real = import_module(MOVED[spec.name])
        self.spec = self.real.__spec__
        return self.real

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # its own again


def install() -> None:
    """Once for a process."""
    if not any(isinstance(finder, Moved) for finder in sys.meta_path):
        sys.meta_path.append(Moved())
