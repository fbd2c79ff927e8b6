"""What a worker does with items: it claims up to N of like shape in one short transaction, holds them by a lease that a
heartbeat extends, and gives each up as done, failed, postponed or handed over.

A lease has a token; whoever holds an older one than the item's changes nothing. These run several times for each paid call,
so their statements are built once: building one costs more than SQLite needs to run it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, update
from sqlmodel import Session

from app.jobs import CLOSED, JOBS, RUNS
from app.messages import wake_after_commit
from app.models import ApiCall, CallState, ItemState, Json, RunState, WorkItem, table_of, utcnow

ITEMS, CALLS = table_of(WorkItem), table_of(ApiCall)


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


def looks_after_calls() -> ColumnElement[bool]:
    """An item that has yet to hear of calls that are paid for: it goes on while its run is cancelled, or they are lost."""
    own = select(CALLS.c.id).where(CALLS.c.item_id == ITEMS.c.id, CALLS.c.state == CallState.SENT)
    return or_(ITEMS.c.kind == "collect", own.correlate(ITEMS).exists())


_RUNNING, _CANCELLING = (
    ITEMS.c.run_id.in_(select(RUNS.c.id).where(RUNS.c.state == state)) for state in (RunState.RUNNING, RunState.CANCELLING)
)
_WAITING = and_(
    ITEMS.c.state == ItemState.WAITING,
    ITEMS.c.queue == bindparam("in_queue"),
    or_(_RUNNING, and_(_CANCELLING, looks_after_calls())),
    or_(ITEMS.c.ready_at.is_(None), ITEMS.c.ready_at <= bindparam("now")),
    ITEMS.c.lane.not_in(bindparam("blocked", expanding=True)),
)
_NEXT = (
    select(ITEMS.c.id, ITEMS.c.kind, ITEMS.c.shape, ITEMS.c.attempts)
    .where(_WAITING)
    .order_by(ITEMS.c.priority, ITEMS.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_ALIKE = (
    select(ITEMS.c.id)
    .where(
        _WAITING,
        ITEMS.c.kind == bindparam("like_kind"),
        ITEMS.c.shape == bindparam("like_shape"),
        ITEMS.c.attempts == bindparam("like_attempts"),
    )
    .order_by(ITEMS.c.priority, ITEMS.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_TAKE = (
    update(ITEMS)
    .where(ITEMS.c.id.in_(bindparam("ids", expanding=True)), ITEMS.c.state == ItemState.WAITING)
    .values(state=ItemState.LEASED, token=ITEMS.c.token + 1, attempts=ITEMS.c.attempts + 1)
    .returning(*(ITEMS.c[name] for name in Lease.__dataclass_fields__), ITEMS.c.priority)
)


def claim(session: Session, queue: str, owner: str, lease_seconds: int, blocked_lanes: Collection[str] = ()) -> list[Lease]:
    """Take the next items of ``queue``: as many of one kind and shape as that kind's batch allows.

    Items of ``blocked_lanes`` are passed over: their provider takes nothing at present, and others must not wait for it.
    """
    now = utcnow()
    open_to_us = {"in_queue": queue, "now": now, "blocked": list(blocked_lanes)}
    head = session.execute(_NEXT, open_to_us).first()
    if head is None:
        return []
    ids, most = [head.id], JOBS[head.kind].batch
    # An item that was tried before may be what killed its worker: it goes alone, and takes no others down.
    if most > 1 and not head.attempts:
        like = {"like_kind": head.kind, "like_shape": head.shape, "like_attempts": head.attempts, "most": most}
        ids = list(session.execute(_ALIKE, open_to_us | like).scalars())
    # Locked first and updated by id: PostgreSQL may run a locking subquery with LIMIT inside an UPDATE more than once.
    held = {"ids": ids, "owner": owner, "lease_until": now + timedelta(seconds=lease_seconds)}
    claimed = session.execute(_TAKE, held).all()
    return [Lease(*row[:-1]) for row in sorted(claimed, key=lambda row: (row.priority, row.id))]


_ANY = (
    select(ITEMS.c.id)
    .where(
        ITEMS.c.state == ItemState.WAITING,
        ITEMS.c.queue == bindparam("in_queue"),
        ITEMS.c.lane.in_(bindparam("lanes", expanding=True)),
    )
    .limit(1)
)


def any_waiting(session: Session, queue: str, lanes: Collection[str]) -> bool:
    """Whether anything waits on ``queue`` for one of ``lanes``."""
    return session.execute(_ANY, {"in_queue": queue, "lanes": list(lanes)}).first() is not None


_OURS = and_(ITEMS.c.id == bindparam("held_id"), ITEMS.c.token == bindparam("held_token"), ITEMS.c.state == ItemState.LEASED)
_CHANGE = update(ITEMS).where(_OURS).returning(ITEMS.c.id)


def _change(session: Session, lease: Lease, **values: Any) -> bool:
    """Change an item while its lease is ours. False when the lease was lost."""
    held = {"held_id": lease.id, "held_token": lease.token}
    return session.execute(_CHANGE, held | values).first() is not None


def heartbeat(session: Session, leases: Sequence[Lease], lease_seconds: int) -> None:
    """Extend the leases that are still held."""
    for lease in leases:
        _change(session, lease, lease_until=utcnow() + timedelta(seconds=lease_seconds))


def finish(session: Session, lease: Lease, seconds: float) -> bool:
    """Mark the leased item done. False when the lease is no longer ours: the caller must then save nothing.

    Call it first in the unit of work that saves the result, and :func:`app.jobs.settle_run` last, after follow-up items.
    """
    return _give_up(session, lease, state=ItemState.DONE, seconds=seconds)


def fail(session: Session, lease: Lease, error: str, *, final: bool) -> bool:
    """Record a failure. Not final and attempts left: the item waits again; else it is failed for a person to see.

    Returns True when the item was given up for good (and False when it waits again, or the lease was no longer ours).
    """
    if final or lease.attempts >= JOBS[lease.kind].max_attempts:
        return _give_up(session, lease, state=ItemState.FAILED, error=error[:2000])
    if _give_up(session, lease, state=ItemState.WAITING, error=error[:2000]):
        wake_after_commit(session, lease.queue)
    return False


def postpone(session: Session, lease: Lease, seconds: float, why: str) -> bool:
    """Give a leased item back, not to be claimed for ``seconds``. It counts as no attempt. False: the lease was lost."""
    later = utcnow() + timedelta(seconds=seconds)
    attempts = max(0, lease.attempts - 1)
    return _give_up(session, lease, state=ItemState.WAITING, error=why[:2000], ready_at=later, attempts=attempts)


def hand_over(
    session: Session, lease: Lease, queue: str, lane: str = "", *, priority: int | None = None, kind: str = ""
) -> bool:
    """Give a leased item to the workers of another queue, at once. It counts as no attempt. False: the lease was lost."""
    moved: Json = {"queue": queue, "lane": lane}
    moved |= {} if priority is None else {"priority": priority}
    moved |= {"kind": kind} if kind else {}
    given = _give_up(session, lease, state=ItemState.WAITING, attempts=lease.attempts - 1, **moved)
    if given:
        wake_after_commit(session, queue)
    return given


def leave_unknown(session: Session, lease: Lease, error: str) -> bool:
    """Close a leased item whose paid call may or may not have gone through. False when the lease was lost."""
    return _give_up(session, lease, state=ItemState.UNKNOWN, error=error[:2000])


def mark_paid(session: Session, lease: Lease, under_way: bool) -> bool:
    """Note on the item that a paid call is, or is no longer, under way. False when the lease was lost: send nothing."""
    return _change(session, lease, paid=under_way)


def park(session: Session, leases: Sequence[Lease]) -> None:
    """The leased items were handed to a provider as a batch: nobody holds them until they are collected."""
    for lease in leases:
        _give_up(session, lease, state=ItemState.REMOTE)


_UNPARK = (
    update(ITEMS)
    .where(ITEMS.c.id == bindparam("parked_id"), ITEMS.c.state == ItemState.REMOTE)
    .values(state=ItemState.WAITING)
    .returning(ITEMS.c.id)
)


def unpark(session: Session, item_id: int, *, kind: str, queue: str, lane: str = "", priority: int | None = None) -> None:
    """An item of a batch was collected: it waits again, as ``kind``."""
    moved: Json = {"ready_at": None, "attempts": 0, "finished_at": None, "kind": kind, "queue": queue, "lane": lane}
    moved |= {} if priority is None else {"priority": priority}
    if session.execute(_UNPARK, {"parked_id": item_id} | moved).first() is not None:
        wake_after_commit(session, queue)


_COUNT = {
    state: update(RUNS).where(RUNS.c.id == bindparam("counted_run")).values({counter: counter + 1})
    for state, counter in CLOSED.items()
}


def _give_up(session: Session, lease: Lease, *, state: ItemState, **values: Any) -> bool:
    """Hold an item no longer, and count it where it is closed. False when the lease was lost."""
    nothing: Json = {"lease_until": None, "owner": "", "paid": False, "ready_at": None, "error": "", "seconds": None}
    nothing["finished_at"] = utcnow() if state in CLOSED else None
    if not _change(session, lease, **nothing | {"state": state} | values):
        return False
    if state in CLOSED:
        session.execute(_COUNT[state], {"counted_run": lease.run_id})
    return True
