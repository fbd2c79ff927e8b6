"""Starting an evaluation: on which sets, which settings make outputs, who judges them, and what that will cost."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session
from starlette.datastructures import ImmutableMultiDict

from app.catalog.generators import GENERATORS
from app.catalog.judges import JUDGES
from app.catalog.providers import PROVIDERS
from app.catalog.vlms import VLMS
from app.config import settings
from app.errors import GgtError, NotAllowed
from app.models import Role
from app.services import evaluation_quote, planning, set_views
from app.services.estimate import Estimate, Line
from app.services.options import LOCAL_JUDGE, PipelineOptions
from app.services.planning import NotConfirmed
from app.services.quote import Quote
from app.services.set_views import SetChoice
from app.web.deps import Reader, Researcher, Writer
from app.web.pages.new_run import Column, GridRow, grid
from app.web.pages.run_form import (
    NOBODY,
    EstimateBox,
    EstimatePart,
    Option,
    Posted,
    RunForm,
    estimate_box,
    judges,
    refusal,
)
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/benchmarks/evaluate")

PATH = "/benchmarks/evaluate"
ADMINS = "This costs money, so an admin starts it. Send them the address of this page: it holds what is chosen."


@dataclass(frozen=True)
class EvaluationForm:
    """What somebody chose: sets by id, and of a run's form its settings, judge, batch and the price agreed to."""

    sets: tuple[str, ...]
    run: RunForm

    @classmethod
    def of(cls, given: ImmutableMultiDict[str, Any], *, fresh: bool = False) -> "EvaluationForm":
        return cls(tuple(dict.fromkeys(str(one) for one in given.getlist("set"))), RunForm.of(given, fresh=fresh))

    def url(self) -> str:
        """The address that fills the form like this."""
        pairs = [("set", one) for one in self.sets] + [("also", one) for one in self.run.also]
        pairs += [("judge", self.run.judge)] if self.run.judge != LOCAL_JUDGE else []
        pairs += [("batch", "1")] if self.run.batch else []
        return f"{PATH}?{urlencode(pairs)}" if pairs else PATH


@dataclass(frozen=True)
class EvaluatePage:
    """``settings`` are the 36 of Table 1, ``local`` the local methods. ``opened``: so many sets are not frozen."""

    sets: tuple[SetChoice, ...]
    chosen: frozenset[int]
    opened: int
    columns: tuple[Column, ...]
    settings: tuple[GridRow, ...]
    local: tuple[Option, ...]
    judges: tuple[Option, ...]
    batch: bool
    batch_providers: str
    box: EstimateBox


@router.get("")
def page(request: Request, viewer: Researcher, session: Reader) -> Response:
    form = EvaluationForm.of(request.query_params, fresh=True)
    begun = bool(form.sets and form.run.also)
    return render(request, viewer, "benchmarks/evaluate.html", _page(session, viewer, form, begun=begun))


@router.post("/estimate")
def show_estimate(request: Request, viewer: Researcher, session: Reader, given: Posted) -> Response:
    """The estimate alone for htmx, which puts what is chosen into the address; else the whole page."""
    form = EvaluationForm.of(given)
    if request.headers.get("HX-Request") == "true":
        part = EstimatePart(_box(session, viewer, form))
        return render(request, viewer, "runs/_estimate.html", part, headers={"HX-Replace-Url": form.url()})
    return render(request, viewer, "benchmarks/evaluate.html", _page(session, viewer, form))


@router.post("")
def start(request: Request, viewer: Researcher, session: Writer, given: Posted) -> Response:
    """Start the evaluation, or come back with what is wrong or what it costs now, and everything as it was chosen.

    What costs money is an admin's to start.
    """
    form = EvaluationForm.of(given)
    try:
        options = options_of(form)
        evaluation_quote.check(session, options)
        run = planning.start_pipeline(
            session, options, user_id=viewer.user_id, title=evaluation_quote.title(session, options.set_ids),
            confirmed=form.run.confirmed if viewer.role == Role.ADMIN else 0,
        )  # fmt: skip
    except NotConfirmed as error:
        problem = refusal(error, form.run) if viewer.role == Role.ADMIN else ""
        status = error.status if viewer.role == Role.ADMIN else NotAllowed.status
        return render(request, viewer, "benchmarks/evaluate.html", _page(session, viewer, form, problem), status=status)
    except GgtError as error:
        context = _page(session, viewer, form, refusal(error, form.run))
        return render(request, viewer, "benchmarks/evaluate.html", context, status=error.status)
    return RedirectResponse(f"/runs/{run.id}", 303)


