"""What was done to many images at once, newest first, and what of it can be undone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.models import BulkAction, Json, Run, RunState, User

PAGE_SIZE = 40


@dataclass(frozen=True)
class Undone:
    """What became of undoing an action: images taken back, left because they had moved on, and taken back before."""

    taken_back: int
    moved_on: int
    before: int
    working: bool


@dataclass(frozen=True)
class Action:
    """One bulk action. ``working`` in its run ``run_id``; ``stopped`` where that was cancelled before its end."""

    id: int
    kind: str
    why: str
    query: Json
    by: str
    user_id: int
    at: datetime
    touched: int
    working: bool
    stopped: bool
    run_id: int | None
    undone: Undone | None

    @property
    def undoable(self) -> bool:
        return self.kind == "set_aside" and self.touched > 0 and self.undone is None and not self.working


def actions(session: Session, before: int | None = None, size: int = PAGE_SIZE) -> Sequence[Action]:
    """Bulk actions, newest first, with ids below ``before``. An undo stands with what it undoes. One statement."""
    undo, run, undo_run = aliased(BulkAction), aliased(Run), aliased(Run)
    wanted: tuple[Any, ...] = (BulkAction, col(User.name), run.state, undo, undo_run.state)
    query = (
        select(*wanted)
        .join(User, col(User.id) == col(BulkAction.user_id))
        .outerjoin(run, col(run.id) == col(BulkAction.run_id))
        .outerjoin(undo, col(undo.undoes_id) == col(BulkAction.id))
        .outerjoin(undo_run, col(undo_run.id) == col(undo.run_id))
        .where(col(BulkAction.undoes_id).is_(None))
        .order_by(col(BulkAction.id).desc())
        .limit(size)
    )
    if before is not None:
        query = query.where(col(BulkAction.id) < before)
    found = []
    for action, by, state, undoing, undo_state in session.execute(query):
        working, stopped = _state(action, state)
        undone = _undone(action, undoing, undo_state) if undoing is not None else None
        found.append(
            Action(action.id, action.kind, action.why, action.query, by, action.user_id, action.created_at, action.touched,
                   working, stopped, action.run_id, undone)
        )  # fmt: skip
    return found


def _state(action: BulkAction, run_state: str | None) -> tuple[bool, bool]:
    """Whether an action is at work, and whether it was stopped before its end."""
    working = action.finished_at is None and run_state in (RunState.RUNNING, RunState.CANCELLING)
    return working, action.finished_at is None and not working


def _undone(action: BulkAction, undo: BulkAction, run_state: str | None) -> Undone:
    working, _ = _state(undo, run_state)
    before = 0 if undo.finished_at is None else max(0, action.touched - undo.touched - undo.passed_over)
    return Undone(undo.touched, undo.passed_over, before, working)
