"""What a reviewer is shown of a pair that is leased to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import and_, bindparam, func, or_, select
from sqlmodel import Session

from app.models import (
    Candidate,
    CandidateSummary,
    Image,
    Json,
    Method,
    Review,
    ReviewLease,
    ReviewQueue,
    Source,
    SourceFile,
    Stage,
    User,
    Verdict,
    table_of,
)
from app.services.hidden_answers import in_hiding_queue


@dataclass(frozen=True)
class JudgeView:
    """What the judge said: its name, its decision and score and reason by aspect."""

    judge: str
    decision: str
    scores: Json
    reasons: Json


@dataclass(frozen=True)
class ReviewItem:
    """One pair to decide on. Sizes in pixels; ``metrics`` as in :class:`~app.models.CandidateSummary`.

    ``verdict`` is left out where the queue hides answers, or another one that the pair waits in. ``returned`` says who sent
    the person's earlier decision back, and why.
    """

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
    returned: str = ""


@lru_cache
def _items() -> Any:
    image, candidate, summary, lease = (table_of(t) for t in (Image, Candidate, CandidateSummary, ReviewLease))
    method, source, file, verdict = (table_of(t) for t in (Method, Source, SourceFile, Verdict))
    queue, review, person = table_of(ReviewQueue), table_of(Review), table_of(User)
    latest = (
        select(func.max(verdict.c.id)).where(verdict.c.candidate_id == candidate.c.id).correlate(candidate).scalar_subquery()
    )
    sent_back = (
        select(func.max(review.c.id))
        .where(
            review.c.candidate_id == candidate.c.id, review.c.user_id == lease.c.user_id, review.c.returned_by.is_not(None)
        )
        .correlate(candidate, lease)
        .scalar_subquery()
    )
    return (
        select(
            image.c.id, candidate.c.id.label("candidate_id"), image.c.category, source.c.name.label("source"),
            file.c.name.label("file_name"), method.c.name.label("method"), summary.c.attempt, image.c.master_sha256,
            image.c.box_width, image.c.box_height, candidate.c.file_sha256, candidate.c.width, candidate.c.height,
            summary.c.metrics, verdict.c.judge, verdict.c.rule_decision, verdict.c.scores, verdict.c.reasons,
            review.c.returned_note, person.c.name.label("returner"),
            or_(queue.c.hide_answers, in_hiding_queue(image.c.id)).label("hides"),
        )
        .select_from(lease)
        .join(image, image.c.id == lease.c.image_id)
        .join(candidate, candidate.c.id == lease.c.candidate_id)
        .join(summary, summary.c.candidate_id == candidate.c.id)
        .join(method, method.c.id == candidate.c.method_id)
        .join(source, source.c.id == image.c.source_id)
        .join(file, file.c.id == image.c.source_file_id)
        .outerjoin(verdict, verdict.c.id == latest)
        .outerjoin(queue, queue.c.id == lease.c.queue_id)
        .outerjoin(review, review.c.id == sent_back)
        .outerjoin(person, person.c.id == review.c.returned_by)
        .where(
            lease.c.user_id == bindparam("me"),
            image.c.id.in_(bindparam("ids", expanding=True)),
            or_(
                lease.c.slot.is_(None),
                and_(image.c.stage == Stage.AWAITING, image.c.current_candidate_id == candidate.c.id),
            ),
        )
    )  # fmt: skip


def items(session: Session, user_id: int, image_ids: Sequence[int]) -> list[ReviewItem]:
    """What is leased to the person of ``image_ids``, in their order. One statement."""
    if not image_ids:
        return []
    rows = {row.id: row for row in session.execute(_items(), {"me": user_id, "ids": list(image_ids)})}
    return [_item(rows[image_id]) for image_id in image_ids if image_id in rows]


def _item(row: Any) -> ReviewItem:
    shown = row.judge is not None and not row.hides
    return ReviewItem(
        image_id=row.id,
        candidate_id=row.candidate_id,
        category=row.category,
        source=row.source,
        file_name=row.file_name,
        method=row.method,
        attempt=row.attempt,
        lq_sha256=row.master_sha256,
        lq_size=(row.box_width, row.box_height),
        hq_sha256=row.file_sha256,
        hq_size=(row.width, row.height),
        metrics=row.metrics,
        verdict=JudgeView(row.judge, row.rule_decision, row.scores, row.reasons) if shown else None,
        returned=f"{row.returner} sent it back: {row.returned_note}" if row.returner else "",
    )
