"""Runs that collect from the stand-in, with the real tasks, database, storage and Redis, in this process."""

import time
from typing import Any

from sqlmodel import col, select, update

from app import messages, politeness
from app.db import reading, unit_of_work
from app.models import Run, RunState, SourceFile, WorkItem
from app.services import gathering
from app.services.gathering import Gather
from tests.integration.provider_run import row
from workers import runtime


def start(platform: str = "flickr", user_id: int | None = None, **wanted: Any) -> int:
    """Open a run for photographs of rain. Returns its id."""
    fields = {"category": "rain", "keywords": ("rain",), **wanted}
    with unit_of_work() as session:
        return gathering.start_gather(session, user_id, Gather(platform=platform, **fields)).id or 0


def work(run_id: int, seconds: float = 60) -> Run:
    """Work until the run is over, waiting for what was postponed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        worked = runtime.work_once("api")
        run = row(Run, run_id)
        if run.state != RunState.RUNNING:
            return run
        if not worked:
            time.sleep(0.02)
    raise AssertionError(f"run {run_id} is not over after {seconds} s: {items(run_id)}")


def gather(platform: str = "flickr", **wanted: Any) -> Run:
    """Collect, from the start to the end."""
    return work(start(platform, **wanted))


def later() -> None:
    """The time has passed that hosts and items had to wait."""
    politeness.forget()
    for key in messages.redis_client().scan_iter("ggt:host:*"):
        messages.redis_client().delete(key)
    with unit_of_work() as session:
        session.execute(update(WorkItem).values(ready_at=None))


def files() -> list[SourceFile]:
    """Photographs on record, by name."""
    with reading() as session:
        return list(session.exec(select(SourceFile).order_by(col(SourceFile.name))))


def items(run_id: int, kind: str = "gather") -> list[WorkItem]:
    with reading() as session:
        found = select(WorkItem).where(col(WorkItem.run_id) == run_id, col(WorkItem.kind) == kind)
        return list(session.exec(found.order_by(col(WorkItem.id))))


def rejected(run: Run) -> dict[str, str]:
    """Reasons by name, from the run's report."""
    return {one["file"]: one["reason"] for one in run.params["report"]["rejected"]}
