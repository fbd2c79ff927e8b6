"""What people and the sweeper do to runs and items: cancel, resume, retry, give back what silent workers held.

The sweeper alone gives back expired leases, and never one whose paid call may be under way.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, case, func, not_, or_, select, update
from sqlmodel import Session, col

from app import accounts
from app.jobs import CLOSED, JOBS, RUNS, settle_run
from app.leasing import looks_after_calls
from app.messages import QUEUES, wake_after_commit
from app.models import ApiCall, CallState, ItemState, Run, RunState, WorkItem, utcnow


def cancel_run(session: Session, run_id: int) -> None:
    """Ask a run to stop: what is being worked on, here or at a provider, finishes; the sweeper closes the rest."""
    session.execute(
        update(Run).where(col(Run.id) == run_id, col(Run.state) == RunState.RUNNING).values(state=RunState.CANCELLING)
    )
    cancel_waiting(session, run_id)


def cancel_waiting(session: Session, run_id: int, window: int = 5000) -> int:
    """Cancel up to ``window`` waiting items of a run that is being cancelled. Returns how many."""
    ids = (
        select(col(WorkItem.id))
        .where(col(WorkItem.run_id) == run_id, col(WorkItem.state) == ItemState.WAITING, not_(looks_after_calls()))
        .limit(window)
    )
    return _move(session, run_id, ids, ItemState.WAITING, ItemState.CANCELLED)


def resume_run(session: Session, run_id: int) -> int:
    """Put a run's cancelled items back to waiting."""
    ids = _of(run_id, ItemState.CANCELLED)
    return _reopen(session, run_id, ids, ItemState.CANCELLED)


def retry_failed(session: Session, run_id: int) -> int:
    """Give a run's failed items fresh attempts."""
    ids = select(col(WorkItem.id)).where(
        col(WorkItem.run_id) == run_id, col(WorkItem.state) == ItemState.FAILED, col(WorkItem.kind).in_(JOBS)
    )
    _forget_calls(session, ids, [CallState.FAILED])
    # A reply that could not be read, or a refusal to look at the picture, may come out otherwise; an image is kept.
    _forget_calls(session, ids, [CallState.ANSWERED, CallState.REFUSED], purposes=("judge", "prompt", "screen"))
    return _reopen(session, run_id, ids, ItemState.FAILED)


def retry_unknown(session: Session, run_id: int) -> int:
    """Ask again where the outcome of a paid call is unknown: a person has decided to risk paying twice.

    Where the provider named a task its result is looked for once more, which costs nothing, before anything is asked anew.
    """
    ids = _of(run_id, ItemState.UNKNOWN)
    _look_again(session, ids)
    _forget_calls(session, ids, [CallState.UNKNOWN, CallState.FAILED])
    return _reopen(session, run_id, ids, ItemState.UNKNOWN)


def give_up_unknown(session: Session, run_id: int) -> int:
    """Call a run's unknown items failed: a person has decided not to ask again."""
    return _move(session, run_id, _of(run_id, ItemState.UNKNOWN), ItemState.UNKNOWN, ItemState.FAILED, keep_error=True)


def _of(run_id: int, state: ItemState) -> Any:
    return select(col(WorkItem.id)).where(col(WorkItem.run_id) == run_id, col(WorkItem.state) == state)


def _forget_calls(
    session: Session,
    item_ids: Any,
    states: Sequence[CallState],
    purposes: Sequence[str] = ("generate", "judge", "prompt", "screen"),
) -> None:
    """Earlier calls for these items no longer stand in the way of another, nor count as tries."""
    keys = select(col(WorkItem.key)).where(col(WorkItem.id).in_(item_ids))
    session.execute(
        update(ApiCall)
        .where(
            col(ApiCall.request_key).in_(keys),
            col(ApiCall.state).in_(states),
            col(ApiCall.purpose).in_(purposes),
            col(ApiCall.retried_at).is_(None),
        )
        .values(retried_at=utcnow())
    )


LOOKED_AGAIN = "LOOKED_AGAIN"


def _look_again(session: Session, item_ids: Any) -> None:
    """Unknown calls whose task at the provider is known are under way again, as their items'; once for each."""
    owner = select(col(WorkItem.id)).where(col(WorkItem.id).in_(item_ids), col(WorkItem.key) == col(ApiCall.request_key))
    found = session.execute(
        update(ApiCall)
        .where(
            col(ApiCall.request_key).in_(select(col(WorkItem.key)).where(col(WorkItem.id).in_(item_ids))),
            col(ApiCall.state) == CallState.UNKNOWN,
            col(ApiCall.remote_id) != "",
            col(ApiCall.reason) != LOOKED_AGAIN,
            col(ApiCall.retried_at).is_(None),
        )
        .values(
            state=CallState.SENT, reason=LOOKED_AGAIN, finished_at=None, cost_micros=0,
            item_id=owner.correlate(ApiCall).scalar_subquery(),
        )
        .returning(col(ApiCall.provider), col(ApiCall.run_id), col(ApiCall.reserved_micros))
        .execution_options(synchronize_session=False)
    ).all()  # fmt: skip
    for provider, run_id, reserved in found:
        accounts.book(session, provider, run_id, reserved=-reserved, cost=-reserved)


def _reopen(session: Session, run_id: int, ids: Any, old: ItemState) -> int:
    moved = _move(session, run_id, ids, old, ItemState.WAITING)
    if moved:
        session.execute(update(Run).where(col(Run.id) == run_id).values(state=RunState.RUNNING, finished_at=None))
        for queue in QUEUES:
            wake_after_commit(session, queue)
    return moved


