"""What an admin does to all images of a gallery filter at once: regenerate them, or have them judged by another judge."""

from dataclasses import dataclass, replace
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.generators import GENERATORS
from app.catalog.judges import JUDGES
from app.errors import GgtError
from app.services import judge_again, planning
from app.services.estimate import Estimate, Line
from app.services.gallery_filter import GalleryFilter
from app.services.judge_again import JudgeAgain
from app.services.options import PipelineOptions
from app.services.quote import Quote, quote
from app.web.deps import Admin, Reader, Writer
from app.web.pages.images import chips_of
from app.web.pages.run_form import (
    LONGEST_EXTRA,
    Controls,
    EstimateBox,
    EstimatePart,
    Option,
    Posted,
    RunForm,
    controls,
    estimate_box,
    judges,
    refusal,
)
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/images")
Action = Literal["regenerate", "judge"]


@dataclass(frozen=True)
class These:
    """The images asked about. ``words`` is the filter as people read it, ``gallery`` where they can be looked at.

    ``whole``: no filter narrows the collection, so somebody has to say that all of it is meant. ``count`` is None where
    it was not counted, because something else is wrong.
    """

    words: str
    gallery: str
    address: str
    whole: bool
    count: int | None


@dataclass(frozen=True)
class RegeneratePage:
    these: These
    form: RunForm
    longest_extra: int
    controls: Controls
    box: EstimateBox


@dataclass(frozen=True)
class JudgePage:
    these: These
    form: RunForm
    judges: tuple[Option, ...]
    box: EstimateBox


@router.get("/regenerate")
def regenerate(request: Request, viewer: Admin, session: Reader) -> Response:
    return _shown(request, viewer, session, "regenerate", RunForm())


@router.post("/regenerate/estimate")
def regenerate_estimate(request: Request, viewer: Admin, session: Reader, given: Posted) -> Response:
    return _shown(request, viewer, session, "regenerate", RunForm.of(given))


@router.post("/regenerate")
def start_regenerating(request: Request, viewer: Admin, session: Writer, given: Posted) -> Response:
    """Start the run, or come back with what is wrong or what it costs now, and everything as it was chosen."""
    wanted, form = GalleryFilter.parse(request.query_params), RunForm.of(given)
    try:
        options = _options(wanted, form)
        _whole_is_meant(wanted, form)
        run = planning.start_pipeline(
            session, options, user_id=viewer.user_id, title=_title("Regenerate", wanted), confirmed=form.confirmed
        )
    except GgtError as error:
        return _shown(request, viewer, session, "regenerate", form, error)
    return RedirectResponse(f"/runs/{run.id}", 303)


@router.get("/judge")
def judge(request: Request, viewer: Admin, session: Reader) -> Response:
    return _shown(request, viewer, session, "judge", RunForm())


@router.post("/judge/estimate")
def judge_estimate(request: Request, viewer: Admin, session: Reader, given: Posted) -> Response:
    return _shown(request, viewer, session, "judge", RunForm.of(given))


@router.post("/judge")
def start_judging(request: Request, viewer: Admin, session: Writer, given: Posted) -> Response:
    """Start the run, or come back with what is wrong or what it costs now."""
    wanted, form = GalleryFilter.parse(request.query_params), RunForm.of(given)
    try:
        _whole_is_meant(wanted, form)
        by = JUDGES[form.judge].title if form.judge in JUDGES else form.judge
        run = judge_again.start(
            session, JudgeAgain(form.judge, wanted.query()), user_id=viewer.user_id,
            title=_title(f"Judge again by {by}", wanted), confirmed=form.confirmed,
        )  # fmt: skip
    except GgtError as error:
        return _shown(request, viewer, session, "judge", form, error)
    return RedirectResponse(f"/runs/{run.id}", 303)


