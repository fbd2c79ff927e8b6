"""If these fail, providers are asked faster than they allow, and answer with errors or a ban."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from app import messages, pacing
from app.accounts import Limits
from app.pacing import FIRST_PAUSE, LONGEST_PAUSE, TRIP_AFTER, Ticket
from tests.conftest import forget

pytestmark = [pytest.mark.usefixtures("redis"), pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)]
THREADS = 16
FAST = 60_000
T = TypeVar("T")


def limits(requests: int = FAST, images: int = FAST, concurrency: int = 1000) -> Limits:
    return Limits(requests, images, concurrency, "", "ask", {})


def ask(limit: Limits, *, image: bool = True, lifetime: float = 60.0, provider: str = "gemini") -> Ticket | float:
    return pacing.acquire(provider, limit, image=image, lifetime=lifetime)


def ticket(limit: Limits, *, image: bool = True, lifetime: float = 60.0) -> Ticket:
    got = ask(limit, image=image, lifetime=lifetime)
    assert isinstance(got, Ticket), f"told to wait {got} s"
    return got


def waits(limit: Limits, *, image: bool = True) -> float:
    got = ask(limit, image=image)
    assert isinstance(got, float)
    return got


def at_once(work: Callable[[], T]) -> list[T]:
    """What every one of so many workers got that began together."""
    start = threading.Barrier(THREADS)

    def one(_: int) -> T:
        start.wait()
        return work()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def fail(times: int) -> None:
    for _ in range(times):
        pacing.report(ticket(limits()), False)


def let_time_pass(name: str) -> None:
    """The pause of that name is over: what Redis itself does when its time has come."""
    messages.redis_client().delete(f"ggt:pace:gemini:{name}")


@pytest.mark.parametrize(("requests", "images"), [(600, FAST), (FAST, 600)])
def test_so_many_a_minute_and_not_one_more(requests: int, images: int) -> None:
    limit, seconds = limits(requests, images), 2.0
    until = time.monotonic() + seconds

    def hammer() -> int:
        got = 0
        while time.monotonic() < until:
            answer = ask(limit)
            got += isinstance(answer, Ticket)
            time.sleep(0.005)
        return got

    began = time.monotonic()
    granted = sum(at_once(hammer))
    passed = time.monotonic() - began
    rate = 600 / 60
    assert granted <= rate * (pacing.BURST_SECONDS + passed) + 1
    assert granted >= rate * seconds, "and what is allowed is given"


def test_texts_do_not_use_up_what_images_have() -> None:
    limit = limits(FAST, 60)
    while isinstance(ask(limit), Ticket):
        pass
    assert isinstance(ask(limit, image=False), Ticket)
    lanes = pacing.waits({"gemini": limit, "openai": limit})
    assert lanes["gemini"] == lanes["openai"] == lanes["openai/image"] == 0
    assert 0 < lanes["gemini/image"] <= 1


def test_never_more_at_once_than_allowed() -> None:
    limit, lock = limits(concurrency=5), threading.Lock()
    now = most = done = 0

    def work() -> None:
        nonlocal now, most, done
        while done < 60:
            got = ask(limit)
            if not isinstance(got, Ticket):
                time.sleep(0.002)
                continue
            with lock:
                now, done = now + 1, done + 1
                most = max(most, now)
            time.sleep(0.004)
            with lock:
                now -= 1
            pacing.report(got, True)

    at_once(work)
    assert most == 5


def test_one_ticket_for_sixteen_who_want_it() -> None:
    got = at_once(lambda: ask(limits(concurrency=1)))
    assert sum(isinstance(one, Ticket) for one in got) == 1


def test_a_ticket_that_is_never_given_back_ends() -> None:
    limit = limits(concurrency=1)
    ticket(limit, lifetime=0.2)
    assert waits(limit) > 0
    time.sleep(0.25)
    kept = ticket(limit)
    pacing.report(kept, None)
    pacing.report(kept, None)
    assert isinstance(ask(limit), Ticket)
    assert waits(limit) > 0, "giving a ticket back twice frees one place"


def test_the_circuit_opens_after_failures_in_a_row_and_lets_one_probe_through() -> None:
    fail(TRIP_AFTER - 1)
    pacing.report(ticket(limits()), True)
    fail(TRIP_AFTER - 1)
    pacing.report(ticket(limits()), None)
    assert isinstance(ask(limits()), Ticket), (
        "a success in between starts the count anew, and what says nothing adds nothing"
    )
    pacing.report(ticket(limits()), False)
    assert waits(limits()) == pytest.approx(FIRST_PAUSE, abs=2)
    pace = pacing.pace("gemini")
    assert pace
    assert pace.tripped
    assert pace.paused_for == pytest.approx(FIRST_PAUSE, abs=2)
    messages.redis_client().delete("ggt:pace:gemini:busy")
    let_time_pass("open")
    got = at_once(lambda: ask(limits()))
    (probe,) = [one for one in got if isinstance(one, Ticket)]
    pacing.report(probe, False)
    assert waits(limits()) == pytest.approx(2 * FIRST_PAUSE, abs=2), "it stays open for longer each time"
    let_time_pass("open")
    pacing.report(ticket(limits()), True)
    assert all(isinstance(one, Ticket) for one in at_once(lambda: ask(limits())))


def test_the_circuit_stays_open_for_ten_minutes_at_most_and_an_admin_can_close_it() -> None:
    fail(TRIP_AFTER)
    for _ in range(6):
        let_time_pass("open")
        fail(1)
    assert waits(limits()) == pytest.approx(LONGEST_PAUSE, abs=2)
    pacing.close_circuit("gemini")
    assert all(isinstance(one, Ticket) for one in at_once(lambda: ask(limits())))


def test_a_provider_that_asks_for_a_pause_gets_it_and_others_go_on() -> None:
    pacing.cool_down("gemini", 0.3)
    assert waits(limits()) == pytest.approx(0.3, abs=0.1)
    assert pacing.waits({"gemini": limits()})["gemini"] > 0
    assert isinstance(ask(limits(), provider="openai"), Ticket)
    pace = pacing.pace("gemini")
    assert pace
    assert not pace.tripped
    assert 0 < pace.paused_for <= 0.3
    time.sleep(0.35)
    assert isinstance(ask(limits()), Ticket)


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    pacing.cool_down("gemini", 30)
    pacing.cool_down("gemini", 1)
    assert waits(limits()) > 20


def test_looking_takes_nothing() -> None:
    for _ in range(50):
        assert pacing.waits({"gemini": limits(60, 60, 1)})["gemini/image"] == 0
    assert pacing.pace("gemini") == pacing.Pace(0, 0, 0.0, False)
    ticket(limits())
    pace = pacing.pace("gemini")
    assert pace
    assert pace.under_way == 1


def test_without_redis_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_REDIS_URL", "redis+socket:///nowhere/redis.sock")
    forget()
    assert waits(limits()) == 5
    assert all(wait > 0 for wait in pacing.waits({"gemini": limits()}).values())
    assert pacing.pace("gemini") is None
    pacing.report(Ticket("gemini", "x"), False)
    pacing.cool_down("gemini", 1)
