"""The main job without a browser: ingest photographs, run the pipeline over it, wait, and tell the funnel."""

import importlib.util
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col, func, select

from app import importers, job_control, messages, migrate
from app.config import settings
from app.db import reading, unit_of_work
from app.errors import GgtError
from app.models import Image, ItemState, Run, RunState, Source, Stage, WorkItem
from app.services import flow, ingest, ingest_report, planning
from app.services.ingest import SourceInput
from app.services.ingest_folder import THREADS, ingest_entries
from app.services.options import PipelineOptions
from app.services.photograph import Then
from app.services.weights import fetch_weights, weights_status
from app.supervisor import Supervisor, is_running

console = Console(stderr=True, highlight=False)


def open_database() -> None:
    """Make the data folder on first use and bring the database to this version's schema."""
    try:
        settings().data_dir.mkdir(parents=True, exist_ok=True)
        migrate.upgrade(settings().sql_url)
    except (OSError, SQLAlchemyError) as error:
        raise GgtError(f"The database cannot be opened: {str(error.__cause__ or error).splitlines()[0]}") from error


@contextmanager
def progress(title: str, total: int | None) -> Iterator[Progress]:
    """A progress bar on standard error with count and time left; plain lines where there is no terminal."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )
    with bar:
        bar.add_task(escape(title), total=total)
        yield bar


def name_of(location: str) -> str:
    """What photographs of a location are called where nothing else is said: its last part, without an archive's suffix."""
    if "://" in location:
        whole = PurePosixPath(location.partition("://")[2])
    else:
        whole = PurePosixPath(Path(location).resolve())
    if "{" in whole.name:
        whole = whole.parent
    return importers.SUFFIX.sub("", whole.name) or location


def ingest_location(
    location: str, category: str, source: SourceInput, *, layout: str = "auto", then: Then = "images",
    policy: Mapping[str, Any] | None = None, keep_near_duplicates: bool = False,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """Ingest what is at a location (:mod:`app.importers`) in this process. Returns the source's id and the report."""
    found, name = importers.entries(location, layout), name_of(location)
    with unit_of_work() as session:
        run = ingest.start_ingest(
            session, user_id=None, category=category, source=source, title=f"Ingest {name} ({category})", then=then,
            policy=policy,
        )  # fmt: skip
        run_id, source_id = run.id or 0, run.params["source_id"]
    try:
        with progress(f"Ingest {name}", importers.count(location, layout)) as bar:
            for _ in ingest_entries(run_id, found, threads=THREADS, keep_near_duplicates=keep_near_duplicates):
                bar.advance(bar.task_ids[0])
    finally:
        with unit_of_work() as session:
            report = ingest_report.finish_ingest(session, run_id)
    return source_id, report


@contextmanager
def something_running() -> Iterator[Supervisor | None]:
    """Make sure that workers run: those of a running installation, or our own for as long as the block lasts."""
    require_workers()
    if is_running() or settings().redis_url:
        yield None
        return
    with Supervisor(web=False, say=console.print) as supervisor:
        yield supervisor


def require_workers() -> None:
    """Raise when the heavy extra is not installed, with the line to type."""
    if not all(map(importlib.util.find_spec, ("torch", "pyiqa", "cv2"))):
        raise GgtError(
            "Workers need the extra packages (torch, pyiqa, OpenCV), which are not installed here. "
            "Type: .venv/bin/uv pip install -r requirements/all.txt"
        )


def fetch_missing_weights() -> None:
    """Fetch metric weights that are not here yet, but none of a model hub: those are large, and a person's decision.

    Failing is told, not fatal: those metrics are then left out.
    """
    if all(row.state == "present" or row.from_hub for row in weights_status(settings().weights_dir)):
        return
    console.print("Fetching metric weights (once)...")
    try:
        fetch_weights(settings().weights_dir, progress=console.print)
    except GgtError as error:
        console.print(f"Some metrics stay unavailable: {error}")


def run_pipeline(options: PipelineOptions, *, confirmed: int = 0) -> int:
    """Start a pipeline run. ``confirmed`` is what it may cost, in millionths of a dollar. Returns its id."""
    with unit_of_work() as session:
        return planning.start_pipeline(session, options, user_id=None, confirmed=confirmed).id or 0


@dataclass(frozen=True)
class RunCount:
    """How far a run is."""

    state: str
    total: int
    closed: int
    failed: int


def _count(run_id: int) -> RunCount:
    with reading() as session:
        run = session.get_one(Run, run_id)
        return RunCount(run.state, run.total, run.done + run.failed + run.cancelled + run.unknown, run.failed)


def wait_for(run_id: int, title: str, supervisor: Supervisor | None) -> RunCount:
    """Wait until a run is finished or cancelled, with a progress bar. Ctrl-C cancels the wait, not the run."""
    with progress(title, None) as bar:
        while True:
            count = _count(run_id)
            bar.update(bar.task_ids[0], total=count.total, completed=count.closed)
            if count.state in (RunState.FINISHED, RunState.CANCELLED):
                return count
            if supervisor:
                supervisor.tend()
            time.sleep(0.5)


def pipeline_report(run_id: int, ingested: dict[str, Any], category: str, source_id: int) -> dict[str, Any]:
    """What ``ggt pipeline --json`` prints."""
    with reading() as session:
        counts = flow.counts_of_run(session, run_id)
        awaiting = session.exec(
            select(func.count()).where(
                col(Image.stage) == Stage.AWAITING, col(Image.category) == category, col(Image.source_id) == source_id
            )
        ).one()
        failures = session.exec(
            select(WorkItem).where(col(WorkItem.run_id) == run_id, col(WorkItem.state) == ItemState.FAILED)
        ).all()
    return {
        **ingested,
        **counts,
        "awaiting_verification": awaiting,
        "failed": [{"item": item.key, "error": item.error} for item in failures],
        "run": run_id,
    }


def status() -> dict[str, Any]:
    """What runs, what waits, and how far the images are."""
    with reading() as session:
        stages = session.exec(select(Image.stage, func.count()).group_by(col(Image.stage))).all()
        runs = session.exec(select(Run).where(col(Run.state) == RunState.RUNNING).order_by(col(Run.id))).all()
        waiting = {queue: job_control.waiting_count(session, queue) for queue in messages.QUEUES}
        sources = session.exec(select(func.count()).select_from(Source)).one()
    return {
        "running": is_running(),
        "data": str(settings().data_dir),
        "url": settings().base_url,
        "sources": sources,
        "images": dict(stages),
        "waiting": waiting,
        "runs": [{"id": r.id, "title": r.title, "done": r.done, "failed": r.failed, "total": r.total} for r in runs],
    }
