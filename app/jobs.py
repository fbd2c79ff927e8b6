"""Work items: the database is the truth, messages only wake.

A run is expanded into items; a Celery message says "there is work on this queue"; a worker claims some, holds them while it
works and gives them up (``app/leasing.py``). Doing an item twice changes nothing. What people and the sweeper do to items is
in ``app/job_control.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import bindparam, case, update
from sqlmodel import Session, col

from app.db import insert_ignore
from app.messages import wake_after_commit
from app.models import ItemState, Json, Run, RunState, WorkItem, table_of, utcnow


@dataclass(frozen=True)
class Job:
    """One kind of work: the task that does it, how many items a worker takes at once, and how long one may take."""

    target: str
    batch: int = 1
    max_attempts: int = 3


JOBS: dict[str, Job] = {
    "plan": Job("workers.tasks.plan:PlanTask"),
    "plan_judge": Job("workers.tasks.plan:PlanJudgeTask"),
    "bulk": Job("workers.tasks.bulk:BulkTask"),
    "generate": Job("workers.tasks.generate:GenerateTask"),
    "score": Job("workers.tasks.score:ScoreTask", batch=4),
    "judge": Job("workers.tasks.judge:JudgeTask"),
    "prompt": Job("workers.tasks.prompt:PromptTask"),
    "batch": Job("workers.tasks.batch:SubmitTask", batch=40),
    "collect": Job("workers.tasks.collect:CollectTask"),
    "check": Job("workers.tasks.check:CheckTask", max_attempts=1),
    "plan_screen": Job("workers.tasks.screen:PlanScreenTask"),
    "screen": Job("workers.tasks.screen:ScreenTask"),
    "ask_screen": Job("workers.tasks.ask_screen:AskScreenTask"),
    "plan_retain": Job("workers.tasks.retain:PlanRetainTask"),
    "retain": Job("workers.tasks.retain:RetainTask"),
    "gather": Job("workers.tasks.gather:GatherTask"),
    "degrade": Job("workers.tasks.degrade:DegradeTask"),
}


@dataclass(frozen=True)
class NewItem:
    """An item to add to a run. ``key`` says what it is; adding the same key to a run twice adds nothing.

    It is not claimed before ``delay`` seconds have passed.
    """

    kind: str
    key: str
    queue: str = "cpu"
    shape: str = ""
    priority: int = 100
    lane: str = ""
    delay: float = 0.0
    payload: Json = field(default_factory=dict)


def start_run(session: Session, kind: str, title: str, params: Json, user_id: int | None) -> Run:
    """A new run without items. Add them with :func:`add_items` in the same unit of work."""
    run = Run(kind=kind, title=title, params=params, created_by=user_id)
    session.add(run)
    session.flush()
    return run


def add_items(session: Session, run_id: int, items: Sequence[NewItem]) -> int:
    """Add items to a run and wake their queues after the commit. Returns how many were new."""
    if not items:
        return 0
    rows = [
        dict(
            run_id=run_id, kind=i.kind, key=i.key, queue=i.queue, shape=i.shape, priority=i.priority, lane=i.lane,
            payload=i.payload, paid=False, state=ItemState.WAITING, created_at=utcnow(), attempts=0, token=0, owner="",
            error="", ready_at=utcnow() + timedelta(seconds=i.delay) if i.delay else None,
        )
        for i in items
    ]  # fmt: skip
    added = len(insert_ignore(session, WorkItem, rows))
    run = update(Run).where(col(Run.id) == run_id)
    session.execute(run.values(total=col(Run.total) + added))
    for queue in {i.queue for i in items}:
        wake_after_commit(session, queue)
    return added


RUNS = table_of(Run)
CLOSED = {
    ItemState.DONE: RUNS.c.done,
    ItemState.FAILED: RUNS.c.failed,
    ItemState.CANCELLED: RUNS.c.cancelled,
    ItemState.UNKNOWN: RUNS.c.unknown,
}
"""States in which an item stays by itself, with the counter of its run."""

_SETTLE = (
    update(RUNS)
    .where(
        RUNS.c.id == bindparam("settled_run"),
        RUNS.c.total == RUNS.c.done + RUNS.c.failed + RUNS.c.cancelled + RUNS.c.unknown,
        RUNS.c.state.in_([RunState.RUNNING, RunState.CANCELLING]),
    )
    .values(state=case((RUNS.c.state == RunState.CANCELLING, RunState.CANCELLED), else_=RunState.FINISHED))
)


def settle_run(session: Session, run_id: int) -> None:
    """Close the run when nothing of it is left to do."""
    session.execute(_SETTLE, {"settled_run": run_id, "finished_at": utcnow()})
