"""Review queues: filter, order, how many independent decisions, who. A queue's items are rows, added when images come to
wait for a person, so that handing one out needs no search. What making, closing or opening one means for its images is done
in windows, the first in the request that asks for it and the others by the sweeper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from sqlalchemy import and_, func, select, update
from sqlmodel import Session, col

from app.catalog.metrics import METRICS
from app.catalog.quality import ACCEPT_RULE
from app.db import insert_ignore
from app.domain.queue_order import ORDERS, Known, Order, ranks
from app.errors import Conflict, GgtError, NotFound
from app.models import CandidateSummary, Image, Json, QueueItem, ReviewQueue, Stage, User, Verdict, table_of
from app.services import gallery, review
from app.services.events import record
from app.services.gallery_filter import GalleryFilter
from app.services.review_queue import Filters, set_open

WINDOW = 2000
"""Images added to a queue in one transaction."""
CHANGED = 500
"""Images on which more or fewer decisions are wanted in one transaction: those that have enough are closed in it."""
MAX_OVERLAP = 10


@dataclass(frozen=True)
class Wanted:
    """What a queue is to be."""

    name: str
    filter: str = ""
    order: Order = "oldest"
    overlap: int = 1
    people: tuple[int, ...] = ()
    hide_answers: bool = True
    gold_every: int = 0


@dataclass(frozen=True)
class QueueRow:
    """A queue as lists show it. ``open`` items may still be handed out, ``total`` ever were in it."""

    queue: ReviewQueue
    total: int
    open: int
    people: tuple[str, ...]


def create(session: Session, wanted: Wanted, user_id: int) -> ReviewQueue:
    """Make a queue and put the first window of what waits into it; :func:`fill` adds the rest.

    Raises GgtError for wrong values, Conflict for a name that is taken.
    """
    name = wanted.name.strip()
    if not name:
        raise GgtError("A queue needs a name.")
    if wanted.order not in ORDERS:
        raise GgtError(f"There is no order {wanted.order!r}; choose from {', '.join(ORDERS)}.")
    if not 1 <= wanted.overlap <= MAX_OVERLAP:
        raise GgtError(f"1 to {MAX_OVERLAP} independent decisions can be asked for, not {wanted.overlap}.")
    if wanted.gold_every and not 3 <= wanted.gold_every <= 1000:
        raise GgtError("One gold question in 3 to 1,000 items, or 0 for none.")
    if session.execute(select(col(ReviewQueue.id)).where(col(ReviewQueue.name) == name)).first():
        raise Conflict(f'There is a queue called "{name}" already.')
    people = _people(session, wanted.people)
    if 0 < len(people) < wanted.overlap:
        raise GgtError(f"{wanted.overlap} independent decisions need at least as many people; {len(people)} are chosen.")
    parsed(wanted.filter)
    queue = ReviewQueue(
        name=name[:80], filter=wanted.filter[:1000], order=wanted.order, overlap=wanted.overlap, people=people,
        hide_answers=wanted.hide_answers, gold_every=wanted.gold_every, created_by=user_id,
    )  # fmt: skip
    session.add(queue)
    session.flush()
    record(session, user_id, "queue.created", f"queue:{queue.id}", name, {"filter": queue.filter, "overlap": queue.overlap})
    return queue


def set_active(session: Session, queue_id: int, active: bool, user_id: int) -> None:
    """Close a queue, or open it again, and have its first images follow; :func:`fill` does the others.

    Decisions made in a closed one stay, and its images can be reviewed outside of it. Raises NotFound.
    """
    queue = get(session, queue_id, _OURS_ALONE)
    if queue.active == active:
        return
    queue.active, queue.filled = active, False
    session.add(queue)
    record(session, user_id, "queue.opened" if active else "queue.closed", f"queue:{queue_id}", queue.name)
    session.flush()
    _change_wanted(session, queue)
    fill(session, queue)


_OURS_ALONE: Any = {"key_share": True}
"""On PostgreSQL a queue is filled, closed or opened by one at a time; decisions made in it do not wait for that."""


def get(session: Session, queue_id: int, lock: Any = None) -> ReviewQueue:
    """Raises NotFound."""
    queue = session.get(ReviewQueue, queue_id, with_for_update=lock, populate_existing=lock is not None)
    if queue is None:
        raise NotFound(f"There is no queue {queue_id}.")
    return queue


def open_to(queue: ReviewQueue, user_id: int) -> bool:
    """Whether a person may take items from a queue."""
    return queue.active and (not queue.people or user_id in queue.people)


def filters(queue: ReviewQueue, category: str | None = None, source_id: int | None = None) -> Filters:
    """A queue as the part of the work somebody takes, perhaps narrowed to a category or a source."""
    return Filters(
        category, source_id, queue_id=queue.id, gold_every=queue.gold_every,
        gold_category=category or parsed(queue.filter).category or None,
    )  # fmt: skip


def mine(session: Session, user_id: int) -> list[ReviewQueue]:
    """The queues that a person may work on, by name."""
    active = session.execute(select(ReviewQueue).where(col(ReviewQueue.active)).order_by(col(ReviewQueue.name)))
    return [queue for queue in active.scalars() if open_to(queue, user_id)]


def overview(session: Session) -> list[QueueRow]:
    """Every queue with its counts, newest first, in three statements."""
    counts = {
        queue_id: (total, free)
        for queue_id, total, free in session.execute(
            select(
                col(QueueItem.queue_id), func.count(), func.count().filter(col(QueueItem.open))
            ).group_by(col(QueueItem.queue_id))
        )
    }  # fmt: skip
    names: dict[int | None, str] = {row.id: row.name for row in session.execute(select(col(User.id), col(User.name)))}
    queues = session.execute(select(ReviewQueue).order_by(col(ReviewQueue.id).desc())).scalars()
    return [
        QueueRow(queue, *counts.get(queue.id, (0, 0)), tuple(names.get(i, f"person {i}") for i in queue.people))
        for queue in queues
    ]


def fill(session: Session, queue: ReviewQueue, window: int = WINDOW) -> int:
    """Have the next images of a queue follow what became of it; returns how many, 0: all of them have.

    An open one takes in up to ``window`` more that match and wait. Then as many decisions are wanted on each image as the
    strictest open queue it is in asks for.
    """
    done = (queue.active and _take_in(session, queue, window)) or _change_wanted(session, queue)
    if not done:
        queue.filled = True
        session.add(queue)
    return done


def _take_in(session: Session, queue: ReviewQueue, window: int) -> int:
    there = select(col(QueueItem.image_id)).where(col(QueueItem.queue_id) == queue.id)
    ids = (
        gallery.matching_ids(parsed(queue.filter))
        .where(col(Image.stage) == Stage.AWAITING, col(Image.id).not_in(there))
        .order_by(col(Image.id))
        .limit(window)
    )
    return _add(session, queue, list(session.execute(ids).scalars()))


def _wanted() -> Any:
    """How many decisions are wanted on an image: what the strictest open queue asks for that it waits in, else one."""
    return (
        select(func.coalesce(func.max(col(ReviewQueue.overlap)), 1))
        .join(QueueItem, col(QueueItem.queue_id) == col(ReviewQueue.id))
        .where(col(QueueItem.image_id) == col(Image.id), col(QueueItem.open), col(ReviewQueue.active))
        .correlate(Image)
        .scalar_subquery()
    )


def _change_wanted(session: Session, queue: ReviewQueue) -> int:
    """Want fewer decisions on images of a closed queue, more on those of one that was opened again; returns on how many.

    An image that has enough now is closed by them: nobody would be asked for another.
    """
    wanted, now = col(Image.decisions_wanted), _wanted()
    differs = wanted < queue.overlap if queue.active else and_(wanted > 1, wanted > now)
    found = (
        select(col(Image.id))
        .join(QueueItem, col(QueueItem.image_id) == col(Image.id))
        .where(col(QueueItem.queue_id) == queue.id, col(QueueItem.open), col(Image.stage) == Stage.AWAITING, differs)
        .order_by(col(Image.id))
        .limit(CHANGED)
    )
    ids = list(session.execute(found).scalars())
    if ids:
        _lock(session, ids)
        changing = update(Image).where(col(Image.id).in_(ids), col(Image.stage) == Stage.AWAITING)
        session.execute(changing.values(decisions_wanted=now), execution_options={"synchronize_session": False})
        review.close_what_has_enough(session, ids)
    return len(ids)


def _lock(session: Session, image_ids: Sequence[int]) -> None:
    """On PostgreSQL no decision comes between now, and two who do this lock in one order, so neither waits for the other."""
    these = select(col(Image.id)).where(col(Image.id).in_(image_ids)).order_by(col(Image.id))
    session.execute(these.with_for_update(key_share=True))


def fill_some(session: Session) -> int:
    """A window for the oldest queue whose images do not all follow yet: a large one is worked on in the background."""
    unfilled = select(ReviewQueue).where(col(ReviewQueue.filled).is_(False)).order_by(col(ReviewQueue.id)).limit(1)
    queue = session.execute(unfilled.with_for_update(**_OURS_ALONE, skip_locked=True)).scalar_one_or_none()
    return fill(session, queue) if queue is not None else 0


def admit(session: Session, image_id: int) -> None:
    """An image waits for a person (again): into every active queue that it matches, and open in those it was in.

    One of these may have been closed since, so what is wanted on the image is told anew.
    """
    session.flush()
    set_open(session, image_id, True)
    for queue in session.execute(select(ReviewQueue).where(col(ReviewQueue.active))).scalars():
        matching = gallery.matching_ids(parsed(queue.filter)).where(col(Image.id) == image_id)
        if session.execute(matching).first() is not None:
            _add(session, queue, [image_id])
    session.execute(
        update(Image).where(col(Image.id) == image_id).values(decisions_wanted=_wanted()),
        execution_options={"synchronize_session": "fetch"},
    )


def parsed(query: str) -> GalleryFilter:
    """A queue's filter. Raises GgtError for what the gallery would not take."""
    return GalleryFilter.parse(dict(parse_qsl(query.removeprefix("?"), keep_blank_values=True)))


