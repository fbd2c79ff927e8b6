"""Work items: the database is the truth, messages only wake.

A run is expanded into items; a Celery message says "there is work on this queue"; a worker claims up to N items of like
shape in one short transaction, keeps one heartbeat for itself, and finishing checks its fencing token. The sweeper alone
gives back expired leases, and never a paid one. Doing an item twice changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, case, func, select, update
from sqlmodel import Session, col

from app.db import insert_ignore
from app.messages import QUEUES, wake_after_commit
from app.models import ItemState, Json, Run, RunState, WorkItem, utcnow


@dataclass(frozen=True)
class Job:
    """One kind of work: the task that does it, how many items a worker takes at once, and how long one may take."""

    target: str
    batch: int = 1
    max_attempts: int = 3


JOBS: dict[str, Job] = {
    "plan": Job("workers.tasks.plan:PlanTask"),
    "generate": Job("workers.tasks.generate:GenerateTask"),
    "score": Job("workers.tasks.score:ScoreTask", batch=4),
    "judge": Job("workers.tasks.judge:JudgeTask"),
}


@dataclass(frozen=True)
class NewItem:
    """An item to add to a run. ``key`` says what it is; adding the same key to a run twice adds nothing."""

    kind: str
    key: str
    queue: str = "cpu"
    shape: str = ""
    priority: int = 100
    payload: Json = field(default_factory=dict)
    paid: bool = False


@dataclass(frozen=True)
class Lease:
    """What a worker holds: the item as it was claimed, and the token that lets it finish."""

    id: int
    run_id: int
    kind: str
    key: str
    shape: str
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
            run_id=run_id, kind=i.kind, key=i.key, queue=i.queue, shape=i.shape, priority=i.priority, payload=i.payload,
            paid=i.paid, state=ItemState.WAITING, created_at=utcnow(), attempts=0, token=0, owner="", error="",
        )
        for i in items
    ]  # fmt: skip
    added = len(insert_ignore(session, WorkItem, rows))
    run = update(Run).where(col(Run.id) == run_id)
    session.execute(run.values(total=col(Run.total) + added))
    for queue in {i.queue for i in items}:
        wake_after_commit(session, queue)
    return added


def claim(session: Session, queue: str, owner: str, lease_seconds: int) -> list[Lease]:
    """Take the next items of ``queue``: as many of one kind and shape as that kind's batch allows."""
    open_runs = select(col(Run.id)).where(col(Run.state) == RunState.RUNNING)
    waiting = and_(
        col(WorkItem.state) == ItemState.WAITING, col(WorkItem.queue) == queue, col(WorkItem.run_id).in_(open_runs)
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
        .returning(WorkItem)
    )  # fmt: skip
    items = sorted(claimed.scalars(), key=lambda i: (i.priority, i.id))
    return [Lease(i.id, i.run_id, i.kind, i.key, i.shape, i.token, i.attempts, i.payload) for i in items]


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


def _close(session: Session, lease: Lease, *, state: ItemState, seconds: float | None, error: str) -> bool:
    closed = session.execute(
        update(WorkItem)
        .where(
            col(WorkItem.id) == lease.id, col(WorkItem.token) == lease.token, col(WorkItem.state) == ItemState.LEASED
        )
        .values(
            state=state, seconds=seconds, error=error[:2000], lease_until=None, owner="",
            finished_at=None if state == ItemState.WAITING else utcnow(),
        )
        .returning(col(WorkItem.id))
    ).first()  # fmt: skip
    if closed is None:
        return False
    if state != ItemState.WAITING:
        counter = col(Run.done) if state == ItemState.DONE else col(Run.failed)
        session.execute(update(Run).where(col(Run.id) == lease.run_id).values({counter: counter + 1}))
    return True


def settle_run(session: Session, run_id: int) -> None:
    """Close the run when nothing of it is left to do."""
    complete = col(Run.total) == col(Run.done) + col(Run.failed) + col(Run.cancelled)
    session.execute(
        update(Run)
        .where(col(Run.id) == run_id, complete, col(Run.state).in_([RunState.RUNNING, RunState.CANCELLING]))
        .values(
            finished_at=utcnow(),
            state=case((col(Run.state) == RunState.CANCELLING, RunState.CANCELLED), else_=RunState.FINISHED),
        )
    )


def cancel_run(session: Session, run_id: int) -> None:
    """Ask a run to stop: nothing more of it is claimed; what is being worked on finishes; the sweeper closes the rest."""
    session.execute(
        update(Run).where(col(Run.id) == run_id, col(Run.state) == RunState.RUNNING).values(state=RunState.CANCELLING)
    )
    cancel_waiting(session, run_id)


