"""How far what takes long has come, told to whoever listens. What is done inside of a stage counts as a part of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")
Told = Callable[[float], None]
_listener: ContextVar[Told | None] = ContextVar("listener", default=None)


@contextmanager
def heard(told: Told) -> Iterator[None]:
    """`told` hears the share, 0 … 1, of whatever is done inside that counts its stages."""
    token = _listener.set(told)
    try:
        yield
    finally:
        _listener.reset(token)


def listener() -> Told | None:
    """Who hears how far this stage is."""
    return _listener.get()


def stages(items: Iterable[T], total: int) -> Iterator[T]:
    """The items, `total` of them, each a stage that is done when the next one is asked for."""
    told = listener()
    if told is None:
        yield from items
        return
    part = told
    try:
        for i, item in enumerate(items):
            part = _part(told, i, total)
            _listener.set(part)
            yield item
            told((i + 1) / total)
    finally:
        if listener() is part:  # broken off, this may come when somebody else listens, or nobody
            _listener.set(told)


def _part(told: Told, i: int, total: int) -> Told:
    return lambda share: told((i + share) / total)
