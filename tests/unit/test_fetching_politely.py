"""If these fail, we are a nuisance to others, and are locked out for it."""

import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest

from app import politeness
from app.errors import BadImage, Later
from app.politeness import turn
from app.services import fetching, robots
from app.services.fetching import fetch
from tests.platforms.web import Answer, Asked
from tests.unit.fetched import JPEG, Page, allow, serving


def rules(text: str, status: int = 200) -> dict[str, Page]:
    return {"/robots.txt": Answer(text.encode(), "text/plain", status), "/a.jpg": Answer(JPEG), "/b.jpg": Answer(JPEG)}


def test_robots_txt_is_kept_to_and_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "User-agent: *\nDisallow: /a.jpg\nAllow: /\n"
    with serving(monkeypatch, rules(told)) as server:
        with pytest.raises(BadImage, match=r"robots\.txt of 127\.0\.0\.1 does not let"):
            fetch(f"{server.url}/a.jpg")
        assert fetch(f"{server.url}/b.jpg").data == JPEG
        assert server.paths() == ["/robots.txt", "/b.jpg"]


def test_rules_for_our_name_count_before_those_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    told = "User-agent: *\nDisallow: /\n\nUser-agent: GGTStudio\nDisallow: /a.jpg\n"
    with serving(monkeypatch, rules(told)) as server:
        assert fetch(f"{server.url}/b.jpg").data == JPEG
        with pytest.raises(BadImage, match="robots"):
            fetch(f"{server.url}/a.jpg")


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_host_without_rules_allows_everything(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, rules("User-agent: *\nDisallow: /", status)) as server:
        assert fetch(f"{server.url}/a.jpg").data == JPEG


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_host_that_cannot_tell_its_rules_is_asked_later(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, rules("", status)) as server:
        with pytest.raises(Later, match=r"does not give its robots\.txt now") as caught:
            fetch(f"{server.url}/a.jpg")
        assert caught.value.seconds == politeness.FIRST_REST
        assert server.paths() == ["/robots.txt"]


def test_the_rules_of_where_a_redirect_leads_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, rules("User-agent: *\nDisallow: /")) as forbidding:
        there = Answer(status=302, headers={"Location": f"{forbidding.url}/a.jpg"})
        with serving(monkeypatch, {"/go": there}) as server:
            allow(monkeypatch, f"{server.host},{forbidding.host}")
            with pytest.raises(BadImage, match="robots"):
                fetch(f"{server.url}/go")
        assert forbidding.paths() == ["/robots.txt"]


def test_rules_are_read_again_after_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(robots, "KEPT_SECONDS", -1.0)
    with serving(monkeypatch, rules("")) as server:
        fetch(f"{server.url}/a.jpg")
        fetch(f"{server.url}/a.jpg")
        assert server.paths().count("/robots.txt") == 2


def test_an_endless_robots_txt_is_read_to_a_point(monkeypatch: pytest.MonkeyPatch) -> None:
    long = "User-agent: *\nDisallow: /a.jpg\n" + "# nothing\n" * 200_000 + "Disallow: /b.jpg\n"
    with serving(monkeypatch, rules(long)) as server:
        assert fetch(f"{server.url}/b.jpg").data == JPEG


def apart(server_asked: list[Asked]) -> list[float]:
    return [later.at - earlier.at for earlier, later in pairwise(server_asked)]


def test_a_host_rests_between_two_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, rules(""), delay=0.3) as server:
        fetch(f"{server.url}/a.jpg")
        fetch(f"{server.url}/b.jpg")
        assert len(server.asked) == 3
        assert min(apart(server.asked)) >= 0.29


def test_a_crawl_delay_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, rules("User-agent: *\nCrawl-delay: 1\n")) as server:
        fetch(f"{server.url}/a.jpg")
        fetch(f"{server.url}/b.jpg")
        assert apart(server.asked)[1] >= 0.99


def test_a_long_crawl_delay_takes_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, rules("User-agent: *\nCrawl-delay: 300\n")) as server:
        fetch(f"{server.url}/a.jpg")
        began = time.monotonic()
        with pytest.raises(Later, match="left alone") as caught:
            fetch(f"{server.url}/b.jpg")
        assert time.monotonic() - began < 1
        assert 290 < caught.value.seconds <= 300


def test_one_request_at_a_time_reaches_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most, lock = [0], [0], threading.Lock()

    def slow(_: Asked) -> Answer:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.1)
        with lock:
            at_once[0] -= 1
        return Answer(JPEG)

    pages: dict[str, Page] = {f"/{number}": slow for number in range(5)}
    with serving(monkeypatch, pages) as server:
        threads = [threading.Thread(target=fetch, args=(f"{server.url}/{number}",)) for number in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(server.paths()[-5:]) == [f"/{number}" for number in range(5)]
    assert most == [1]


def test_two_hosts_do_not_wait_for_each_other() -> None:
    politeness.forget()
    with turn("a.example:80", 1.0):
        began = time.monotonic()
        with turn("b.example:80", 1.0):
            assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("status", [429, 503])
def test_who_asks_to_wait_is_left_alone_for_so_long(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Answer(b"", "text/plain", status, {"Retry-After": "120"})
    with serving(monkeypatch, {"/a.jpg": busy, "/b.jpg": Answer(JPEG)}) as server:
        with pytest.raises(Later, match=f"answered {status}") as caught:
            fetch(f"{server.url}/a.jpg")
        assert caught.value.seconds == 120.0
        asked = len(server.asked)
        with pytest.raises(Later, match="left alone"):  # other photographs of that host wait as well
            fetch(f"{server.url}/b.jpg")
        assert len(server.asked) == asked


def test_a_date_to_come_back_at_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    answer = Answer(b"", "", 429, {"Retry-After": when})
    with serving(monkeypatch, {"/a.jpg": answer}) as server, pytest.raises(Later) as caught:
        fetch(f"{server.url}/a.jpg")
    assert 590 < caught.value.seconds <= 600


def test_who_does_not_say_for_how_long_is_left_alone_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = []
    with serving(monkeypatch, {"/a.jpg": Answer(b"", "", 429), "/b.jpg": Answer(JPEG)}) as server:
        for _ in range(3):
            with pytest.raises(Later) as caught:
                fetch(f"{server.url}/a.jpg")
            waits.append(caught.value.seconds)
            politeness._here.clear()  # the time has passed
        fetch(f"{server.url}/b.jpg")
        with pytest.raises(Later) as caught:
            fetch(f"{server.url}/a.jpg")
    assert waits == [30.0, 60.0, 120.0]
    assert caught.value.seconds == 30.0


def test_one_photograph_that_never_comes_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run waits for a host that is out of order, but not for ever for a single file of it."""
    with serving(monkeypatch, {"/a.jpg": Answer(b"", "", 503, {"Retry-After": "0"})}) as server:
        for _ in range(fetching.MOST_REFUSALS):
            with pytest.raises(Later):
                fetch(f"{server.url}/a.jpg")
        with pytest.raises(BadImage, match="answered 503, 4 times"):
            fetch(f"{server.url}/a.jpg")


def test_a_host_that_hangs_up_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is out of order for an hour must not have all its photographs rejected."""
    pages = {"/a.jpg": Answer(JPEG, hang_up=True)}
    with serving(monkeypatch, pages) as server, pytest.raises(Later, match="cannot be reached"):
        fetch(f"{server.url}/a.jpg")


def test_a_host_out_of_reach_is_tried_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(monkeypatch, {}) as server:
        url = server.url
    allow(monkeypatch, server.host)
    with pytest.raises(Later, match=r"cannot be reached"):
        fetch(f"{url}/a.jpg")
