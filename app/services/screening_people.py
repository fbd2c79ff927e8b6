"""What people decide about patches: whether one that was flagged is safe, how degraded one is; and taking that back.

A decision is never overwritten by another person: whoever comes second is told who was first. A person stands above what was
measured or answered by a VLM. What a patch was before is kept with it, so that a decision can be taken back exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from app.domain.screening import LEVELS, REASON, screen
from app.errors import Conflict, GgtError, NotAllowed, NotFound
from app.models import Json, Patch, PatchState, Run, Source, SourceFile, User
from app.services import events
from app.services.screening import rules_of
from app.services.screening_results import settle

PAGE_SIZE = 60
MOST_AT_ONCE = 500
"""Patches that one grading may be about."""
GRADABLE = (PatchState.GRADING, PatchState.PASSED, PatchState.NOT_DRAWN, PatchState.OUT)
_UNDONE_FROM = (PatchState.PASSED, PatchState.NOT_DRAWN, PatchState.OUT, PatchState.GRADING, PatchState.WAITING)


@dataclass(frozen=True)
class WaitingPatch:
    """A patch that waits for a person, with its photograph's provenance. Sizes in pixels; measures as in the catalogue."""

    id: int
    category: str
    reason: str
    level: str
    thumbnail_sha256: str
    width: int
    height: int
    measures: Json
    source_file_id: int
    photograph: str
    source: str


@dataclass(frozen=True)
class Page:
    """Some patches, and the id after which the next ones come; None at the end."""

    patches: tuple[WaitingPatch, ...]
    after: int | None


@dataclass(frozen=True)
class Overtaken:
    """A patch that was left alone: ``by`` decided on it before, or it has moved on since, as ``told``."""

    patch_id: int
    by: str
    told: str


@dataclass(frozen=True)
class Graded:
    """What came of a grading: patches that have it now, and those on which somebody was faster."""

    graded: tuple[int, ...]
    overtaken: tuple[Overtaken, ...]


def flagged(session: Session, *, category: str = "", source_id: int | None = None, after: int = 0) -> Page:
    """Patches that are perhaps unsafe or private, oldest first, with ids above ``after``. One statement."""
    return _page(session, PatchState.FLAGGED, category, source_id, after)


def grading(session: Session, *, category: str = "", source_id: int | None = None, after: int = 0) -> Page:
    """Patches that a person is to grade, oldest first, with ids above ``after``. One statement."""
    return _page(session, PatchState.GRADING, category, source_id, after)


def _page(session: Session, state: PatchState, category: str, source_id: int | None, after: int) -> Page:
    query = (
        select(Patch, col(SourceFile.name), col(Source.name))
        .join(SourceFile, col(SourceFile.id) == col(Patch.source_file_id))
        .join(Source, col(Source.id) == col(Patch.source_id))
        .where(col(Patch.state) == state, col(Patch.id) > after)
        .order_by(col(Patch.id))
        .limit(PAGE_SIZE + 1)
    )
    if category:
        query = query.where(col(Patch.category) == category)
    if source_id is not None:
        query = query.where(col(Patch.source_id) == source_id)
    rows = session.execute(query).all()
    found = tuple(
        WaitingPatch(
            p.id, p.category, p.reason, p.level, p.thumbnail_sha256, p.box_width, p.box_height, p.measures,
            p.source_file_id, photograph, source,
        )
        for p, photograph, source in rows[:PAGE_SIZE]
    )  # fmt: skip
    return Page(found, found[-1].id if len(rows) > PAGE_SIZE else None)


def decide_flag(session: Session, user_id: int, patch_id: int, *, safe: bool, why: str = "") -> str:
    """Say whether a flagged patch is safe; returns the state it goes to. Deciding the same twice decides once.

    One that is safe goes on where the screening stopped: to grading, to where a VLM is asked by the next run, or it has
    passed. Raises NotFound, and Conflict where somebody else decided or it is not flagged any more.
    """
    patch = _locked(session, [patch_id])[patch_id]
    why = why.strip()[:REASON]
    mine = f"person {user_id}"
    if patch.state != PatchState.FLAGGED:
        same = patch.decided_by == user_id and patch.measures.get("unsafe_by") == mine
        if same and safe == (patch.step != "unsafe"):
            return patch.state
        raise Conflict(_overtaken(session, patch).told)
    found = _remembering(patch) | {"unsafe_by": mine}
    if safe:
        settle(patch, found, screen(_rules(session, patch), found))
    else:
        patch.measures, patch.state, patch.step = found, PatchState.OUT, "unsafe"
        patch.reason = why or "unsafe or private, says a person"
    patch.decided_by = user_id
    session.add(patch)
    events.record(session, user_id, "patch.cleared" if safe else "patch.barred", f"patch:{patch_id}", why)
    return patch.state


