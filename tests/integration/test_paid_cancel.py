"""Cancelling a run while a provider works for it: if this breaks, what was paid for is lost, or the run never ends."""

import time
from collections.abc import Iterator

import pytest
from sqlalchemy import update
from sqlmodel import col, select

pytest.importorskip("torch")

from app import accounts, job_control
from app.db import reading, unit_of_work
from app.models import CallState, ItemState, Run, RunState, Stage, WorkItem, utcnow
from app.services.options import PipelineOptions
from tests.integration import provider_run
from tests.integration.provider_run import calls, image, new_images, start, work
from tests.integration.scripted import EveryHqIsBetter, drain
from tests.providers.server import ProviderServer
from workers import runtime
from workers.pixels import stored_pixels
from workers.providers.base import CallFailed, Trouble
from workers.providers.kling import Kling
from workers.tasks import score

pytestmark = [pytest.mark.usefixtures("redis"), pytest.mark.xdist_group("torch")]
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
BATCH = PipelineOptions(method="nano-banana-2", strategy="fix", compare=False, judge="", batch=True)
KLING = PipelineOptions(method="kling-image-o1", strategy="fix", compare=False, judge="")


@pytest.fixture
def server(redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderServer]:
    monkeypatch.setattr(score, "engine", EveryHqIsBetter)
    monkeypatch.setenv("GGT_PROVIDER_TIMEOUT", "2")
    with provider_run.serving(monkeypatch, batch_seconds=BATCH_SECONDS) as serving:
        yield serving
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


BATCH_SECONDS = 0.1
"""How long the server works on a batch."""


class Killed(BaseException):
    """Ends the process, as far as the machinery can see."""


def cancel(run_id: int) -> None:
    with unit_of_work() as session:
        job_control.cancel_run(session, run_id)


def sweep_on(rounds: int = 4) -> None:
    """What happens in the next minutes: everything's moment comes, and the sweeper passes by."""
    for _ in range(rounds):
        time.sleep(BATCH_SECONDS)
        with unit_of_work() as session:
            session.execute(update(WorkItem).values(ready_at=None))
            job_control.sweep(session)
        drain()
    with unit_of_work() as session:
        job_control.sweep(session)


def reserved(provider: str) -> int:
    with reading() as session:
        return accounts.account(session, provider).reserved_micros


def settled(run_id: int) -> RunState:
    run = provider_run.row(Run, run_id)
    assert run.total == run.done + run.failed + run.cancelled + run.unknown, provider_run.waiting()
    return RunState(run.state)


def killed_while_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker dies once Kling has named the task, and the sweeper gives its item back."""

    def die(self: Kling, task: str, ends: float) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Kling, "_wait", die)
        with pytest.raises(Killed):
            drain()
    with unit_of_work() as session:
        leased = update(WorkItem).where(col(WorkItem.state) == ItemState.LEASED)
        session.execute(leased.values(lease_until=utcnow().replace(year=2020)))
        job_control.sweep(session)


def test_a_batch_of_a_cancelled_run_is_collected_and_used_when_the_run_is_resumed(server: ProviderServer) -> None:
    ids = new_images(3, side=128)
    run_id = start(BATCH)
    drain()
    assert {call.state for call in calls()} == {CallState.SENT}
    cancel(run_id)
    sweep_on()
    assert settled(run_id) == RunState.CANCELLED
    assert {call.state for call in calls()} == {CallState.ANSWERED}, "it was paid for"
    assert reserved("gemini") == 0
    with unit_of_work() as session:
        assert job_control.resume_run(session, run_id) == 3
    work(run_id)
    assert [image(i).stage for i in ids] == [Stage.AWAITING] * 3
    assert server.charged == 3


@on_sqlite
def test_a_collector_goes_on_for_the_items_of_another_run(server: ProviderServer) -> None:
    """One job may hold items of two runs; cancelling the one whose collector it is must not strand the other."""
    mine, others = new_images(1, side=128), new_images(2, side=128)
    first = start(PipelineOptions(**{**BATCH.__dict__, "image_ids": tuple(mine)}))
    second = start(PipelineOptions(**{**BATCH.__dict__, "image_ids": tuple(others)}))
    while runtime.work_once("cpu"):
        pass
    drain()
    assert len({call.batch_job_id for call in calls()}) == 1
    cancel(first)
    sweep_on()
    assert settled(first) == RunState.CANCELLED
    assert settled(second) == RunState.FINISHED
    assert [image(i).stage for i in others] == [Stage.AWAITING] * 2


@on_sqlite
def test_a_task_whose_worker_died_is_fetched_though_its_run_was_cancelled(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [image_id] = new_images()
    run_id = start(KLING)
    killed_while_waiting(monkeypatch)
    cancel(run_id)
    sweep_on()
    assert settled(run_id) == RunState.CANCELLED
    assert [call.state for call in calls()] == [CallState.ANSWERED]
    assert reserved("kling") == 0
    work(start(KLING))
    assert image(image_id).stage == Stage.AWAITING, "another run has what was paid for"
    assert server.charged == 1


@on_sqlite
def test_a_spent_budget_holds_up_no_answer_that_it_paid_for(server: ProviderServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reservation of the call itself may be what uses the budget up."""
    [image_id] = new_images()
    run_id = start(KLING)
    killed_while_waiting(monkeypatch)
    with unit_of_work() as session:
        accounts.ensure(session, "kling").total_budget_micros = reserved("kling")
    provider_run.read_limits_again()
    sweep_on()
    assert image(image_id).stage == Stage.AWAITING
    assert settled(run_id) == RunState.FINISHED
    assert (reserved("kling"), server.charged) == (0, 1)


@on_sqlite
def test_a_spent_budget_holds_up_no_batch_that_it_paid_for(server: ProviderServer) -> None:
    ids = new_images(2, side=128)
    start(BATCH)
    drain()
    with unit_of_work() as session:
        accounts.ensure(session, "gemini").total_budget_micros = reserved("gemini")
    provider_run.read_limits_again()
    sweep_on()
    assert [image(i).stage for i in ids] == [Stage.AWAITING] * 2
    assert reserved("gemini") == 0


@on_sqlite
def test_asking_again_first_looks_at_a_task_that_is_paid_for(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kling's answer was not there in time, and its outcome is unknown; the task is still at Kling."""

    def late(self: Kling, task: str, ends: float) -> None:
        raise CallFailed(Trouble.LOST, "it is not done yet")

    [image_id] = new_images()
    run_id = start(KLING)
    with monkeypatch.context() as patch:
        patch.setattr(Kling, "_wait", late)
        assert work(run_id).unknown == 1
    assert reserved("kling") == 0
    with unit_of_work() as session:
        assert job_control.retry_unknown(session, run_id) == 1
    assert reserved("kling") > 0
    work(run_id)
    assert image(image_id).stage == Stage.AWAITING
    assert (reserved("kling"), server.charged, len(calls())) == (0, 1, 1)
    with reading() as session:
        account = accounts.account(session, "kling")
        items = session.exec(select(WorkItem).where(col(WorkItem.kind) == "generate")).all()
    assert account.spent_micros == calls()[0].cost_micros
    assert [item.state for item in items] == [ItemState.DONE]
