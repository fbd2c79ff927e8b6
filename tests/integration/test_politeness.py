"""Politeness over several processes. If these fail, four workers ask a host four times as much as it bears."""

import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest

from app import politeness
from app.errors import Later
from app.politeness import Turn, turn
from tests.conftest import forget
from tests.platforms.library import Photo
from tests.platforms.web import Answer, WebServer

pytestmark = [pytest.mark.usefixtures("redis"), pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)]
HOST = "photos.example:443"
PHOTO = """
import sys
from app.services.fetching import fetch
assert fetch(sys.argv[1]).data.startswith(b"\\xff\\xd8")
"""


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    politeness.forget()
    yield
    politeness.forget()


def other_process() -> None:
    """What follows sees the host as another process would: through Redis alone."""
    politeness.forget()


def test_a_host_that_one_process_asks_or_that_rests_is_left_alone_by_the_others() -> None:
    with turn(HOST, 300.0) as mine:
        other_process()
        assert Turn(HOST, 0).take() == politeness.LOOK_AGAIN
        assert Turn("other.example:443", 0).take() == 0.0
        mine.refused(600.0)
    other_process()
    assert 590 < Turn(HOST, 0).take() <= 600
    with pytest.raises(Later, match="left alone"), turn(HOST, 0):
        pass


def test_the_turn_of_a_process_that_died_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(politeness, "LIFE", 0.3)
    died = Turn(HOST, 0)
    assert died.take() == 0.0
    other_process()
    assert Turn(HOST, 0).take() > 0
    time.sleep(0.35)
    mine = Turn(HOST, 0)
    assert mine.take() == 0.0
    died.end()  # it was only slow: what it says now must not end another's turn
    other_process()
    assert Turn(HOST, 0).take() > 0


def test_a_long_download_keeps_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(politeness, "LIFE", 0.4)
    with turn(HOST, 0) as mine:
        for _ in range(8):
            time.sleep(0.15)
            mine.still()
        other_process()
        assert Turn(HOST, 0).take() > 0


def test_without_redis_a_process_is_polite_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_REDIS_URL", "redis+socket:///nowhere/r.sock")
    forget()
    with turn(HOST, 5.0):
        assert Turn(HOST, 0).take() == politeness.LOOK_AGAIN
    assert 4 < Turn(HOST, 0).take() <= 5


def test_real_processes_take_turns(monkeypatch: pytest.MonkeyPatch, redis: str) -> None:
    jpeg = Photo(1, ()).jpeg()
    with WebServer(lambda asked: Answer(jpeg, status=404 if asked.path == "/robots.txt" else 200)) as server:
        monkeypatch.setenv("GGT_FETCH_PRIVATE_HOSTS", server.host)
        monkeypatch.setenv("GGT_FETCH_DELAY", "0.3")
        command = [sys.executable, "-c", PHOTO]
        processes = [subprocess.Popen([*command, f"{server.url}/{number}.jpg"]) for number in range(3)]
        assert [process.wait(100) for process in processes] == [0, 0, 0]
        times = sorted(asked.at for asked in server.asked)
    assert len(times) == 6
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.29
