"""Retaining: patches that passed are drawn by level, or all taken, and become images with a lossless master (Appendix A)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import and_, select, update
from sqlmodel import Session, col

from app import jobs
from app.catalog.categories import CATEGORIES
from app.db import insert_ignore
from app.domain.sampling import Candidate, Draw, DrawRule, draw, drawn_of
from app.errors import Conflict, GgtError
from app.jobs import NewItem
from app.models import Image, Patch, PatchState, Run, RunState, Stage, utcnow
from app.services.patch_windows import photographs
from app.services.photograph import Cut
from app.services.unindexed import unindexed

LEFT = (PatchState.PASSED, PatchState.NOT_DRAWN)
"""States from which a patch is drawn."""


def start_sampling(session: Session, user_id: int | None, category: str, rule: DrawRule = DrawRule()) -> Run:
    """Start a run that draws patches of a category by level and makes images of them; what is left is marked as not drawn.

    ``rule.most`` counts what was retained before, so that drawing again with a larger number only adds. A patch without a
    level is not drawn. Raises GgtError for an unknown category or where nothing could be drawn, Conflict while another run
    draws from it.
    """
    ratio = ":".join(str(rule.ratio[level]) for level in ("high", "medium", "low"))
    title = f"Sample {_title(category)}, {ratio}" + (f", at most {rule.most:,}" if rule.most is not None else "")
    params = {**asdict(rule), "ratio": dict(rule.ratio), "category": category, "draws": True}
    return _start(session, user_id, category, title, params, LEFT)


def start_retaining(session: Session, user_id: int | None, category: str) -> Run:
    """Start a run that makes an image of every patch of a category that has passed, without drawing. Errors as above."""
    title = f"Retain {_title(category)}, all that passed"
    return _start(session, user_id, category, title, {"category": category, "draws": False}, (PatchState.PASSED,))


def _start(
    session: Session, user_id: int | None, category: str, title: str, params: dict[str, Any], states: Sequence[PatchState]
) -> Run:
    among = select(col(Patch.id)).where(col(Patch.state).in_(states), col(Patch.category) == category)
    if session.execute(among.limit(1)).first() is None:
        raise GgtError(f"No patch of {_title(category)} has passed the screening and is left to be taken.")
    going = (RunState.RUNNING, RunState.CANCELLING)
    for run in session.execute(select(Run).where(col(Run.kind) == "retain", col(Run.state).in_(going))).scalars():
        if run.params["category"] == category:
            raise Conflict(f"Run {run.id} draws from {_title(category)} at present. Wait for its end, or cancel it.")
    run = jobs.start_run(session, "retain", title, params, user_id)
    jobs.add_items(session, run.id or 0, [_plan_item(0)])
    return run


def _title(category: str) -> str:
    if category not in CATEGORIES:
        raise GgtError(f"There is no category {category!r}; choose from {', '.join(CATEGORIES)}.")
    return CATEGORIES[category].title


def _plan_item(after: int) -> NewItem:
    return NewItem("plan_retain", f"plan_retain:{after}", priority=1, payload={"after": after})


def rule_of(params: Mapping[str, Any]) -> DrawRule:
    """How a run draws."""
    return DrawRule(**{name: params[name] for name in DrawRule.__dataclass_fields__})


@dataclass(frozen=True)
class ToDraw:
    """All that a draw looks at: a category's patches that passed, and those retained before."""

    rule: DrawRule
    candidates: tuple[Candidate, ...]


def to_draw(session: Session, run_id: int) -> ToDraw | None:
    """What a run has to draw from; None where it draws nothing, or has drawn."""
    params = session.get_one(Run, run_id).params
    if not params["draws"] or "cut" in params:
        return None
    return ToDraw(rule_of(params), tuple(_candidates(session, params["category"])))


def _candidates(session: Session, category: str, files: Sequence[int] | None = None) -> Iterable[Candidate]:
    query = select(col(Patch.id), col(Patch.source_file_id), col(Patch.level), col(Patch.state)).where(
        col(Patch.category) == category, col(Patch.state).in_((*LEFT, PatchState.RETAINED)), col(Patch.level) != ""
    )
    if files is not None:
        query = query.where(col(Patch.source_file_id).in_(files))
    for patch_id, file_id, level, state in session.execute(query.order_by(col(Patch.id))):
        yield Candidate(patch_id, file_id, level, state == PatchState.RETAINED)


def drawing(what: ToDraw | None) -> Draw | None:
    """The draw itself: pure work, without a session."""
    return draw(what.candidates, what.rule) if what else None


