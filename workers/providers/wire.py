"""What all backends share: HTTP clients that cannot hang, and failures told in our words.

Two HTTP libraries are in use, httpx by us and its fork httpx2 by the SDKs; both are treated alike. Nothing here retries.
"""

import json
import logging
import math
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import httpx2

from app.catalog.mfms import MFMS
from app.domain.geometry import nearest_ratio
from app.domain.retry_after import retry_after as retry_after
from workers.providers.base import Access, CallFailed, Trouble, Usage

CONNECT_SECONDS = 15.0
"""A provider that cannot be reached is noticed sooner than one that thinks."""
_CONNECTIONS = 64  # twice the threads; an idle one is dropped after 5 s, before the other side does it while we send
HTTP_ERRORS = (httpx.HTTPError, httpx.InvalidURL, httpx2.HTTPError, httpx2.InvalidURL)
_UNSENT = (
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL),
    *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL),
)
_LONGEST_MESSAGE = 300

# At INFO they log the address of every request, and addresses of results are signed.
for _name in ("httpx", "httpx2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class _Body(httpx.SyncByteStream, httpx2.SyncByteStream):
    """A body that has to be complete at ``ends`` (monotonic seconds): time-outs of httpx are for one piece each."""

    def __init__(self, inner: Any, ends: float, late: type[Exception]) -> None:
        self._inner, self._ends, self._late = inner, ends, late

    def __iter__(self) -> Iterator[bytes]:
        late = False
        for piece in self._inner:
            if late:
                raise self._late("the answer took too long")
            yield piece
            late = time.monotonic() > self._ends

    def close(self) -> None:
        self._inner.close()


def _hurry(extensions: Any) -> float:
    """Shorten the time to connect. Returns when the answer has to be there, in monotonic seconds."""
    seconds = extensions.get("timeout", {})
    if seconds.get("connect") is not None:
        extensions["timeout"] = {**seconds, "connect": min(seconds["connect"], CONNECT_SECONDS)}
    return time.monotonic() + (seconds.get("read") or math.inf)


class _Transport(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        ends = _hurry(request.extensions)
        response = super().handle_request(request)
        response.stream = _Body(response.stream, ends, httpx.ReadTimeout)
        return response


class _Transport2(httpx2.HTTPTransport):
    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        ends = _hurry(request.extensions)
        response = super().handle_request(request)
        response.stream = _Body(response.stream, ends, httpx2.ReadTimeout)
        return response


def http_client(timeout: float) -> httpx.Client:
    """A client for many threads: no proxies of the environment, no redirects, ``timeout`` seconds for a whole answer."""
    limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=5.0)
    return httpx.Client(transport=_Transport(limits=limits), timeout=timeout, trust_env=False, follow_redirects=False)


def sdk_client(timeout: float) -> httpx2.Client:
    """The same for an SDK, whose own client would follow redirects, use proxies and keep 20 connections."""
    limits = httpx2.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=5.0)
    return httpx2.Client(transport=_Transport2(limits=limits), timeout=timeout, trust_env=False, follow_redirects=False)


def usable(access: Access, who: str) -> Access:
    """The access with its key trimmed. Raises ``CallFailed`` (ACCOUNT) for a key that no header can carry."""
    key = access.key.strip()
    if not key or not key.isascii() or not key.isprintable():
        raise CallFailed(Trouble.ACCOUNT, f"The key of {who} is missing or has characters that no key has.")
    return replace(access, key=key, secret=access.secret.strip(), base_url=access.base_url.rstrip("/"))


def clean(text: object, access: Access) -> str:
    """A provider's words for a message: one line, not too long, without our secrets in case it repeats them."""
    words = " ".join(str(text or "").split())
    for secret in (access.key, access.secret):
        words = words.replace(secret, "***") if secret else words
    return words[:_LONGEST_MESSAGE]


def undelivered(who: str, error: object) -> CallFailed:
    """What an exception of httpx or httpx2 means for money. Only its type is told: its text can hold header values."""
    name = type(error).__name__
    if isinstance(error, _UNSENT):
        return CallFailed(Trouble.UNSENT, f"No connection to {who} ({name}).")
    return CallFailed(Trouble.LOST, f"No complete answer came from {who} ({name}); it may have been charged.")


def failure(
    who: str, status: int, code: str, message: str, retry_after: float | None = None, *, kind: Trouble | None = None
) -> CallFailed:
    """What a complete error answer means: by ``kind`` where the provider's code told it, else by the HTTP status.

    ``code`` and ``message`` are both empty when the answer was not the provider's own: then a 504 (or 524) is a gateway that
    stopped waiting, while the provider went on and may charge.
    """
    if kind is None:
        if status in (401, 402, 403):
            kind = Trouble.ACCOUNT
        elif status in (408, 429, 503):
            kind = Trouble.BUSY
        elif status in (504, 524) and not (code or message):
            kind = Trouble.LOST
        elif status >= 500:
            kind = Trouble.BROKEN
        else:
            kind = Trouble.BAD_REQUEST
    words = f"{who} answered {status}" + (f" {code}" if code else "") + (f": {message}" if message else "")
    if kind is Trouble.LOST:
        words += " (a gateway gave up waiting; it may have been charged)"
    return CallFailed(kind, words, reason=code, retry_after=retry_after if kind is Trouble.BUSY else None)


def refused(who: str, code: str, message: str = "", usage: Usage | None = None) -> CallFailed:
    """A refusal; ``code`` is the provider's own."""
    words = f"{who} refused: {code}" + (f" ({message})" if message else "")
    return CallFailed(Trouble.REFUSED, words, reason=code, usage=usage)


def senseless(who: str, what: str, usage: Usage | None = None) -> CallFailed:
    """A complete 200 of no use. It was very likely charged, so asking again is for a person to decide, as after a loss."""
    return CallFailed(Trouble.LOST, f"{who} sent {what}; it may have been charged.", reason="UNREADABLE", usage=usage)


def parsed(who: str, body: str | bytes) -> dict[str, Any]:
    """The JSON object of a complete 200. Raises ``CallFailed`` (LOST) for anything else."""
    value = lenient(body)
    if value is None:
        raise senseless(who, "an answer that cannot be read")
    return value


def lenient(body: str | bytes) -> dict[str, Any] | None:
    """The JSON object of a body, or None where it is none, as in the pages of gateways."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def mapping(value: object) -> dict[str, Any]:
    """``value`` if it is an object, else an empty one: error answers are not always of the documented form."""
    return value if isinstance(value, dict) else {}


def listing(value: object) -> list[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def count(value: object) -> int:
    """A number of tokens; what is none counts as 0."""
    return value if isinstance(value, int) and value > 0 else 0


def duration(text: object) -> float | None:
    """Seconds of a Google duration such as "1.5s"; None for anything else."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)s", str(text))
    return float(match[1]) if match else None


def ratio_for(provider: str, model: str, width: int, height: int) -> str:
    """The ratio nearest to width x height pixels that the model takes; an unknown model takes its provider's first's."""
    ours = [m for m in MFMS if m.provider == provider and m.ratios]
    spec = next((m for m in ours if m.model == model), ours[0])
    return nearest_ratio(width, height, spec.ratios)
