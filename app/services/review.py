"""Human decisions on pairs: accept, reject, another try, undo. Each decision is counted once, however often it is sent."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update
from sqlmodel import Session, col

from app.domain.review import Answer, Choice, answer_problem, outcome
from app.errors import Conflict, GgtError, NotFound
from app.models import CandidateSummary, Image, Pair, Review, ReviewLease, Stage, User, table_of, utcnow
from app.services import events
from app.services.review_leases import LEASE, release, take
from app.services.review_queue import set_open

UNDO_DEPTH = 50
KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
OUTCOME: dict[str, Stage] = {
    "accept": Stage.VERIFIED,
    "reject": Stage.REJECTED,
    "regenerate": Stage.REQUESTED,
    "disputed": Stage.DISPUTED,
}
PAST = {"accept": "accepted", "reject": "rejected", "regenerate": "sent for another try"}
ACTION = {"accept": "accepted", "reject": "rejected", "regenerate": "requested"}

IMAGES, SUMMARIES, REVIEWS = table_of(Image), table_of(CandidateSummary), table_of(Review)
PAIRS, LEASES = table_of(Pair), table_of(ReviewLease)


@dataclass(frozen=True)
class Decided:
    """A decision as it is stored. ``open``: the pair waits for more independent decisions."""

    key: str
    image_id: int
    candidate_id: int
    decision: str
    reasons: tuple[str, ...]
    undone: bool
    open: bool = False


@dataclass(frozen=True)
class Standing:
    """An image as a decision finds it, locked until the transaction ends, so that decisions on it come one by one."""

    id: int
    stage: str
    current_candidate_id: int | None
    decisions_wanted: int


def decide(session: Session, *, user_id: int, key: str, image_id: int, candidate_id: int, answer: Answer) -> Decided:
    """Say of ``candidate_id`` whether it is the HQ of ``image_id``.

    ``key`` is made by the browser, once per decision: sent again, also at the same moment, it changes nothing and gets the
    stored answer. A lease is not asked for: whoever lost theirs while offline still has the work counted, as long as not
    all decisions that are wanted were made by others. The image moves on when it has all of them: to where they point, or
    to a person who settles it where they differ.

    Raises GgtError for an incomplete decision, NotFound for an unknown image, Conflict when another candidate is current,
    enough people or this one decided before, or the key belongs to another decision.
    """
    answer = _checked(answer, key, image_id)
    image = _lock(session, image_id)
    made = session.execute(_MADE, {"candidate": candidate_id, "wanted": key}).all()
    if known := next((row for row in made if row.key == key), None):
        return _repeated(known, user_id, image_id, candidate_id, answer.decision)
    lease = session.execute(_TAKE_LEASE, {"me": user_id, "image": image_id}).first()
    if lease is not None and lease.slot is None and lease.candidate_id == candidate_id:
        _store(session, user_id, key, image_id, candidate_id, answer, kind="gold", slot=None, queue_id=lease.queue_id)
        return Decided(key, image_id, candidate_id, answer.decision, answer.reasons, undone=False)
    if image.stage != Stage.AWAITING or image.current_candidate_id != candidate_id:
        raise Conflict(_refusal(session, user_id, image, candidate_id))
    if any(row.user_id == user_id for row in made) or len(made) >= image.decisions_wanted:
        raise Conflict(_refusal(session, user_id, image, candidate_id))
    used = {row.slot for row in made}
    slot = lease.slot if lease is not None and lease.slot not in used else None
    if slot is None:
        slot = next(number for number in range(image.decisions_wanted) if number not in used)
    review_id = _store(
        session, user_id, key, image_id, candidate_id, answer, kind="own", slot=slot,
        queue_id=lease.queue_id if lease is not None else None,
    )  # fmt: skip
    come_to = outcome([*(row.decision for row in made), answer.decision], image.decisions_wanted)
    if come_to is not None:
        _close(session, image_id, candidate_id, come_to, "" if come_to == "disputed" else _why(answer), review_id)
    _event(session, user_id, f"review.{ACTION[answer.decision]}", image_id, candidate_id, key, _why(answer))
    return Decided(key, image_id, candidate_id, answer.decision, answer.reasons, undone=False, open=come_to is None)


def close_what_has_enough(session: Session, image_ids: Collection[int]) -> None:
    """Fewer decisions are wanted on these images now: close those that have enough, as if the last one had just come.

    The caller has locked them. As many stay wanted as were made, so that one that is taken back can be made anew.
    """
    rows = session.execute(_ENOUGH, {"images": list(image_ids)})
    for image_id, group in groupby(rows, key=lambda row: row.image_id):
        made = list(group)
        last = made[-1]
        come_to = outcome([row.decision for row in made], last.decisions_wanted)
        if come_to is None:
            continue
        why = "" if come_to == "disputed" else _why(Answer(last.decision, tuple(last.reasons), last.note))
        session.execute(_MOVE_IMAGE, {"image": image_id, "decisions_wanted": len(made)})
        _close(session, image_id, last.candidate_id, come_to, why, last.id)
        details = {"candidate": last.candidate_id, "decisions": len(made), "outcome": come_to}
        events.record(session, None, "review.closed", f"image:{image_id}", "No more decisions are wanted on it.", details)


def settle(session: Session, *, user_id: int, key: str, image_id: int, candidate_id: int, answer: Answer) -> Decided:
    """Decide finally on a pair that people disagree about. It can be undone like any other decision.

    Raises as :func:`decide`; Conflict also for a pair that nobody disagrees about.
    """
    answer = _checked(answer, key, image_id)
    image = _lock(session, image_id)
    if (known := _by_key(session, key)) is not None:
        return _repeated(known, user_id, image_id, candidate_id, answer.decision)
    if image.stage != Stage.DISPUTED or image.current_candidate_id != candidate_id:
        raise Conflict(f"Image {image_id} is not disputed (any more); this decision was not counted.")
    review_id = _store(session, user_id, key, image_id, candidate_id, answer, kind="final", slot=None, queue_id=None)
    _close(session, image_id, candidate_id, answer.decision, _why(answer), review_id)
    _event(session, user_id, f"review.{ACTION[answer.decision]}", image_id, candidate_id, key, _why(answer), final=True)
    return Decided(key, image_id, candidate_id, answer.decision, answer.reasons, undone=False)


def undo(session: Session, *, user_id: int, review_key: str | None = None) -> Decided:
    """Take back one of the person's own last :data:`UNDO_DEPTH` decisions, the newest by default.

    The image waits again (for who settles it, if that was the decision), its pair is gone, and it is leased to the person
    so that it comes back on their screen. Undoing twice changes nothing.

    Raises NotFound when there is no such decision, Conflict when the image has moved on since.
    """
    newest = col(Review.id).desc()
    last = session.execute(
        select(Review).where(col(Review.user_id) == user_id).order_by(newest).limit(UNDO_DEPTH)
    ).scalars().all()  # fmt: skip
    found = next((r for r in last if (r.key == review_key if review_key else r.undone_at is None)), None)
    if found is None:
        raise NotFound(f"There is nothing to undo: only your own last {UNDO_DEPTH} decisions can be taken back.")
    return _take_back(session, found, by=user_id)


def send_back(session: Session, *, user_id: int, review_key: str, note: str) -> Decided:
    """Give somebody's decision back to them, with a note; it comes first among what they get next.

    Raises NotFound for an unknown decision, GgtError without a note, Conflict when the image has moved on since.
    """
    note = note.strip()
    if not note:
        raise GgtError("Say in a note what is to be looked at again.")
    review = _by_key(session, review_key)
    if review is None or review.kind != "own":
        raise NotFound("There is no such decision to send back.")
    returned = _take_back(session, review, by=user_id)
    review.returned_by, review.returned_note = user_id, note[:2000]
    session.add(review)
    session.flush()
    return returned


def _take_back(session: Session, review: Review, *, by: int) -> Decided:
    image = _lock(session, review.image_id)
    session.refresh(review)
    undone = Decided(review.key, review.image_id, review.candidate_id, review.decision, tuple(review.reasons), undone=True)
    if review.undone_at is not None:
        return undone
    _check_not_moved_on(session, image, review)
    review.undone_at = utcnow()
    session.add(review)
    session.flush()
    if review.kind == "gold":
        held = {"image_id": image.id, "slot": None, "candidate_id": review.candidate_id, "queue_id": review.queue_id}
        release(session, review.user_id, [image.id])
        session.execute(insert(LEASES).values(user_id=review.user_id, expires_at=utcnow() + LEASE, **held))
    elif review.kind == "final":
        _move(session, image.id, review.candidate_id, Stage.DISPUTED, None, "")
        session.execute(PAIRS.delete().where(PAIRS.c.image_id == image.id))
    else:
        if image.stage != Stage.AWAITING:
            _move(session, image.id, review.candidate_id, Stage.AWAITING, None, "")
            session.execute(PAIRS.delete().where(PAIRS.c.image_id == image.id))
            set_open(session, image.id, True)
        if by == review.user_id:
            take(
                session, by, [(image.id, review.candidate_id, image.decisions_wanted)], review.queue_id, by_force=True
            )  # fmt: skip
    action = "review.undone" if by == review.user_id else "review.returned"
    _event(session, by, action, image.id, review.candidate_id, review.key, f"was {PAST[review.decision]}")
    return undone


def _check_not_moved_on(session: Session, image: Standing, review: Review) -> None:
    """Raises Conflict where taking ``review`` back would tear down what was built on it."""
    if review.kind == "gold":
        return
    may_be_at = {OUTCOME[review.decision]} | ({Stage.AWAITING, Stage.DISPUTED} if review.kind == "own" else set())
    if image.current_candidate_id != review.candidate_id or image.stage not in may_be_at:
        raise Conflict(f"Image {image.id} has moved on since ({image.stage}); the decision can no longer be undone.")
    if review.kind == "own" and image.stage != Stage.AWAITING and _settled(session, review.candidate_id):
        raise Conflict(f"Image {image.id} was settled by somebody else meanwhile; ask them to take that back first.")


_TAKE_LEASE = (
    delete(LEASES)
    .where(LEASES.c.user_id == bindparam("me"), LEASES.c.image_id == bindparam("image"))
    .returning(LEASES.c.slot, LEASES.c.candidate_id, LEASES.c.queue_id)
)
"""A decision ends the lease; one that is refused leaves it, as its transaction is rolled back."""
_STANDS = and_(REVIEWS.c.candidate_id == bindparam("candidate"), REVIEWS.c.slot.is_not(None), REVIEWS.c.undone_at.is_(None))
_MADE = select(
    REVIEWS.c.key, REVIEWS.c.image_id, REVIEWS.c.candidate_id, REVIEWS.c.user_id, REVIEWS.c.slot, REVIEWS.c.decision,
    REVIEWS.c.reasons, REVIEWS.c.undone_at,
).where(or_(_STANDS, REVIEWS.c.key == bindparam("wanted")))  # fmt: skip
"""The decisions that count for a candidate, and the one that was sent before with the same key."""
_ENOUGH = (
    select(
        REVIEWS.c.image_id, REVIEWS.c.candidate_id, REVIEWS.c.id, REVIEWS.c.decision, REVIEWS.c.reasons, REVIEWS.c.note,
        IMAGES.c.decisions_wanted,
    )
    .join(IMAGES, IMAGES.c.current_candidate_id == REVIEWS.c.candidate_id)
    .where(
        IMAGES.c.id.in_(bindparam("images", expanding=True)), IMAGES.c.stage == Stage.AWAITING,
        REVIEWS.c.slot.is_not(None), REVIEWS.c.undone_at.is_(None),
    )
    .order_by(REVIEWS.c.image_id, REVIEWS.c.id)
)  # fmt: skip
_SETTLED = select(REVIEWS.c.id).where(
    REVIEWS.c.candidate_id == bindparam("candidate"), REVIEWS.c.kind == "final", REVIEWS.c.undone_at.is_(None)
)
_LOCK = (
    select(IMAGES.c.id, IMAGES.c.stage, IMAGES.c.current_candidate_id, IMAGES.c.decisions_wanted)
    .where(IMAGES.c.id == bindparam("image"))
    .with_for_update(key_share=True)
)
_BY_KEY = select(Review).where(col(Review.key) == bindparam("wanted"))
_STORE = insert(REVIEWS).returning(REVIEWS.c.id)
_PAIR = insert(PAIRS)
_MOVE_IMAGE = update(IMAGES).where(IMAGES.c.id == bindparam("image"))
_MOVE_SUMMARY = update(SUMMARIES).where(SUMMARIES.c.candidate_id == bindparam("candidate"))


def _lock(session: Session, image_id: int) -> Standing:
    row = session.execute(_LOCK, {"image": image_id}).first()
    if row is None:
        raise NotFound(f"Image {image_id} does not exist (any more).")
    return Standing(*row)


def _by_key(session: Session, key: str) -> Review | None:
    return session.execute(_BY_KEY, {"wanted": key}).scalar_one_or_none()


def _settled(session: Session, candidate_id: int) -> bool:
    return session.execute(_SETTLED, {"candidate": candidate_id}).first() is not None


def _store(
    session: Session, user_id: int, key: str, image_id: int, candidate_id: int, answer: Answer, *, kind: str,
    slot: int | None, queue_id: int | None,
) -> int:  # fmt: skip
    row: dict[str, Any] = {
        "key": key, "candidate_id": candidate_id, "image_id": image_id, "user_id": user_id, "queue_id": queue_id,
        "kind": kind, "slot": slot, "decision": answer.decision, "reasons": list(answer.reasons), "note": answer.note,
        "scores": dict(answer.scores), "marks": [list(mark) for mark in answer.marks], "created_at": utcnow(),
        "returned_note": "",
    }  # fmt: skip
    stored: int = session.execute(_STORE, row).scalar_one()
    return stored


def _checked(answer: Answer, key: str, image_id: int) -> Answer:
    """The answer, tidied. Raises GgtError for one that is incomplete, or a key that no browser of ours makes."""
    answer = answer.tidied()
    if problem := answer_problem(answer):
        raise GgtError(f"Image {image_id}: {problem}.")
    if not KEY.fullmatch(key):
        raise GgtError("A decision's key has 8 to 64 letters, digits, - or _.")
    return answer


def _close(session: Session, image_id: int, candidate_id: int, come_to: str, why: str, review_id: int) -> None:
    """The decisions that were wanted are there, ``review_id`` the last of them."""
    verdict = None if come_to == "disputed" else come_to
    _move(session, image_id, candidate_id, OUTCOME[come_to], verdict, why)
    set_open(session, image_id, False)
    if come_to == "accept":
        row = {"image_id": image_id, "candidate_id": candidate_id, "review_id": review_id, "created_at": utcnow()}
        session.execute(_PAIR, row)


def _move(session: Session, image_id: int, candidate_id: int, stage: Stage, review: str | None, reason: str) -> None:
    """Bring an image and the summary row of its candidate to ``stage``; an awaiting image has no reason."""
    session.execute(_MOVE_IMAGE, {"image": image_id, "stage": stage, "stage_reason": reason[:500]})
    moved: Any = session.execute(_MOVE_SUMMARY, {"candidate": candidate_id, "stage": stage, "review": review})
    if moved.rowcount != 1:
        raise NotFound(f"Image {image_id}: candidate {candidate_id} has no summary.")


def _why(answer: Answer) -> str:
    reasons = ", ".join(answer.reasons)
    return (reasons + (f": {answer.note}" if answer.note and reasons else answer.note))[:500]


def _event(
    session: Session, user_id: int, action: str, image_id: int, candidate_id: int, key: str, why: str, *, final: bool = False
) -> None:
    details: dict[str, Any] = {"candidate": candidate_id, "key": key} | ({"final": True} if final else {})
    events.record(session, user_id, action, f"image:{image_id}", why[:500], details)


def _repeated(known: Any, user_id: int, image_id: int, candidate_id: int, decision: Choice) -> Decided:
    stored = Decided(
        known.key, known.image_id, known.candidate_id, known.decision, tuple(known.reasons), known.undone_at is not None
    )
    same = (known.user_id, stored.image_id, stored.candidate_id, stored.decision)
    if same != (user_id, image_id, candidate_id, decision):
        raise Conflict(f"Image {image_id}: this key belongs to another decision; nothing was changed.")
    return stored


def _refusal(session: Session, user_id: int, image: Standing, candidate_id: int) -> str:
    """Why a decision on ``candidate_id`` cannot be taken, in words."""
    last = session.execute(
        select(Review, col(User.name))
        .join(User, col(User.id) == col(Review.user_id))
        .where(col(Review.image_id) == image.id, col(Review.undone_at).is_(None))
        .order_by((col(Review.user_id) == user_id).desc(), col(Review.id).desc())
    ).first()
    if last is not None and last[0].candidate_id == candidate_id:
        review, name = last
        who = "you" if review.user_id == user_id else name
        return f"Image {image.id} was already {PAST[review.decision]} by {who}; this decision was not counted."
    if image.current_candidate_id != candidate_id:
        return f"Image {image.id} has a newer candidate now; this decision on the old one was not counted."
    return f"Image {image.id} does not wait for verification ({image.stage}); this decision was not counted."