def options_of(form: EvaluationForm) -> PipelineOptions:
    """What the form asks for. Raises GgtError where that cannot be read."""
    for one in form.sets:
        if not (one.isascii() and one.isdigit() and len(one) < 10):
            raise GgtError(f"There is no image set {one[:40]!r}.")
    also = [(method, strategy) for method, _, strategy in (one.partition("/") for one in form.run.also)]
    judge = form.run.judge_key
    return PipelineOptions(
        set_ids=tuple(map(int, form.sets)),
        also=tuple(also),
        compare=False,
        judge=judge,
        judge_compared=bool(judge),
        batch=form.run.batch,
    )


def _box(session: Session, viewer: Viewer, form: EvaluationForm, problem: str = "") -> EstimateBox:
    box = estimate_box(
        f"{PATH}/estimate", "Evaluate", lambda: evaluation_quote.quote(session, options_of(form)), problem
    )  # fmt: skip
    return replace(box, problem=ADMINS, barred=True) if box.price and viewer.role != Role.ADMIN else box


def _page(session: Session, viewer: Viewer, form: EvaluationForm, problem: str = "", *, begun: bool = True) -> EvaluatePage:
    """Unless it is ``begun``, nobody is told yet what is missing."""
    box = _box(session, viewer, form, problem) if begun else EstimateBox(f"{PATH}/estimate", "Evaluate")
    return _assembled(form, set_views.choices(session), box)


def _assembled(form: EvaluationForm, sets: Sequence[SetChoice], box: EstimateBox) -> EvaluatePage:
    frozen = [one for one in sets if one.frozen]
    columns, rows = grid(form.run)
    local = (f"{key}/none" for key, spec in GENERATORS.items() if spec.local)
    return EvaluatePage(
        tuple(frozen),
        frozenset(one.id for one in frozen if str(one.id) in form.sets),
        len(sets) - len(frozen),
        columns,
        rows,
        tuple(Option(one, GENERATORS[one.partition("/")[0]].title, one in form.run.also) for one in local),
        _judges(form.run),
        form.run.batch,
        ", ".join(spec.title for spec in PROVIDERS.values() if spec.batch),
        box,
    )


def _judges(form: RunForm) -> tuple[Option, ...]:
    """The judges, with whether their share of accepted outputs is VLM-R, and nobody."""
    found = [
        replace(one, title=f"{one.title}: VLM-R") if _is_vlm_r(one.value) and not one.why else one
        for one in judges(form, nobody=False)
    ]
    return (*found, Option(NOBODY, "Nobody: no VLM-R", form.judge == NOBODY))


def _is_vlm_r(judge: str) -> bool:
    vlm = JUDGES[judge].vlm
    return bool(vlm) and not settings().stand_in(VLMS[vlm].provider)


_LINES = (Line("Nano-Banana-2, fixed prompt", "gemini", 204, 67_000, True),)
_QUOTE = Quote(
    Estimate(204, _LINES, 204 * 67_000, batch=False, stand_in=False), 204, ("204 images by 1 setting: 204 outputs.",), (), ()
)
_FORM = EvaluationForm(("4",), RunForm(also=("nano-banana-2/fix", "local-nlm/none"), judge=NOBODY, batch=True))
_BARE = EvaluationForm((), RunForm())
_SETS = (SetChoice(4, "real-200 <b>", "perceptual", 200, True), SetChoice(3, "fidelity", "fidelity", 1, False))
EXAMPLES = {
    "benchmarks/evaluate.html": [
        _assembled(_FORM, _SETS, EstimateBox(PATH, "Evaluate", _QUOTE)),
        _assembled(_BARE, _SETS[1:], EstimateBox(PATH, "Evaluate")),
        _assembled(_BARE, (), EstimateBox(PATH, "Evaluate", None, "Choose <b>.")),
        _assembled(_FORM, _SETS, EstimateBox(PATH, "Evaluate", _QUOTE, ADMINS, barred=True)),
    ]
}
