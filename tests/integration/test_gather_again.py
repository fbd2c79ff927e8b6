"""Collecting when something goes wrong: limits, wrong keys, workers that die, runs that are cancelled.

If these fail, photographs are fetched twice or lost, more are taken than wanted, or a run never ends.
"""

import threading
from collections.abc import Iterator

import pytest

from app import job_control
from app.db import reading, unit_of_work
from app.errors import Later
from app.models import ItemState, Role, Run, RunState
from app.services import gather_steps, gathering, run_control, run_views
from app.services.run_views import IngestReport, Rejected
from app.web.pages import runs
from app.web.templating import html
from app.web.viewer import Viewer
from tests.integration.gather_run import files, gather, items, later, rejected, start, work
from tests.integration.provider_run import row
from tests.integration.scripted import claim
from tests.platforms.library import Photo, photos
from tests.platforms.pointing import point
from tests.platforms.server import PlatformServer
from tests.platforms.wires import WRONG_KEY
from workers import runtime

pytestmark = pytest.mark.usefixtures("redis")
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlatformServer]:
    """Four photographs of rain and four of fog."""
    with PlatformServer(photos("rain", "fog", each=4)) as server:
        point(monkeypatch, server.url)
        yield server


def test_a_limit_postpones_a_step_and_says_so(server: PlatformServer) -> None:
    server.retry_seconds = "120"
    server.fail("search", "limit")
    run_id = start()
    assert runtime.work_once("api") == 1
    item = items(run_id)[0]
    assert (item.state, item.attempts) == (ItemState.WAITING, 0)
    with reading() as session:
        wait = run_views.run_detail(session, run_id).waits[0]
    assert wait.why.startswith("Flickr asks to wait")
    assert 60 < (wait.seconds or 0) <= 120
    assert runtime.work_once("api") == 0, "it is not its turn yet"
    later()
    run = work(run_id)
    assert (run.state, run.failed, run.params["taken"]) == (RunState.FINISHED, 0, 4)


def test_a_file_server_that_asks_to_wait_loses_nothing_and_gets_nothing_twice(server: PlatformServer) -> None:
    server.retry_seconds = "120"
    server.fail("file", None, "limit", None, None, "broken")
    run_id = start()
    for taken, status in ((1, 429), (3, 500)):
        assert runtime.work_once("api") == 1
        assert len(files()) == taken
        (item,) = items(run_id)
        assert (item.state, item.attempts) == (ItemState.WAITING, 0)
        assert item.error == f"127.0.0.1 answered {status} and is asked again later."
        later()
    run = work(run_id)
    assert (run.state, run.params["taken"], len(files())) == (RunState.FINISHED, 4, 4)
    asked = [asked.path for asked in server.asked if asked.path.startswith("/files/")]
    assert len(asked) == 6, "a photograph that was there was fetched again"


