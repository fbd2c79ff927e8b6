"""The review queue: which pairs wait for a person, who has which on screen, and how far the work has come.

An image on a screen, or loaded ahead for one, is leased to that person. A lease runs out when the browser falls silent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, or_, select

from app.models import (
    Candidate,
    CandidateSummary,
    Image,
    Json,
    Method,
    Review,
    ReviewLease,
    Source,
    SourceFile,
    Stage,
    Verdict,
    utcnow,
)

LEASE = timedelta(minutes=5)
MAX_ITEMS = 20
"""Most items one person can hold: more would empty the queue for everybody else."""
MAX_EXCLUDED = 500
COUNT_CAP = 10_000
RATE_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True)
class Filters:
    """What part of the queue a person works on. ``after`` starts behind that image id."""

    category: str | None = None
    source_id: int | None = None
    after: int = 0


@dataclass(frozen=True)
class JudgeView:
    """What the judge said: its name, its decision and score and reason by aspect."""

    judge: str
    decision: str
    scores: Json
    reasons: Json


@dataclass(frozen=True)
class ReviewItem:
    """One pair to decide on. Sizes in pixels; ``metrics`` as in :class:`~app.models.CandidateSummary`."""

    image_id: int
    candidate_id: int
    category: str
    source: str
    file_name: str
    method: str
    attempt: int
    lq_sha256: str
    lq_size: tuple[int, int]
    hq_sha256: str
    hq_size: tuple[int, int]
    metrics: Json
    verdict: JudgeView | None


@dataclass(frozen=True)
class Progress:
    """``left`` is counted to :data:`COUNT_CAP` only; one more means "more than that". The rate covers ten minutes."""

    today: int
    per_minute: float
    left: int


@dataclass(frozen=True)
class Locked:
    """Items that wait, but are open with other people; ``seconds`` until the first of them is free."""

    count: int
    seconds: int


def _waiting(filters: Filters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        col(Image.stage) == Stage.AWAITING,
        col(Image.current_candidate_id).is_not(None),
    ]
    if filters.category:
        conditions.append(col(Image.category) == filters.category)
    if filters.source_id is not None:
        conditions.append(col(Image.source_id) == filters.source_id)
    if filters.after:
        conditions.append(col(Image.id) > filters.after)
    return conditions


def take(session: Session, user_id: int, image_ids: Collection[int], *, by_force: bool = False) -> set[int]:
    """Lease ``image_ids`` to ``user_id`` for :data:`LEASE`; returns those that are theirs now.

    One statement inserts new leases, renews the person's own and takes over expired ones, so two people cannot both get
    an image. ``by_force`` takes it from whoever holds it: for an undone decision, which goes back to its maker.
    """
    if not image_ids:
        return set()
    now = utcnow()
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    rows = [{"image_id": i, "user_id": user_id, "expires_at": now + LEASE} for i in sorted(image_ids)]
    statement = dialect.insert(ReviewLease).values(rows)
    free = or_(col(ReviewLease.user_id) == user_id, col(ReviewLease.expires_at) <= now)
    taking = statement.on_conflict_do_update(
        index_elements=["image_id"],
        set_={"user_id": statement.excluded.user_id, "expires_at": statement.excluded.expires_at},
        where=None if by_force else free,
    ).returning(col(ReviewLease.image_id))
    return set(session.execute(taking).scalars())


def renew(session: Session, user_id: int, image_ids: Collection[int]) -> set[int]:
    """Keep ``image_ids`` for the person; returns those lost: decided meanwhile, or taken after the lease had run out."""
    wanted = set(image_ids)
    waiting = session.exec(select(Image.id).where(col(Image.id).in_(wanted), *_waiting(Filters()))) if wanted else ()
    return wanted - take(session, user_id, [i for i in waiting if i is not None])


def release(session: Session, user_id: int, image_ids: Collection[int] | None = None) -> None:
    """Give the person's leases back: of ``image_ids``, or all of them."""
    statement = delete(ReviewLease).where(col(ReviewLease.user_id) == user_id)
    if image_ids is not None:
        statement = statement.where(col(ReviewLease.image_id).in_(image_ids))
    session.execute(statement)


def next_items(session: Session, user_id: int, filters: Filters, n: int, exclude: Collection[int] = ()) -> list[ReviewItem]:
    """Lease the oldest ``n`` waiting items that nobody else holds and return them, oldest first.

    ``exclude`` are image ids the person has already (on screen, loaded ahead or skipped). Fewer than ``n`` come back
    when the queue has no more; :func:`locked` then tells an empty queue from one that is only open elsewhere.
    """
    n = max(0, min(n, MAX_ITEMS))
    taken: set[int] = set()
    while len(taken) < n:
        # Another person may lease what we have just seen; then the statement below gets none of it and we look again.
        seen = session.exec(_free(user_id, filters, [*list(exclude)[:MAX_EXCLUDED], *taken], n - len(taken))).all()
        if not seen:
            break
        taken |= take(session, user_id, [i for i in seen if i is not None])
    return items(session, taken)