def _shown(
    request: Request, viewer: Viewer, session: Session, action: Action, form: RunForm, error: GgtError | None = None
) -> Response:
    """The page of an action, or for htmx its estimate alone."""
    wanted = GalleryFilter.parse(request.query_params)
    address = wanted.url(f"/images/{action}/estimate")
    button = "Regenerate" if action == "regenerate" else "Judge again"

    def ask() -> Quote:
        if action == "judge":
            return judge_again.quote(session, JudgeAgain(form.judge, wanted.query()))
        return quote(session, _options(wanted, form))

    box = estimate_box(address, button, ask, refusal(error, form) if error else "")
    if request.headers.get("HX-Request") == "true":
        return render(request, viewer, "runs/_estimate.html", EstimatePart(box))
    these = _these(wanted, action, box.quote)
    page = (
        JudgePage(these, form, judges(form, nobody=False), box)
        if action == "judge"
        else RegeneratePage(these, form, LONGEST_EXTRA, controls(form), box)
    )
    return render(request, viewer, f"bulk/{action}.html", page, status=error.status if error else 200)


def _options(wanted: GalleryFilter, form: RunForm) -> PipelineOptions:
    """What the form asks for. Raises GgtError for an instruction that is too long, or that nobody would read."""
    if len(form.extra) > LONGEST_EXTRA:
        raise GgtError(f"The extra instruction has {len(form.extra)} characters; {LONGEST_EXTRA} is the most.")
    method = GENERATORS.get(form.method)
    if form.extra and (not form.method or (method and not method.prompted)):
        raise GgtError(
            "Local methods take no prompt, so nobody would read the extra instruction. Choose an MFM, or empty it."
        )
    return PipelineOptions(
        query=wanted.query(),
        method=form.method or None,
        strategy=form.strategy,
        compare=False,
        judge=form.judge_key,
        batch=form.batch,
        replace=True,
        extra=form.extra,
    )


def _whole_is_meant(wanted: GalleryFilter, form: RunForm) -> None:
    if not wanted.active and not form.everything:
        raise GgtError("No filter narrows these images down. If you mean the whole collection, tick that.")


def _words(wanted: GalleryFilter) -> str:
    return ", ".join(chip.text for chip in chips_of(wanted)) or "all images"


def _title(what: str, wanted: GalleryFilter) -> str:
    """A run's title, within what its column holds."""
    title = f"{what}: {_words(wanted)}"
    return title if len(title) <= 200 else f"{title[:197]}..."


def _these(wanted: GalleryFilter, action: Action, found: Quote | None) -> These:
    address = wanted.url(f"/images/{action}")
    return These(_words(wanted), wanted.url("/images"), address, not wanted.active, found.matched if found else None)


_QUOTE = Quote(
    Estimate(20, (Line("Judging by Gemini-3.1-Pro", "gemini", 20, 18_000, False),), 360_000, batch=False, stand_in=False),
    24, ("20 of 24 images will be taken up.", "4 verified pairs are left alone."), (), (),
)  # fmt: skip
_BOX = EstimateBox("/images/regenerate/estimate?category=rain", "Regenerate", _QUOTE)
_FILTERED = These("Rain", "/images?category=rain", "/images/regenerate?category=rain", False, 24)
_ALL = These("all images", "/images", "/images/regenerate", True, 24)


def _examples(these: These, box: EstimateBox) -> tuple[RegeneratePage, JudgePage]:
    form = RunForm(method="nano-banana-2", strategy="fix", extra="Keep the sign's text.")
    page = RegeneratePage(these, form, LONGEST_EXTRA, controls(form), box)
    return page, JudgePage(these, form, judges(form, nobody=False), box)


_BROKEN = replace(_BOX, quote=None, problem="Nano-Banana-2 needs a prompt strategy.")
_PAGES = [_examples(_FILTERED, _BOX), _examples(_ALL, _BOX), _examples(replace(_ALL, count=None), _BROKEN)]
EXAMPLES = {"bulk/regenerate.html": [pages[0] for pages in _PAGES], "bulk/judge.html": [pages[1] for pages in _PAGES]}
