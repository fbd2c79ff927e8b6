"""What is handed out for review: which pairs wait for a person and have a free slot for them, in the order of their queue.

An image on a screen, or loaded ahead for one, is leased to that person (``review_leases.py``). Queues themselves are in
``queues.py``.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, func, or_, select, update
from sqlmodel import Session

from app.models import (
    Image,
    QueueItem,
    ReviewQueue,
    Stage,
    table_of,
    utcnow,
)
from app.services import gold
from app.services.review_leases import LEASE, LEASES, MAX_ITEMS, REVIEWS, Held, release, take

MAX_EXCLUDED = 500
TRIES = 6
"""How often items that others took in the same moment are looked for anew."""
HURRIED = 3
"""So many of these, on PostgreSQL, pass over what others are taking and wait for nobody."""

IMAGES, ITEMS, QUEUES = table_of(Image), table_of(QueueItem), table_of(ReviewQueue)


@dataclass(frozen=True)
class Filters:
    """What part of the work a person takes: a queue, or without one all that waits; ``after`` starts behind that image id.

    One item in ``gold_every`` has a known answer, of ``gold_category`` where given.
    """

    category: str | None = None
    source_id: int | None = None
    after: int = 0
    queue_id: int | None = None
    gold_every: int = 0
    gold_category: str | None = None

    def values(self) -> dict[str, Any]:
        """For the statements below."""
        return {
            "category": self.category, "source": self.source_id, "after": self.after, "queue": self.queue_id,
            "now": utcnow(),
        }  # fmt: skip


MINE = LEASES.c.user_id == bindparam("me")
LIVE = LEASES.c.expires_at > bindparam("now")
_HELD_BY_OTHERS = select(LEASES.c.id).where(LEASES.c.image_id == IMAGES.c.id, ~MINE, LIVE).correlate(IMAGES)
_DECIDED = (
    select(REVIEWS.c.id)
    .where(
        REVIEWS.c.candidate_id == IMAGES.c.current_candidate_id, REVIEWS.c.slot.is_not(None), REVIEWS.c.undone_at.is_(None)
    )
    .correlate(IMAGES)
)
DECIDED_BY_ME = _DECIDED.where(REVIEWS.c.user_id == bindparam("me"))


_IN_A_QUEUE = (
    select(ITEMS.c.image_id)
    .join(QUEUES, QUEUES.c.id == ITEMS.c.queue_id)
    .where(ITEMS.c.image_id == IMAGES.c.id, ITEMS.c.open, QUEUES.c.active)
    .correlate(IMAGES)
)
"""What is in an open queue is handed out there alone: or its order, its people and what it hides would mean nothing."""


def _count(of: Any) -> Any:
    return of.with_only_columns(func.count()).scalar_subquery()


_FREE = or_(
    and_(IMAGES.c.decisions_wanted == 1, ~_HELD_BY_OTHERS.exists()),
    and_(
        IMAGES.c.decisions_wanted > 1,
        _count(_DECIDED) + _count(_HELD_BY_OTHERS) < IMAGES.c.decisions_wanted,
        ~DECIDED_BY_ME.exists(),
    ),
)


def waiting(filters: Filters) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        IMAGES.c.stage == Stage.AWAITING,
        IMAGES.c.current_candidate_id.is_not(None),
    ]
    if filters.category:
        conditions.append(IMAGES.c.category == bindparam("category"))
    if filters.source_id is not None:
        conditions.append(IMAGES.c.source_id == bindparam("source"))
    if filters.after:
        conditions.append(IMAGES.c.id > bindparam("after"))
    if filters.queue_id is None:
        conditions.append(~_IN_A_QUEUE.exists())
    else:
        conditions += [ITEMS.c.queue_id == bindparam("queue"), ITEMS.c.open]
    return conditions


_OURS_ALONE: Any = {"of": IMAGES, "key_share": True, "skip_locked": True}
"""On PostgreSQL an image that somebody else is taking or deciding on in this moment is passed over: leases are then never
waited for, in whatever order two people come to them. On SQLite writers take turns anyway."""


def part_of(filters: Filters) -> Any:
    return IMAGES if filters.queue_id is None else IMAGES.join(ITEMS, ITEMS.c.image_id == IMAGES.c.id)


@lru_cache(maxsize=64)
def _next(shape: Filters, *, waits: bool) -> Any:
    """The statement that finds free items; it depends only on which filters are set, so it is built once for each.

    ``waits``: look also at images that somebody else is taking in this moment.
    """
    order = (IMAGES.c.id,) if shape.queue_id is None else (ITEMS.c.rank, ITEMS.c.image_id)
    found = (
        select(IMAGES.c.id, IMAGES.c.current_candidate_id, IMAGES.c.decisions_wanted)
        .select_from(part_of(shape))
        .where(*waiting(shape), _FREE, IMAGES.c.id.not_in(bindparam("excluded", expanding=True)))
        .order_by(*order)
        .limit(bindparam("most"))
    )
    return found if waits else found.with_for_update(**_OURS_ALONE)


def _one_at_a_time(session: Session, filters: Filters) -> None:
    """On PostgreSQL: whoever found nothing free looks again when nobody else who found nothing does, so that the last
    slots are found and no two people wait for each other. Those who found something never come here."""
    session.execute(_HANDING_OUT, {"lock": filters.queue_id or 0})


_HANDING_OUT = select(func.pg_advisory_xact_lock(77, bindparam("lock")))


_OPEN = update(ITEMS).where(ITEMS.c.image_id == bindparam("image"))


def set_open(session: Session, image_id: int, value: bool) -> None:
    """Whether queues hand an image out: it waits for a person, or no longer does."""
    session.execute(_OPEN, {"image": image_id, "open": value})


def _shape(filters: Filters) -> Filters:
    """Which filters are set, without their values."""
    return Filters(
        "set" if filters.category else None, None if filters.source_id is None else 1, 1 if filters.after else 0,
        None if filters.queue_id is None else 1,
    )  # fmt: skip


def next_items(session: Session, user_id: int, filters: Filters, n: int, exclude: Collection[int] = ()) -> list[Held]:
    """Lease the first ``n`` waiting items that have a free slot for this person, in the queue's order.

    What was sent back to them comes first. ``exclude`` are image ids the person has already (on screen, loaded ahead or
    skipped). None come back when there are none; :func:`locked` then tells an empty queue from one that is only open
    elsewhere. Fewer than ``n`` come back near the end, or when others ask in the same moment.
    """
    n = max(0, min(n, MAX_ITEMS))
    excluded = [*list(exclude)[:MAX_EXCLUDED]]
    taken: list[Held] = []
    if n and (returned := _returned(session, user_id, excluded, n)):
        taken += take(session, user_id, returned, filters.queue_id)
    hurried = session.get_bind().dialect.name == "postgresql"
    for attempt in range(TRIES if len(taken) < n else 0):
        asked = {"me": user_id, "excluded": [*excluded, *(held.image_id for held in taken)], "most": n - len(taken)}
        seen = session.execute(_next(_shape(filters), waits=not hurried), filters.values() | asked).all()
        taken += take(session, user_id, seen, filters.queue_id)
        if taken or not (seen or hurried):
            break  # fewer than asked for are enough to go on with, and nobody waits for anybody
        if hurried and (not seen or attempt == HURRIED - 1):
            _one_at_a_time(session, filters)
            hurried = False
    if filters.gold_every and filters.queue_id is not None and taken:
        taken = _mix_in_gold(session, user_id, filters, taken, excluded)
    return taken


_SENT_BACK = select(REVIEWS.c.image_id).where(REVIEWS.c.user_id == bindparam("me"), REVIEWS.c.returned_by.is_not(None))
_RETURNED = (
    select(IMAGES.c.id, IMAGES.c.current_candidate_id, IMAGES.c.decisions_wanted)
    .where(
        IMAGES.c.id.in_(_SENT_BACK),
        IMAGES.c.stage == Stage.AWAITING,
        ~_HELD_BY_OTHERS.exists() | (IMAGES.c.decisions_wanted > 1),
        ~DECIDED_BY_ME.correlate(IMAGES).exists(),
        IMAGES.c.id.not_in(bindparam("excluded", expanding=True)),
    )
    .order_by(IMAGES.c.id)
    .limit(bindparam("most"))
    .with_for_update(**_OURS_ALONE)
)


def _returned(session: Session, user_id: int, excluded: list[int], n: int) -> Sequence[Any]:
    """What was sent back to this person and has no new decision of theirs."""
    asked = {"me": user_id, "excluded": excluded, "most": n, "now": utcnow()}
    return session.execute(_RETURNED, asked).all()


def _mix_in_gold(session: Session, user_id: int, filters: Filters, taken: list[Held], excluded: list[int]) -> list[Held]:
    """Put questions whose answer is known among the items, each in place of one that waits on."""
    queue_id = filters.queue_id or 0
    places = gold.places(session, user_id, queue_id, filters.gold_every, len(taken), len(excluded))
    asked = gold.questions(session, user_id, filters.gold_category, len(places), excluded)
    for place, (image_id, candidate_id) in zip(places, asked, strict=False):
        release(session, user_id, [taken[place].image_id])
        taken[place] = Held(image_id, candidate_id, None)
        session.execute(
            LEASES.insert().values(
                image_id=image_id, slot=None, user_id=user_id, candidate_id=candidate_id, queue_id=queue_id,
                expires_at=utcnow() + LEASE,
            )
        )  # fmt: skip
    return taken


_KEEP = (
    update(LEASES)
    .where(
        MINE,
        LEASES.c.image_id.in_(bindparam("held", expanding=True)),
        or_(
            LEASES.c.slot.is_(None),
            select(IMAGES.c.id)
            .where(
                IMAGES.c.id == LEASES.c.image_id,
                IMAGES.c.stage == Stage.AWAITING,
                IMAGES.c.current_candidate_id == LEASES.c.candidate_id,
            )
            .exists(),
        ),
    )
    .returning(LEASES.c.image_id)
)


def renew(session: Session, user_id: int, image_ids: Collection[int], filters: Filters | None = None) -> set[int]:
    """Keep ``image_ids`` for the person; returns those lost: decided meanwhile, or taken after the lease had run out."""
    if not image_ids:
        return set()
    now = utcnow()
    kept = set(
        session.execute(_KEEP, {"me": user_id, "held": list(image_ids), "expires_at": now + LEASE, "now": now}).scalars()
    )
    missing = [i for i in image_ids if i not in kept]
    if missing:  # given back, perhaps by a page that was left and is here again
        part = filters or Filters()
        free = (
            select(IMAGES.c.id, IMAGES.c.current_candidate_id, IMAGES.c.decisions_wanted)
            .select_from(part_of(part))
            .where(IMAGES.c.id.in_(missing), *waiting(part), _FREE)
            .with_for_update(**_OURS_ALONE)
        )
        again = session.execute(free, part.values() | {"me": user_id}).all()
        kept |= {held.image_id for held in take(session, user_id, again, part.queue_id)}
    return set(image_ids) - kept
