"""Human decisions on pairs: accept, reject and undo. Each decision is counted once, however often it is sent."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from sqlmodel import Session, col, select

from app.domain.review import Choice, decision_problem
from app.errors import Conflict, GgtError, NotFound
from app.models import CandidateSummary, Image, Pair, Review, Stage, User, utcnow
from app.services import events
from app.services.review_queue import release, take

UNDO_DEPTH = 50
KEY = re.compile(r"[A-Za-z0-9_-]{8,64}")
OUTCOME = {"accept": Stage.VERIFIED, "reject": Stage.REJECTED}
PAST = {"accept": "accepted", "reject": "rejected"}


@dataclass(frozen=True)
class Decided:
    """A decision as it is stored."""

    key: str
    image_id: int
    candidate_id: int
    decision: str
    reasons: tuple[str, ...]
    undone: bool


def decide(
    session: Session,
    *,
    user_id: int,
    key: str,
    image_id: int,
    candidate_id: int,
    decision: Choice,
    reasons: Collection[str] = (),
    note: str = "",
) -> Decided:
    """Accept or reject ``candidate_id`` as the HQ of ``image_id``.

    ``key`` is made by the browser, once per decision: sent again, also at the same moment, it changes nothing and gets the
    stored answer. A lease is not asked for: whoever lost theirs while offline still has the work counted, if nobody
    decided before.

    Raises GgtError for an incomplete decision, NotFound for an unknown image, Conflict when another candidate is
    current, somebody decided before, or the key belongs to another decision.
    """
    note = note.strip()
    if problem := decision_problem(decision, reasons, note):
        raise GgtError(f"Image {image_id}: {problem}.")
    if not KEY.fullmatch(key):
        raise GgtError("A decision's key has 8 to 64 letters, digits, - or _.")
    image = _lock(session, image_id)
    wanted = Decided(key, image_id, candidate_id, decision, tuple(dict.fromkeys(reasons)), undone=False)
    known = session.exec(select(Review).where(Review.key == key)).one_or_none()
    if known is not None:
        return _repeated(known, user_id, wanted)
    if image.stage != Stage.AWAITING or image.current_candidate_id != candidate_id:
        raise Conflict(_refusal(session, user_id, image, candidate_id))

    review = Review(
        key=key,
        candidate_id=candidate_id,
        image_id=image_id,
        user_id=user_id,
        decision=decision,
        reasons=list(wanted.reasons),
        note=note,
    )
    session.add(review)
    session.flush()
    why = ", ".join(wanted.reasons) + (f": {note}" if note and reasons else note)
    _move(session, image, candidate_id, OUTCOME[decision], decision, why[:500])
    if decision == "accept":
        session.add(Pair(image_id=image_id, candidate_id=candidate_id, review_id=review.id or 0))
    release(session, user_id, [image_id])
    events.record(
        session, user_id, f"review.{PAST[decision]}", f"image:{image_id}", why[:500], {"candidate": candidate_id, "key": key}
    )
    session.flush()
    return wanted


def undo(session: Session, *, user_id: int, review_key: str | None = None) -> Decided:
    """Take back one of the person's own last :data:`UNDO_DEPTH` decisions, the newest by default.

    The image waits again, its pair is gone, and it is leased to the person so that it comes back on their screen. Undoing
    twice changes nothing.

    Raises NotFound when there is no such decision, Conflict when the image has moved on since.
    """
    newest = col(Review.id).desc()
    last = session.exec(select(Review).where(Review.user_id == user_id).order_by(newest).limit(UNDO_DEPTH)).all()
    review = next((r for r in last if (r.key == review_key if review_key else r.undone_at is None)), None)
    if review is None:
        raise NotFound(f"There is nothing to undo: only your own last {UNDO_DEPTH} decisions can be taken back.")
    image = _lock(session, review.image_id)
    session.refresh(review)
    undone = Decided(review.key, review.image_id, review.candidate_id, review.decision, tuple(review.reasons), undone=True)
    if review.undone_at is not None:
        return undone
    if image.stage != OUTCOME[review.decision] or image.current_candidate_id != review.candidate_id:
        raise Conflict(f"Image {image.id} has moved on since ({image.stage}); the decision can no longer be undone.")

    review.undone_at = utcnow()
    pair = session.get(Pair, review.image_id)
    if pair is not None:
        session.delete(pair)
    _move(session, image, review.candidate_id, Stage.AWAITING, None, "")
    take(session, user_id, [review.image_id], by_force=True)
    events.record(
        session,
        user_id,
        "review.undone",
        f"image:{image.id}",
        f"was {PAST[review.decision]}",
        {"candidate": review.candidate_id, "key": review.key},
    )
    session.flush()
    return undone


def _lock(session: Session, image_id: int) -> Image:
    """The image, locked until the transaction ends, so that decisions on it come one after the other."""
    statement = select(Image).where(Image.id == image_id).with_for_update(key_share=True)
    image = session.exec(statement.execution_options(populate_existing=True)).one_or_none()
    if image is None:
        raise NotFound(f"Image {image_id} does not exist (any more).")
    return image


def _move(session: Session, image: Image, candidate_id: int, stage: Stage, review: Choice | None, reason: str) -> None:
    """Bring an image and the summary row of its candidate to ``stage``; an awaiting image has no reason."""
    image.stage, image.stage_reason = stage, reason
    summary = session.get(CandidateSummary, candidate_id)
    if summary is None:
        raise NotFound(f"Image {image.id}: candidate {candidate_id} has no summary.")
    summary.stage, summary.review = stage, review
    session.add_all([image, summary])


def _repeated(known: Review, user_id: int, wanted: Decided) -> Decided:
    stored = Decided(
        known.key, known.image_id, known.candidate_id, known.decision, tuple(known.reasons), known.undone_at is not None
    )
    same = (known.user_id, stored.image_id, stored.candidate_id, stored.decision)
    if same != (user_id, wanted.image_id, wanted.candidate_id, wanted.decision):
        raise Conflict(f"Image {wanted.image_id}: this key belongs to another decision; nothing was changed.")
    return stored


def _refusal(session: Session, user_id: int, image: Image, candidate_id: int) -> str:
    """Why a decision on ``candidate_id`` cannot be taken, in words."""
    last = session.exec(
        select(Review, User.name)
        .join(User, col(User.id) == Review.user_id)
        .where(Review.image_id == image.id, col(Review.undone_at).is_(None))
        .order_by(col(Review.id).desc())
    ).first()
    if last is not None and last[0].candidate_id == candidate_id:
        review, name = last
        who = "you" if review.user_id == user_id else name
        return f"Image {image.id} was already {PAST[review.decision]} by {who}; this decision was not counted."
    if image.current_candidate_id != candidate_id:
        return f"Image {image.id} has a newer candidate now; this decision on the old one was not counted."
    return f"Image {image.id} does not wait for verification ({image.stage}); this decision was not counted."
