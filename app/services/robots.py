"""What hosts ask of programs in their robots.txt: fetched by us, read by Python's own parser, kept for an hour."""

import threading
import time
from dataclasses import dataclass
from urllib.robotparser import RobotFileParser

import httpx

from app.config import settings
from app.errors import BadImage, Later
from app.politeness import PRODUCT, Turn
from app.services import outbound

KEPT_SECONDS = 3600.0
MOST_BYTES = 500 * 1024
"""The part of a robots.txt that is read, as RFC 9309 has it."""
MOST_HOSTS = 1000


@dataclass(frozen=True)
class _Rules:
    parser: RobotFileParser
    until: float


_lock = threading.Lock()
_known: dict[str, _Rules] = {}
_reading: dict[str, threading.Lock] = {}
"""Held by the thread that reads a host's rules, while others wait for them."""


def delay(url: httpx.URL) -> float:
    """Seconds that a host rests between two requests of ours, for an address that it lets us fetch.

    Raises BadImage where it does not, Later where it cannot be asked now.
    """
    parser = _rules(url)
    if not parser.can_fetch(PRODUCT, str(url)):
        raise BadImage(f"the robots.txt of {url.host} does not let programs fetch it")
    asked = parser.crawl_delay(PRODUCT)
    return max(settings().fetch_delay, float(asked or 0))


def _rules(url: httpx.URL) -> RobotFileParser:
    host = f"{url.scheme}://{outbound.host_of(url)}"
    with _lock:
        if len(_known) >= MOST_HOSTS:
            _known.clear()
            _reading.clear()
        reading = _reading.setdefault(host, threading.Lock())
    with reading:
        known = _known.get(host)
        if known is None or known.until < time.monotonic():
            known = _known[host] = _Rules(_read(url), time.monotonic() + KEPT_SECONDS)
    return known.parser


def _read(url: httpx.URL) -> RobotFileParser:
    parser = RobotFileParser()
    place = url.copy_with(path="/robots.txt", query=None)
    try:
        with outbound.opened(place, {"Accept-Encoding": "identity"}, lambda _: settings().fetch_delay) as (_, answer, turn):
            if answer.status_code == 429 or answer.status_code >= 500:
                raise Later(
                    turn.refused(None), f"{url.host} does not give its robots.txt now (it answered {answer.status_code})."
                )
            turn.answered()
            parser.parse(_text(answer, turn).splitlines() if answer.is_success else [])
    except httpx.HTTPError as error:
        raise Later(60.0, f"{url.host} cannot be reached for its robots.txt ({type(error).__name__}).") from error
    return parser


def _text(answer: httpx.Response, turn: Turn) -> str:
    data = bytearray()
    for piece in answer.iter_raw():
        data += piece
        turn.still()
        if len(data) > MOST_BYTES:
            break
    return bytes(data[:MOST_BYTES]).decode("utf-8-sig", errors="replace")


def forget() -> None:
    """Forget all rules."""
    with _lock:
        _known.clear()
