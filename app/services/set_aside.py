"""Setting images aside in bulk, with a reason, and taking them back to where they were.

What an action does is done in windows, the first one in the request that asks for it: a few images are done at once, and
many go on in a run, so that no transaction grows with the collection. An image that is set aside is in no queue, and no run
takes it up. Verified pairs and images in progress are left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, func, insert, literal, select, update
from sqlmodel import Session, col

from app import jobs
from app.db import insert_ignore
from app.errors import Conflict, GgtError, NotAllowed, NotFound
from app.jobs import NewItem
from app.models import BulkAction, Image, QueueItem, ReviewQueue, Run, RunState, SetAside, Stage, utcnow
from app.services import events, gallery
from app.services.gallery_filter import GalleryFilter

Kind = Literal["set_aside", "take_back"]
WINDOW = 1_000
EXAMPLES = 12
LONGEST_WHY = 400
LEFT_ALONE = (Stage.GENERATED, Stage.SCORED, Stage.REFINING, Stage.VERIFIED, Stage.SET_ASIDE, Stage.BENCHMARK)
"""Stages from which nothing is set aside: work in progress would be stranded, a pair be torn from its dataset, and an image
that was made for a benchmark is in none."""


@dataclass(frozen=True)
class Group:
    """Images of one category and stage that a filter finds; of those set aside, ``comes_back_to`` is where they were."""

    category: str
    stage: str
    number: int
    comes_back_to: str = ""
    moves: bool = True


@dataclass(frozen=True)
class Preview:
    """What an action would touch, by category and stage, with some of the images (id and thumbnail) to look at."""

    groups: tuple[Group, ...]
    examples: tuple[tuple[int, str], ...]

    @property
    def matched(self) -> int:
        return sum(group.number for group in self.groups)

    @property
    def moved(self) -> int:
        return sum(group.number for group in self.groups if group.moves)


def preview(session: Session, kind: Kind, wanted: GalleryFilter) -> Preview:
    """What setting aside or taking back the images of a filter would touch. Three statements at most."""
    counts = gallery.stage_counts(session, wanted)
    if kind == "set_aside":
        groups = [Group(category, stage, number, moves=stage not in LEFT_ALONE) for category, stage, number in counts]
    else:
        groups = [Group(category, stage, n, moves=False) for category, stage, n in counts if stage != Stage.SET_ASIDE]
        groups += _held(session, wanted)
    examples = (
        select(col(Image.id), col(Image.thumbnail_sha256))
        .where(_among(wanted), _movable(kind))
        .order_by(col(Image.id).desc())
        .limit(EXAMPLES)
    )
    rows = session.execute(examples).all() if any(group.moves for group in groups) else ()
    return Preview(tuple(groups), tuple((row[0], row[1]) for row in rows))


def start(session: Session, user_id: int, kind: Kind, wanted: GalleryFilter, *, why: str, key: str) -> int:
    """Set the images of a filter aside, or take back those that are; returns the action's id.

    ``key`` is made with the form: sent again it acts no second time. Raises GgtError without a reason for setting aside, and
    where no image would be touched.
    """
    why = why.strip()
    if kind == "set_aside" and not why:
        raise GgtError("Say why these images are set aside: whoever finds them later will ask.")
    if len(why) > LONGEST_WHY:
        raise GgtError(f"The reason has {len(why)} characters; {LONGEST_WHY} is the most.")
    return _begin(session, user_id, kind, key=key, why=why, query=wanted.query())


def undo(session: Session, user_id: int, action_id: int, *, any_of: bool) -> int:
    """Take back all that an action set aside and that is still as it left it; returns the id of the action that does so.

    ``any_of``: somebody else's action may be undone as well. Undoing twice undoes once. Raises NotFound, NotAllowed, and
    Conflict where there is nothing to undo or the action is still at work.
    """
    action = session.get(BulkAction, action_id, with_for_update=True)
    if action is None:
        raise NotFound(f"There is no bulk action {action_id}.")
    if action.user_id != user_id and not any_of:
        raise NotAllowed("This was done by somebody else. They, or an admin, can undo it.")
    if action.kind != "set_aside":
        raise Conflict("Taking back is undone by setting the images aside again.")
    if action.finished_at is None and _run_is_open(session, action):
        raise Conflict(f"Action {action_id} is still at work. Cancel run {action.run_id} first, or wait for its end.")
    return _begin(session, user_id, "take_back", key=f"undo:{action_id}", undoes_id=action_id, query=action.query)


def _begin(session: Session, user_id: int, kind: Kind, *, key: str, **more: Any) -> int:
    row = {"key": key, "kind": kind, "user_id": user_id, "why": "", "query": {}, "undoes_id": None, "run_id": None,
           "touched": 0, "passed_over": 0, "created_at": utcnow(), "finished_at": None, **more}  # fmt: skip
    known = _sent_before(session, row)
    if known is not None:
        return known
    if session.execute(_next(BulkAction(**row), 0).limit(1)).first() is None:
        raise Conflict("No image would be touched: nothing of these is there to be moved (any more).")
    made = insert_ignore(session, BulkAction, [row])
    if not made:  # the same form, in the same moment
        return _sent_before(session, row) or 0
    work_window(session, made[0], 0)
    return made[0]


def _sent_before(session: Session, row: Mapping[str, Any]) -> int | None:
    query = select(BulkAction).where(col(BulkAction.key) == row["key"])
    known: BulkAction | None = session.execute(query).scalar_one_or_none()
    if known is None:
        return None
    if any(getattr(known, name) != row[name] for name in ("kind", "query", "undoes_id")):
        raise Conflict("This form was sent before, for something else. Open the page again.")
    return known.id


def work_window(session: Session, action_id: int, after: int) -> None:
    """Do the next window of an action, of images with ids above ``after``, and plan the one behind it or end the action."""
    action = session.get_one(BulkAction, action_id, with_for_update=True, populate_existing=True)
    if action.finished_at is not None:
        return
    undone = select(col(BulkAction.id)).where(col(BulkAction.undoes_id) == action_id).limit(1)
    stopped = session.execute(undone).first() is not None  # its run was cancelled, it was undone, and its run resumed
    move = _set_aside if action.kind == "set_aside" else _take_back
    ids = () if stopped else move(session, action, session.execute(_next(action, after)).all())
    if len(ids) == WINDOW:
        _plan(session, action, ids[-1])
    else:
        action.finished_at = utcnow()
        details = {"touched": action.touched, "passed_over": action.passed_over, "query": action.query}
        done = "undone" if action.undoes_id else {"set_aside": "set_aside", "take_back": "taken_back"}[action.kind]
        subject = f"bulk:{action.undoes_id or action_id}"
        events.record(session, action.user_id, f"images.{done}", subject, action.why, details)
    session.add(action)
    session.flush()


def _next(action: BulkAction, after: int) -> Select[Any]:
    """The images of an action's next window, locked: the row of what is set aside (0 where none is), id, stage, reason."""
    image: tuple[Any, ...] = (col(Image.id), col(Image.stage), col(Image.stage_reason))
    wanted = GalleryFilter.parse(action.query)
    if action.kind == "set_aside":
        query = select(literal(0), *image).where(_among(wanted), _movable("set_aside")).with_for_update(key_share=True)
    else:
        theirs = col(SetAside.action_id) == action.undoes_id if action.undoes_id else _among(wanted)
        query = select(col(SetAside.id), *image).join(Image, col(Image.id) == col(SetAside.image_id))
        query = query.where(theirs, _OPEN).with_for_update(key_share=True, of=[Image, SetAside])
    return query.where(col(Image.id) > after).order_by(col(Image.id)).limit(WINDOW)


