"""Runs: what runs and what ran, each with its progress, failures and log; and the ways to stop, resume and repair one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from types import MappingProxyType

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.screening import RULED, default_rule
from app.domain.sampling import DrawRule
from app.models import Role, RunState, utcnow
from app.services import run_control, run_views, set_views
from app.services.run_advice import Wait
from app.services.run_views import Duplicate, IngestReport, ItemRow, KindRow, Rejected, RunDetail, RunProgress
from app.web.deps import Admin, AnyViewer, Reader, Researcher, Writer
from app.web.pages.run_settings import Rules, facts_of, next_of, rules_of, sets_of
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
    part: RunsPart


@dataclass(frozen=True)
class RunPage:
    detail: RunDetail
    params: tuple[tuple[str, str], ...]
    rules: Rules | None
    links: tuple[tuple[str, str], ...] = ()


@router.get("/runs")
def runs(request: Request, viewer: AnyViewer, session: Reader, before: int | None = None) -> Response:
    return render(request, viewer, "runs/index.html", RunsPage(_part(session, before)))


@router.get("/runs/list")
def runs_part(request: Request, viewer: AnyViewer, session: Reader, before: int | None = None) -> Response:
    return render(request, viewer, "runs/_runs.html", RunsOnly(_part(session, before)))


@dataclass(frozen=True)
class RunsOnly:
    part: RunsPart


@router.get("/runs/{run_id}")
def run(request: Request, run_id: int, viewer: AnyViewer, session: Reader) -> Response:
    return render(request, viewer, "runs/run.html", _read(session, run_id))


@router.get("/runs/{run_id}/live")
def run_part(request: Request, run_id: int, viewer: AnyViewer, session: Reader) -> Response:
    return render(request, viewer, "runs/_run.html", _read(session, run_id))


@router.post("/runs/{run_id}/cancel")
def cancel(run_id: int, viewer: Researcher, session: Writer) -> Response:
    """Researchers cancel what they started, such as a long bulk action."""
    run_control.cancel(session, viewer.user_id, run_id, any_of=viewer.role == Role.ADMIN)
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.post("/runs/{run_id}/resume")
def resume(run_id: int, viewer: Admin, session: Writer) -> Response:
    run_control.resume(session, viewer.user_id, run_id)
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.post("/runs/{run_id}/retry")
def retry(run_id: int, viewer: Admin, session: Writer) -> Response:
    run_control.retry_failed(session, viewer.user_id, run_id)
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.post("/runs/{run_id}/retry-unknown")
def retry_unknown(run_id: int, viewer: Admin, session: Writer) -> Response:
    run_control.retry_unknown(session, viewer.user_id, run_id)
    return RedirectResponse(f"/runs/{run_id}", 303)


@router.post("/runs/{run_id}/give-up-unknown")
def give_up_unknown(run_id: int, viewer: Admin, session: Writer) -> Response:
    run_control.give_up_unknown(session, viewer.user_id, run_id)
    return RedirectResponse(f"/runs/{run_id}", 303)


def _part(session: Session, before: int | None) -> RunsPart:
    found = run_views.runs(session, before=before)
    more = f"/runs?before={found[-1].id}" if len(found) == run_views.PAGE_SIZE else None
    return RunsPart(tuple(found), more, "/runs/list" + (f"?before={before}" if before else ""))


def _read(session: Session, run_id: int) -> RunPage:
    detail = run_views.run_detail(session, run_id)
    set_ids = sets_of(detail.progress.kind, detail.params)
    return _page(detail, set_views.names(session, set_ids) if set_ids else {})


def _page(detail: RunDetail, sets: Mapping[int, str] = MappingProxyType({})) -> RunPage:
    """``sets`` are the names of the image sets that it is about, by id."""
    facts = facts_of(detail.progress.kind, detail.params, detail.source)
    links = [(f"/benchmarks/sets/{set_id}", f"Set {name}") for set_id, name in sets.items()]
    if following := next_of(detail.progress.kind, detail.params):
        links.append(following)
    return RunPage(detail, tuple(facts), rules_of(detail.params), tuple(links))


_NOW = utcnow()
_RUN = RunProgress(
    7, "pipeline", "Pipeline: Rain", RunState.RUNNING, 1000, 400, 2, 3, _NOW - timedelta(minutes=3), None, "Ada", 12.5, 2,
    1_230_000, 1,
)  # fmt: skip
_DONE = RunProgress(6, "ingest", "Ingest: own", RunState.FINISHED, 20, 18, 2, 0, _NOW, _NOW, "Ada", 0.0)
_ITEM = ItemRow(5, "generate:1:local-nlm", "generate", "failed", 3, "No weights.", None, _NOW, 1, None, None, "local-nlm")
_LOST = ItemRow(7, "judge:4:gpt-5.4-pro", "judge", "unknown", 1, "No answer.", None, _NOW, None, 4, None, "gpt-5.4-pro")
_FINE = ItemRow(6, "score:1", "score", "done", 1, "", 1.5, _NOW, None, 4, None)
_KIND = KindRow("generate", 10, 2, 300, 1, 0, 1, 5, 1.4)
_WAITS = (Wait("Google Gemini: Its total budget is spent.", 1204), Wait("Waiting for the provider's turn.", 1, 40.0))
_REPORT = IngestReport(18, 1, (Rejected("a.jpg", "truncated"),), (Duplicate("b.jpg", "c.jpg", "near", 4),))
_PARTS = [RunsPart((_RUN, _DONE), "/runs?before=6", "/runs/list"), RunsPart((), None, "/runs/list")]
_STEP = ItemRow(
    8, "flickr: rain, page 2", "gather", "failed", 1, "Flickr does not take the key.", None, _NOW, None, None, None
)
_GATHERED = RunProgress(5, "gather", "Gather: Flickr, Rain", RunState.FINISHED, 9, 5, 4, 0, _NOW, _NOW, "Ada", 0.0)
_SCREENED = RunProgress(4, "screen", "Screen all categories", RunState.RUNNING, 9, 5, 4, 0, _NOW, None, "Ada", 0.0)
_DRAWN = RunProgress(3, "retain", "Sample Rain, 1:2:3", RunState.FINISHED, 9, 9, 0, 0, _NOW, _NOW, "Ada", 0.0)
_RULES = {
    "source_id": 3, "category": None, "again": True, "question": {"rain": 2},
    "rules": {category: [asdict(default_rule(category, step, "gemini" if step == "artifact" else "")) for step in RULED]
              for category in ("rain", "old_photo")},
}  # fmt: skip
_DRAW = {
    **asdict(DrawRule(most=6000)), "category": "rain", "draws": True, "cut": {"high": "0f"}, "short": "low",
    "taken": {"high": 1000, "medium": 2000, "low": 3000},
}  # fmt: skip
_DEGRADED = RunProgress(2, "degrade", "Make the images of fidelity", RunState.RUNNING, 9, 5, 4, 0, _NOW, None, "Ada", 0.0)
_EVALUATED = RunProgress(1, "evaluation", "Evaluate on fidelity", RunState.RUNNING, 9, 5, 4, 0, _NOW, None, "Ada", 0.0)
_DEGRADE = {"set_id": 3, "source_id": 3, "images": 100, "seed": 0, "scale": 1, "pipeline": "Real-ESRGAN"}
_EVALUATION = {
    "set_ids": [3, 4], "judge": "local-measure", "batch": True,
    "also": [["nano-banana-2", "fix"], ["nano-banana-2", "vlm-gpt"], ["local-nlm", "none"], ["gone", "fix"]],
}  # fmt: skip
_PAGES = [
    _page(RunDetail(_SCREENED, _RULES, (_KIND,), (), (), None, (), "Flickr <b>")),
    _page(RunDetail(_DRAWN, _DRAW, (), (), (), None)),
    _page(RunDetail(_RUN, {"method": None, "compare": True}, (_KIND,), (_LOST, _ITEM), (_FINE, _ITEM), None, _WAITS)),
    _page(RunDetail(_DONE, {"category": "rain"}, (), (), (), _REPORT)),
    _page(RunDetail(_DEGRADED, _DEGRADE, (), (), (), None, (), "DIV2K <b>"), {3: "fidelity <b>"}),
    _page(RunDetail(_EVALUATED, _EVALUATION, (), (), (), None), {3: "fidelity", 4: "perceptual"}),
    _page(RunDetail(_DONE, {"category": "rain", "then": "clean"}, (), (), (), _REPORT)),
    _page(RunDetail(_GATHERED, {"taken": 5, "most": 9}, (), (_STEP,), (_STEP,), _REPORT)),
]
EXAMPLES = {
    "runs/index.html": [RunsPage(part) for part in _PARTS],
    "runs/_runs.html": [RunsOnly(part) for part in _PARTS],
    "runs/run.html": _PAGES,
    "runs/_run.html": _PAGES,
}
