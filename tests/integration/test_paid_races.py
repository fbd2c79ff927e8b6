"""Two runs, a database that is away, changed settings: if this breaks, the same is paid for twice or an answer is lost."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import Session, col, select

pytest.importorskip("torch")

from app import accounts, db, job_control, leasing
from app.config import settings
from app.db import reading, unit_of_work
from app.leasing import Lease
from app.models import CallState, Image, ItemState, Method, Refusal, Run, RunState, Stage, Verdict, WorkItem, utcnow
from app.services import ledger
from app.services.ledger import Standing
from app.services.options import PipelineOptions
from tests.integration import provider_run
from tests.integration.provider_run import calls, image, new_images, start, work
from tests.integration.scripted import EveryHqIsBetter, drain
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers import paid, runtime
from workers.pixels import stored_pixels
from workers.tasks import score

pytestmark = [pytest.mark.usefixtures("redis"), pytest.mark.xdist_group("torch")]
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def nb2(**changes: Any) -> PipelineOptions:
    return PipelineOptions(**{"method": "nano-banana-2", "strategy": "fix", "compare": False, "judge": "", **changes})


BATCH_SECONDS = 0.1
"""How long the server works on a batch."""


@pytest.fixture
def server(redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderServer]:
    monkeypatch.setattr(score, "engine", EveryHqIsBetter)
    monkeypatch.setenv("GGT_PROVIDER_TIMEOUT", "2")
    with provider_run.serving(monkeypatch, accept_rate=1.0, batch_seconds=BATCH_SECONDS) as serving:
        yield serving
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


def generate_items() -> list[WorkItem]:
    with reading() as session:
        return list(session.exec(select(WorkItem).where(col(WorkItem.kind) == "generate").order_by(col(WorkItem.id))))


def reserved() -> int:
    with reading() as session:
        return accounts.account(session, "gemini").reserved_micros


def test_what_another_run_got_while_this_one_waited_for_its_turn_is_used(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known of a request is read before the turn is waited for, and old by the time it comes."""
    new_images()
    runs = [start(nb2()), start(nb2())]
    while runtime.work_once("cpu"):
        pass
    turn = paid._turn
    waited: list[Any] = []

    def slow(request: Any, limit: Any, *, image: bool) -> Any:
        if not waited:
            waited.append(request)
            assert runtime.work_once("api") == 1, "the other run's worker is faster"
        return turn(request, limit, image=image)

    monkeypatch.setattr(paid, "_turn", slow)
    assert [work(run_id).state for run_id in runs] == [RunState.FINISHED] * 2
    assert server.charged == 1
    assert reserved() == 0


@on_sqlite
def test_two_runs_in_one_batch_ask_once(server: ProviderServer) -> None:
    ids = new_images(2, side=128)
    runs = [start(nb2(batch=True)), start(nb2(batch=True))]
    while runtime.work_once("cpu"):
        pass
    drain()
    assert [call.kind for call in server.calls].count("batch") == 1, "not one job for each image"
    for _ in range(5):
        time.sleep(BATCH_SECONDS)
        with unit_of_work() as session:
            session.execute(WorkItem.__table__.update().values(ready_at=None))  # type: ignore[attr-defined]
        drain()
    assert [provider_run.row(Run, run_id).state for run_id in runs] == [RunState.FINISHED] * 2
    assert [image(i).stage for i in ids] == [Stage.AWAITING] * 2
    assert server.charged == 2


