"""Runs by API: look, start, cancel, resume, retry, decide about what is unknown."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.accounts import MICROS
from app.models import Role
from app.services import planning, run_control, run_views
from app.services.options import PipelineOptions
from app.web.api.answers import Moved, RunDetailItem, RunItem, RunList, StartRun
from app.web.deps import Admin, AnyViewer, Reader, Researcher, Writer

router = APIRouter(prefix="/api/v1/runs", tags=["runs"])


@router.get("")
def list_runs(
    _viewer: AnyViewer,
    session: Reader,
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> RunList:
    """Runs, newest first."""
    found = run_views.runs(session, before=before, size=limit)
    return RunList(
        items=[RunItem.model_validate(run) for run in found], next_cursor=found[-1].id if len(found) == limit else None
    )


@router.post("", status_code=201)
def start_run(wanted: StartRun, viewer: Admin, session: Writer) -> RunItem:
    """Start a pipeline run: generate, score, filter, judge, and up to three attempts."""
    options = PipelineOptions(
        categories=tuple(wanted.categories), image_ids=tuple(wanted.image_ids), method=wanted.method,
        strategy=wanted.strategy, also=tuple(wanted.also), compare=wanted.compare, judge=wanted.judge,
        judge_compared=wanted.judge_compared, batch=wanted.batch,
    )  # fmt: skip
    run = planning.start_pipeline(session, options, user_id=viewer.user_id, confirmed=round(wanted.confirm_usd * MICROS))
    session.flush()
    return RunItem.model_validate(run_views.run_progress(session, run.id or 0)[0])


@router.get("/{run_id}")
def get_run(run_id: int, _viewer: AnyViewer, session: Reader) -> RunDetailItem:
    """A run with its parameters (an ingest's report among them) and the items that failed."""
    return RunDetailItem.model_validate(run_views.run_detail(session, run_id))


@router.post("/{run_id}/cancel")
def cancel_run(run_id: int, viewer: Researcher, session: Writer) -> RunItem:
    """What is being worked on finishes; the rest can be resumed. Admins cancel any run, researchers those they started."""
    run_control.cancel(session, viewer.user_id, run_id, any_of=viewer.role == Role.ADMIN)
    return RunItem.model_validate(run_views.run_progress(session, run_id)[0])


@router.post("/{run_id}/resume")
def resume_run(run_id: int, viewer: Admin, session: Writer) -> Moved:
    """Put cancelled items back to work."""
    return Moved(items=run_control.resume(session, viewer.user_id, run_id))


@router.post("/{run_id}/retry")
def retry_run(run_id: int, viewer: Admin, session: Writer) -> Moved:
    """Give failed items fresh attempts."""
    return Moved(items=run_control.retry_failed(session, viewer.user_id, run_id))


@router.post("/{run_id}/retry-unknown")
def retry_unknown(run_id: int, viewer: Admin, session: Writer) -> Moved:
    """Ask again where the outcome of a paid call is unknown. The provider may have charged already: it may pay twice."""
    return Moved(items=run_control.retry_unknown(session, viewer.user_id, run_id))


@router.post("/{run_id}/give-up-unknown")
def give_up_unknown(run_id: int, viewer: Admin, session: Writer) -> Moved:
    """Call items failed whose paid call has an unknown outcome."""
    return Moved(items=run_control.give_up_unknown(session, viewer.user_id, run_id))