def plan_window(session: Session, run_id: int, after: int, drawn: Draw | None) -> int:
    """Mark what the next window of photographs is left with, and add an item for each that gives images.

    ``drawn`` is the run's draw, at its first window: it is kept with the run as a place in each level, from which every
    window tells what was drawn. A patch that passes while the run goes on may be drawn by it too. Returns how many
    photographs the window held.
    """
    run = session.get_one(Run, run_id, with_for_update=True, populate_existing=True)
    if drawn is not None and "cut" not in run.params:
        run.params = run.params | {"cut": dict(drawn.cut), "taken": dict(drawn.taken), "short": drawn.short}
        session.add(run)
    params, category = run.params, run.params["category"]
    states = LEFT if params["draws"] else (PatchState.PASSED,)
    wanted = and_(unindexed(col(Patch.state)).in_(states), unindexed(col(Patch.category)) == category)
    found, last = photographs(session, wanted, after)
    if not found:
        return 0
    files = [file_id for file_id, _ in found]
    taken = _drawn(session, params, files) if params["draws"] else _passed(session, category, files)
    if params["draws"]:
        _leave(session, run_id, category, files, [patch_id for ids in taken.values() for patch_id in ids])
    items = [
        NewItem("retain", f"retain:{file_id}:{category}", payload={"source_file_id": file_id, "patch_ids": taken[file_id]})
        for file_id in files
        if taken.get(file_id)
    ]
    jobs.add_items(session, run_id, [*items, _plan_item(last)])
    return len(found)


def _drawn(session: Session, params: Mapping[str, Any], files: Sequence[int]) -> dict[int, list[int]]:
    """The patches of each photograph that the run's draw took."""
    rule, of_photo = rule_of(params), dict[int, list[Candidate]]()
    for candidate in _candidates(session, params["category"], files):
        of_photo.setdefault(candidate.photo, []).append(candidate)
    return {photo: sorted(drawn_of(found, rule, params["cut"])) for photo, found in of_photo.items()}


def _passed(session: Session, category: str, files: Sequence[int]) -> dict[int, list[int]]:
    rows = session.execute(
        select(col(Patch.source_file_id), col(Patch.id))
        .where(
            col(Patch.source_file_id).in_(files), col(Patch.category) == category, col(Patch.state) == PatchState.PASSED
        )
        .order_by(col(Patch.id))
    )  # fmt: skip
    found: dict[int, list[int]] = {}
    for file_id, patch_id in rows:
        found.setdefault(file_id, []).append(patch_id)
    return found


def _leave(session: Session, run_id: int, category: str, files: Sequence[int], taken: Sequence[int]) -> None:
    """What has a level and was not drawn says so; it can be drawn later."""
    session.execute(
        update(Patch)
        .where(
            col(Patch.source_file_id).in_(files), col(Patch.category) == category, col(Patch.state) == PatchState.PASSED,
            col(Patch.level) != "", col(Patch.id).not_in(taken),
        )
        .values(state=PatchState.NOT_DRAWN, step="sampling", reason=f"not drawn by run {run_id}"),
        execution_options={"synchronize_session": False},
    )  # fmt: skip


def to_cut(session: Session, patch_ids: Sequence[int]) -> list[Patch]:
    """The patches of a photograph that are still to become images, in order."""
    wanted = and_(col(Patch.id).in_(patch_ids), col(Patch.state).in_(LEFT))
    return list(session.execute(select(Patch).where(wanted).order_by(col(Patch.id))).scalars())


def retained(session: Session, cuts: Mapping[int, Cut]) -> None:
    """Patches, by id, are stored as masters: make images of them. One that was put out in the meantime stays out."""
    wanted = and_(col(Patch.id).in_(cuts), col(Patch.state).in_(LEFT))
    rows = session.execute(select(Patch).where(wanted).order_by(col(Patch.id)).with_for_update()).scalars().all()
    for patch in rows:
        done = cuts[patch.id or 0]
        insert_ignore(session, Image, [_image(patch, done)])
        patch.image_id = session.execute(select(col(Image.id)).where(*_same_box(patch))).scalar_one()
        patch.state, patch.step, patch.reason = PatchState.RETAINED, "sampling", ""
        patch.thumbnail_sha256 = done.thumbnail_sha256
        session.add(patch)


def _image(patch: Patch, done: Cut) -> dict[str, Any]:
    names = (
        "source_file_id", "source_id", "category", "resized_width", "resized_height", "box_x", "box_y", "box_width",
        "box_height", "undersized",
    )  # fmt: skip
    return {name: getattr(patch, name) for name in names} | {
        "master_sha256": done.master_sha256, "pixel_sha256": done.pixel_sha256, "thumbnail_sha256": done.thumbnail_sha256,
        "stage": Stage.COLLECTED, "stage_reason": "", "decisions_wanted": 1, "created_at": utcnow(),
    }  # fmt: skip


def _same_box(patch: Patch) -> list[Any]:
    names = ("source_file_id", "category", "box_x", "box_y", "box_width", "box_height")
    return [getattr(Image, name) == getattr(patch, name) for name in names] + [col(Image.variant) == ""]
