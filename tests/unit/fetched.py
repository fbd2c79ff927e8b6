"""What tests of the downloader share: a web server that may be fetched from, and pictures."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest

from app import politeness
from app.services import fetching, partial, robots
from tests.conftest import forget
from tests.platforms.library import Photo
from tests.platforms.web import Answer, Asked, WebServer

JPEG = Photo(1, ()).jpeg()
Page = Callable[[Asked], Answer] | Answer
NOTHING = Answer(b"not here", "text/plain", 404)


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, pages: Mapping[str, Page], delay: float = 0.0) -> Iterator[WebServer]:
    """A server with these pages, from which fetching is allowed although it is on this machine."""

    def answer(asked: Asked) -> Answer:
        page = pages.get(asked.path, NOTHING)
        return page if isinstance(page, Answer) else page(asked)

    with WebServer(answer) as server:
        allow(monkeypatch, server.host, delay)
        yield server


def allow(monkeypatch: pytest.MonkeyPatch, hosts: str, delay: float = 0.0) -> None:
    """Settings that let these private hosts be fetched from, and nothing remembered of earlier tests."""
    monkeypatch.setenv("GGT_FETCH_PRIVATE_HOSTS", hosts)
    monkeypatch.setenv("GGT_FETCH_DELAY", str(delay))
    forget()
    politeness.forget()
    robots.forget()
    fetching.forget()
    partial.forget()
