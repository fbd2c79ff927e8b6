"""The dashboard: the funnel of Fig. 3, what runs now, what waits for a person, and what providers cost."""

from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter, Request, Response

from app.models import Role, RunState, utcnow
from app.services import funnel as funnels
from app.services import people, provider_views, run_views
from app.services.collection_waits import CollectionWaits
from app.services.estimate import dollars
from app.services.funnel import CategoryRow, Counts, FailedRun, Funnel, NeedsPerson
from app.services.provider_views import Spend, State
from app.services.run_views import RunProgress
from app.web.deps import AnyViewer, Reader, Researcher
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
class SpendPart:
    """Providers that have a key or were ever used."""

    spend: tuple[Spend, ...]

    @property
    def spent_today(self) -> str:
        """What all of them cost today (UTC). A stand-in costs nothing, whatever is booked."""
        return dollars(sum(spend.today_micros for spend in self.spend if not spend.stand_in))

    @property
    def stand_ins(self) -> bool:
        return any(spend.stand_in for spend in self.spend)


@dataclass(frozen=True)
class DashboardPage(SpendPart):
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
_NEEDS = NeedsPerson(300, 3, (FailedRun(7, "Pipeline: Rain", 2, 1),), CollectionWaits(12_000, 1, 40, 5, 6))
_SPEND = (
    Spend("gemini", "Google Gemini", True, False, State("ready"), 1_200_000, 9_000_000, 67_000, 5_000_000, 100_000_000),
    Spend("kling", "Kling AI", True, True, State("paused", "Too <dear>."), 0, 28_000, 0, None, 0),
)
_NOTHING = DashboardPage((), Funnel(Counts(), (), {}), (), NeedsPerson(0, 0, ()))
EXAMPLES = {
    "dashboard/index.html": [
        DashboardPage(_SPEND, _FUNNEL, (_RUN,), _NEEDS),
        _NOTHING,
        DashboardPage((), _NOTHING.funnel, (), _NEEDS),
    ],
    "dashboard/_funnel.html": [FunnelPart(_FUNNEL), FunnelPart(_NOTHING.funnel)],
    "dashboard/_runs.html": [RunningPart((_RUN,), _NEEDS), RunningPart((), _NOTHING.needs)],
    "dashboard/_spend.html": [SpendPart(_SPEND), SpendPart(())],
}


@router.get("/")
def dashboard(request: Request, viewer: AnyViewer, session: Reader) -> Response:
    funnel = funnels.funnel(session)
    running, needs = _running(session, funnel.total)
    spend = _spend(session) if people.may(viewer.role, Role.RESEARCHER) else ()
    return render(request, viewer, "dashboard/index.html", DashboardPage(spend, funnel, running, needs))


@router.get("/dashboard/funnel")
def funnel_part(request: Request, viewer: AnyViewer, session: Reader) -> Response:
    return render(request, viewer, "dashboard/_funnel.html", FunnelPart(funnels.funnel(session)))


@router.get("/dashboard/runs")
def runs_part(request: Request, viewer: AnyViewer, session: Reader) -> Response:
    running, needs = _running(session, funnels.totals(session))
    return render(request, viewer, "dashboard/_runs.html", RunningPart(running, needs))


@router.get("/dashboard/spend")
def spend_part(request: Request, viewer: Researcher, session: Reader) -> Response:
    return render(request, viewer, "dashboard/_spend.html", SpendPart(_spend(session)))


def _spend(session: Reader) -> tuple[Spend, ...]:
    return tuple(spend for spend in provider_views.spends(session) if spend.has_key or spend.used)


def _running(session: Reader, counts: Counts) -> tuple[tuple[RunProgress, ...], NeedsPerson]:
    running = run_views.runs(session, only_open=True, size=RUNNING_SHOWN)
    return tuple(running), funnels.needs_person(session, counts.waiting, counts.failed)
