"""Leases of the review: who has which pair on screen. One slot of an image each, as many as decisions are wanted on it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import bindparam, delete, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from app.models import Review, ReviewLease, table_of, utcnow

LEASE = timedelta(minutes=5)
"""How long a pair stays with somebody whose browser has fallen silent."""
MAX_ITEMS = 20
"""Most items one person can hold: more would empty the queue for everybody else."""
LEASES, REVIEWS = table_of(ReviewLease), table_of(Review)
_MINE = LEASES.c.user_id == bindparam("me")


@dataclass(frozen=True)
class Held:
    """A pair that is leased to a person. ``slot`` None: its answer is known, and whoever has it does not know that."""

    image_id: int
    candidate_id: int
    slot: int | None


def take(
    session: Session, user_id: int, found: Sequence[Any], queue_id: int | None, *, by_force: bool = False
) -> list[Held]:
    """Lease images, given as (image id, candidate id, decisions wanted); returns what is the person's now, in that order.

    One statement inserts new leases, renews the person's own and takes over expired ones, so two people cannot both get a
    slot. ``by_force`` takes the slot from whoever holds it: for an undone decision, which goes back to its maker.
    """
    if not found:
        return []
    now = utcnow()
    slots = _free_slots(session, user_id, [row for row in found if row[2] > 1], now)
    rows = [
        {"image_id": i, "candidate_id": c, "slot": slots.get(i, 0), "user_id": user_id, "queue_id": queue_id,
         "expires_at": now + LEASE}
        for i, c, wanted in found
        if wanted == 1 or i in slots
    ]  # fmt: skip
    if not rows:
        return []
    # In one order for everybody: two people who insert the same rows the other way round would wait for each other.
    ordered = sorted(rows, key=lambda row: row["image_id"])
    values = {f"{name}_{number}": value for number, row in enumerate(ordered) for name, value in row.items()}
    taking = _taking(session.get_bind().dialect.name, by_force, len(ordered))
    got = set(session.execute(taking, values | {"me": user_id, "now": now}).scalars())
    return [Held(row["image_id"], row["candidate_id"], row["slot"]) for row in rows if row["image_id"] in got]


@lru_cache(maxsize=4 * MAX_ITEMS)
def _taking(dialect: str, by_force: bool, rows: int) -> Any:
    """The statement that leases so many rows."""
    names = ("image_id", "slot", "user_id", "candidate_id", "queue_id", "expires_at")
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(LEASES)
    insert = insert.values([{name: bindparam(f"{name}_{row}") for name in names} for row in range(rows)])
    return insert.on_conflict_do_update(
        index_elements=["image_id", "slot"],
        set_={name: insert.excluded[name] for name in names[2:]},
        where=None if by_force else or_(_MINE, LEASES.c.expires_at <= bindparam("now")),
    ).returning(LEASES.c.image_id)


def _free_slots(session: Session, user_id: int, found: Sequence[Any], now: datetime) -> dict[int, int]:
    """A slot for each of several images on which more than one decision is wanted: the person's own, or the lowest free."""
    if not found:
        return {}
    wanted = {row[0]: row[2] for row in found}
    candidates = [row[1] for row in found]
    used: dict[int, set[int]] = {image: set() for image in wanted}
    own: dict[int, int] = {}
    # Leases before decisions: a decision that is stored between the two looks ends its lease, and the other way round its
    # slot would look free of both.
    for image, slot, holder, until in session.execute(
        select(LEASES.c.image_id, LEASES.c.slot, LEASES.c.user_id, LEASES.c.expires_at).where(
            LEASES.c.image_id.in_(wanted), LEASES.c.slot.is_not(None)
        )
    ).all():
        if holder == user_id:
            own[image] = slot
        elif until > now:
            used[image].add(slot)
    for image, slot in session.execute(
        select(REVIEWS.c.image_id, REVIEWS.c.slot).where(
            REVIEWS.c.candidate_id.in_(candidates), REVIEWS.c.slot.is_not(None), REVIEWS.c.undone_at.is_(None)
        )
    ):
        used[image].add(slot)
    # A lease of one's own on a slot that has its decision by now is of no use: that slot is taken.
    stale = [image for image, slot in own.items() if slot in used[image] or slot >= wanted[image]]
    if stale:
        release(session, user_id, stale)
    found_slots = {}
    for image, most in wanted.items():
        if image in own and image not in stale:
            found_slots[image] = own[image]
        elif free := [slot for slot in range(most) if slot not in used[image]]:
            found_slots[image] = free[0]
    return found_slots


_RELEASE_ALL = delete(LEASES).where(_MINE)
_RELEASE = _RELEASE_ALL.where(LEASES.c.image_id.in_(bindparam("held", expanding=True)))


def release(session: Session, user_id: int, image_ids: Collection[int] | None = None) -> None:
    """Give the person's leases back: of ``image_ids``, or all of them."""
    if image_ids is None:
        session.execute(_RELEASE_ALL, {"me": user_id})
    else:
        session.execute(_RELEASE, {"me": user_id, "held": list(image_ids)})
