"""New image sets: drawn from the collection by category, or made of clean photographs."""

from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session
from starlette.datastructures import ImmutableMultiDict

from app.catalog.categories import CATEGORIES
from app.errors import GgtError
from app.services import gallery, image_sets, set_views
from app.services.image_sets import PAPER_FIDELITY, PAPER_PERCEPTUAL, TooFew
from app.services.set_views import CleanSource
from app.web.deps import Reader, Researcher, Writer
from app.web.pages.run_form import Option, Posted
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/benchmarks")

ALL = "all"
"""What the button that lowers every number that is too high asks for."""
LONGEST_NUMBER = 9


@dataclass(frozen=True)
class PerceptualForm:
    """What somebody chose, as it stands in the fields. ``wanted`` by category."""

    wanted: dict[str, str]
    name: str = ""
    source: str = ""
    seed: str = "0"

    @classmethod
    def of(cls, given: ImmutableMultiDict[str, Any]) -> "PerceptualForm":
        text = _texts(given)
        wanted = {key: text.get(f"number.{key}", str(PAPER_PERCEPTUAL.get(key, 0))) for key in CATEGORIES}
        return cls(wanted, text.get("name", ""), text.get("source", ""), text.get("seed", "0"))


@dataclass(frozen=True)
class NumberRow:
    """How many images of a category are wanted, and how many photographs are here. ``short``: that is too many."""

    key: str
    title: str
    wanted: str
    available: int
    short: bool


@dataclass(frozen=True)
class NumbersPart:
    """``problem`` is what is wrong with the form; ``total`` the images that it asks for."""

    rows: tuple[NumberRow, ...]
    total: int
    problem: str = ""

    @property
    def short(self) -> bool:
        return any(row.short for row in self.rows)


@dataclass(frozen=True)
class PerceptualPage:
    form: PerceptualForm
    sources: tuple[Option, ...]
    part: NumbersPart
    any: bool


@dataclass(frozen=True)
class FidelityForm:
    """What somebody chose. ``number`` is empty for as many as the paper has, or as there are."""

    name: str = ""
    source: str = ""
    number: str = ""
    seed: str = "0"
    scale: str = "1"

    @classmethod
    def of(cls, given: ImmutableMultiDict[str, Any]) -> "FidelityForm":
        text = _texts(given)
        return cls(**{name: text[name] for name in cls.__dataclass_fields__ if text.get(name)})


@dataclass(frozen=True)
class FidelityPage:
    form: FidelityForm
    sources: tuple[CleanSource, ...]
    problem: str = ""
    paper: int = PAPER_FIDELITY


@router.get("/perceptual")
def perceptual(request: Request, viewer: Researcher, session: Reader) -> Response:
    return _perceptual(request, viewer, session, PerceptualForm.of(request.query_params))


@router.post("/perceptual/numbers")
def numbers(request: Request, viewer: Researcher, session: Reader, given: Posted) -> Response:
    """The numbers with what is here of another source, or changed as a button says: the paper's, or as many as there are."""
    form = PerceptualForm.of(given)
    there = image_sets.available(session, _source_id(form.source))
    form = _filled(form, str(given.get("fill", "")), there)
    if request.headers.get("HX-Request") == "true":
        return render(request, viewer, "benchmarks/_numbers.html", _numbers(form, there))
    return _perceptual(request, viewer, session, form)


@router.post("/perceptual")
def draw(request: Request, viewer: Researcher, session: Writer, given: Posted) -> Response:
    """Draw the set, or come back with what is wrong and everything as it was chosen."""
    form = PerceptualForm.of(given)
    try:
        wanted = {key: _whole(text or "0", CATEGORIES[key].title) for key, text in form.wanted.items()}
        made = image_sets.draw_perceptual(
            session, form.name, wanted, seed=_whole(form.seed, "The seed"), user_id=viewer.user_id,
            source_id=_source_id(form.source),
        )  # fmt: skip
    except TooFew as error:
        titles = ", ".join(CATEGORIES[key].title for key in error.short)
        return _perceptual(request, viewer, session, form, f"There are too few images of {titles}.", error.status)
    except GgtError as error:
        return _perceptual(request, viewer, session, form, str(error), error.status)
    return RedirectResponse(f"/benchmarks/sets/{made.id}", 303)


@router.get("/fidelity")
def fidelity(request: Request, viewer: Researcher, session: Reader) -> Response:
    page = FidelityPage(FidelityForm.of(request.query_params), set_views.clean_sources(session))
    return render(request, viewer, "benchmarks/fidelity.html", page)