def _move(session: Session, run_id: int, ids: Any, old: ItemState, new: ItemState, *, keep_error: bool = False) -> int:
    """Move items between waiting and a closed state, the run's counters with them."""
    moved = len(
        session.execute(
            update(WorkItem)
            .where(col(WorkItem.id).in_(ids), col(WorkItem.state) == old)
            .values(
                state=new, attempts=0, error=col(WorkItem.error) if keep_error else "", ready_at=None,
                finished_at=None if new == ItemState.WAITING else utcnow()
            )
            .returning(col(WorkItem.id))
        ).all()
    )  # fmt: skip
    values = {}
    if old in CLOSED:
        values[CLOSED[old]] = CLOSED[old] - moved
    if new in CLOSED:
        values[CLOSED[new]] = CLOSED[new] + moved
    session.execute(update(RUNS).where(RUNS.c.id == run_id).values(values))
    settle_run(session, run_id)
    return moved


def release_expired(session: Session, *, owner_prefix: str | None = None) -> int:
    """Give back what silent workers held: waiting again, or unknown where a paid call may be under way.

    A call whose task id at the provider is known can be looked at again, so its item waits; one that is part of a batch is
    left to the batch's collector. With ``owner_prefix`` the leases
    of those owners are given back at once: their processes are known to be gone. An item that has used up its attempts this
    way is given up by the worker that claims it next.
    """
    dead = col(WorkItem.owner).startswith(owner_prefix) if owner_prefix else col(WorkItem.lease_until) < utcnow()
    silent = session.execute(
        select(col(WorkItem.id)).where(col(WorkItem.state) == ItemState.LEASED, dead).with_for_update(skip_locked=True)
    )
    ids = silent.scalars().all()
    if not ids:
        return 0
    traceable = select(col(ApiCall.item_id)).where(
        col(ApiCall.item_id).in_(ids), col(ApiCall.state) == CallState.SENT, col(ApiCall.remote_id) != ""
    )
    batched = select(col(ApiCall.item_id)).where(
        col(ApiCall.item_id).in_(ids), col(ApiCall.state) == CallState.SENT, col(ApiCall.batch_job_id).is_not(None)
    )
    remote = and_(col(WorkItem.paid), col(WorkItem.id).in_(batched))
    lost = and_(col(WorkItem.paid), col(WorkItem.id).not_in(traceable), col(WorkItem.id).not_in(batched))
    unknown = "The worker died while a paid call was under way; its outcome is unknown."
    released = session.execute(
        update(WorkItem)
        .where(col(WorkItem.id).in_(ids))
        .values(
            state=case((lost, ItemState.UNKNOWN), (remote, ItemState.REMOTE), else_=ItemState.WAITING),
            error=case((lost, unknown), else_=""),
            finished_at=case((lost, utcnow()), else_=None),
            lane=case((col(WorkItem.id).in_(traceable), ""), else_=col(WorkItem.lane)),  # no budget may hold up a look
            owner="", lease_until=None, paid=False,
        )
        .returning(col(WorkItem.id), col(WorkItem.run_id), col(WorkItem.queue), col(WorkItem.state))
    ).all()  # fmt: skip
    gone = [row for row in released if row.state == ItemState.UNKNOWN]
    if gone:
        calls_lost(session, [row.id for row in gone])
    for run_id, number in Counter(row.run_id for row in gone).items():
        session.execute(update(Run).where(col(Run.id) == run_id).values(unknown=col(Run.unknown) + number))
        settle_run(session, run_id)
    for queue in {row.queue for row in released}:
        wake_after_commit(session, queue)
    return len(released)


def calls_lost(session: Session, item_ids: Sequence[int]) -> None:
    """The calls under way of these items become unknown; what they may have cost counts as spent."""
    lost = session.execute(
        update(ApiCall)
        .where(
            col(ApiCall.item_id).in_(item_ids),
            col(ApiCall.state) == CallState.SENT,
            col(ApiCall.batch_job_id).is_(None),  # its job has a collector
        )
        .values(
            state=CallState.UNKNOWN,
            cost_micros=col(ApiCall.reserved_micros),
            finished_at=utcnow(),
            error="The worker died while this call was under way.",
        )
        .returning(col(ApiCall.provider), col(ApiCall.run_id), col(ApiCall.reserved_micros))
    ).all()
    for provider, run_id, reserved in lost:
        accounts.book(session, provider, run_id, reserved=reserved, cost=reserved)


def sweep(session: Session) -> int:
    """What the sweeper does every few seconds: expired leases, runs being cancelled, queues nobody was woken for."""
    released = release_expired(session)
    for run_id in session.execute(select(col(Run.id)).where(col(Run.state) == RunState.CANCELLING)).scalars().all():
        cancel_waiting(session, run_id)
    queues = session.execute(
        select(col(WorkItem.queue))
        .where(
            col(WorkItem.state) == ItemState.WAITING,
            or_(col(WorkItem.ready_at).is_(None), col(WorkItem.ready_at) <= utcnow()),
        )
        .group_by(col(WorkItem.queue))
    )
    for queue in queues.scalars().all():
        wake_after_commit(session, queue)
    return released


def waiting_count(session: Session, queue: str) -> int:
    """How many items wait on ``queue``."""
    query = select(func.count()).where(col(WorkItem.state) == ItemState.WAITING, col(WorkItem.queue) == queue)
    return int(session.execute(query).scalar_one())
