"""Runs: what runs and what ran, each with its progress, failures and log; and the ways to start, stop and resume one."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.catalog.generators import GENERATORS
from app.models import Json, RunState, utcnow
from app.services import planning, run_control, run_views
from app.services.options import PipelineOptions
from app.services.run_views import Duplicate, IngestReport, ItemRow, KindRow, Rejected, RunDetail, RunProgress
from app.web.deps import Admin, AnyViewer, Reader, Writer
from app.web.templating import render

router = APIRouter()


@dataclass(frozen=True)
class RunsPart:
    """Runs, newest first. ``more`` is the address of older ones."""

    runs: tuple[RunProgress, ...]
    more: str | None
    here: str


@dataclass(frozen=True)
class RunsPage:
    """``categories`` and ``methods`` are (key, title): what a new pipeline run can be about."""

    part: RunsPart
    categories: tuple[tuple[str, str], ...]
    methods: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class RunPage:
    detail: RunDetail
    params: tuple[tuple[str, str], ...]


@router.get("/runs")
def runs(request: Request, viewer: AnyViewer, session: Reader, before: int | None = None) -> Response:
    categories = tuple((key, c.title) for key, c in CATEGORIES.items())
    methods = tuple((key, g.title) for key, g in GENERATORS.items() if g.local)
    return render(request, viewer, "runs/index.html", RunsPage(_part(session, before), categories, methods))


@router.get("/runs/list")
def runs_part(request: Request, viewer: AnyViewer, session: Reader, before: int | None = None) -> Response:
    return render(request, viewer, "runs/_runs.html", RunsOnly(_part(session, before)))


@dataclass(frozen=True)
class RunsOnly:
    part: RunsPart


@router.post("/runs")
def start(
    viewer: Admin,
    session: Writer,
    category: Annotated[str, Form()] = "",
    method: Annotated[str, Form()] = "",
    compare: Annotated[bool, Form()] = False,
) -> Response:
    options = PipelineOptions(categories=(category,) if category else (), method=method or None, compare=compare)
    run = planning.start_pipeline(session, options, user_id=viewer.user_id)
    return RedirectResponse(f"/runs/{run.id}", 303)


@router.get("/runs/{run_id}")
def run(request: Request, run_id: int, viewer: AnyViewer, session: Reader) -> Response:
    return render(request, viewer, "runs/run.html", _page(run_views.run_detail(session, run_id)))


@router.get("/runs/{run_id}/live")
def run_part(request: Request, run_id: int, viewer: AnyViewer, session: Reader) -> Response:
    return render(request, viewer, "runs/_run.html", _page(run_views.run_detail(session, run_id)))


@router.post("/runs/{run_id}/cancel")
def cancel(run_id: int, viewer: Admin, session: Writer) -> Response:
    run_control.cancel(session, viewer.user_id, run_id)
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.post("/runs/{run_id}/resume")
def resume(run_id: int, viewer: Admin, session: Writer) -> Response:
    run_control.resume(session, viewer.user_id, run_id)
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.post("/runs/{run_id}/retry")
def retry(run_id: int, viewer: Admin, session: Writer) -> Response:
    run_control.retry_failed(session, viewer.user_id, run_id)
    return RedirectResponse(f"/runs/{run_id}", 303)


def _part(session: Session, before: int | None) -> RunsPart:
    found = run_views.runs(session, before=before)
    more = f"/runs?before={found[-1].id}" if len(found) == run_views.PAGE_SIZE else None
    return RunsPart(tuple(found), more, "/runs/list" + (f"?before={before}" if before else ""))


def _page(detail: RunDetail) -> RunPage:
    return RunPage(detail, tuple(_params(detail.params)))


def _params(params: Json) -> list[tuple[str, str]]:
    """Parameters worth reading: the report has tables of its own, and long lists are counted."""
    told = []
    for name, value in params.items():
        if name == "report" or value in (None, "", [], {}):
            continue
        if isinstance(value, list) and len(value) > 8:
            text = f"{len(value)} of them"
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        told.append((name.replace("_", " "), {"True": "yes", "False": "no"}.get(text, text)))
    return told


_NOW = utcnow()
_RUN = RunProgress(
    7, "pipeline", "Pipeline: Rain", RunState.RUNNING, 1000, 400, 2, 3, _NOW - timedelta(minutes=3), None, "Ada", 12.5
)
_DONE = RunProgress(6, "ingest", "Ingest: own", RunState.FINISHED, 20, 18, 2, 0, _NOW, _NOW, "Ada", 0.0)
_ITEM = ItemRow(5, "generate:1:local-nlm", "generate", "failed", 3, "No weights.", None, _NOW, 1, None, None)
_FINE = ItemRow(6, "score:1", "score", "done", 1, "", 1.5, _NOW, None, 4, None)
_KIND = KindRow("generate", 10, 2, 300, 1, 0, 1, 5, 1.4)
_REPORT = IngestReport(18, 1, (Rejected("a.jpg", "truncated"),), (Duplicate("b.jpg", "c.jpg", "near", 4),))
_PARTS = [RunsPart((_RUN, _DONE), "/runs?before=6", "/runs/list"), RunsPart((), None, "/runs/list")]
_PAGES = [
    _page(RunDetail(_RUN, {"method": None, "compare": True}, (_KIND,), (_ITEM,), (_FINE, _ITEM), None)),
    _page(RunDetail(_DONE, {"category": "rain"}, (), (), (), _REPORT)),
]
EXAMPLES = {
    "runs/index.html": [RunsPage(part, (("rain", "Rain"),), (("local-nlm", "Non-local means"),)) for part in _PARTS],
    "runs/_runs.html": [RunsOnly(part) for part in _PARTS],
    "runs/run.html": _PAGES,
    "runs/_run.html": _PAGES,
}