def cancel_waiting(session: Session, run_id: int, window: int = 5000) -> int:
    """Cancel up to ``window`` waiting items of a run that is being cancelled. Returns how many."""
    ids = (
        select(col(WorkItem.id))
        .where(col(WorkItem.run_id) == run_id, col(WorkItem.state) == ItemState.WAITING)
        .limit(window)
    )
    return _move(session, run_id, ids, ItemState.WAITING, ItemState.CANCELLED)


def resume_run(session: Session, run_id: int) -> int:
    """Put a run's cancelled items back to waiting."""
    ids = select(col(WorkItem.id)).where(col(WorkItem.run_id) == run_id, col(WorkItem.state) == ItemState.CANCELLED)
    return _reopen(session, run_id, ids, ItemState.CANCELLED)


def retry_failed(session: Session, run_id: int) -> int:
    """Give a run's failed items fresh attempts."""
    ids = select(col(WorkItem.id)).where(
        col(WorkItem.run_id) == run_id, col(WorkItem.state) == ItemState.FAILED, col(WorkItem.kind).in_(JOBS)
    )
    return _reopen(session, run_id, ids, ItemState.FAILED)


def _reopen(session: Session, run_id: int, ids: Any, old: ItemState) -> int:
    moved = _move(session, run_id, ids, old, ItemState.WAITING)
    if moved:
        session.execute(update(Run).where(col(Run.id) == run_id).values(state=RunState.RUNNING, finished_at=None))
        for queue in QUEUES:
            wake_after_commit(session, queue)
    return moved


def _move(session: Session, run_id: int, ids: Any, old: ItemState, new: ItemState) -> int:
    """Move items between waiting and a closed state, the run's counters with them."""
    moved = len(
        session.execute(
            update(WorkItem)
            .where(col(WorkItem.id).in_(ids), col(WorkItem.state) == old)
            .values(
                state=new, attempts=0, error="", finished_at=None if new == ItemState.WAITING else utcnow()
            )
            .returning(col(WorkItem.id))
        ).all()
    )  # fmt: skip
    counters = {ItemState.FAILED: col(Run.failed), ItemState.CANCELLED: col(Run.cancelled)}
    values = {}
    if old in counters:
        values[counters[old]] = counters[old] - moved
    if new in counters:
        values[counters[new]] = counters[new] + moved
    session.execute(update(Run).where(col(Run.id) == run_id).values(values))
    settle_run(session, run_id)
    return moved


def release_expired(session: Session, *, owner_prefix: str | None = None) -> int:
    """Give back what silent workers held: waiting again, or unknown where a paid call may be under way.

    With ``owner_prefix`` the leases of those owners are given back at once: their processes are known to be gone. An item
    that has used up its attempts this way is given up by the worker that claims it next.
    """
    dead = col(WorkItem.owner).startswith(owner_prefix) if owner_prefix else col(WorkItem.lease_until) < utcnow()
    unknown = "The worker died while a paid call was under way; its outcome is unknown."
    queues = session.execute(
        update(WorkItem)
        .where(col(WorkItem.state) == ItemState.LEASED, dead)
        .values(
            state=case((col(WorkItem.paid), ItemState.UNKNOWN), else_=ItemState.WAITING),
            error=case((col(WorkItem.paid), unknown), else_=""),
            owner="", lease_until=None,
        )
        .returning(col(WorkItem.queue))
    ).scalars().all()  # fmt: skip
    for queue in set(queues):
        wake_after_commit(session, queue)
    return len(queues)


def sweep(session: Session) -> int:
    """What the sweeper does every few seconds: expired leases, runs being cancelled, queues nobody was woken for."""
    released = release_expired(session)
    for run_id in session.execute(select(col(Run.id)).where(col(Run.state) == RunState.CANCELLING)).scalars().all():
        cancel_waiting(session, run_id)
    queues = session.execute(
        select(col(WorkItem.queue)).where(col(WorkItem.state) == ItemState.WAITING).group_by(col(WorkItem.queue))
    )
    for queue in queues.scalars().all():
        wake_after_commit(session, queue)
    return released


def waiting_count(session: Session, queue: str) -> int:
    """How many items wait on ``queue``."""
    query = select(func.count()).where(col(WorkItem.state) == ItemState.WAITING, col(WorkItem.queue) == queue)
    return int(session.execute(query).scalar_one())