@router.post("/fidelity")
def make(request: Request, viewer: Researcher, session: Writer, given: Posted) -> Response:
    """Start making the set's images, or come back with what is wrong and everything as it was chosen."""
    form = FidelityForm.of(given)
    sources = set_views.clean_sources(session)
    try:
        source = next((one for one in sources if str(one.id) == form.source), None)
        if source is None:
            raise GgtError("Choose a source of clean photographs.")
        number = _whole(form.number, "The number") if form.number else min(PAPER_FIDELITY, source.photographs)
        made, _ = image_sets.start_fidelity(
            session, form.name, source.id, number, seed=_whole(form.seed, "The seed"), scale=_whole(form.scale, "The scale"),
            user_id=viewer.user_id,
        )  # fmt: skip
    except GgtError as error:
        page = FidelityPage(form, sources, str(error))
        return render(request, viewer, "benchmarks/fidelity.html", page, status=error.status)
    return RedirectResponse(f"/benchmarks/sets/{made.id}", 303)


def _perceptual(
    request: Request, viewer: Viewer, session: Session, form: PerceptualForm, problem: str = "", status: int = 200
) -> Response:
    sources = tuple((str(source.id), source.name) for source in gallery.sources(session))
    there = image_sets.available(session, _source_id(form.source))
    page = _assembled(form, sources, there, problem)
    return render(request, viewer, "benchmarks/perceptual.html", page, status=status)


def _assembled(
    form: PerceptualForm, sources: tuple[tuple[str, str], ...], there: dict[str, int], problem: str = ""
) -> PerceptualPage:
    options = tuple(Option(key, name, key == form.source) for key, name in sources)
    return PerceptualPage(form, options, _numbers(form, there, problem), any(there.values()) or bool(form.source))


def _numbers(form: PerceptualForm, there: dict[str, int], problem: str = "") -> NumbersPart:
    asked = {key: int(text) if _is_whole(text) else 0 for key, text in form.wanted.items()}
    rows = tuple(
        NumberRow(key, category.title, form.wanted[key], there[key], asked[key] > there[key])
        for key, category in CATEGORIES.items()
    )
    return NumbersPart(rows, sum(asked.values()), problem)


def _filled(form: PerceptualForm, fill: str, there: dict[str, int]) -> PerceptualForm:
    if fill == "paper":
        return replace(form, wanted={key: str(PAPER_PERCEPTUAL.get(key, 0)) for key in CATEGORIES})
    lowered = {
        key: str(there[key]) if fill in (key, ALL) and _is_whole(text) and int(text) > there[key] else text
        for key, text in form.wanted.items()
    }
    return replace(form, wanted=lowered)


def _texts(given: ImmutableMultiDict[str, Any]) -> dict[str, str]:
    return {name: value.strip() for name, value in given.items() if isinstance(value, str)}


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER


def _whole(text: str, what: str) -> int:
    if not _is_whole(text):
        raise GgtError(f"{what} is a whole number from 0 on, of at most {LONGEST_NUMBER} digits, not {text[:40]!r}.")
    return int(text)


def _source_id(text: str) -> int | None:
    """The source that was chosen; 0, of which nothing is, where that cannot be read."""
    return (int(text) if _is_whole(text) else 0) if text else None


_FORM = PerceptualForm.of(ImmutableMultiDict({"name": "real-200 <b>", "number.rain": "12", "source": "1"}))
_THERE = {key: place for place, key in enumerate(CATEGORIES)}
_PAGES = [
    _assembled(_FORM, (("1", "own"), ("2", "Flickr <b>")), _THERE, "There are too few images of Rain."),
    _assembled(PerceptualForm.of(ImmutableMultiDict()), (), dict.fromkeys(CATEGORIES, 0)),
    _assembled(_FORM, (("1", "own"),), dict.fromkeys(CATEGORIES, 200)),
]
EXAMPLES = {
    "benchmarks/perceptual.html": _PAGES,
    "benchmarks/_numbers.html": [page.part for page in _PAGES],
    "benchmarks/fidelity.html": [
        FidelityPage(FidelityForm("f <b>", "2", "100", "3", "4"), (CleanSource(2, "DIV2K <b>", 100),), "It has 99."),
        FidelityPage(FidelityForm(), (CleanSource(2, "DIV2K", 1),)),
        FidelityPage(FidelityForm(), ()),
    ],
}