def _free(user_id: int, filters: Filters, exclude: Sequence[int], n: int) -> Any:
    held = select(ReviewLease.image_id).where(
        ReviewLease.image_id == Image.id, ReviewLease.user_id != user_id, ReviewLease.expires_at > utcnow()
    )
    conditions = [*_waiting(filters), ~held.exists()]
    if exclude:
        conditions.append(col(Image.id).not_in(exclude))
    return select(Image.id).where(*conditions).order_by(col(Image.id)).limit(n)


def items(session: Session, image_ids: Collection[int]) -> list[ReviewItem]:
    """The review items of ``image_ids`` that still wait, oldest first."""
    if not image_ids:
        return []
    latest = select(func.max(Verdict.id)).where(Verdict.candidate_id == Candidate.id).correlate(Candidate).scalar_subquery()
    rows = session.execute(
        select(Image, Candidate, CandidateSummary, Method.name, Source.name, SourceFile.name, Verdict)  # type: ignore[call-overload]
        .join(Candidate, col(Candidate.id) == Image.current_candidate_id)
        .join(CandidateSummary, col(CandidateSummary.candidate_id) == Candidate.id)
        .join(Method, col(Method.id) == Candidate.method_id)
        .join(Source, col(Source.id) == Image.source_id)
        .join(SourceFile, col(SourceFile.id) == Image.source_file_id)
        .outerjoin(Verdict, col(Verdict.id) == latest)
        .where(col(Image.id).in_(image_ids), *_waiting(Filters()))
        .order_by(col(Image.id))
    )
    return [_item(*row) for row in rows]


def _item(
    image: Image,
    candidate: Candidate,
    summary: CandidateSummary,
    method: str,
    source: str,
    file_name: str,
    verdict: Verdict | None,
) -> ReviewItem:
    return ReviewItem(
        image_id=image.id or 0,
        candidate_id=summary.candidate_id,
        category=image.category,
        source=source,
        file_name=file_name,
        method=method,
        attempt=summary.attempt,
        lq_sha256=image.master_sha256,
        lq_size=(image.width, image.height),
        hq_sha256=candidate.file_sha256,
        hq_size=(candidate.width, candidate.height),
        metrics=summary.metrics,
        verdict=JudgeView(verdict.judge, verdict.rule_decision, verdict.scores, verdict.reasons) if verdict else None,
    )


def locked(session: Session, user_id: int, filters: Filters) -> Locked | None:
    """Waiting items that others have open, or None when there are none: the queue is then truly empty."""
    now = utcnow()
    count, first = session.execute(
        select(func.count(), func.min(ReviewLease.expires_at))
        .select_from(ReviewLease)
        .join(Image, col(Image.id) == ReviewLease.image_id)
        .where(*_waiting(filters), col(ReviewLease.user_id) != user_id, col(ReviewLease.expires_at) > now)
    ).one()
    return Locked(count, max(1, round((first - now).total_seconds()))) if count else None


def progress(session: Session, user_id: int, filters: Filters, day_start: datetime) -> Progress:
    """The person's decisions since ``day_start`` and of late, and what is left. Undone decisions do not count."""
    now = utcnow()
    mine = (Review.user_id == user_id, col(Review.undone_at).is_(None))
    recent = (*mine, Review.created_at > now - RATE_WINDOW)
    some = select(Image.id).where(*_waiting(filters)).limit(COUNT_CAP + 1).subquery()
    today, lately, since, left = session.execute(
        select(
            select(func.count()).select_from(Review).where(*mine, Review.created_at >= day_start).scalar_subquery(),
            select(func.count()).select_from(Review).where(*recent).scalar_subquery(),
            select(func.min(Review.created_at)).where(*recent).scalar_subquery(),
            select(func.count()).select_from(some).scalar_subquery(),
        )
    ).one()
    minutes = max(1.0, (now - since).total_seconds() / 60) if since else 1.0
    return Progress(today=today, per_minute=lately / minutes, left=left)


def sources(session: Session) -> list[tuple[int, str]]:
    """Every source by id and name, for the filter."""
    return [(i, name) for i, name in session.exec(select(Source.id, Source.name).order_by(Source.name)) if i is not None]
