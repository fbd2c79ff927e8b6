"""The ledger of paid calls: written before a call is sent, closed when its outcome is known.

A request has a key, its work item's. What is known of it decides whether anything may be sent: an answer that is there is
used, a call under way is waited for, and one whose outcome is unknown stops everything until a person decides.
"""

from dataclasses import dataclass

from sqlalchemy import bindparam, insert, select, update
from sqlmodel import Session, col

from app import accounts, leasing
from app.leasing import Lease
from app.models import ApiCall, CallState, table_of, utcnow

CALLS = table_of(ApiCall)


@dataclass(frozen=True)
class Standing:
    """What is known of one request: its answered calls, oldest first, and what stands in the way of another.

    ``tries`` are its failed calls, ``missed`` those of them that a batch gave no answer to.
    """

    answers: tuple[ApiCall, ...] = ()
    refusal: ApiCall | None = None
    under_way: ApiCall | None = None
    unknown: ApiCall | None = None
    tries: int = 0
    lost: int = 0
    missed: int = 0


MISSED = "MISSED"
"""The reason of a failed call that was in a batch which was over without an answer to it."""


class LeaseLost(Exception):
    """The item belongs to another worker now: send nothing."""


class BudgetSpent(Exception):
    """A budget does not have the money for this call."""


class Overtaken(Exception):
    """Another run has asked the same in the meantime: look at what came of it, and send nothing."""


_ASKED = select(ApiCall).where(col(ApiCall.request_key) == bindparam("request")).order_by(col(ApiCall.id))


def standing(session: Session, request_key: str) -> Standing:
    """What is known of a request. ``tries`` counts its failed calls since a person last asked to retry, ``lost`` all
    that were ever lost."""
    rows = session.execute(_ASKED, {"request": request_key}).scalars().all()
    fresh = [c for c in rows if c.retried_at is None]

    def last(state: CallState) -> ApiCall | None:
        return next((c for c in reversed(fresh) if c.state == state), None)

    return Standing(
        answers=tuple(c for c in fresh if c.state == CallState.ANSWERED),
        refusal=last(CallState.REFUSED),
        under_way=last(CallState.SENT),
        unknown=last(CallState.UNKNOWN),
        tries=sum(c.state == CallState.FAILED for c in fresh),
        lost=sum(c.state == CallState.UNKNOWN for c in rows),
        missed=sum(c.state == CallState.FAILED and c.reason == MISSED for c in fresh),
    )


_BEGIN = insert(CALLS).returning(CALLS.c.id)
_NEWER = (
    select(CALLS.c.id)
    .where(
        CALLS.c.request_key == bindparam("request"),
        CALLS.c.state.in_([CallState.ANSWERED, CallState.REFUSED, CallState.UNKNOWN]),
        CALLS.c.retried_at.is_(None),
        CALLS.c.id.not_in(bindparam("known", expanding=True)),
    )
    .limit(1)
)


def begin(
    session: Session,
    lease: Lease,
    *,
    provider: str,
    model: str,
    purpose: str,
    micros: int,
    known: Standing,
    batch_job_id: int | None = None,
) -> int:
    """Record a call about to be sent and reserve its price. Returns its id.

    ``known`` is what the decision to ask rests on. Raises LeaseLost, BudgetSpent or Overtaken; the caller must then roll
    back and send nothing. Two calls of one request at once are refused by the database.
    """
    if not leasing.mark_paid(session, lease, under_way=True):
        raise LeaseLost
    if not accounts.reserve(session, provider, micros):
        raise BudgetSpent
    call = ApiCall(
        provider=provider, model=model, purpose=purpose, request_key=lease.key, item_id=lease.id,
        run_id=lease.run_id, batch_job_id=batch_job_id, reserved_micros=micros,
    )  # fmt: skip
    call_id: int = session.execute(_BEGIN, call.model_dump(exclude={"id"})).scalar_one()
    # Only now, since from here on nobody else can begin: whoever was faster has been committed, and is seen.
    if session.execute(_NEWER, {"request": lease.key, "known": [answer.id for answer in known.answers]}).first():
        raise Overtaken
    return call_id


def accepted(session: Session, call_id: int, remote_id: str) -> None:
    """The provider named the task it made of a call, so it can be looked for after a crash."""
    session.execute(update(ApiCall).where(col(ApiCall.id) == call_id).values(remote_id=remote_id[:200]))


@dataclass(frozen=True)
class Closing:
    """How a call ended. ``cost`` is in millionths of a dollar; ``remote_id`` replaces the recorded one where given."""

    state: CallState
    cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    answer_sha256: str = ""
    answer_text: str = ""
    reason: str = ""
    error: str = ""
    retried: bool = False


_CLOSE = (
    update(CALLS)
    .where(CALLS.c.id == bindparam("call"), CALLS.c.state == bindparam("before"))
    .returning(CALLS.c.provider, CALLS.c.run_id, CALLS.c.reserved_micros)
)


def close(session: Session, call_id: int, closing: Closing) -> bool:
    """Record how a call ended and book its cost; its item's paid call is no longer under way.

    A late answer to a call that was given up for unknown is taken: it was paid. False when the call was closed before.
    """
    values = {
        "state": closing.state,
        "finished_at": utcnow(),
        "cost_micros": closing.cost,
        "input_tokens": closing.input_tokens,
        "output_tokens": closing.output_tokens,
        "answer_sha256": closing.answer_sha256,
        "answer_text": closing.answer_text,
        "reason": closing.reason[:80],
        "error": closing.error[:1000],
        "retried_at": utcnow() if closing.retried else None,
    }
    for before in (CallState.SENT, CallState.UNKNOWN):
        if before == closing.state:
            continue
        closed = session.execute(_CLOSE, {"call": call_id, "before": before} | values).first()
        if closed is not None:
            provider, run_id, reserved = closed
            late = before == CallState.UNKNOWN  # its reservation was booked as spent when it was given up
            cost = closing.cost - reserved if late else closing.cost
            accounts.book(session, provider, run_id, reserved=0 if late else reserved, cost=cost)
            return True
    return False