def test_a_wrong_key_ends_the_run_with_what_to_do_and_a_retry_goes_on(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    point(monkeypatch, server.url, WRONG_KEY)
    run = gather(keywords=("rain", "fog"))
    assert (run.state, run.failed, len(server.searches())) == (RunState.FINISHED, 1, 1)
    with reading() as session:
        detail = run_views.run_detail(session, run.id or 0)
    assert detail.retryable
    assert "Invalid API Key" in detail.failed_items[0].error
    assert "GGT_FLICKR_KEY" in detail.failed_items[0].error
    assert detail.failed_items[0].what_to_do.startswith("Correct the provider's key")
    point(monkeypatch, server.url)
    with unit_of_work() as session:
        assert run_control.retry_failed(session, None, run.id or 0) == 1
    again = work(run.id or 0)
    assert (again.state, again.failed, again.params["taken"]) == (RunState.FINISHED, 0, 8)
    assert again.params["report"]["files"] == 8


@on_sqlite
def test_a_keyword_that_the_platform_cannot_answer_costs_the_others_nothing(server: PlatformServer) -> None:
    server.fail("search", "garbled")
    run = gather(keywords=("rain", "fog"))
    assert rejected(run) == {"flickr: rain, page 1": "Flickr sent an answer that cannot be read"}
    assert (run.state, run.params["taken"]) == (RunState.FINISHED, 4)


def test_a_step_done_again_after_its_worker_died_takes_nothing_twice(server: PlatformServer) -> None:
    run_id = start(keywords=("rain", "fog"))
    (lease,) = claim("api", "worker that dies")
    with reading() as session:
        half = gather_steps.load(session, run_id, lease.payload)
    gather_steps.do(half)  # all of its photographs are saved, and then it dies before it says so
    assert len(files()) == 4
    with unit_of_work() as session:
        assert job_control.release_expired(session, owner_prefix="worker that dies") == 1
    run = work(run_id)
    assert (run.state, run.params["taken"], len(files())) == (RunState.FINISHED, 8, 8)
    assert server.counts()["file"] == 8
    assert (run.total, run.done, run.failed) == (10, 10, 0)


def test_a_step_done_twice_at_once_takes_no_more_than_wanted(server: PlatformServer) -> None:
    """A worker that was thought dead goes on beside the one that took over."""
    server.library = photos("rain", each=12)
    run_id = start(most=5)
    payload = items(run_id)[0].payload
    with reading() as session:
        step = gather_steps.load(session, run_id, payload)
    errors: list[BaseException] = []

    def do() -> None:
        try:
            gather_steps.do(step)
        except Later:
            pass  # the same photograph was being fetched by the other
        except BaseException as error:  # a thread's exception would be lost
            errors.append(error)

    threads = [threading.Thread(target=do) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    run = work(run_id)
    assert (run.params["taken"], len(files())) == (5, 5)


def test_a_cancelled_run_tells_what_became_of_every_photograph_so_far(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever cancels wants to know what is there before deciding whether to go on."""
    monkeypatch.setattr(gathering, "LEAST_PAGE", 4)
    server.library = [*photos("rain", each=5), Photo(9, ("rain",), "4*")]
    server.library.insert(1, Photo(8, ("rain",), "4*"))
    gather(most=1)
    run_id = start(most=4, source="another")
    assert runtime.work_once("api") == 1, "the first of two pages"
    with unit_of_work() as session:
        run_control.cancel(session, None, run_id, any_of=True)
    assert row(Run, run_id).state == RunState.CANCELLED
    with reading() as session:
        detail = run_views.run_detail(session, run_id)
    refused = Rejected("flickr/50008.jpg", "its licence (CC-BY-2.0) may not be collected")
    assert detail.report == IngestReport(2, 1, (refused,), (), files=2)
    assert detail.params["report"]["files"] == 2
    assert detail.unreported == (), "what was refused is told once"
    page = html("runs/run.html", runs._page(detail), Viewer(1, "Ada", "", Role.ADMIN, "c", "session"), "/runs", False)
    assert "Files so far" in page
    with unit_of_work() as session:
        run_control.resume(session, None, run_id)
    run = work(run_id)
    assert (run.state, run.params["report"]["files"], run.params["taken"]) == (RunState.FINISHED, 4, 4)


def test_a_cancelled_run_stops_between_two_photographs_and_can_be_resumed(server: PlatformServer) -> None:
    server.library = photos("rain", each=8)
    server.fail("file", None, None, "slow")
    run_id = start()
    worker = threading.Thread(target=runtime.work_once, args=("api",))
    worker.start()
    for _ in range(500):
        if len(files()) == 2:
            break
        threading.Event().wait(0.01)
    with unit_of_work() as session:
        run_control.cancel(session, None, run_id, any_of=True)
    worker.join()
    assert len(files()) == 2
    with unit_of_work() as session:
        job_control.sweep(session)
    assert row(Run, run_id).state == RunState.CANCELLED
    with unit_of_work() as session:
        run_control.resume(session, None, run_id)
    run = work(run_id)
    assert (run.state, run.params["taken"], len(files())) == (RunState.FINISHED, 8, 8)
    assert server.counts()["file"] == 9
