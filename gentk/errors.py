"""What can go wrong in a way a person can act on. Anything else is a bug and keeps its traceback."""

from __future__ import annotations

from collections.abc import Iterable


class GentkError(Exception):
    """One line: what is wrong and what to do. Exit code 1."""

    exit_code = 1


class UsageError(GentkError):
    """The command was given something it cannot accept. Exit code 2."""

    exit_code = 2


class Interrupted(GentkError):
    """Stopped by a signal after saving what there was. Exit code 128 + signal."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.exit_code = 128 + number


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`"; did you mean 'ddpm'?"`, or the short list of what there is, or nothing."""
    from difflib import get_close_matches

    known = sorted(known)
    if close := get_close_matches(name, known, n=2, cutoff=0.6):
        return "; did you mean " + " or ".join(map(repr, close)) + "?"
    return f"; there is: {', '.join(known)}" if 0 < len(known) <= 12 else ""
