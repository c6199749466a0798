"""Old names of modules still work, say so, and give the very same module."""

from __future__ import annotations

import importlib
import sys

import pytest

import gentk


@pytest.mark.parametrize("old", gentk._MOVED)
def test_the_old_name_is_the_new_module(old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    new = importlib.import_module(gentk._MOVED[old])
    spec = new.__spec__
    monkeypatch.delitem(sys.modules, old, raising=False)
    with pytest.warns(DeprecationWarning, match=f"{old} is now {gentk._MOVED[old]}"):
        found = importlib.import_module(old)
    assert found is new and new.__spec__ is spec and new.__name__ == gentk._MOVED[old]


def test_what_never_was_is_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("gentk.nonesuch")