def _add(session: Session, queue: ReviewQueue, image_ids: Sequence[int]) -> int:
    if not image_ids:
        return 0
    known = [_known(*row) for row in session.execute(_facts().where(col(Image.id).in_(image_ids)))]
    placed: dict[str, int] = {}
    if queue.order == "stratified":
        counts = (
            select(col(Image.category), func.count())
            .join(QueueItem, and_(col(QueueItem.image_id) == col(Image.id), col(QueueItem.queue_id) == queue.id))
            .group_by(col(Image.category))
        )
        placed = {row[0]: row[1] for row in session.execute(counts)}
    places = ranks(known, queue.order, queue.id or 0, ACCEPT_RULE, placed)  # type: ignore[arg-type]
    rows = [
        {"queue_id": queue.id, "image_id": one.image_id, "rank": place, "open": True}
        for one, place in zip(known, places, strict=True)
    ]
    table = table_of(QueueItem)
    before = select(func.count()).where(table.c.queue_id == queue.id)
    had: int = session.execute(before).scalar_one()
    insert_ignore(session, QueueItem, rows)
    if queue.overlap > 1:
        _lock(session, image_ids)
        session.execute(
            update(Image)
            .where(col(Image.id).in_(image_ids), col(Image.decisions_wanted) < queue.overlap)
            .values(decisions_wanted=queue.overlap)
            .execution_options(synchronize_session="fetch")
        )
    now: int = session.execute(before).scalar_one()
    return now - had


