"""What all platforms share: what they find, and one way to ask their interfaces and to understand a refusal.

Keys go to the platform's own address alone: no redirect is followed, no proxy of the environment used, no address logged.
"""

import hashlib
import json
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from redis.exceptions import RedisError

from app.catalog.platforms import PLATFORMS
from app.config import settings
from app.domain.retry_after import retry_after
from app.errors import GgtError, Later
from app.messages import redis_client
from app.politeness import Turn, turn, user_agent

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
LONGEST_WORDS = 200
MOST_TAGS = 50


@dataclass(frozen=True)
class Found:
    """One photograph that a platform found. ``licence`` is a key of ours, empty where we do not know the platform's.

    ``unfit`` says why it cannot be taken, for what only the platform knows. ``width`` and ``height`` in pixels of what is at
    ``download_url``; 0 where the platform does not say. ``used_url`` is called before a download, where there is one.
    """

    id: str
    page_url: str
    download_url: str
    author: str = ""
    author_url: str = ""
    licence: str = ""
    tags: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    unfit: str = ""
    used_url: str = ""


@dataclass(frozen=True)
class Results:
    """One page of results. ``total`` is how many the platform says there are; ``more``: it has a next page."""

    total: int
    found: tuple[Found, ...]
    more: bool


class KeyRefused(GgtError):
    """The platform does not take the key, or there is none: nothing can be asked until somebody sets another."""

    status = 502


class NotAnswered(GgtError):
    """The platform has no answer to this one question; the message says what it says."""

    status = 502


class Platform(Protocol):
    """Speaks to one platform. Both methods raise KeyRefused, NotAnswered and Later."""

    def search(self, keyword: str, page: int, per_page: int, licences: Collection[str]) -> Results:
        """Page ``page`` (from 1) of what a keyword finds, under one of ``licences`` where the platform can search so."""
        ...

    def used(self, found: Found) -> None:
        """Say that a photograph is about to be downloaded, where the platform wants to know."""
        ...


@lru_cache
def _client() -> httpx.Client:
    once = httpx.Limits(max_keepalive_connections=0)  # questions are seconds apart
    return httpx.Client(timeout=TIMEOUT, limits=once, trust_env=False, follow_redirects=False)