def grade(session: Session, user_id: int, patch_ids: Sequence[int], level: str, why: str = "") -> Graded:
    """Give patches a level, high, medium or low, or put them ``out``. Grading the same twice grades once.

    Also patches that a measurement or a VLM graded or put out; never another person's. A person may change their own grade.
    Raises GgtError for another level or too many at once, NotFound where one is not there.
    """
    if level not in (*LEVELS, "out"):
        raise GgtError(f"A patch is graded {', '.join(LEVELS)}, or out; not {level!r}.")
    if len(patch_ids) > MOST_AT_ONCE:
        raise GgtError(f"At most {MOST_AT_ONCE} patches are graded at once.")
    rows, why = _locked(session, patch_ids), why.strip()[:REASON]
    graded: list[int] = []
    late: list[Overtaken] = []
    for patch_id, patch in rows.items():
        own = patch.decided_by == user_id and patch.measures.get("level_by") == f"person {user_id}"
        flag = str(patch.measures.get("unsafe_by", "")) if patch.step != "unsafe" else ""
        free = patch.decided_by is None or own or (flag == f"person {patch.decided_by}" and "level_by" not in patch.measures)
        if not free or patch.state not in GRADABLE:
            late.append(_overtaken(session, patch))
            continue
        graded.append(patch_id)
        if own and (level == patch.level if level != "out" else patch.state == PatchState.OUT):
            continue
        _give(patch, user_id, level, why)
        session.add(patch)
        events.record(session, user_id, "patch.graded", f"patch:{patch_id}", why, {"level": level})
    return Graded(tuple(graded), tuple(late))


def _give(patch: Patch, user_id: int, level: str, why: str) -> None:
    found = _remembering(patch) | {"level_by": f"person {user_id}", "level": level}
    out = level == "out"
    patch.measures, patch.decided_by = found, user_id
    patch.state, patch.step, patch.level = (PatchState.OUT, "level", "") if out else (PatchState.PASSED, "", level)
    patch.reason = why or ("put out by a person" if out else "")


def ungrade(session: Session, user_id: int, patch_ids: Sequence[int], *, any_of: bool = False) -> tuple[int, ...]:
    """Take back the last decision on each of these patches, a grade or one on a flag; returns those that had one.

    ``any_of``: somebody else's too. Raises NotFound, NotAllowed for somebody else's decision, and Conflict where a patch has
    become an image; nothing is taken back then.
    """
    rows = _locked(session, patch_ids)
    back = []
    for patch_id, patch in rows.items():
        before = list(patch.measures.get("before", ()))
        if not before:
            continue
        if patch.decided_by != user_id and not any_of:
            raise NotAllowed(f"{_overtaken(session, patch).told} They, or an admin, can take it back.")
        if patch.state not in _UNDONE_FROM:
            raise Conflict(f"Patch {patch_id} has become image {patch.image_id}: set that image aside instead.")
        was = before.pop()
        measures = {name: value for name, value in patch.measures.items() if name not in ("unsafe_by", "level_by", "level")}
        patch.measures = measures | was.pop("by") | {"before": before}
        for name, value in was.items():
            setattr(patch, name, value)
        session.add(patch)
        events.record(session, user_id, "patch.undone", f"patch:{patch_id}")
        back.append(patch_id)
    return tuple(back)


def _remembering(patch: Patch) -> Json:
    """A patch's measures with what it is now added to what it was before."""
    was: Json = {name: getattr(patch, name) for name in ("state", "step", "reason", "level", "decided_by")}
    was["by"] = {name: patch.measures[name] for name in ("unsafe_by", "level_by", "level") if name in patch.measures}
    return patch.measures | {"before": [*patch.measures.get("before", ()), was]}


def _locked(session: Session, patch_ids: Sequence[int]) -> dict[int, Patch]:
    """The patches, held until the end of this unit of work, in one order for everybody."""
    rows = session.execute(
        select(Patch).where(col(Patch.id).in_(set(patch_ids))).order_by(col(Patch.id)).with_for_update()
    ).scalars()
    found = {row.id: row for row in rows}
    if missing := set(patch_ids) - found.keys():
        raise NotFound(f"There is no patch {min(missing)}.")
    return found


def _rules(session: Session, patch: Patch) -> Any:
    """The rules by which a patch was screened: those of the run that did it last."""
    return rules_of(session.get_one(Run, patch.measures["run"]).params, patch.category)


def _overtaken(session: Session, patch: Patch) -> Overtaken:
    by = session.execute(select(col(User.name)).where(col(User.id) == patch.decided_by)).scalar_one_or_none() or ""
    done = {
        PatchState.PASSED: f"graded it {patch.level}" if patch.level else "let it pass",
        PatchState.NOT_DRAWN: f"graded it {patch.level}" if patch.level else "let it pass",
        PatchState.OUT: f"put it out ({patch.reason})",
    }.get(PatchState(patch.state), "has decided on it")
    if patch.state == PatchState.RETAINED:
        told = f"Patch {patch.id} has become image {patch.image_id}."
    elif by:
        told = f"{by} was faster with patch {patch.id} and {done}."
    else:
        told = f"Patch {patch.id} is {patch.state.replace('_', ' ')} now, and waits for nobody's decision."
    return Overtaken(patch.id or 0, by, told)
