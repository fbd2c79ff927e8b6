"""What a person may do to a run: cancel it, resume it, retry what failed. Each is an event in their name."""

from sqlmodel import Session

from app import job_control
from app.errors import Conflict, NotFound
from app.models import Run, RunState
from app.services import events


def cancel(session: Session, user_id: int | None, run_id: int) -> None:
    """Stop a run: what is being worked on finishes, the rest can be resumed. Raises NotFound, or Conflict when over."""
    run = _run(session, run_id)
    if run.state != RunState.RUNNING:
        raise Conflict(f"Run {run_id} is {run.state} already.")
    job_control.cancel_run(session, run_id)
    events.record(session, user_id, "run.cancelled", f"run:{run_id}")


def resume(session: Session, user_id: int | None, run_id: int) -> int:
    """Put a run's cancelled items back to work; returns how many. Raises NotFound, or Conflict when there are none."""
    _workable(session, run_id)
    moved = job_control.resume_run(session, run_id)
    if not moved:
        raise Conflict(f"Run {run_id} has no cancelled items to resume.")
    events.record(session, user_id, "run.resumed", f"run:{run_id}", details={"items": moved})
    return moved


def retry_failed(session: Session, user_id: int | None, run_id: int) -> int:
    """Give a run's failed items fresh attempts; returns how many. Raises NotFound, or Conflict when there are none."""
    _workable(session, run_id)
    moved = job_control.retry_failed(session, run_id)
    if not moved:
        raise Conflict(f"Run {run_id} has no failed items to retry.")
    events.record(session, user_id, "run.retried", f"run:{run_id}", details={"items": moved})
    return moved


def _workable(session: Session, run_id: int) -> None:
    run = _run(session, run_id)
    if run.kind == "ingest":
        raise Conflict(f"Run {run_id} took files in; hand those files in again instead.")
    if run.state == RunState.CANCELLING:
        raise Conflict(f"Run {run_id} is still being cancelled. Try again in a moment.")


def _run(session: Session, run_id: int) -> Run:
    run = session.get(Run, run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.")
    return run


def open_ingest(session: Session, run_id: int) -> str:
    """The category of an ingest run that still takes files. Raises NotFound, or Conflict when it was closed."""
    run = session.get(Run, run_id)
    if run is None or run.kind != "ingest":
        raise NotFound(f"There is no ingest run {run_id}. Start again from the ingest page.")
    if run.state != RunState.RUNNING:
        raise Conflict(f"Ingest run {run_id} is closed. Start a new one for these files.")
    return str(run.params["category"])
