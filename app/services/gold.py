"""Questions whose answer is known, mixed into queues: how well does an annotator look?"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, bindparam, case, func, select
from sqlmodel import Session, col

from app.domain.agreement import Share, wilson
from app.domain.gold_places import is_gold
from app.domain.review import Choice
from app.errors import GgtError, NotFound
from app.models import Candidate, GoldAnswer, Image, Review, ReviewLease, User, table_of
from app.services.events import record

GOLD, REVIEWS, LEASES = table_of(GoldAnswer), table_of(Review), table_of(ReviewLease)


@dataclass(frozen=True)
class Accuracy:
    """How often a person's answers to gold questions were the known ones."""

    user_id: int
    name: str
    right: int
    n: int

    @property
    def share(self) -> Share | None:
        return wilson(self.right, self.n)


def know(session: Session, *, user_id: int, candidate_id: int, decision: Choice, note: str = "") -> int:
    """Record the right decision on a candidate; returns its image's id.

    Raises NotFound, or GgtError for a decision that is no answer.
    """
    if decision not in ("accept", "reject"):
        raise GgtError("The answer of a gold question is accept or reject.")
    candidate = session.get(Candidate, candidate_id)
    if candidate is None:
        raise NotFound(f"There is no candidate {candidate_id}.")
    known = session.exec(select(GoldAnswer).where(col(GoldAnswer.image_id) == candidate.image_id)).scalars().one_or_none()  # type: ignore[call-overload]
    if known is not None and known.candidate_id != candidate_id:
        session.delete(known)
        session.flush()
        known = None
    answer = known or GoldAnswer(candidate_id=candidate_id, image_id=candidate.image_id, decision=decision)
    answer.decision, answer.note, answer.active, answer.created_by = decision, note[:500], True, user_id
    session.add(answer)
    record(
        session, user_id, "gold.set", f"image:{candidate.image_id}", note, {"candidate": candidate_id, "answer": decision}
    )
    return candidate.image_id


def forget(session: Session, *, user_id: int, candidate_id: int) -> int:
    """Ask a gold question no more; returns its image's id. Answers given to it stay. Raises NotFound for no candidate."""
    candidate = session.get(Candidate, candidate_id)
    if candidate is None:
        raise NotFound(f"There is no candidate {candidate_id}.")
    answer = session.get(GoldAnswer, candidate_id)
    if answer is not None and answer.active:
        answer.active = False
        session.add(answer)
        record(session, user_id, "gold.removed", f"image:{answer.image_id}", details={"candidate": candidate_id})
    return candidate.image_id


_GIVEN = select(func.count()).where(
    REVIEWS.c.queue_id == bindparam("queue"), REVIEWS.c.user_id == bindparam("me"), REVIEWS.c.kind != "final"
)


def places(session: Session, user_id: int, queue_id: int, every: int, n: int, held: int) -> list[int]:
    """Which of the next ``n`` items are to be gold questions, counted from 0; ``held`` are on the person's screen."""
    given: int = session.execute(_GIVEN, {"queue": queue_id, "me": user_id}).scalar_one()
    return [place for place in range(n) if is_gold(f"{user_id}:{queue_id}", given + held + place, every)]


@lru_cache(maxsize=2)
def _questions(by_category: bool) -> Any:
    image = table_of(Image)
    answered = select(REVIEWS.c.id).where(
        REVIEWS.c.candidate_id == GOLD.c.candidate_id, REVIEWS.c.user_id == bindparam("me"), REVIEWS.c.undone_at.is_(None)
    )
    on_screen = select(LEASES.c.id).where(LEASES.c.image_id == GOLD.c.image_id, LEASES.c.user_id == bindparam("me"))
    found = (
        select(GOLD.c.image_id, GOLD.c.candidate_id)
        .where(
            GOLD.c.active,
            ~answered.exists(),
            ~on_screen.exists(),
            GOLD.c.image_id.not_in(bindparam("excluded", expanding=True)),
        )
        .order_by(GOLD.c.candidate_id)
        .limit(bindparam("most"))
    )
    if by_category:
        found = found.join(image, image.c.id == GOLD.c.image_id).where(image.c.category == bindparam("category"))
    return found


def questions(
    session: Session, user_id: int, category: str | None, n: int, exclude: Collection[int]
) -> Sequence[tuple[int, int]]:
    """Up to ``n`` questions that the person has not answered and does not hold, as (image id, candidate id)."""
    if not n:
        return []
    asked = {"me": user_id, "excluded": list(exclude), "most": n, "category": category}
    return [(row[0], row[1]) for row in session.execute(_questions(bool(category)), asked)]


def accuracies(session: Session, queue_id: int | None = None) -> list[Accuracy]:
    """Each annotator's answers to gold questions, of one queue or of all, by name. Undone answers do not count."""
    right = func.sum(case((col(Review.decision) == col(GoldAnswer.decision), 1), else_=0))
    query = (
        select(col(User.id), col(User.name), right, func.count())
        .join(Review, and_(col(Review.user_id) == col(User.id), col(Review.kind) == "gold"))
        .join(GoldAnswer, col(GoldAnswer.candidate_id) == col(Review.candidate_id))
        .where(col(Review.undone_at).is_(None))
        .group_by(col(User.id), col(User.name))
        .order_by(col(User.name))
    )
    if queue_id is not None:
        query = query.where(col(Review.queue_id) == queue_id)
    return [Accuracy(*row) for row in session.execute(query)]
