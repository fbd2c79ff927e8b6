"""Patches as a page lists them: filtered as its address says, in pages by keyset, quick however many there are.

All filters are columns of one index (source, category, state, step, level). What it holds is counted by groups, and a page
is put together from as many groups as fill it: each is one stretch of the index.
"""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import literal, literal_column, select, union_all
from sqlmodel import Session, col

from app.catalog.categories import CATEGORIES
from app.catalog.screening import STEPS
from app.domain.screening import LEVELS
from app.errors import Conflict, GgtError, NotAllowed, NotFound
from app.models import Json, Patch, PatchState, Source, SourceFile, User
from app.services import collection_counts, screening_people
from app.services.collection_counts import PatchGroup
from app.services.look_list import Decided, Late

PAGE_SIZE = 60
SURE = 3
"""Groups are added to a page until they hold so many pages: they may have shrunk since they were counted."""
MOST_PARTS = 400
"""SQLite puts at most 500 selections together."""
SAFE, UNSAFE, UNDO = "safe", "unsafe", "undo"
ORDER = (
    PatchState.FLAGGED, PatchState.GRADING, PatchState.WAITING, PatchState.PASSED, PatchState.OUT, PatchState.NOT_DRAWN,
    PatchState.RETAINED, PatchState.HELD,
)  # fmt: skip
"""States as the page offers them: what waits for a person comes first, and is what it opens with."""


@dataclass(frozen=True)
class PatchFilter:
    """Which patches are listed. Empty strings and 0 filter nothing; without a ``state`` the first that has any is meant."""

    state: str = ""
    category: str = ""
    source: int = 0
    step: str = ""
    level: str = ""

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "PatchFilter":
        """The filter of an address. Raises GgtError for a wrong value."""
        known: dict[str, Sequence[str]] = {"state": ORDER, "category": (*CATEGORIES,), "step": (*STEPS,), "level": LEVELS}
        for name, values in known.items():
            if (value := query.get(name, "")) and value not in values:
                raise GgtError(f"There is no {name} {value[:40]!r}. Choose one of: {', '.join(values)}.")
        source = query.get("source", "") or "0"
        if not (source.isascii() and source.isdigit() and len(source) < 10):
            raise GgtError(f"A source is given by its number, not as {source[:40]!r}.")
        return cls(query.get("state", ""), query.get("category", ""), int(source), query.get("step", ""),
                   query.get("level", ""))  # fmt: skip

    def url(self, path: str = "/patches", **more: str) -> str:
        query = {name: str(value) for name, value in asdict(self).items() if value} | more
        return f"{path}?{urlencode(query)}" if query else path

    def matches(self, group: PatchGroup, *, any_state: bool = False) -> bool:
        return (
            (any_state or group.state == self.state)
            and self.category in ("", group.category)
            and self.source in (0, group.source_id)
            and self.step in ("", group.step)
            and self.level in ("", group.level)
        )


@dataclass(frozen=True)
class PatchTile:
    """A patch as a list shows it."""

    id: int
    category: str
    state: str
    step: str
    reason: str
    level: str
    source: str
    photograph: str
    undersized: bool
    width: int
    height: int
    thumbnail_sha256: str
    image_id: int | None


