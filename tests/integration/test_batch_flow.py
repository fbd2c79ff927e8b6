"""Batches at half price: jobs survive restarts, results go to the right LQ, and nothing is paid twice."""

import time
from collections.abc import Iterator

import pytest
from sqlmodel import col, select, update

pytest.importorskip("torch")

from app import job_control
from app.catalog.generators import GENERATORS
from app.db import reading, unit_of_work
from app.imaging import decode
from app.imaging.alignment import likeness, structure
from app.models import BatchJob, BatchState, CallState, Candidate, Image, ItemState, Run, RunState, Stage, WorkItem, utcnow
from app.services.options import PipelineOptions
from app.storage import storage
from tests.integration import provider_run
from tests.integration.provider_run import calls, image, new_images, start, waiting
from tests.integration.scripted import EveryHqIsBetter, drain
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers import runtime
from workers.pixels import ANY_SIZE, stored_pixels
from workers.providers.base import CallFailed, Trouble
from workers.providers.gemini import Gemini
from workers.tasks import score

pytestmark = [
    pytest.mark.usefixtures("redis"),
    pytest.mark.xdist_group("torch"),
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
]
BATCH = PipelineOptions(method="nano-banana-2", strategy="fix", compare=False, judge="", batch=True)


@pytest.fixture
def server(redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderServer]:
    monkeypatch.setattr(score, "engine", EveryHqIsBetter)
    monkeypatch.setenv("GGT_PROVIDER_TIMEOUT", "2")
    with provider_run.serving(monkeypatch, batch_seconds=0.1) as serving:
        yield serving
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


def collect(run_id: int, seconds: float = 30) -> Run:
    """Work until the run is over; what waits for its moment has it come. The server needs its time for each batch."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.02)
        drain()
        run = provider_run.row(Run, run_id)
        if run.state != RunState.RUNNING:
            return run
        with unit_of_work() as session:
            session.execute(update(WorkItem).values(ready_at=None))
    raise AssertionError(f"run {run_id} is not over: {waiting()}")


def batch_jobs() -> list[BatchJob]:
    with reading() as session:
        return list(session.exec(select(BatchJob).order_by(col(BatchJob.id))))


def candidates() -> list[tuple[Candidate, Image]]:
    with reading() as session:
        query = select(Candidate, Image).join(Image, col(Image.id) == col(Candidate.image_id))
        return list(session.exec(query.order_by(col(Image.id))).all())


def assert_each_hq_shows_its_lq() -> None:
    made = candidates()
    lqs = [structure(stored_pixels(lq.thumbnail_sha256)) for _, lq in made]
    for index, (candidate, _) in enumerate(made):
        hq = structure(decode(storage().get(candidate.file_sha256), ANY_SIZE).pixels)
        alike = [likeness(hq, lq) for lq in lqs]
        assert alike.index(max(alike)) == index


def test_a_batch_is_submitted_once_and_collected_at_half_price(server: ProviderServer) -> None:
    ids = new_images(5, side=128)
    run_id = start(BATCH)
    drain()
    with reading() as session:
        parked = session.exec(select(WorkItem).where(col(WorkItem.state) == ItemState.REMOTE)).all()
    assert len(parked) == 5, "nobody holds an item while the provider has it"
    run = collect(run_id)
    assert (run.failed, run.unknown) == (0, 0)
    assert [image(i).stage for i in ids] == [Stage.AWAITING] * 5
    [job] = batch_jobs()
    assert (job.state, job.size) == (BatchState.DONE, 5)
    assert [call.kind for call in server.calls].count("batch") == 1
    assert server.charged == 5
    price = GENERATORS["nano-banana-2"].price
    for call in calls():
        full = price.micros(call.input_tokens, call.output_tokens)
        assert call.cost_micros == pytest.approx(full / 2, abs=1)
    assert_each_hq_shows_its_lq()


def test_swapped_keys_are_put_right_by_looking(server: ProviderServer) -> None:
    server.script.push(Fault.SHUFFLED_KEYS)
    new_images(4, side=128)
    run = collect(start(BATCH))
    assert run.failed == 0
    assert len(candidates()) == 4
    assert_each_hq_shows_its_lq()


@pytest.mark.parametrize("fault", [Fault.EXPIRED_BATCH, Fault.FAILED_BATCH, Fault.MISSING_REPLY])
def test_what_a_batch_did_not_do_goes_into_another(server: ProviderServer, fault: Fault) -> None:
    server.script.push(fault)
    ids = new_images(3, side=128)
    run = collect(start(BATCH))
    assert (run.failed, run.unknown) == (0, 0)
    assert [image(i).stage for i in ids] == [Stage.AWAITING] * 3
    assert len(batch_jobs()) == 2


def test_a_provider_that_cannot_take_the_batch_now_gets_it_later(server: ProviderServer) -> None:
    server.script.push(Fault.BATCH_503)
    [image_id] = new_images(1, side=128)
    run_id = start(BATCH)
    drain()
    from app import pacing

    pacing.close_circuit("gemini")
    run = collect(run_id)
    assert run.failed == 0
    assert image(image_id).stage == Stage.AWAITING


def test_a_job_whose_creation_was_not_confirmed_is_found_by_its_name(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was killed, or the line was cut, between sending the job and hearing of it."""
    submit = Gemini.submit

    def cut(self: Gemini, name: str, requests: object) -> str:
        submit(self, name, requests)  # type: ignore[arg-type]
        raise CallFailed(Trouble.LOST, "the connection was reset")

    monkeypatch.setattr(Gemini, "submit", cut)
    ids = new_images(3, side=128)
    run = collect(start(BATCH))
    assert (run.failed, run.unknown) == (0, 0)
    assert [image(i).stage for i in ids] == [Stage.AWAITING] * 3
    assert [call.kind for call in server.calls].count("batch") == 1
    assert server.charged == 3


def test_a_worker_that_dies_while_submitting_leaves_the_batch_to_the_collector(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Gemini.submit

    class Killed(BaseException):
        """Ends the process, as far as the machinery can see."""

    def die(self: Gemini, name: str, requests: object) -> str:
        submit(self, name, requests)  # type: ignore[arg-type]
        raise Killed

    new_images(2, side=128)
    run_id = start(BATCH)
    runtime.work_once("cpu")
    with monkeypatch.context() as patch:
        patch.setattr(Gemini, "submit", die)
        with pytest.raises(Killed):
            [runtime.work_once("api") for _ in range(3)]
    with unit_of_work() as session:
        session.execute(
            update(WorkItem).where(col(WorkItem.state) == ItemState.LEASED).values(lease_until=utcnow().replace(year=2020))
        )
        job_control.sweep(session)
    run = collect(run_id)
    assert (run.failed, run.unknown) == (0, 0)
    assert server.charged == 2
    assert {call.state for call in calls()} == {CallState.ANSWERED}


def test_a_refusal_in_a_batch_is_told_and_the_rest_is_taken(server: ProviderServer) -> None:
    server.script.rule = lambda call: Fault.SAFETY_IMAGE if call.kind == "item" and call.number % 3 == 0 else None
    new_images(4, side=128)
    run = collect(start(BATCH))
    assert (run.failed, run.unknown, run.done) == (0, 0, run.total)
    refused = [call for call in calls() if call.state == CallState.REFUSED]
    assert len(refused) + len(candidates()) == 4
