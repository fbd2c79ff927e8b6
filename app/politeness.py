"""Asking other people's machines politely: we say who we are, ask a host one thing at a time, and rest in between.

A host that is being asked, or rests, is a key in Redis that ends when it may be asked again, so that all processes keep to
it. Where Redis does not answer, each process keeps to it for itself.
"""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from redis.exceptions import RedisError

from app.config import settings
from app.errors import Later
from app.messages import redis_client

PRODUCT = "GGTStudio"
"""The name by which a robots.txt may speak of us."""
LONGEST_WAIT = 20.0
"""Seconds a thread waits for its turn. A longer wait is the work item's, which then takes no thread."""
LOOK_AGAIN = 0.1
"""Seconds between two looks at a host that somebody else is asking."""
LIFE = 60.0
"""Seconds after which a request that nobody ended or continued counts as over: its process has died."""
FIRST_REST, LONGEST_REST = 30.0, 3600.0
"""Seconds a host rests that refuses to answer and does not say for how long; doubled each time it does so again."""
LONGEST_ASKED = 24 * 3600.0
"""Seconds a host may ask us to rest; then it is looked at again."""

_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[1], 'rest', 'PX', ARGV[2]) else redis.call('DEL', KEYS[1]) end
return 1
"""
_STILL = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"

# At INFO it logs the address of every request, and an address can hold a key or a signature.
logging.getLogger("httpx").setLevel(logging.WARNING)

_lock = threading.Lock()
_here: dict[str, tuple[str, float]] = {}
"""Hosts as this process knows them: who has them ("rest" for nobody), and until when (monotonic)."""
_refusals: dict[str, int] = {}


def user_agent() -> str:
    """Who we are, with the contact that was set; characters that no header carries are left out."""
    contact = "".join(c for c in settings().contact if c.isascii() and c.isprintable()).strip()
    return f"{PRODUCT}/{version('ggt-studio')}" + (f" ({contact})" if contact else "")


class Turn:
    """One request to a host that is under way. The host rests for ``gap`` seconds after it."""

    def __init__(self, host: str, gap: float) -> None:
        self.host, self.rest, self._token, self._told = host, gap, uuid.uuid4().hex, time.monotonic()

    def take(self) -> float:
        """Begin, or the seconds until the host may be asked (at least; it may be asked something long by others)."""
        try:
            client, key = redis_client(), _key(self.host)
            if client.set(key, self._token, nx=True, px=int(LIFE * 1000)):
                return 0.0
            holder, left = client.get(key), float(client.pttl(key)) / 1000
            return max(left, 0.01) if holder == b"rest" else LOOK_AGAIN
        except (RedisError, OSError):
            return self._take_here()

    def _take_here(self) -> float:
        with _lock:
            holder, until = _here.get(self.host, ("rest", 0.0))
            left = until - time.monotonic()
            if left > 0:
                return left if holder == "rest" else LOOK_AGAIN
            _here[self.host] = (self._token, time.monotonic() + LIFE)
            return 0.0

    def still(self) -> None:
        """Say that the request goes on: call it while an answer comes in."""
        if time.monotonic() - self._told < LIFE / 4:
            return
        self._told = time.monotonic()
        with _lock:
            if _here.get(self.host, ("", 0.0))[0] == self._token:
                _here[self.host] = (self._token, self._told + LIFE)
        try:
            redis_client().register_script(_STILL)(keys=[_key(self.host)], args=(self._token, int(LIFE * 1000)))
        except (RedisError, OSError):
            return

    def refused(self, asked: float | None) -> float:
        """The host does not want to be asked now: let it rest for what it ``asked``, else longer each time. Seconds."""
        with _lock:
            times = _refusals[self.host] = _refusals.get(self.host, 0) + 1
        seconds = min(asked, LONGEST_ASKED) if asked is not None else min(LONGEST_REST, FIRST_REST * 2 ** (times - 1))
        self.rest = max(self.rest, seconds)
        return seconds

    def answered(self) -> None:
        """The host answered as it should."""
        with _lock:
            _refusals.pop(self.host, None)

    def end(self) -> None:
        """The request is over; the host rests."""
        with _lock:
            if _here.get(self.host, ("", 0.0))[0] == self._token:
                _here[self.host] = ("rest", time.monotonic() + self.rest)
        try:
            redis_client().register_script(_RELEASE)(keys=[_key(self.host)], args=(self._token, int(self.rest * 1000)))
        except (RedisError, OSError):
            return


@contextmanager
def turn(host: str, gap: float) -> Iterator[Turn]:
    """Ask ``host`` (name and port) something, once it may be asked. Raises Later where that is not soon."""
    mine = Turn(host, gap)
    gives_up = time.monotonic() + LONGEST_WAIT
    while wait := mine.take():
        if time.monotonic() + wait > gives_up:
            raise Later(max(wait, LONGEST_WAIT / 4), f"{host} is left alone for now, as it asked or others ask it.")
        time.sleep(wait)
    try:
        yield mine
    finally:
        mine.end()


def forget() -> None:
    """Forget what this process knows of hosts."""
    with _lock:
        _here.clear()
        _refusals.clear()


def _key(host: str) -> str:
    return f"ggt:host:{host}"
