"""Fetching one photograph from the Internet: politely, from public addresses only, and nothing but a photograph.

``outbound`` has where a request may go, ``robots`` what hosts ask of programs, ``politeness`` how often they are asked, and
``partial`` what has come so far.
"""

import time
from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import httpx

from app.config import settings
from app.domain.retry_after import retry_after
from app.errors import BadImage, Later
from app.imaging.source import sniff
from app.models import utcnow
from app.politeness import Turn
from app.services import outbound, partial, robots
from app.services.partial import Partial

TRIES = 3
"""Times that a download is begun or continued in one go."""
MOST_REFUSALS = 3
"""Times that a photograph is asked for later since its server is out of order or out of reach; then it is given up."""
LONGEST_SECONDS = 300.0
"""How long one download may take; what it has by then is continued by another request."""
HEAD = 32
"""Bytes that tell what kind of file it is."""
MEDIA_TYPES = ("application/octet-stream", "binary/octet-stream")
"""Media types beside image/* of servers that do not look at what they serve."""

_refused: Counter[str] = Counter()


@dataclass(frozen=True)
class Fetched:
    """A photograph as it came. ``url`` is where it was found in the end, ``media_type`` what its server calls it."""

    data: bytes
    url: str
    fetched_at: datetime
    media_type: str


class _BrokeOff(Exception):
    """The answer ended too early; what came is kept."""


def fetch(url: str) -> Fetched:
    """Fetch a photograph from an address that somebody else named. Takes its time: hosts are asked slowly. Safe in threads.

    Raises BadImage with the reason, or Later where the host wants to be asked later, or cannot be.
    """
    address = outbound.checked_url(url)
    with partial.held(str(address)) as so_far:
        reason = ""
        for _ in range(TRIES):
            try:
                return _fetched(address, so_far)
            except _BrokeOff as error:
                reason = str(error)
            except BadImage:
                so_far.forget()
                raise
        raise BadImage(f"the download broke off {TRIES} times ({reason}), after {so_far.size} bytes")


def _fetched(address: httpx.URL, so_far: Partial) -> Fetched:
    headers = {"Accept": "image/*", "Accept-Encoding": "identity", **so_far.headers()}
    answered = False
    try:
        with outbound.opened(address, headers, robots.delay) as (place, answer, turn):
            answered = True
            if answer.status_code == 416:
                so_far.drop()
                raise _BrokeOff("what was there already does not fit any more")
            _check_status(address, answer, turn)
            media_type = _media_type(answer)
            so_far.begin(answer)
            _receive(answer, turn, so_far)
    except httpx.HTTPError as error:
        if answered:
            raise _BrokeOff(type(error).__name__) from error
        _give_up_in_the_end(address, f"{address.host} cannot be reached")
        raise Later(60.0, f"{address.host} cannot be reached ({type(error).__name__}).") from error
    del _refused[str(address)]
    data = so_far.read()
    so_far.forget()
    return Fetched(data, str(place), utcnow(), media_type)


def _check_status(address: httpx.URL, answer: httpx.Response, turn: Turn) -> None:
    status, host = answer.status_code, address.host
    if status in (200, 206):
        turn.answered()
        return
    if status == 429 or status >= 500:
        if status != 429:
            _give_up_in_the_end(address, f"its server answered {status}")
        seconds = turn.refused(retry_after(answer.headers.get("retry-after")))
        raise Later(seconds, f"{host} answered {status} and is asked again later.")
    raise BadImage(f"its server answered {status}")


def _give_up_in_the_end(address: httpx.URL, reason: str) -> None:
    """Raises BadImage the last time: one photograph that never comes must not hold up all others for good."""
    if len(_refused) > 10_000:
        _refused.clear()
    _refused[str(address)] += 1
    if _refused[str(address)] > MOST_REFUSALS:
        del _refused[str(address)]
        raise BadImage(f"{reason}, {MOST_REFUSALS + 1} times")


def _media_type(answer: httpx.Response) -> str:
    """What the server calls it. Raises BadImage for what is no photograph."""
    told = answer.headers.get("content-type", "").partition(";")[0].strip().lower() or MEDIA_TYPES[0]
    if not told.startswith("image/") and told not in MEDIA_TYPES:
        raise BadImage(f"its server sent {told[:60]} and no image")
    packed = answer.headers.get("content-encoding", "identity").lower()
    if packed not in ("", "identity"):
        raise BadImage(f"its server sent it packed ({packed[:20]}), which was not asked for")
    return str(told)


def _receive(answer: httpx.Response, turn: Turn, so_far: Partial) -> None:
    """Take the body in, looking at its first bytes as soon as they are there and at its size all the time."""
    limit, ends, looked_at = settings().max_upload_mb * 2**20, time.monotonic() + LONGEST_SECONDS, False
    for piece in answer.iter_raw():  # as they come: pieces of a fixed size would lose the last one of a broken download
        so_far.write(piece)
        if so_far.size > limit:
            raise BadImage(f"larger than {settings().max_upload_mb} MiB")
        if not looked_at and so_far.size >= HEAD:
            sniff(so_far.read(HEAD))
            looked_at = True
        turn.still()
        if time.monotonic() > ends:
            raise _BrokeOff(f"it took longer than {LONGEST_SECONDS:.0f} s")
    if not looked_at:
        sniff(so_far.read(HEAD))


def forget() -> None:
    """Forget which photographs did not come."""
    _refused.clear()