@dataclass(frozen=True)
class Page:
    tiles: tuple[PatchTile, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Found:
    """What a filter finds: the filter with its state, numbers by state under the other filters, all of this state, and what
    can be chosen: sources and steps that have any patch."""

    wanted: PatchFilter
    by_state: Mapping[str, int]
    total: int
    sources: tuple[int, ...]
    steps: tuple[str, ...]


def find(groups: Sequence[PatchGroup], wanted: PatchFilter) -> Found:
    """Count what a filter finds among all patches."""
    by_state = Counter[str]()
    for group in groups:
        if wanted.matches(group, any_state=True):
            by_state[group.state] += group.number
    if not wanted.state:
        first = next((state for state in ORDER if by_state[state]), ORDER[0])
        wanted = PatchFilter(first, wanted.category, wanted.source, wanted.step, wanted.level)
    sources = tuple(sorted({group.source_id for group in groups}))
    present = {group.step for group in groups}
    steps = tuple(step for step in STEPS if step in present)
    return Found(wanted, {state: by_state[state] for state in ORDER}, by_state[wanted.state], sources, steps)


def groups(session: Session) -> tuple[PatchGroup, ...]:
    """All patches by source, category, state, step and level."""
    return collection_counts.patch_groups(session)


def page(
    session: Session, among: Sequence[PatchGroup], wanted: PatchFilter, cursor: str = "", size: int = PAGE_SIZE
) -> Page:
    """Up to ``size`` patches behind ``cursor``, by source, category, step, level and age. One statement.

    Raises GgtError for a cursor that was not made here.
    """
    after = _decode(cursor) if cursor else None
    parts: list[Any] = []
    sure = 0
    for number, group in enumerate(g for g in sorted(among) if wanted.matches(g) and (after is None or g.key >= after[0])):
        query: Any = select(literal(number).label("place"), col(Patch.id).label("id")).where(
            col(Patch.source_id) == group.source_id, col(Patch.category) == group.category, col(Patch.state) == group.state,
            col(Patch.step) == group.step, col(Patch.level) == group.level,
        )  # fmt: skip
        if after is not None and group.key == after[0]:
            query = query.where(col(Patch.id) > after[1])
        else:
            sure += group.number
        stretch = query.order_by(col(Patch.id)).limit(size + 1).subquery()
        parts.append(select(stretch.c.place, stretch.c.id))
        if sure > SURE * size or len(parts) == MOST_PARTS:
            break
    if not parts:
        return Page((), None)
    keys = union_all(*parts).order_by(literal_column("1"), literal_column("2")).limit(size + 1).subquery()
    rows = session.execute(
        select(Patch, col(Source.name), col(SourceFile.name))
        .select_from(keys)
        .join(Patch, col(Patch.id) == keys.c.id)
        .join(Source, col(Source.id) == col(Patch.source_id))
        .join(SourceFile, col(SourceFile.id) == col(Patch.source_file_id))
        .order_by(keys.c.place, keys.c.id)
    ).all()
    tiles = tuple(_tile(*row) for row in rows[:size])
    return Page(tiles, _encode(rows[size - 1][0]) if len(rows) > size else None)


def _tile(patch: Patch, source: str, photograph: str) -> PatchTile:
    return PatchTile(
        patch.id or 0, patch.category, patch.state, patch.step, patch.reason, patch.level, source, photograph,
        patch.undersized, patch.box_width, patch.box_height, patch.thumbnail_sha256, patch.image_id,
    )  # fmt: skip


Key = tuple[int, str, str, str, str]


def _encode(patch: Patch) -> str:
    place = [patch.source_id, patch.category, patch.state, patch.step, patch.level, patch.id]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[Key, int]:
    try:
        source, category, state, step, level, patch_id = json.loads(
            base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        )
        return (int(source), str(category), str(state), str(step), str(level)), int(patch_id)
    except (ValueError, TypeError, binascii.Error) as error:
        raise GgtError("This page of patches cannot be found. Start from the first one.") from error


@dataclass(frozen=True)
class PatchFacts:
    """One patch with its photograph, what was measured, and who decided."""

    tile: PatchTile
    source_id: int
    photo_id: int
    box: tuple[int, int, int, int]
    resized: tuple[int, int] | None
    measures: Json
    by: str


def patch(session: Session, patch_id: int) -> PatchFacts:
    """One statement. Raises NotFound."""
    row = session.execute(
        select(Patch, col(Source.name), col(SourceFile.name), col(User.name))
        .join(Source, col(Source.id) == col(Patch.source_id))
        .join(SourceFile, col(SourceFile.id) == col(Patch.source_file_id))
        .outerjoin(User, col(User.id) == col(Patch.decided_by))
        .where(col(Patch.id) == patch_id)
    ).first()
    if row is None:
        raise NotFound(f"There is no patch {patch_id}.")
    one, source, photograph, by = row
    resized = (one.resized_width, one.resized_height) if one.resized_width else None
    box = (one.box_x, one.box_y, one.box_width, one.box_height)
    return PatchFacts(
        _tile(one, source, photograph), one.source_id, one.source_file_id, box, resized, one.measures, by or ""
    )  # fmt: skip


def decide(session: Session, user_id: int, patch_ids: Sequence[int], answer: str, *, any_of: bool = False) -> Decided:
    """Grade patches high, medium, low or out; say of flagged ones whether they are safe; or take the last decision back.

    The same twice changes nothing; what somebody else decided is left alone and told. Raises GgtError and NotFound.
    """
    ids = list(dict.fromkeys(patch_ids))
    if len(ids) > screening_people.MOST_AT_ONCE:
        raise GgtError(f"At most {screening_people.MOST_AT_ONCE} patches are decided on at once.")
    if answer in (*LEVELS, "out"):
        graded = screening_people.grade(session, user_id, ids, answer)
        return Decided(graded.graded, tuple(Late(late.patch_id, late.told) for late in graded.overtaken))
    done, late = [], []
    for patch_id in ids:
        try:
            if answer == UNDO:
                screening_people.ungrade(session, user_id, [patch_id], any_of=any_of)
            elif answer in (SAFE, UNSAFE):
                screening_people.decide_flag(session, user_id, patch_id, safe=answer == SAFE)
            else:
                raise GgtError(f"There is no answer {answer[:40]!r}; choose high, medium, low, out, safe, unsafe or undo.")
            done.append(patch_id)
        except (Conflict, NotAllowed) as error:
            late.append(Late(patch_id, str(error)))
    return Decided(tuple(done), tuple(late))
