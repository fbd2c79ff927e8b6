"""Work items: the database is the truth, messages only wake.

A run is expanded into items; a Celery message says "there is work on this queue"; a worker claims up to N items of like
shape in one short transaction, keeps one heartbeat for itself, and finishing checks its fencing token. Doing an item twice
changes nothing. What people and the sweeper do to items is in ``app/job_control.py``.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, or_, select, update
from sqlmodel import Session, col

from app.db import insert_ignore
from app.messages import wake_after_commit
from app.models import ApiCall, CallState, ItemState, Json, Run, RunState, WorkItem, utcnow


@dataclass(frozen=True)
class Job:
    """One kind of work: the task that does it, how many items a worker takes at once, and how long one may take."""

    target: str
    batch: int = 1
    max_attempts: int = 3


JOBS: dict[str, Job] = {
    "plan": Job("workers.tasks.plan:PlanTask"),
    "plan_judge": Job("workers.tasks.plan:PlanJudgeTask"),
    "generate": Job("workers.tasks.generate:GenerateTask"),
    "score": Job("workers.tasks.score:ScoreTask", batch=4),
    "judge": Job("workers.tasks.judge:JudgeTask"),
    "prompt": Job("workers.tasks.prompt:PromptTask"),
    "batch": Job("workers.tasks.batch:SubmitTask", batch=40),
    "collect": Job("workers.tasks.collect:CollectTask"),
    "check": Job("workers.tasks.check:CheckTask", max_attempts=1),
}


@dataclass(frozen=True)
class NewItem:
    """An item to add to a run. ``key`` says what it is; adding the same key to a run twice adds nothing.

    It is not claimed before ``delay`` seconds have passed.
    """

    kind: str
    key: str
    queue: str = "cpu"
    shape: str = ""
    priority: int = 100
    lane: str = ""
    delay: float = 0.0
    payload: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Lease:
    """What a worker holds: the item as it was claimed, and the token that lets it finish."""

    id: int
    run_id: int
    kind: str
    key: str
    shape: str
    queue: str
    token: int
    attempts: int
    payload: Json


def start_run(session: Session, kind: str, title: str, params: Json, user_id: int | None) -> Run:
    """A new run without items. Add them with :func:`add_items` in the same unit of work."""
    run = Run(kind=kind, title=title, params=params, created_by=user_id)
    session.add(run)
    session.flush()
    return run


def add_items(session: Session, run_id: int, items: Sequence[NewItem]) -> int:
    """Add items to a run and wake their queues after the commit. Returns how many were new."""
    if not items:
        return 0
    rows = [
        dict(
            run_id=run_id, kind=i.kind, key=i.key, queue=i.queue, shape=i.shape, priority=i.priority, lane=i.lane,
            payload=i.payload, paid=False, state=ItemState.WAITING, created_at=utcnow(), attempts=0, token=0, owner="",
            error="", ready_at=utcnow() + timedelta(seconds=i.delay) if i.delay else None,
        )
        for i in items
    ]  # fmt: skip
    added = len(insert_ignore(session, WorkItem, rows))
    run = update(Run).where(col(Run.id) == run_id)
    session.execute(run.values(total=col(Run.total) + added))
    for queue in {i.queue for i in items}:
        wake_after_commit(session, queue)
    return added


def looks_after_calls() -> ColumnElement[bool]:
    """An item that has yet to hear of calls that are paid for: it goes on while its run is cancelled, or they are lost."""
    own = select(col(ApiCall.id)).where(col(ApiCall.item_id) == col(WorkItem.id), col(ApiCall.state) == CallState.SENT)
    return or_(col(WorkItem.kind) == "collect", own.correlate(WorkItem).exists())


def claim(session: Session, queue: str, owner: str, lease_seconds: int, blocked_lanes: Collection[str] = ()) -> list[Lease]:
    """Take the next items of ``queue``: as many of one kind and shape as that kind's batch allows.

    Items of ``blocked_lanes`` are passed over: their provider takes nothing at present, and others must not wait for it.
    """
    running, cancelling = (
        col(WorkItem.run_id).in_(select(col(Run.id)).where(col(Run.state) == state))
        for state in (RunState.RUNNING, RunState.CANCELLING)
    )
    waiting = and_(
        col(WorkItem.state) == ItemState.WAITING,
        col(WorkItem.queue) == queue,
        or_(running, and_(cancelling, looks_after_calls())),
        or_(col(WorkItem.ready_at).is_(None), col(WorkItem.ready_at) <= utcnow()),
        *([col(WorkItem.lane).not_in(blocked_lanes)] if blocked_lanes else []),
    )
    head = session.execute(
        select(col(WorkItem.kind), col(WorkItem.shape), col(WorkItem.attempts))
        .where(waiting)
        .order_by(col(WorkItem.priority), col(WorkItem.id))
        .limit(1)
    ).first()
    if head is None:
        return []
    kind, shape, attempts = head
    # An item that was tried before may be what killed its worker: it goes alone, and takes no others down.
    limit = 1 if attempts else JOBS[kind].batch
    # Locked first and updated by id: PostgreSQL may run a locking subquery with LIMIT inside an UPDATE more than once.
    ids = session.execute(
        select(col(WorkItem.id))
        .where(waiting, col(WorkItem.kind) == kind, col(WorkItem.shape) == shape, col(WorkItem.attempts) == attempts)
        .order_by(col(WorkItem.priority), col(WorkItem.id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).scalars()
    claimed = session.execute(
        update(WorkItem)
        .where(col(WorkItem.id).in_(ids.all()), col(WorkItem.state) == ItemState.WAITING)
        .values(
            state=ItemState.LEASED, owner=owner, token=col(WorkItem.token) + 1, attempts=col(WorkItem.attempts) + 1,
            lease_until=utcnow() + timedelta(seconds=lease_seconds),
        )
        .returning(*_LEASED, col(WorkItem.priority))
        .execution_options(synchronize_session=False)
    ).all()  # fmt: skip
    return [Lease(*row[:-1]) for row in sorted(claimed, key=lambda row: (row.priority, row.id))]


_LEASED: Any = tuple(col(getattr(WorkItem, name)) for name in Lease.__dataclass_fields__)


def any_waiting(session: Session, queue: str, lanes: Collection[str]) -> bool:
    """Whether anything waits on ``queue`` for one of ``lanes``."""
    query = select(col(WorkItem.id)).where(
        col(WorkItem.state) == ItemState.WAITING, col(WorkItem.queue) == queue, col(WorkItem.lane).in_(lanes)
    )
    return session.execute(query.limit(1)).first() is not None


def heartbeat(session: Session, leases: Sequence[Lease], owner: str, lease_seconds: int) -> None:
    """Extend the leases this worker still holds."""
    session.execute(
        update(WorkItem)
        .where(
            col(WorkItem.id).in_([x.id for x in leases]),
            col(WorkItem.owner) == owner,
            col(WorkItem.state) == ItemState.LEASED,
        )
        .values(lease_until=utcnow() + timedelta(seconds=lease_seconds))
    )


def finish(session: Session, lease: Lease, seconds: float) -> bool:
    """Mark the leased item done. False when the lease is no longer ours: the caller must then save nothing.

    Call it first in the unit of work that saves the result, and :func:`settle_run` last, after follow-up items.
    """
    return _close(session, lease, state=ItemState.DONE, seconds=seconds, error="")


def fail(session: Session, lease: Lease, error: str, *, final: bool) -> bool:
    """Record a failure. Not final and attempts left: the item waits again; else it is failed for a person to see.

    Returns True when the item was given up for good (and False when it waits again, or the lease was no longer ours).
    """
    again = not final and lease.attempts < JOBS[lease.kind].max_attempts
    if not _close(session, lease, state=ItemState.WAITING if again else ItemState.FAILED, seconds=None, error=error):
        return False
    if again:
        queue = session.execute(select(col(WorkItem.queue)).where(col(WorkItem.id) == lease.id)).scalar_one()
        wake_after_commit(session, queue)
    return not again


def postpone(session: Session, lease: Lease, seconds: float, why: str) -> bool:
    """Give a leased item back, not to be claimed for ``seconds``. It counts as no attempt. False: the lease was lost."""
    given_back = _close(
        session, lease, state=ItemState.WAITING, seconds=None, error=why, ready_at=utcnow() + timedelta(seconds=seconds)
    )
    if given_back:
        session.execute(
            update(WorkItem)
            .where(col(WorkItem.id) == lease.id, col(WorkItem.attempts) > 0)
            .values(attempts=col(WorkItem.attempts) - 1)
        )
    return given_back


def hand_over(
    session: Session, lease: Lease, queue: str, lane: str = "", *, priority: int | None = None, kind: str = ""
) -> bool:
    """Give a leased item to the workers of another queue, at once. It counts as no attempt. False: the lease was lost."""
    moved: Json = {"queue": queue, "lane": lane}
    moved |= {} if priority is None else {"priority": priority}
    moved |= {"kind": kind} if kind else {}
    given = session.execute(
        update(WorkItem)
        .where(
            col(WorkItem.id) == lease.id, col(WorkItem.token) == lease.token, col(WorkItem.state) == ItemState.LEASED
        )
        .values(
            state=ItemState.WAITING, owner="", lease_until=None, paid=False, ready_at=None, error="",
            attempts=lease.attempts - 1, **moved,
        )
        .returning(col(WorkItem.id))
        .execution_options(synchronize_session=False)
    ).first()  # fmt: skip
    if given is not None:
        wake_after_commit(session, queue)
    return given is not None


def park(session: Session, leases: Sequence[Lease]) -> None:
    """The leased items were handed to a provider as a batch: nobody holds them until they are collected."""
    for lease in leases:
        _close(session, lease, state=ItemState.REMOTE, seconds=None, error="")


def unpark(session: Session, item_id: int, *, kind: str, queue: str, lane: str = "", priority: int | None = None) -> None:
    """An item of a batch was collected: it waits again, as ``kind``."""
    back = session.execute(
        update(WorkItem)
        .where(col(WorkItem.id) == item_id, col(WorkItem.state) == ItemState.REMOTE)
        .values(state=ItemState.WAITING, ready_at=None, attempts=0, finished_at=None, kind=kind, queue=queue, lane=lane)
        .returning(col(WorkItem.id))
    ).first()
    if back is not None:
        if priority is not None:
            session.execute(update(WorkItem).where(col(WorkItem.id) == item_id).values(priority=priority))
        wake_after_commit(session, queue)


def leave_unknown(session: Session, lease: Lease, error: str) -> bool:
    """Close a leased item whose paid call may or may not have gone through. False when the lease was lost."""
    return _close(session, lease, state=ItemState.UNKNOWN, seconds=None, error=error)


def mark_paid(session: Session, lease: Lease, under_way: bool) -> bool:
    """Note on the item that a paid call is, or is no longer, under way. False when the lease was lost: send nothing."""
    marked = session.execute(
        update(WorkItem)
        .where(
            col(WorkItem.id) == lease.id, col(WorkItem.token) == lease.token, col(WorkItem.state) == ItemState.LEASED
        )
        .values(paid=under_way)
        .returning(col(WorkItem.id))
        .execution_options(synchronize_session=False)
    ).first()  # fmt: skip
    return marked is not None


CLOSED = {
    ItemState.DONE: col(Run.done),
    ItemState.FAILED: col(Run.failed),
    ItemState.CANCELLED: col(Run.cancelled),
    ItemState.UNKNOWN: col(Run.unknown),
}
"""States in which an item stays by itself, with the counter of its run."""


def _close(
    session: Session,
    lease: Lease,
    *,
    state: ItemState,
    seconds: float | None,
    error: str,
    ready_at: datetime | None = None,
) -> bool:
    closed = session.execute(
        update(WorkItem)
        .where(
            col(WorkItem.id) == lease.id, col(WorkItem.token) == lease.token, col(WorkItem.state) == ItemState.LEASED
        )
        .values(
            state=state, seconds=seconds, error=error[:2000], lease_until=None, owner="", paid=False, ready_at=ready_at,
            finished_at=utcnow() if state in CLOSED else None,
        )
        .returning(col(WorkItem.id))
    ).first()  # fmt: skip
    if closed is None:
        return False
    if state in CLOSED:
        session.execute(update(Run).where(col(Run.id) == lease.run_id).values({CLOSED[state]: CLOSED[state] + 1}))
    return True


def settle_run(session: Session, run_id: int) -> None:
    """Close the run when nothing of it is left to do."""
    complete = col(Run.total) == col(Run.done) + col(Run.failed) + col(Run.cancelled) + col(Run.unknown)
    session.execute(
        update(Run)
        .where(col(Run.id) == run_id, complete, col(Run.state).in_([RunState.RUNNING, RunState.CANCELLING]))
        .values(
            finished_at=utcnow(),
            state=case((col(Run.state) == RunState.CANCELLING, RunState.CANCELLED), else_=RunState.FINISHED),
        )
    )
