"""How far a person's part of the review has come, and why nothing comes although something waits."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select
from sqlmodel import Session

from app.models import Source, table_of, utcnow
from app.services.review_leases import LEASES, REVIEWS
from app.services.review_queue import DECIDED_BY_ME, IMAGES, LIVE, MINE, Filters, part_of, waiting

COUNT_CAP = 10_000
RATE_WINDOW = timedelta(minutes=10)


@dataclass(frozen=True)
class Progress:
    """``left`` is counted to :data:`COUNT_CAP` only; one more means "more than that". The rate covers ten minutes."""

    today: int
    per_minute: float
    left: int


@dataclass(frozen=True)
class Locked:
    """Why nothing comes although something waits. ``count`` items are open with others, ``seconds`` until the first is
    free; ``others_turn`` have the person's own decision and wait for somebody else's."""

    count: int
    seconds: int
    others_turn: int = 0


def locked(session: Session, user_id: int, filters: Filters) -> Locked | None:
    """Waiting items that others have open or have to decide on; None when there are none: the queue is truly empty."""
    asked = filters.values() | {"me": user_id}
    conditions = waiting(filters)
    count, first = session.execute(
        select(func.count(), func.min(LEASES.c.expires_at))
        .select_from(part_of(filters).join(LEASES, LEASES.c.image_id == IMAGES.c.id))
        .where(*conditions, ~MINE, LIVE, ~DECIDED_BY_ME.exists()),
        asked,
    ).one()
    mine = select(IMAGES.c.id).select_from(part_of(filters)).where(*conditions, DECIDED_BY_ME.exists()).limit(COUNT_CAP)
    others_turn = session.execute(select(func.count()).select_from(mine.subquery()), asked).scalar_one()
    if not count and not others_turn:
        return None
    return Locked(count, max(1, round((first - utcnow()).total_seconds())) if count else 0, others_turn)


def progress(session: Session, user_id: int, filters: Filters, day_start: datetime) -> Progress:
    """The person's decisions since ``day_start`` and of late, and what is left. Undone decisions do not count."""
    now = utcnow()
    mine = (REVIEWS.c.user_id == user_id, REVIEWS.c.undone_at.is_(None), REVIEWS.c.kind != "final")
    recent = (*mine, REVIEWS.c.created_at > now - RATE_WINDOW)
    open_to_me = or_(IMAGES.c.decisions_wanted == 1, ~DECIDED_BY_ME.exists())
    some = select(IMAGES.c.id).select_from(part_of(filters)).where(*waiting(filters), open_to_me)
    today, lately, since, left = session.execute(
        select(
            select(func.count()).select_from(REVIEWS).where(*mine, REVIEWS.c.created_at >= day_start).scalar_subquery(),
            select(func.count()).select_from(REVIEWS).where(*recent).scalar_subquery(),
            select(func.min(REVIEWS.c.created_at)).where(*recent).scalar_subquery(),
            select(func.count()).select_from(some.limit(COUNT_CAP + 1).subquery()).scalar_subquery(),
        ),
        filters.values() | {"me": user_id},
    ).one()
    minutes = max(1.0, (now - since).total_seconds() / 60) if since else 1.0
    return Progress(today=today, per_minute=lately / minutes, left=left)


def sources(session: Session) -> list[tuple[int, str]]:
    """Every source by id and name, for the filter."""
    table = table_of(Source)
    return [(i, name) for i, name in session.execute(select(table.c.id, table.c.name).order_by(table.c.name))]
