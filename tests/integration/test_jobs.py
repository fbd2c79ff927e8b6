"""Work items: what admins lose if this breaks is work done twice, work lost, or money spent twice."""

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlmodel import Session, col, select, update

from app import job_control, jobs, leasing
from app.db import reading, unit_of_work
from app.jobs import NewItem
from app.leasing import Lease
from app.models import Event, ItemState, Run, RunState, WorkItem, utcnow
from tests.integration.echo_worker import MAX_ATTEMPTS
from workers import runtime

pytestmark = pytest.mark.usefixtures("database")


def start(items: Sequence[NewItem]) -> int:
    with unit_of_work() as session:
        run = jobs.start_run(session, "echo", "echo", {}, None)
        assert run.id
        jobs.add_items(session, run.id, items)
        return run.id


def echoes(count: int, prefix: str = "echo") -> list[NewItem]:
    return [NewItem("echo", f"{prefix}:{n}") for n in range(count)]


def claim(owner: str = "a") -> list[Lease]:
    with unit_of_work() as session:
        return leasing.claim(session, "cpu", owner, 60)


def run_row(run_id: int) -> Run:
    with reading() as session:
        return session.get_one(Run, run_id)


def states(session: Session) -> Counter[str]:
    return Counter(session.exec(select(WorkItem.state)).all())


def expire_leases() -> None:
    with unit_of_work() as session:
        session.execute(update(WorkItem).values(lease_until=utcnow() - timedelta(seconds=1)))


def test_adding_the_same_work_twice_adds_nothing() -> None:
    run_id = start(echoes(3))
    with unit_of_work() as session:
        assert jobs.add_items(session, run_id, echoes(5)) == 2
    assert run_row(run_id).total == 5


def test_a_batch_is_of_one_shape_and_in_order_of_priority() -> None:
    start(
        [
            NewItem("echo", "late", shape="x", priority=9),
            NewItem("echo", "first", shape="y", priority=1),
            NewItem("echo", "second", shape="y", priority=2),
        ]
    )
    assert [lease.key for lease in claim()] == ["first", "second"]
    assert [lease.key for lease in claim()] == ["late"]
    assert claim() == []


def test_two_workers_claiming_at_once_never_hold_one_item() -> None:
    start(echoes(80))
    held: list[int] = []
    barrier = threading.Barrier(4)

    def work(owner: str) -> None:
        barrier.wait()
        while leases := claim(owner):
            held.extend(lease.id for lease in leases)

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(held) == 80
    assert len(set(held)) == 80


def test_a_worker_that_fell_silent_cannot_overwrite_the_one_that_took_over() -> None:
    run_id = start(echoes(1))
    (old,) = claim("silent")
    expire_leases()
    with unit_of_work() as session:
        assert job_control.sweep(session) == 1
    (new,) = claim("fresh")
    with unit_of_work() as session:
        assert leasing.finish(session, old, 1.0) is False
        assert leasing.finish(session, new, 1.0) is True
        jobs.settle_run(session, run_id)
    assert run_row(run_id).done == 1


def test_a_heartbeat_keeps_a_slow_item_with_its_worker() -> None:
    start(echoes(1))
    leases = claim("slow")
    expire_leases()
    with unit_of_work() as session:
        leasing.heartbeat(session, leases, 60)
        assert job_control.sweep(session) == 0


def test_a_paid_item_whose_worker_died_is_never_sent_again_by_itself() -> None:
    run_id = start(echoes(1))
    [lease] = claim("dies")
    with unit_of_work() as session:
        assert leasing.mark_paid(session, lease, under_way=True)
    expire_leases()
    with unit_of_work() as session:
        job_control.sweep(session)
        assert states(session) == {ItemState.UNKNOWN: 1}
    assert claim() == []
    assert (run_row(run_id).state, run_row(run_id).unknown) == (RunState.FINISHED, 1)