def _set_aside(session: Session, action: BulkAction, rows: Sequence[Any]) -> Sequence[int]:
    ids = [row[1] for row in rows]
    if ids:
        held = [{"action_id": action.id, "image_id": i, "stage": stage, "stage_reason": why} for _, i, stage, why in rows]
        session.execute(insert(SetAside), held)
        moving = update(Image).where(col(Image.id).in_(ids))
        reason = f"Set aside: {action.why}"
        session.execute(moving.values(stage=Stage.SET_ASIDE, stage_reason=reason), execution_options=_NO_SYNC)
        closing = update(QueueItem).where(col(QueueItem.image_id).in_(ids))
        session.execute(closing.values(open=False), execution_options=_NO_SYNC)
        action.touched += len(ids)
    return ids


def _take_back(session: Session, action: BulkAction, rows: Sequence[Any]) -> Sequence[int]:
    """Images go back to the stage that is written down. One that is no longer set aside has moved on, and is left so."""
    back = [image_id for _, image_id, stage, _ in rows if stage == Stage.SET_ASIDE]

    def was(column: Any) -> Any:
        return select(column).where(col(SetAside.image_id) == col(Image.id), _OPEN).scalar_subquery()

    if rows:
        moving = update(Image).where(col(Image.id).in_(back))
        former = {"stage": was(col(SetAside.stage)), "stage_reason": was(col(SetAside.stage_reason))}
        session.execute(moving.values(**former), execution_options=_NO_SYNC)
        _into_queues(session, back)
        closing = update(SetAside).where(col(SetAside.id).in_([row[0] for row in rows]))
        session.execute(closing.values(taken_back_by=action.id), execution_options=_NO_SYNC)
        action.touched += len(back)
        action.passed_over += len(rows) - len(back)
    return [row[1] for row in rows]


