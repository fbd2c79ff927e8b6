"""What became of each file of an ingest run, and the end of the run."""

from datetime import timedelta
from typing import Any

from sqlmodel import Session, col, select

from app.models import Run, RunState, WorkItem, utcnow

REPORT_ROWS = 1000
ABANDONED_MINUTES = 30
ARRIVING = "arriving_at"
"""The parameter of a run that says when a piece of a large upload last came."""


def report(session: Session, run_id: int) -> dict[str, Any]:
    """The outcome of every file that a run has dealt with so far: so many patches of so many files, and so on."""
    outcomes = session.exec(
        select(WorkItem.payload)
        .where(col(WorkItem.run_id) == run_id, col(WorkItem.kind) == "ingest")
        .order_by(col(WorkItem.id))
    )
    result: dict[str, Any] = {"ingested": 0, "files": 0, "known": 0, "rejected": [], "duplicates": []}
    for told in outcomes:
        if told["status"] == "added":
            result["ingested"] += told["images"]
            result["files"] += 1
        elif told["status"] == "known":
            result["known"] += 1
        elif told["status"] == "rejected":
            result["rejected"].append({"file": told["file"], "reason": told["reason"]})
        else:
            kind = "near" if told["status"] == "near_duplicate" else "exact"
            duplicate = {"file": told["file"], "of": told["of"], "kind": kind, "distance": told["distance"]}
            result["duplicates"].append(duplicate)
    return result


def capped(full: dict[str, Any]) -> dict[str, Any]:
    """A report as a run's page shows it: lists capped at ``REPORT_ROWS`` (the items hold all of them)."""
    return {k: v[:REPORT_ROWS] if isinstance(v, list) else v for k, v in full.items()}


def finish_ingest(session: Session, run_id: int) -> dict[str, Any]:
    """Close an ingest run and keep the summary on it. Returns the full report."""
    full = report(session, run_id)
    run = session.get_one(Run, run_id)
    run.params = {**{k: v for k, v in run.params.items() if k != ARRIVING}, "report": capped(full)}
    if run.state == RunState.RUNNING:
        run.state, run.finished_at = RunState.FINISHED, utcnow()
    session.add(run)
    return full


def arriving(session: Session, run_id: int) -> None:
    """Note that an upload is on its way: a large one takes longer than a run without news is kept open."""
    run = session.get_one(Run, run_id)
    run.params = {**run.params, ARRIVING: utcnow().isoformat()}


def close_abandoned(session: Session) -> None:
    """Close ingest runs whose browser went away: nothing new for half an hour."""
    horizon = utcnow() - timedelta(minutes=ABANDONED_MINUTES)
    fresh = select(WorkItem.run_id).where(col(WorkItem.kind) == "ingest", col(WorkItem.finished_at) > horizon)
    abandoned = select(Run.id).where(
        col(Run.kind) == "ingest",
        col(Run.state) == RunState.RUNNING,
        col(Run.created_at) < horizon,
        col(Run.id).not_in(fresh),
    )
    for run_id in session.exec(abandoned).all():
        if session.get_one(Run, run_id).params.get(ARRIVING, "") < horizon.isoformat():
            finish_ingest(session, run_id or 0)
