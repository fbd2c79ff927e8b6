"""Pairs that people disagree about, with everything that was said of them, for whoever settles them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, select
from sqlmodel import Session, col

from app.errors import NotFound
from app.models import Candidate, Image, Review, Stage, User, Verdict
from app.services.image_chains import VerdictRow, verdict_row
from app.services.reviewed_pairs import SHOWN, Tallied, standing, tallies

PAGE_SIZE = 30
COUNT_CAP = 10_000
"""Disputed pairs counted at most."""


@dataclass(frozen=True)
class Dispute(Tallied):
    """A disputed pair as the list shows it; ``since`` is when the last decision was made."""

    since: datetime


@dataclass(frozen=True)
class Disputes:
    """Some of them, oldest first; ``after`` is the image id after which the next ones come, None at the end."""

    rows: tuple[Dispute, ...]
    after: int | None
    total: int


@dataclass(frozen=True)
class AnswerRow:
    """What one person said. ``marks`` are boxes (x, y, width, height) in shares of the LQ's sides."""

    key: str
    user_id: int
    who: str
    kind: str
    decision: str
    reasons: tuple[str, ...]
    note: str
    scores: dict[str, float]
    marks: tuple[tuple[float, ...], ...]
    created_at: datetime


@dataclass(frozen=True)
class Open:
    """One pair with all answers that stand: ``answers`` are the independent ones, ``final`` settles them if there is one.

    ``candidate`` is the image's current one. ``before`` and ``after`` are the disputed pairs around it, by image id.
    """

    image: Image
    candidate: Candidate
    answers: tuple[AnswerRow, ...]
    final: AnswerRow | None
    verdicts: tuple[VerdictRow, ...]
    before: int | None
    after: int | None

    @property
    def disputed(self) -> bool:
        return self.image.stage == Stage.DISPUTED


@dataclass(frozen=True)
class Last:
    """A person's latest final decision that stands."""

    key: str
    image_id: int
    decision: str
    at: datetime


def disputes(session: Session, category: str = "", after: int | None = None, size: int = PAGE_SIZE) -> Disputes:
    """Pairs that wait to be settled, in two statements."""
    first = (
        select(col(Image.id))
        .where(*_disputed(category), col(Image.id) > (after or 0))
        .order_by(col(Image.id))
        .limit(size + 1)
    )
    rows = session.execute(
        select(*SHOWN, *tallies(col(Review.decision)), func.max(col(Review.created_at)))
        .select_from(Image)
        .join(Candidate, col(Candidate.id) == col(Image.current_candidate_id))
        .join(Review, and_(col(Review.candidate_id) == col(Candidate.id), *standing("own")))
        .where(col(Image.id).in_(first))
        .group_by(*SHOWN)
        .order_by(col(Image.id))
    ).all()
    total: int = session.execute(
        select(func.count()).select_from(select(col(Image.id)).where(*_disputed(category)).limit(COUNT_CAP + 1).subquery())
    ).scalar_one()
    found = tuple(Dispute(*row) for row in rows[:size])
    return Disputes(found, found[-1].image_id if len(rows) > size else None, total)


def open_item(session: Session, image_id: int, category: str = "") -> Open:
    """A pair with its answers, disputed or settled, in four statements. Raises NotFound where nobody said anything."""
    row = session.execute(
        select(Image, Candidate)
        .join(Candidate, col(Candidate.id) == col(Image.current_candidate_id))
        .where(col(Image.id) == image_id)
    ).first()
    answers = _answers(session, row[1].id) if row is not None else []
    if row is None or not answers:
        raise NotFound(f"Nobody has decided on image {image_id}, so there is nothing to settle.")
    verdicts = session.execute(
        select(Verdict).where(col(Verdict.candidate_id) == row[1].id).order_by(col(Verdict.id))
    ).scalars()
    before, after = session.execute(
        select(
            select(func.max(col(Image.id))).where(*_disputed(category), col(Image.id) < image_id).scalar_subquery(),
            select(func.min(col(Image.id))).where(*_disputed(category), col(Image.id) > image_id).scalar_subquery(),
        )
    ).one()
    return Open(
        row[0], row[1],
        answers=tuple(a for a in answers if a.kind == "own"),
        final=next((a for a in answers if a.kind == "final"), None),
        verdicts=tuple(verdict_row(verdict) for verdict in verdicts),
        before=before, after=after,
    )  # fmt: skip


def last_final(session: Session, user_id: int) -> Last | None:
    """A person's latest final decision that stands, which they may take back."""
    row = session.execute(
        select(col(Review.key), col(Review.image_id), col(Review.decision), col(Review.created_at))
        .where(col(Review.user_id) == user_id, *standing("final"))
        .order_by(col(Review.id).desc())
        .limit(1)
    ).first()
    return Last(*row) if row else None


def next_after(session: Session, image_id: int, category: str = "") -> int | None:
    """The next disputed pair by image id, from the first again at the end; None when there is none."""
    later = func.min(case((col(Image.id) > image_id, col(Image.id))))
    found: int | None
    first: int | None
    found, first = session.execute(select(later, func.min(col(Image.id))).where(*_disputed(category))).one()
    return found or first


def _disputed(category: str) -> Sequence[Any]:
    found = [col(Image.stage) == Stage.DISPUTED]
    return [*found, col(Image.category) == category] if category else found


def _answers(session: Session, candidate_id: int) -> list[AnswerRow]:
    """In the order of their random keys, which tells nobody who was first."""
    rows = session.execute(
        select(Review, col(User.name))
        .join(User, col(User.id) == col(Review.user_id))
        .where(
            col(Review.candidate_id) == candidate_id,
            col(Review.kind).in_(("own", "final")),
            col(Review.undone_at).is_(None),
        )
        .order_by(col(Review.key))
    ).all()
    return [
        AnswerRow(
            r.key, r.user_id, who, r.kind, r.decision, tuple(r.reasons), r.note, dict(r.scores),
            tuple(tuple(mark) for mark in r.marks), r.created_at,
        )
        for r, who in rows
    ]  # fmt: skip
