"""What is in the collection, counted by source: photographs, patches by how far they came, images by stage.

Each is one statement over an index alone. A million patches take a fifth of a second, so what was counted on a large
collection is used again for a few seconds, and up to a minute longer while it is counted anew; on a small one it is counted
each time.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any, NamedTuple, TypeVar, cast

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.db import reading
from app.models import Image, Patch, SourceFile, Stage

SHARE = 0.05
"""The largest part of the time that goes into a count that many people ask for."""
MANY = 20_000
"""Fewer rows than these are counted anew each time."""
STALE_SECONDS = 60.0
"""So much longer a count may be shown while it is made anew behind the scenes."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class PatchGroup(NamedTuple):
    """So many patches of a source and category in one state. Sorts as the index on patches does."""

    source_id: int
    category: str
    state: str
    step: str
    level: str
    number: int

    @property
    def key(self) -> tuple[int, str, str, str, str]:
        return self[:5]


_known: dict[tuple[str, str], tuple[float, Any]] = {}
_locks: dict[tuple[str, str], Lock] = {}


def _remembered(session: Session, what: str, count: Callable[[Session], T], size: Callable[[T], int]) -> T:
    """What ``count`` gives, or gave a moment ago where there is much of it.

    One thread counts. Others take what it found, or, where that is not much too old, what was found before.
    """
    key = (str(session.get_bind().engine.url), what)
    lock = _locks.setdefault(key, Lock())

    def counted(session: Session) -> T:
        began = time.monotonic()
        found = count(session)
        ended = time.monotonic()
        if size(found) >= MANY:
            _known[key] = (ended + (ended - began) / SHARE, found)
        return found

    def anew() -> None:
        try:
            with reading() as own:
                counted(own)
        except Exception:
            log.exception("%s could not be counted", what)
        finally:
            lock.release()

    good_until, found = _known.get(key, (0.0, None))
    if time.monotonic() < good_until:
        return cast(T, found)
    if good_until and time.monotonic() < good_until + STALE_SECONDS:
        if lock.acquire(blocking=False):
            Thread(target=anew, name=f"count {what}", daemon=True).start()
        return cast(T, found)
    with lock:
        good_until, found = _known.get(key, (0.0, None))
        return cast(T, found) if time.monotonic() < good_until else counted(session)


def patch_groups(session: Session) -> tuple[PatchGroup, ...]:
    """Patches by source, category, state, step and level."""

    def count(session: Session) -> tuple[PatchGroup, ...]:
        by = (col(Patch.source_id), col(Patch.category), col(Patch.state), col(Patch.step), col(Patch.level))
        return tuple(sorted(PatchGroup(*row) for row in session.execute(select(*by, func.count()).group_by(*by))))

    return _remembered(session, "patches", count, lambda groups: sum(group.number for group in groups))


def photographs(session: Session) -> dict[tuple[int, str], int]:
    """Photographs by source and by the licence that they have of their own; empty where that of the source holds."""

    def count(session: Session) -> dict[tuple[int, str], int]:
        by = (col(SourceFile.source_id), col(SourceFile.licence))
        return {(row[0], row[1]): row[2] for row in session.execute(select(*by, func.count()).group_by(*by))}

    return _remembered(session, "photographs", count, lambda counts: sum(counts.values()))


def photographs_by_category(session: Session) -> dict[tuple[int, str], int]:
    """Photographs by source and by the category that they were collected for."""

    def count(session: Session) -> dict[tuple[int, str], int]:
        by = (col(SourceFile.source_id), col(SourceFile.category))
        return {(row[0], row[1]): row[2] for row in session.execute(select(*by, func.count()).group_by(*by))}

    return _remembered(session, "categories", count, lambda counts: sum(counts.values()))


def image_stages(session: Session) -> dict[tuple[int, str], Counter[str]]:
    """Images by source and category, each by stage; not those that were made for a benchmark."""

    def count(session: Session) -> dict[tuple[int, str], Counter[str]]:
        by = (col(Image.source_id), col(Image.category), col(Image.stage))
        counts: dict[tuple[int, str], Counter[str]] = {}
        of_dataset = col(Image.stage) != Stage.BENCHMARK
        for source_id, category, stage, number in session.execute(select(*by, func.count()).where(of_dataset).group_by(*by)):
            counts.setdefault((source_id, category), Counter())[stage] = number
        return counts

    return _remembered(session, "images", count, lambda counts: sum(stages.total() for stages in counts.values()))
