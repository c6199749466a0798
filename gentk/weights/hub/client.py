"""The Hub's client as gentk uses it: under our name, without telemetry, its errors in one line that says what to do."""

from __future__ import annotations

import errno
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from ...distribution import version
from ...errors import GentkError
from ...text import one_line
from ..files import shown
from . import guard
from .refusals import Missing, Unreachable

if TYPE_CHECKING:
    from huggingface_hub import HfApi

T = TypeVar("T")
WAITS = (1.0, 2.0, 4.0, 8.0, 8.0)
"""Seconds before each new try of a request that the Hub was too busy for."""


def client() -> HfApi:
    """The client of the endpoint that HF_ENDPOINT names. Its own telemetry is off from now on: nothing is asked but what a person asks."""
    from huggingface_hub import HfApi, constants, get_session

    guard.install(get_session())
    constants.HF_HUB_DISABLE_TELEMETRY = True  # else each request names torch, and its first asks for a list of coding agents
    return HfApi(endpoint=constants.ENDPOINT, library_name="gentk", library_version=version())


def patient(call: Callable[[], T], *, busy: Collection[int] = guard.BUSY, transfer: float = 0) -> T:
    """What `call` returns, tried again where the Hub was busy: answered one of these. One that does not answer at all is not waited for.

    `transfer`: bytes that it sends, for which it gets more time. Raises also what `guard.bounded` does."""
    from huggingface_hub.errors import HfHubHTTPError

    for wait in (*WAITS, None):
        try:
            return guard.bounded(call, transfer=transfer)
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status not in busy or wait is None:
                raise
            pause = max(wait, guard.asked_to_wait(error.response.headers))
            print(f"the Hub answered {status}; trying again in {pause:.0f} s", file=sys.stderr)
            time.sleep(pause)
    raise AssertionError


@contextmanager
def translated(repo: str, revision: str | None = None) -> Iterator[None]:
    """Whatever the client meets inside becomes one line: a GentkError, Missing or Unreachable. `repo` may be "" where none is meant."""
    try:
        yield
    except GentkError:
        raise
    except Exception as error:  # the client's own, its HTTP library's and the disk's: without a common class
        kind, text = _said(_cause(error), repo, revision)
        raise kind(text) from error


def _cause(error: Exception) -> Exception:
    """The client wraps what went wrong into "not found here", where a copy in the cache would have done."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    inner = error.__cause__
    return inner if isinstance(error, LocalEntryNotFoundError) and isinstance(inner, Exception) else error


def _said(error: Exception, repo: str, revision: str | None) -> tuple[type[GentkError], str]:
    from huggingface_hub import constants, errors

    where = repo or "the Hub"
    if isinstance(error, errors.GatedRepoError):
        page = f"{constants.ENDPOINT}/{repo}"
        return GentkError, f"{where} is gated: accept its terms at {page}, then `hf auth login`, or set HF_TOKEN"
    if isinstance(error, errors.RepositoryNotFoundError):
        return Missing, f"there is no repository {repo}, or it is private: `hf auth login`, or set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return GentkError, f"{where} has no revision '{revision or 'main'}'"
    if isinstance(error, (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError)):
        return Unreachable, "the client is offline (HF_HUB_OFFLINE), so the Hub is not asked"
    if isinstance(error, errors.HfHubHTTPError) and getattr(error, "response", None) is not None:
        return _answered(error, where)
    if isinstance(error, errors.HFValidationError):
        return GentkError, f"'{shown(repo)}' is no name of a repository: {one_line(error)}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return GentkError, f"the disk is full, where the Hub's cache is ({constants.HF_HUB_CACHE}): make room, or set HF_HUB_CACHE"
    if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno == errno.EROFS):
        return GentkError, f"cannot write to {error.filename or constants.HF_HUB_CACHE}: {error.strerror}; HF_HUB_CACHE chooses the cache"
    kinds = {kind.__name__ for kind in type(error).__mro__}  # of an HTTP library that is another one in each release of the client
    if kinds & {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}:
        return Unreachable, f"the Hub at {constants.ENDPOINT} does not answer ({one_line(error) or type(error).__name__})"
    if kinds & {"TransportError"} or "Consistency check failed" in str(error):
        return Unreachable, f"the connection to the Hub broke off too often ({one_line(error) or type(error).__name__}): run it again"
    return GentkError, f"{where}: {type(error).__name__}: {one_line(error)}"


def _answered(error: Any, where: str) -> tuple[type[GentkError], str]:
    """A refusal by its number."""
    status, said = error.response.status_code, shown(error.server_message or "", 160)
    said = f" ({said})" if said else ""
    if status in guard.BUSY:
        return Unreachable, f"the Hub answered {status} {_TIMES} times: try later"
    if status == 401 and "authorization" not in error.response.request.headers:
        return GentkError, f"the Hub wants to know who asks: `hf auth login`, or set HF_TOKEN{said}"
    if status == 401:
        return GentkError, f"the Hub does not accept the token{said}: `hf auth login`, or set HF_TOKEN to a valid one"
    if status == 403:
        return GentkError, f"the token that is used may not do this with {where}{said}"
    return GentkError, f"{where}: the Hub answered {status}{said}"


_TIMES = "six"  # len(WAITS) + 1; the client's own patience is the same