class Interface:
    """Asks a platform's interface for JSON."""

    def __init__(self, key: str) -> None:
        self.spec = PLATFORMS[key]

    @property
    def key(self) -> str:
        """The platform's key. Raises KeyRefused where none is set that a header can carry."""
        held = settings().platform_key(self.spec.key)
        if not held or not held.isascii() or not held.isprintable():
            raise KeyRefused(
                f"The key of {self.spec.title} is missing or has characters that no key has: set {self.spec.key_setting}, "
                "and start GGT Studio again."
            )
        return held

    @property
    def address(self) -> str:
        return settings().platform_url(self.spec.key)

    def get(self, url: str, params: Mapping[str, str], headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at an address of the platform. Raises KeyRefused, NotAnswered and Later."""
        kept = self._kept(url, params)
        if kept is not None:
            return kept
        parts = urlsplit(url)
        host = f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
        with turn(host, self._gap()) as mine:
            try:
                # Empty params would take away what the address asks for itself.
                said = {"User-Agent": user_agent(), **(headers or {})}
                answer = _client().get(url, params=params or None, headers=said)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                # Only the kind of trouble is told: the error's own text can hold the address, and that the key.
                told = f"{self.spec.title} cannot be reached ({type(error).__name__})."
                raise Later(mine.refused(None), told) from None
            reply = self._understood(answer, mine)
            self._look_at_what_is_left(answer, mine)
        self._keep(url, params, answer.content)
        return reply

    def busy(self, mine: Turn | None, seconds: float | None, words: str) -> Later:
        """The platform asks to be left alone."""
        wait = mine.refused(seconds) if mine else seconds or 60.0
        return Later(wait, f"{self.spec.title} asks to wait: {self.clean(words)}")

    def refused(self, words: str) -> KeyRefused:
        """The platform does not take the key."""
        return KeyRefused(
            f"{self.spec.title} does not take the key of {self.spec.title} that is set here: {self.clean(words)}. "
            f"Correct {self.spec.key_setting} and start GGT Studio again."
        )

    def clean(self, words: object) -> str:
        """A platform's words for a message: one line, not too long, and without the key in case it repeats that."""
        told = " ".join(str(words or "no reason given").split())
        held = settings().platform_key(self.spec.key)
        return (told.replace(held, "***") if held else told)[:LONGEST_WORDS].rstrip(".")

    def _gap(self) -> float:
        """Seconds between two questions. A stand-in is nobody's machine but ours."""
        least = settings().fetch_delay
        if self.spec.tells_left or settings().platform_stand_in(self.spec.key):
            return least
        return max(least, 3600 / self.spec.requests_per_hour)

    def _understood(self, answer: httpx.Response, mine: Turn) -> dict[str, Any]:
        status, words = answer.status_code, _words(answer)
        if status == 429 or (status == 403 and "limit" in words.lower()):
            asked = retry_after(answer.headers.get("retry-after"))
            raise self.busy(mine, asked if asked is not None else _reset(answer), words)
        if status in (401, 403):
            raise self.refused(words)
        if status >= 500:
            asked = retry_after(answer.headers.get("retry-after"))
            raise Later(mine.refused(asked), f"{self.spec.title} answered {status} and is asked again later.")
        mine.answered()
        if status == 400 and "api key" in words.lower():
            raise self.refused(words)
        if status != 200:
            raise NotAnswered(f"{self.spec.title} answered {status}: {self.clean(words)}")
        reply = _object(answer)
        if reply is None:
            raise NotAnswered(f"{self.spec.title} sent an answer that cannot be read")
        return reply

    def _look_at_what_is_left(self, answer: httpx.Response, mine: Turn) -> None:
        """Where nothing is left to ask, let the platform rest until it says that there is."""
        if answer.headers.get("x-ratelimit-remaining", "").strip() == "0":
            mine.rest = max(mine.rest, min(_reset(answer) or 900.0, 24 * 3600.0))

    def _kept(self, url: str, params: Mapping[str, str]) -> dict[str, Any] | None:
        if not self.spec.keep_seconds:
            return None
        try:
            held = redis_client().get(self._name(url, params))
            return json.loads(held) if held else None
        except (RedisError, OSError, ValueError):
            return None

    def _keep(self, url: str, params: Mapping[str, str], body: bytes) -> None:
        if self.spec.keep_seconds:
            try:
                redis_client().set(self._name(url, params), body, ex=self.spec.keep_seconds)
            except (RedisError, OSError):
                return

    def _name(self, url: str, params: Mapping[str, str]) -> str:
        asked = json.dumps([url, sorted(params.items())])
        return f"ggt:platform:{self.spec.key}:{hashlib.sha256(asked.encode()).hexdigest()}"


def _reset(answer: httpx.Response) -> float | None:
    """Seconds until there is something left to ask: platforms tell them, or the moment in seconds since 1970."""
    try:
        told = float(answer.headers.get("x-ratelimit-reset", ""))
    except ValueError:
        return None
    seconds = told - time.time() if told > 1e9 else told
    return seconds if 0 < seconds < 366 * 24 * 3600 else None


def _words(answer: httpx.Response) -> str:
    """What a refusal says: a field of its JSON, else its text."""
    reply = _object(answer) or {}
    told = reply.get("errors") or reply.get("error") or reply.get("message") or reply.get("code")
    if isinstance(told, list):
        told = "; ".join(map(str, told))
    return str(told or answer.text[:LONGEST_WORDS])


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        value = json.loads(answer.content)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def entries(value: object) -> list[dict[str, Any]]:
    """The objects of a list; what is none is left out."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def mapping(value: object) -> dict[str, Any]:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def number(value: object) -> int:
    """A count or a size, which platforms write as number or text; 0 for what is none."""
    try:
        return max(0, int(str(value)))
    except ValueError:
        return 0


def address(value: object) -> str:
    """A web address; empty for anything else, so that no link of ours runs a script."""
    text = str(value or "").strip()
    return text if text.startswith(("https://", "http://")) else ""


def tags(words: list[object]) -> tuple[str, ...]:
    """Tags as they may be stored: each once, none too long, not too many."""
    clean = (" ".join(str(word).split())[:100] for word in words)
    return tuple(dict.fromkeys(word for word in clean if word))[:MOST_TAGS]