def _facts() -> Any:
    latest = (
        select(func.max(col(Verdict.id)))
        .where(col(Verdict.candidate_id) == col(Image.current_candidate_id))
        .correlate(Image)
        .scalar_subquery()
    )
    return (
        select(col(Image.id), col(Image.category), col(CandidateSummary.metrics), col(Verdict.scores))
        .join(CandidateSummary, col(CandidateSummary.candidate_id) == col(Image.current_candidate_id))
        .outerjoin(Verdict, col(Verdict.id) == latest)
    )


def _known(image_id: int, category: str, metrics: Json, scores: Json | None) -> Known:
    pairs = [
        (key, metrics[key], metrics[f"{key}_lq"])
        for key in METRICS
        if metrics.get(key) is not None and metrics.get(f"{key}_lq") is not None
    ]
    better = sum((hq > lq) == (METRICS[key].better == "higher") for key, hq, lq in pairs if hq != lq)
    return Known(image_id, category, better / len(pairs) if pairs else None, scores or {})


def _people(session: Session, ids: Sequence[int]) -> list[int]:
    known = (
        set(session.execute(select(col(User.id)).where(col(User.id).in_(ids), col(User.active))).scalars()) if ids else set()
    )
    if missing := [i for i in ids if i not in known]:
        raise GgtError(f"There is no active person {missing[0]}.")
    return sorted(known)
