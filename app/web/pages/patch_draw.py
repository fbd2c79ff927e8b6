"""The form that draws from the patches that passed, by level as the paper does or all of them, and what it would take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session
from starlette.datastructures import ImmutableMultiDict

from app.catalog.categories import CATEGORIES
from app.domain.sampling import RATIO, DrawRule
from app.domain.screening import LEVELS
from app.errors import GgtError
from app.services import patch_draws, sampling
from app.services.patch_draws import Levels
from app.web.deps import Reader, Researcher, Writer
from app.web.pages.run_form import Posted
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/patches")


NOTHING = "Nothing is left to draw from: patches pass the screening first."
ONLY_DRAWN = "What is left was left by a draw, so it is drawn by level."


@dataclass(frozen=True)
class DrawForm:
    """What somebody chose about a draw, as it stands in the fields. ``everything``: take all that passed."""

    category: str = ""
    everything: bool = False
    high: str = str(RATIO["high"])
    medium: str = str(RATIO["medium"])
    low: str = str(RATIO["low"])
    most: str = ""
    per_photo: str = ""
    fill: bool = False
    seed: str = "0"

    @classmethod
    def of(cls, given: ImmutableMultiDict[str, Any]) -> "DrawForm":
        text = {name: value.strip() for name, value in given.items() if isinstance(value, str)}
        numbers = {name: text[name] for name in (*LEVELS, "most", "per_photo", "seed") if text.get(name)}
        ticked = {name: text.get(name, "") in ("1", "true", "on") for name in ("everything", "fill")}
        return cls(category=text.get("category", ""), **numbers, **ticked)  # type: ignore[arg-type]

    def rule(self) -> DrawRule:
        """Raises GgtError for what cannot be drawn."""
        try:
            ratio = {level: int(getattr(self, level)) for level in LEVELS}
            most, per_photo = (int(text) if text else None for text in (self.most, self.per_photo))
            return DrawRule(ratio, int(self.seed), most, self.fill, per_photo)
        except ValueError as error:
            raise GgtError(f"This cannot be drawn: {error}.") from error


@dataclass(frozen=True)
class DrawPart:
    """What a draw would take. ``new`` by level; None where ``problem`` says what is wrong. ``why`` none is new."""

    levels: Levels | None
    new: Mapping[str, int] | None
    problem: str = ""
    why: str = ""

    @property
    def total(self) -> int:
        return sum(self.new.values()) if self.new else 0


@dataclass(frozen=True)
class DrawPage:
    form: DrawForm
    categories: tuple[tuple[str, str, int], ...]
    part: DrawPart


@router.get("/draw")
def draw(request: Request, viewer: Researcher, session: Reader) -> Response:
    """The form, with what it would draw as the address says; for htmx that part alone."""
    form = DrawForm.of(request.query_params)
    return _drawn(request, viewer, session, form)


@router.post("/draw/estimate")
def draw_estimate(request: Request, viewer: Researcher, session: Reader, given: Posted) -> Response:
    return _drawn(request, viewer, session, DrawForm.of(given))


@router.post("/draw")
def start_drawing(request: Request, viewer: Researcher, session: Writer, given: Posted) -> Response:
    """Start the run, or come back with what is wrong."""
    form = DrawForm.of(given)
    try:
        if form.everything:
            run = sampling.start_retaining(session, viewer.user_id, form.category)
        else:
            run = sampling.start_sampling(session, viewer.user_id, form.category, form.rule())
    except GgtError as error:
        return _drawn(request, viewer, session, form, str(error), error.status)
    return RedirectResponse(f"/runs/{run.id}", 303)


def _drawn(
    request: Request, viewer: Viewer, session: Session, form: DrawForm, problem: str = "", status: int = 200
) -> Response:
    levels = patch_draws.levels(session)
    if not form.category:
        form = DrawForm(category=next((key for key, found in levels.items() if found.there), next(iter(CATEGORIES))))
    part = _draw_part(form, levels, problem)
    if request.headers.get("HX-Request") == "true":
        return render(request, viewer, "patches/_draw.html", part)
    categories = tuple((key, spec.title, levels[key].there) for key, spec in CATEGORIES.items())
    return render(request, viewer, "patches/draw.html", DrawPage(form, categories, part), status=status)


def _draw_part(form: DrawForm, levels: Mapping[str, Levels], problem: str = "") -> DrawPart:
    found = levels.get(form.category)
    if found is None:
        return DrawPart(None, None, problem or f"There is no category {form.category[:40]!r}.")
    if form.everything:
        return DrawPart(found, found.passed, problem, ONLY_DRAWN if found.there else NOTHING)
    try:
        rule = form.rule()
    except GgtError as error:
        return DrawPart(found, None, problem or str(error))
    return DrawPart(found, patch_draws.expected(found, rule), problem, _why(found, rule))


def _why(found: Levels, rule: DrawRule) -> str:
    """Why nothing would be drawn by level."""
    if found.there == found.without_level:
        return "" if found.there else NOTHING
    if rule.most is not None and sum(found.retained.values()) >= rule.most:
        return "As many images as that are here already."
    return "A level that is to give the next image has run out. Go on with the others, or change the ratio."


_LEVELS = Levels({"high": 3, "medium": 1, "low": 9, "": 4}, {"high": 1}, {"low": 2})
_DRAWS = [
    DrawPart(_LEVELS, patch_draws.expected(_LEVELS, DrawRule())), DrawPart(_LEVELS, None, "This cannot be drawn <b>."),
    DrawPart(None, None, "There is no category."), DrawPart(Levels({}, {}, {}), {}, "", NOTHING),
]  # fmt: skip
_CATEGORIES = tuple((key, spec.title, 3) for key, spec in CATEGORIES.items())
EXAMPLES = {
    "patches/draw.html": [DrawPage(DrawForm("rain", everything=part.new is None), _CATEGORIES, part) for part in _DRAWS],
    "patches/_draw.html": _DRAWS,
}
