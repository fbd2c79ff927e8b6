"""The dashboard: the funnel of Fig. 3, what runs now, and what waits for a person."""

from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Request, Response

from app.models import RunState, utcnow
from app.services import funnel as funnels
from app.services import run_views
from app.services.funnel import CategoryRow, Counts, FailedRun, Funnel, NeedsPerson
from app.services.run_views import RunProgress
from app.web.deps import AnyViewer, Reader
from app.web.templating import render

router = APIRouter()

RUNNING_SHOWN = 6


@dataclass(frozen=True)
class FunnelPart:
    """The cards and the table of categories."""

    funnel: Funnel


@dataclass(frozen=True)
class RunningPart:
    """Runs that are open, and what needs a person."""

    running: tuple[RunProgress, ...]
    needs: NeedsPerson


@dataclass(frozen=True)
class DashboardPage:
    funnel: Funnel
    running: tuple[RunProgress, ...]
    needs: NeedsPerson


_COUNTS = Counts(
    collected=1200, generated=1100, scored=1000, filter_passed=900, filtered_out=100, judged_in=800, judged_out=60,
    refining=40, waiting=300, verified=500, pairs=450, failed=3,
)  # fmt: skip
_FUNNEL = Funnel(_COUNTS, (CategoryRow("rain", "Rain", ("Unsplash", "own"), _COUNTS),), {2: 40, 3: 12})
_RUN = RunProgress(
    7, "pipeline", "Pipeline: Rain", RunState.RUNNING, 1000, 400, 2, 0, utcnow() - timedelta(minutes=3), None, "Ada", 12.5
)
_NEEDS = NeedsPerson(300, 3, (FailedRun(7, "Pipeline: Rain", 2, 1),))
_NOTHING = DashboardPage(Funnel(Counts(), (), {}), (), NeedsPerson(0, 0, ()))
EXAMPLES = {
    "dashboard/index.html": [DashboardPage(_FUNNEL, (_RUN,), _NEEDS), _NOTHING],
    "dashboard/_funnel.html": [FunnelPart(_FUNNEL), FunnelPart(_NOTHING.funnel)],
    "dashboard/_runs.html": [RunningPart((_RUN,), _NEEDS), RunningPart((), _NOTHING.needs)],
}


@router.get("/")
def dashboard(request: Request, viewer: AnyViewer, session: Reader) -> Response:
    funnel = funnels.funnel(session)
    running, needs = _running(session, funnel.total)
    return render(request, viewer, "dashboard/index.html", DashboardPage(funnel, running, needs))


@router.get("/dashboard/funnel")
def funnel_part(request: Request, viewer: AnyViewer, session: Reader) -> Response:
    return render(request, viewer, "dashboard/_funnel.html", FunnelPart(funnels.funnel(session)))


@router.get("/dashboard/runs")
def runs_part(request: Request, viewer: AnyViewer, session: Reader) -> Response:
    running, needs = _running(session, funnels.totals(session))
    return render(request, viewer, "dashboard/_runs.html", RunningPart(running, needs))


def _running(session: Reader, counts: Counts) -> tuple[tuple[RunProgress, ...], NeedsPerson]:
    running = run_views.runs(session, only_open=True, size=RUNNING_SHOWN)
    return tuple(running), funnels.needs_person(session, counts.waiting, counts.failed)
