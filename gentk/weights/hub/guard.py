"""Bounds on what an endpoint answers: bytes, seconds, and headers from which the client makes paths.

The client joins a file's ETag, commit and Xet hash to its cache path. It sets no limit to how long or how large an answer is.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from ...errors import GentkError
from ..files import shown
from .refusals import Unreachable

T = TypeVar("T")
ANSWER = 50_000_000
"""Bytes of one answer that is no file."""
SECONDS = 120.0
"""Longest time for a call of the client, the transfer of files not counted."""
SLOWEST = 10_000.0
"""Bytes a second below which a transfer is given up."""
LONGEST = 60.0
"""Seconds that the Hub may ask to wait; the client would sleep for as long as it is told."""
BUSY = (408, 429, 500, 502, 503, 504)
_PLAIN = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_XET = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class File:
    """The file that a call downloads, as the listing has it. `digest`: "" and `size`: 0 where the listing gives none."""

    name: str
    repo: str
    sha: str
    digest: str
    size: int


@dataclass
class _Watch:
    most: float
    until: float
    file: File | None
    over: bool = False

    def check(self) -> None:
        if self.over or time.monotonic() > self.until:
            raise Unreachable(_LATE)


_LATE = "the Hub did not finish its answer in time: try later, or check HF_ENDPOINT and the network"
_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)


def bounded(call: Callable[[], T], *, file: File | None = None, transfer: float = 0, most: float | None = None) -> T:
    """Return what `call` returns. Inside, an answer has at most `most` bytes (default ANSWER), and all of them together take
    at most SECONDS and what `transfer` bytes take at SLOWEST.

    `file`: the headers of the answers must fit it. Raises Unreachable for what takes longer, GentkError for what is larger or lies.
    The call runs in a thread of its own: a server that sends the head of an answer byte by byte is noticed only from outside.
    """
    seconds = SECONDS + transfer / SLOWEST
    watch = _Watch(ANSWER if most is None else most, time.monotonic() + seconds, file)
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        _watch.set(watch)
        try:
            results.append(call())
        except BaseException as error:  # raised again where it is waited for
            errors.append(error)

    thread = Thread(target=copy_context().run, args=(work,), daemon=True)
    thread.start()
    try:
        thread.join(seconds)
    except BaseException:  # Ctrl-C: let the client remove what it was writing
        watch.over = True
        thread.join(1.0)
        raise
    watch.over = True
    if errors:
        raise errors[0]
    if not results:
        raise Unreachable(_LATE)
    return results[0]


def install(session: Any) -> None:
    """Have the client's session show each answer to the guard. It does nothing outside `bounded`."""
    hooks = session.event_hooks
    if _answered not in hooks["response"]:
        session.event_hooks = {"request": [_asked, *hooks["request"]], "response": [*hooks["response"], _answered]}


def _asked(request: Any) -> None:
    if watch := _watch.get():
        watch.check()


def _answered(response: Any) -> None:
    """Called when the head of an answer is here, and before anything is done with it."""
    watch = _watch.get()
    if watch is None:
        return
    watch.check()
    if response.status_code in BUSY and (pause := asked_to_wait(response.headers)) > LONGEST:
        raise Unreachable(f"the Hub answered {response.status_code}, and asks to wait {pause:,.0f} s: try later")
    _check_redirect(response)
    if watch.file:
        _check_headers(response, watch.file)
    raw, decoded = response.iter_raw, response.iter_bytes
    response.iter_raw = lambda *args, **options: _counted(raw(*args, **options), watch)
    response.iter_bytes = lambda *args, **options: _counted(decoded(*args, **options), watch)


def asked_to_wait(headers: Mapping[str, str]) -> float:
    """Seconds that a busy Hub asks to wait: its own rate limit (`"api";r=0;t=55`), else Retry-After, a number or a date; else 0."""
    limit = re.search(r";\s*r=0+\s*;\s*t=(\d{1,9})\b", headers.get("ratelimit", ""))
    asked = limit[1] if limit else headers.get("Retry-After", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, parsedate_to_datetime(asked).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _counted(chunks: Iterator[bytes], watch: _Watch) -> Iterator[bytes]:
    come = 0
    for chunk in chunks:
        come += len(chunk)
        if come > watch.most:
            what = f"{watch.file.name} of {watch.file.repo}" if watch.file else "an answer"
            raise GentkError(f"the Hub sends more than the {watch.most / 1e6:g} MB that {what} can have: nothing of it is kept")
        watch.check()
        yield chunk


def _check_redirect(response: Any) -> None:
    """Raises GentkError for a redirect to what is no web address, or from https to http."""
    target = response.headers.get("Location") if 300 <= response.status_code < 400 else None
    if target is None:
        return
    here = str(response.request.url)
    try:
        scheme = urlsplit(urljoin(here, target)).scheme
    except ValueError:
        scheme = ""
    if scheme not in ("http", "https") or (scheme == "http" and here.startswith("https:")):
        raise GentkError(f"the Hub redirects to '{shown(target)}', which is not followed: check HF_ENDPOINT, or a proxy")


def _check_headers(response: Any, file: File) -> None:
    """Raises GentkError where a header that the client believes differs from the listing."""
    headers = response.headers
    commit = headers.get("X-Repo-Commit")
    if commit is not None and commit != file.sha:
        raise _lie(file, "commit", commit)
    if response.request.method != "HEAD" or response.status_code >= 400:
        return
    linked, tag = headers.get("X-Linked-ETag"), headers.get("ETag")
    redirected = 300 <= response.status_code < 400
    if linked:
        _check_tag(linked, file)
    elif tag is not None and not (redirected and not urlsplit(headers.get("Location", "")).netloc):  # else of the redirect's own page
        _check_tag(tag, file)
    size = headers.get("X-Linked-Size")
    if size is not None and not (size.isdecimal() and file.size in (0, int(size[:20]))):
        raise _lie(file, "size", size)
    xet = headers.get("X-Xet-Hash")
    if xet is None:
        return
    if not _XET.fullmatch(xet):
        raise _lie(file, "Xet hash", xet)
    links = getattr(response, "links", {})
    route = (links.get("xet-auth") or {}).get("url") or headers.get("X-Xet-Refresh-Route") or ""
    if not _at_home(str(response.request.url), route):  # the token is sent there
        raise _lie(file, "address for a token", route)


def _check_tag(text: str, file: File) -> None:
    tag = text.removeprefix("W/").strip('"')
    if not _PLAIN.fullmatch(tag) or (file.digest and tag != file.digest):
        raise _lie(file, "ETag", text)


def _at_home(asked: str, route: str) -> bool:
    """Whether an address is the Hub's own: of the host that was asked, of the endpoint, or of the Hub's home page."""
    from huggingface_hub import constants

    def origin(url: str) -> tuple[str, str]:
        return urlsplit(url).scheme, urlsplit(url).netloc

    try:
        return origin(urljoin(asked, route)) in {origin(url) for url in (asked, constants.ENDPOINT, constants.HUGGINGFACE_CO_URL_HOME)}
    except ValueError:
        return False


def _lie(file: File, what: str, value: str) -> GentkError:
    return GentkError(f"the Hub's {what} for {file.name} of {file.repo}, '{shown(value)}', is not that of its listing: nothing is fetched")