def _into_queues(session: Session, ids: Sequence[int]) -> None:
    """Images that wait for a person again: open in the queues they were in, and all queues look at their images anew."""
    waiting = select(col(Image.id)).where(col(Image.id).in_(ids), col(Image.stage) == Stage.AWAITING)
    opening = update(QueueItem).where(col(QueueItem.image_id).in_(waiting))
    session.execute(opening.values(open=True), execution_options=_NO_SYNC)
    session.execute(update(ReviewQueue).values(filled=False), execution_options=_NO_SYNC)


_OPEN = col(SetAside.taken_back_by).is_(None)
_NO_SYNC = {"synchronize_session": False}


def _among(wanted: GalleryFilter) -> ColumnElement[bool]:
    return col(Image.id).in_(gallery.matching_ids(wanted))


def _movable(kind: Kind) -> ColumnElement[bool]:
    stage = col(Image.stage)
    return stage.not_in(LEFT_ALONE) if kind == "set_aside" else stage == Stage.SET_ASIDE


def _held(session: Session, wanted: GalleryFilter) -> list[Group]:
    by: tuple[Any, ...] = (col(Image.category), col(SetAside.stage))
    rows = session.execute(
        select(*by, func.count())
        .select_from(Image)
        .join(SetAside, col(SetAside.image_id) == col(Image.id))
        .where(_among(wanted), _OPEN, col(Image.stage) == Stage.SET_ASIDE)
        .group_by(*by)
        .order_by(*by)
    ).all()
    return [Group(category, Stage.SET_ASIDE, number, comes_back_to=stage) for category, stage, number in rows]


def _plan(session: Session, action: BulkAction, after: int) -> None:
    """The next window as a work item, in the action's run, which starts with the first of them."""
    if action.run_id is None:
        title = {"set_aside": "Set images aside", "take_back": "Take images back"}[action.kind]
        params = {"bulk_action": action.id, "query": action.query}
        action.run_id = jobs.start_run(session, "bulk", title, params, action.user_id).id
    item = NewItem("bulk", f"bulk:{after}", priority=1, payload={"action_id": action.id, "after": after})
    jobs.add_items(session, action.run_id or 0, [item])


def _run_is_open(session: Session, action: BulkAction) -> bool:
    run = session.get(Run, action.run_id) if action.run_id else None
    return run is not None and run.state in (RunState.RUNNING, RunState.CANCELLING)
