"""Starting a pipeline run: what it is about, who makes candidates and who judges them, and what that will cost."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.catalog.generator_spec import GeneratorSpec, Strategy
from app.catalog.generators import STRATEGIES
from app.catalog.mfms import MFMS
from app.catalog.providers import PROVIDERS
from app.catalog.vlms import VLMS
from app.errors import GgtError
from app.services import gallery, planning
from app.services.estimate import Estimate, Line
from app.services.options import PipelineOptions
from app.services.quote import Quote, quote
from app.web.deps import Admin, Reader, Writer
from app.web.pages.run_form import (
    Controls,
    EstimateBox,
    EstimatePart,
    Option,
    Posted,
    RunForm,
    controls,
    estimate_box,
    missing_key,
    refusal,
    stand_in,
)
from app.web.pages.run_settings import SHORT
from app.web.templating import render

router = APIRouter(prefix="/runs")


@dataclass(frozen=True)
class Column:
    """One prompt strategy of the grid. ``why`` says what its VLM needs here."""

    key: str
    short: str
    title: str
    why: str


@dataclass(frozen=True)
class GridRow:
    """One MFM of the grid with its four settings. ``note`` says who answers, or what is missing."""

    key: str
    title: str
    note: str
    cells: tuple[Option, ...]


@dataclass(frozen=True)
class NewRunPage:
    """``settings`` are the 36 of Table 1, nine MFMs by four prompt strategies, as candidates for comparison."""

    form: RunForm
    categories: tuple[Option, ...]
    sources: tuple[Option, ...]
    controls: Controls
    columns: tuple[Column, ...]
    settings: tuple[GridRow, ...]
    box: EstimateBox


@router.get("/new")
def new(request: Request, viewer: Admin, session: Reader) -> Response:
    return render(request, viewer, "runs/new.html", _page(session, RunForm.of(request.query_params, fresh=True)))


@router.post("/estimate")
def show_estimate(request: Request, viewer: Admin, session: Reader, given: Posted) -> Response:
    """The estimate alone for htmx; the whole page, with everything as it was chosen, for a browser without scripts."""
    form = RunForm.of(given)
    if request.headers.get("HX-Request") == "true":
        return render(request, viewer, "runs/_estimate.html", EstimatePart(_box(session, form)))
    return render(request, viewer, "runs/new.html", _page(session, form))


@router.post("")
def start(request: Request, viewer: Admin, session: Writer, given: Posted) -> Response:
    """Start the run, or come back with what is wrong or what it costs now, and everything as it was chosen."""
    form = RunForm.of(given)
    try:
        run = planning.start_pipeline(session, _options(form), user_id=viewer.user_id, confirmed=form.confirmed)
    except GgtError as error:
        page = _page(session, form, refusal(error, form))
        return render(request, viewer, "runs/new.html", page, status=error.status)
    return RedirectResponse(f"/runs/{run.id}", 303)


def _options(form: RunForm) -> PipelineOptions:
    """What the form asks for. Raises GgtError where that is nothing, or cannot be read."""
    if not form.categories:
        raise GgtError("Tick at least one category.")
    if form.source and not (form.source.isascii() and form.source.isdigit()):
        raise GgtError(f"There is no source {form.source[:40]!r}.")
    also = []
    for setting in form.also:
        method, _, strategy = setting.partition("/")
        also.append((method, strategy))
    return PipelineOptions(
        categories=() if set(form.categories) == set(CATEGORIES) else form.categories,
        source_id=int(form.source) if form.source else None,
        method=form.method or None,
        strategy=form.strategy,
        also=tuple(also),
        compare=form.compare,
        judge=form.judge_key,
        judge_compared=form.judge_compared,
        batch=form.batch,
    )


def _box(session: Session, form: RunForm, problem: str = "") -> EstimateBox:
    return estimate_box("/runs/estimate", "Start", lambda: quote(session, _options(form)), problem)


def _page(session: Session, form: RunForm, problem: str = "") -> NewRunPage:
    sources = [(str(source.id), source.name) for source in gallery.sources(session)]
    return _assembled(form, sources, _box(session, form, problem))


def _assembled(form: RunForm, sources: list[tuple[str, str]], box: EstimateBox) -> NewRunPage:
    return NewRunPage(
        form,
        tuple(Option(key, c.title, key in form.categories) for key, c in CATEGORIES.items()),
        tuple(Option(key, name, key == form.source) for key, name in sources),
        controls(form),
        *grid(form),
        box,
    )


def grid(form: RunForm) -> tuple[tuple[Column, ...], tuple[GridRow, ...]]:
    """The 36 settings of Table 1: its columns and its rows."""
    columns = tuple(Column(key, SHORT[key], title, _needed(key)) for key, title in STRATEGIES.items())
    return columns, tuple(_row(spec, form) for spec in MFMS)


def _needed(strategy: Strategy) -> str:
    """What the VLM that writes the prompts needs here; empty where there is none, or it has its key."""
    vlm = VLMS.get(strategy.removeprefix("vlm-"))
    return missing_key(vlm.provider) if vlm else ""


def _row(spec: GeneratorSpec, form: RunForm) -> GridRow:
    why = missing_key(spec.provider) if spec.provider else ""
    if spec.provider:
        note = f"{PROVIDERS[spec.provider].title}: {why}" if why else stand_in(spec.provider)
    else:
        note = "on a GPU worker"
    cells = []
    for key, title in STRATEGIES.items():
        value = f"{spec.key}/{key}"
        cells.append(Option(value, f"{spec.title}: {title}", value in form.also, why or _needed(key)))
    return GridRow(spec.key, spec.title, note, tuple(cells))


_LINES = (Line("Nano-Banana-2, fixed prompt", "gemini", 120_000, 67_000, True),)
_QUOTE = Quote(
    Estimate(120_000, _LINES, 3 * 120_000 * 67_000, batch=False, stand_in=True), 120_000,
    ("120,000 of 120,000 images will be taken up.",), ("Google Gemini is paused: look.",), ("A stand-in.",),
)  # fmt: skip
_FREE = Quote(Estimate(3, (), 0, batch=False, stand_in=False), 3, (), (), ())
_CHOSEN = RunForm(method="nano-banana-2", strategy="vlm-gemini", also=("gpt-image-2/fix",), judge="gpt-5.4-pro", source="1")
_BOXES = [
    EstimateBox("/runs/estimate", "Start", _QUOTE, "The price is no longer $1.00."),
    EstimateBox("/runs/estimate", "Start", _FREE),
    EstimateBox("/runs/estimate", "Start", None, "A prompt strategy needs a method that takes prompts."),
]
EXAMPLES = {
    "runs/new.html": [_assembled(f, [("1", "own")], box) for f in (RunForm(), _CHOSEN) for box in _BOXES],
    "runs/_estimate.html": [EstimatePart(box) for box in _BOXES],
}