def test_a_person_decides_what_becomes_of_an_unknown_item() -> None:
    run_id = start(echoes(2))
    for _ in range(2):
        for lease in claim("dies"):
            with unit_of_work() as session:
                leasing.leave_unknown(session, lease, "no answer came")
                jobs.settle_run(session, run_id)
    assert run_row(run_id).state == RunState.FINISHED
    with unit_of_work() as session:
        assert job_control.retry_unknown(session, run_id) == 2
    assert (run_row(run_id).state, run_row(run_id).unknown) == (RunState.RUNNING, 0)
    [*leases] = claim("b")
    with unit_of_work() as session:
        for lease in leases:
            leasing.leave_unknown(session, lease, "no answer came")
        assert job_control.give_up_unknown(session, run_id) == 2
    run = run_row(run_id)
    assert (run.state, run.unknown, run.failed) == (RunState.FINISHED, 0, 2)


def test_an_item_waits_for_its_moment_and_a_blocked_lane_holds_up_no_other() -> None:
    start(
        [
            NewItem("echo", "later", delay=60, priority=1),
            NewItem("echo", "blocked", lane="gemini", priority=2),
            NewItem("echo", "free", lane="openai", priority=3),
        ]
    )
    with unit_of_work() as session:
        assert [x.key for x in leasing.claim(session, "cpu", "a", 60, ["gemini"])] == ["free"]
    assert [x.key for x in claim()] == ["blocked"]
    assert claim() == []


def test_a_postponed_item_has_spent_no_attempt() -> None:
    start(echoes(1))
    for _ in range(MAX_ATTEMPTS + 2):
        [lease] = claim()
        with unit_of_work() as session:
            assert leasing.postpone(session, lease, 0.0, "its provider is busy")
    [lease] = claim()
    assert lease.attempts == 1


def test_an_item_that_kills_every_worker_is_given_up_alone_and_with_a_reason() -> None:
    run_id = start(echoes(3))
    for attempt in range(MAX_ATTEMPTS):
        held = claim("dies")
        assert len(held) == (3 if attempt == 0 else 1), "what was tried before must not take others down again"
        expire_leases()
        with unit_of_work() as session:
            job_control.sweep(session)
    while runtime.work_once("cpu"):
        pass
    run = run_row(run_id)
    assert (run.done, run.failed, run.state) == (2, 1, RunState.FINISHED)
    with reading() as session:
        assert "died" in session.exec(select(WorkItem.error).where(col(WorkItem.state) == ItemState.FAILED)).one()
        assert session.exec(select(Event.subject).where(col(Event.action) == "echo-failed")).all() == ["echo:0"]


def test_one_bad_item_of_a_batch_fails_alone() -> None:
    run_id = start([NewItem("echo", "echo:1"), NewItem("echo", "poison"), NewItem("echo", "echo:2")])
    while runtime.work_once("cpu"):
        pass
    run = run_row(run_id)
    assert (run.done, run.failed, run.state) == (2, 1, RunState.FINISHED)
    with reading() as session:
        assert sorted(session.exec(select(Event.subject).where(col(Event.action) == "echo"))) == ["echo:1", "echo:2"]
        (why,) = session.exec(select(Event.why).where(col(Event.action) == "echo-failed")).all()
    assert "poison cannot be done" in why


def test_cancel_keeps_what_is_done_and_resume_does_the_rest_once() -> None:
    run_id = start(echoes(10))
    runtime.work_once("cpu")
    with unit_of_work() as session:
        job_control.cancel_run(session, run_id)
    assert runtime.work_once("cpu") == 0
    run = run_row(run_id)
    assert (run.state, run.done, run.cancelled) == (RunState.CANCELLED, 4, 6)
    with unit_of_work() as session:
        assert job_control.resume_run(session, run_id) == 6
    while runtime.work_once("cpu"):
        pass
    run = run_row(run_id)
    assert (run.state, run.done, run.cancelled) == (RunState.FINISHED, 10, 0)
    with reading() as session:
        assert len(session.exec(select(Event)).all()) == 10


def test_retrying_failed_items_gives_them_fresh_attempts() -> None:
    run_id = start([NewItem("echo", "poison")])
    while runtime.work_once("cpu"):
        pass
    with unit_of_work() as session:
        assert job_control.retry_failed(session, run_id) == 1
    run = run_row(run_id)
    assert (run.failed, run.state) == (0, RunState.RUNNING)
    assert len(claim()) == 1
