"""Errors of the Hub that callers tell apart."""

from __future__ import annotations

from ...errors import GentkError


class Missing(GentkError):
    """There is no such thing, as far as can be seen from here."""


class Unreachable(Missing):
    """The Hub does not answer, or has no time."""
