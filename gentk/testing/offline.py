"""Checks go without a network: what tries to reach it is told no at once, and is remembered."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_INET = (socket.AF_INET, socket.AF_INET6)


class Refused(OSError):
    """A connection that a check did not allow."""


@contextmanager
def offline() -> Iterator[list[str]]:
    """No socket of this process connects anywhere inside. Yields the addresses that were tried, as they are tried."""
    tried: list[str] = []

    def refuse(address: Any) -> Any:
        tried.append(":".join(map(str, address[:2])) if isinstance(address, tuple) else str(address))
        raise Refused(f"no network while checking: {tried[-1]}")

    def asked(host: Any, port: Any = None, *args: Any, **kwargs: Any) -> Any:
        refuse((host, port) if port else host)

    def guarded(name: str) -> Any:
        plain = getattr(socket.socket, name)

        def call(self: socket.socket, *args: Any) -> Any:
            if self.family in _INET:
                refuse(args[-1])
            return plain(self, *args)

        return call

    places: list[tuple[Any, str, Any]] = [(socket.socket, name, guarded(name)) for name in ("connect", "connect_ex", "sendto")]
    places += [(socket, name, asked) for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex")]
    before = [(owner, name, vars(owner).get(name)) for owner, name, _ in places]
    for owner, name, instead in places:
        setattr(owner, name, instead)
    try:
        yield tried
    finally:
        for owner, name, old in before:
            delattr(owner, name) if old is None else setattr(owner, name, old)
