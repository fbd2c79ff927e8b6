"""What a person may do to a run: cancel it, resume it, retry what failed, decide about what is unknown.

Each is an event in their name.
"""

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from app import job_control
from app.errors import Conflict, NotAllowed, NotFound
from app.models import ItemState, Run, RunState, WorkItem
from app.services import events, flow, screening_results
from app.services.photograph import How, how


def cancel(session: Session, user_id: int | None, run_id: int, *, any_of: bool) -> None:
    """Stop a run: what is being worked on finishes, the rest can be resumed.

    ``any_of``: one that somebody else started may be stopped as well. Raises NotFound, NotAllowed, or Conflict when over.
    """
    run = _run(session, run_id)
    if not any_of and (user_id is None or run.created_by != user_id):
        raise NotAllowed(f"Run {run_id} was started by somebody else. They, or an admin, can cancel it.")
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


def retry_unknown(session: Session, user_id: int | None, run_id: int) -> int:
    """Ask again where the outcome of a paid call is unknown, which may pay twice; returns for how many items.

    Raises NotFound, or Conflict when there are none.
    """
    _workable(session, run_id)
    moved = job_control.retry_unknown(session, run_id)
    if not moved:
        raise Conflict(f"Run {run_id} has no unknown items to ask again for.")
    events.record(session, user_id, "run.unknown_retried", f"run:{run_id}", details={"items": moved})
    return moved


def give_up_unknown(session: Session, user_id: int | None, run_id: int) -> int:
    """Call a run's unknown items failed, and let their images be taken up by other runs; returns how many.

    Raises NotFound, or Conflict when there are none.
    """
    _workable(session, run_id)
    given_up = session.exec(
        select(WorkItem).where(col(WorkItem.run_id) == run_id, col(WorkItem.state) == ItemState.UNKNOWN)
    ).all()
    told = [(item.kind, item.payload, f"Given up, its outcome unknown: {item.error}") for item in given_up]
    moved = job_control.give_up_unknown(session, run_id)
    if not moved:
        raise Conflict(f"Run {run_id} has no unknown items to give up.")
    for kind, payload, why in told:
        _tell_image(session, kind, payload, why)
    events.record(session, user_id, "run.unknown_given_up", f"run:{run_id}", details={"items": moved})
    return moved


def _tell_image(session: Session, kind: str, payload: Mapping[str, Any], why: str) -> None:
    """An image whose chosen chain ends here, or a patch, says so, as it does when a worker gives an item up."""
    if kind == "judge":
        if payload.get("decides", True):
            flow.step_failed(session, payload["candidate_id"], why)
    elif kind == "prompt":
        if any(then["chosen"] for then in payload["then"]):
            flow.generation_failed(session, {"image_id": payload["image_id"], "chosen": True, "parent_id": None}, why)
    elif kind == "ask_screen":
        screening_results.not_answered(session, payload["patch_id"], f"Not screened: {why}")
    elif "recipe" in payload:
        flow.generation_failed(session, payload, why)


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


def open_ingest(session: Session, run_id: int) -> How:
    """How an ingest run that still takes files cuts them. Raises NotFound, or Conflict when it was closed."""
    run = session.get(Run, run_id)
    if run is None or run.kind != "ingest":
        raise NotFound(f"There is no ingest run {run_id}. Start again from the ingest page.")
    if run.state != RunState.RUNNING:
        raise Conflict(f"Ingest run {run_id} is closed. Start a new one for these files.")
    return how(run.params)