@on_sqlite
def test_an_answer_is_recorded_though_the_database_was_away_when_it_came(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [image_id] = new_images()
    close, broken = ledger.close, [OperationalError("", {}, Exception("deadlock detected"))] * 2

    def close_later(session: Session, *rest: Any) -> bool:
        if broken:
            raise broken.pop()
        return close(session, *rest)

    monkeypatch.setattr(ledger, "close", close_later)
    monkeypatch.setattr(db, "PAUSES", (0.01, 0.01, 0.01))
    assert work(start(nb2())).failed == 0
    assert image(image_id).stage == Stage.AWAITING
    assert (server.charged, reserved()) == (1, 0)


@on_sqlite
def test_a_call_whose_outcome_could_not_be_recorded_is_shown_and_blocks_nothing_for_ever(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_images()
    run_id = start(nb2())

    def away(*_: object) -> bool:
        raise OperationalError("", {}, Exception("the disk is full"))

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "close", away)
        patch.setattr(db, "PAUSES", ())
        run = work(run_id)
    assert (run.unknown, run.failed) == (1, 0)
    assert [call.state for call in calls()] == [CallState.UNKNOWN]
    assert (reserved(), server.charged) == (0, 1), "counted as spent, and asked once"
    with unit_of_work() as session:
        assert job_control.retry_unknown(session, run_id) == 1
    assert work(run_id).unknown == 0


def test_an_answer_that_comes_after_the_lease_was_lost_is_kept(server: ProviderServer) -> None:
    """The sweeper took the worker for dead; it was slow, and its answer is paid for."""
    new_images()
    run_id = start(nb2())
    while runtime.work_once("cpu"):
        pass
    with unit_of_work() as session:
        [lease] = leasing.claim(session, "api", "slow", 1)
        begun = {"provider": "gemini", "model": "m", "purpose": "generate", "micros": 1000, "known": Standing()}
        call_id = ledger.begin(session, lease, **begun)  # type: ignore[arg-type]
        session.get_one(WorkItem, lease.id).lease_until = utcnow().replace(year=2020)
    with unit_of_work() as session:
        job_control.sweep(session)
    assert (generate_items()[0].state, reserved()) == (ItemState.UNKNOWN, 0)
    with unit_of_work() as session:
        assert ledger.close(session, call_id, ledger.Closing(CallState.ANSWERED, 700, answer_sha256=_stored()))
        assert not leasing.hand_over(session, lease, "cpu")
        job_control.retry_unknown(session, run_id)
    with reading() as session:
        account = accounts.account(session, "gemini")
    assert (account.spent_micros, account.reserved_micros) == (700, 0)
    assert work(run_id).state == RunState.FINISHED
    assert server.charged == 0, "the late answer is used"


def _stored() -> str:
    from app.storage import storage

    with reading() as session:
        return storage().put(storage().get(session.exec(select(Image)).one().master_sha256))


@on_sqlite
def test_what_was_planned_for_a_stand_in_never_asks_the_provider_nor_passes_for_it(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_images()
    work(start(nb2(judge="gemini-3.1-pro")))
    waiting = start(nb2(image_ids=tuple(new_images())))
    while runtime.work_once("cpu"):
        pass
    asked = len(server.calls)
    monkeypatch.setattr(type(settings()), "stand_in", lambda self, provider: False)
    assert work(waiting).failed == 1
    assert "planned for a stand-in" in generate_items()[-1].error
    assert (len(server.calls), reserved()) == (asked, 0)
    with unit_of_work() as session:  # the verdict's answer is there; it is read under other settings
        verdict = session.exec(select(Verdict)).one()
        key = f"judge:{verdict.candidate_id}:gemini-3.1-pro:1:stand-in"
        item = session.exec(select(WorkItem).where(col(WorkItem.key) == key)).one()
        task: Any = runtime.task_for("judge")
        lease = Lease(item.id or 0, item.run_id, "judge", key, "", "api", 1, 1, item.payload)
        [loaded] = task.load(session, [lease])
    [again] = task.compute([loaded])
    assert again.stand_in


@on_sqlite
def test_a_prompt_written_by_a_stand_in_marks_what_another_model_makes_of_it(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(settings()), "stand_in", lambda self, provider: provider == "gemini")
    new_images()
    work(start(nb2(method="gpt-image-2", strategy="vlm-gemini")))
    with reading() as session:
        assert [method.stand_in for method in session.exec(select(Method))] == [True]


@on_sqlite
def test_a_second_attempt_in_a_batch_run_is_a_batch_only_where_there_are_batches(server: ProviderServer) -> None:
    server.studio.accept_rate = 0.0
    [image_id] = new_images()
    run = work(start(nb2(method="seedream-5.0", judge="gemini-3.1-pro", batch=True)))
    assert (run.failed, run.unknown) == (0, 0)
    assert image(image_id).stage == Stage.JUDGED_OUT
    assert [item.payload["attempt"] for item in generate_items()] == [1, 2, 3]


@on_sqlite
def test_regenerating_what_was_refused_asks_for_another_sample(server: ProviderServer) -> None:
    server.script.push(Fault.SAFETY_IMAGE)
    [image_id] = new_images()
    work(start(nb2()))
    assert image(image_id).stage == Stage.FAILED
    work(start(nb2(replace=True)))
    assert image(image_id).stage == Stage.AWAITING
    assert [call.state for call in calls()] == [CallState.REFUSED, CallState.ANSWERED]
    with reading() as session:
        assert len(session.exec(select(Refusal)).all()) == 1


@on_sqlite
def test_a_provider_that_is_too_busy_for_a_batch_for_a_while_gets_it_later(server: ProviderServer) -> None:
    """Large jobs are answered with 503 (FACTS 2); a run must not fail of five of them."""
    from app import pacing

    server.script.push(*[Fault.BATCH_503] * 5)
    [image_id] = new_images(1, side=128)
    run_id = start(nb2(batch=True))
    for _ in range(12):
        time.sleep(BATCH_SECONDS)
        drain()
        pacing.close_circuit("gemini")
        with unit_of_work() as session:
            session.execute(WorkItem.__table__.update().values(ready_at=None))  # type: ignore[attr-defined]
    assert provider_run.row(Run, run_id).failed == 0
    assert image(image_id).stage == Stage.AWAITING
