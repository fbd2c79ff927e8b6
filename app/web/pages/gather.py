"""Collecting from a platform: choose what, see what it would find, start the run. Pictures of others are not shown here."""

from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session
from starlette.datastructures import ImmutableMultiDict

from app import db
from app.catalog.categories import CATEGORIES
from app.catalog.licences import LICENCES
from app.catalog.platforms import PLATFORMS, PlatformSpec
from app.config import settings
from app.errors import GgtError
from app.platforms.base import Found
from app.services import gallery, gathering, licence_policy
from app.services.gathering import Count, Gather
from app.services.licence_policy import LicencePolicy
from app.services.photograph import Then
from app.web.deps import Reader, Researcher, Writer
from app.web.pages.run_form import Option, Posted
from app.web.templating import render

router = APIRouter(prefix="/gather")

THEN: dict[Then, str] = {
    "images": "make images of their patches at once",
    "screen": "have their patches screened first",
    "look": "have a person look at each first, then screen its patches",
}


@dataclass(frozen=True)
class GatherForm:
    """What somebody chose, as it stands in the fields."""

    category: str = ""
    platform: str = ""
    keywords: str = ""
    most: str = "100"
    source: str = ""
    then: str = "images"

    @classmethod
    def of(cls, given: ImmutableMultiDict[str, Any]) -> "GatherForm":
        """From a posted form or an address; what is left out has its usual value."""
        fields = {name: given.get(name) for name in cls.__dataclass_fields__}
        text = {name: value.strip().replace("\r\n", "\n") for name, value in fields.items() if isinstance(value, str)}
        return cls(**{name: value for name, value in text.items() if value or name in ("keywords", "source")})


@dataclass(frozen=True)
class KeywordsPart:
    """The keywords of a category, a line each."""

    form: GatherForm


@dataclass(frozen=True)
class PlatformRow:
    """A platform that can be chosen, or the reason why it cannot. ``licences`` are those that may be collected from it."""

    spec: PlatformSpec
    chosen: bool
    why: str
    licences: tuple[str, ...]
    stand_in: bool


@dataclass(frozen=True)
class CountsPart:
    """What the keywords would find at a platform, and what stands in the way."""

    platform: str = ""
    counts: tuple[Count, ...] = ()
    left_out: int = 0
    problem: str = ""


@dataclass(frozen=True)
class GatherPage:
    """``sources`` are names already on record; ``contact`` is missing where nobody has set one."""

    form: GatherForm
    categories: tuple[Option, ...]
    platforms: tuple[PlatformRow, ...]
    then: tuple[Option, ...]
    sources: tuple[str, ...]
    contact: bool
    part: CountsPart


@router.get("")
def page(request: Request, viewer: Researcher, session: Reader) -> Response:
    form = GatherForm.of(request.query_params)
    return render(request, viewer, "gather/index.html", _page(session, _with_keywords(form), CountsPart()))


@router.get("/keywords")
def keywords(request: Request, viewer: Researcher) -> Response:
    """The keywords for another category, unless somebody has written their own."""
    part = KeywordsPart(_with_keywords(GatherForm.of(request.query_params)))
    return render(request, viewer, "gather/_keywords.html", part)


@router.post("/preview")
def preview(request: Request, viewer: Researcher, given: Posted) -> Response:
    """What the platform would find. It is asked without a session: that takes seconds."""
    form = GatherForm.of(given)
    with db.reading() as session:
        policy = licence_policy.current(session)
    part = _counts(form, policy)
    if request.headers.get("HX-Request") == "true":
        return render(request, viewer, "gather/_counts.html", part)
    with db.reading() as session:
        return render(request, viewer, "gather/index.html", _page(session, form, part))


@router.post("")
def start(request: Request, viewer: Researcher, session: Writer, given: Posted) -> Response:
    """Start the run, or come back with what is wrong and everything as it was chosen."""
    form = GatherForm.of(given)
    try:
        run = gathering.start_gather(session, viewer.user_id, _wanted(form))
    except GgtError as error:
        page = _page(session, form, CountsPart(problem=str(error)))
        return render(request, viewer, "gather/index.html", page, status=error.status)
    return RedirectResponse(f"/runs/{run.id}", 303)


def _wanted(form: GatherForm) -> Gather:
    """What the form asks for. Raises GgtError where that cannot be read."""
    if not (form.most.isascii() and form.most.isdigit()):
        raise GgtError(f"How many photographs at most? {form.most[:40]!r} is no number.")
    then = next((key for key in THEN if key == form.then), None)
    if then is None:
        raise GgtError(f"There is no way {form.then[:40]!r} to go on with photographs.")
    return Gather(form.category, form.platform, _lines(form.keywords), int(form.most), form.source, then)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.replace(",", "\n").split("\n") if line.strip())


def _with_keywords(form: GatherForm) -> GatherForm:
    """The form with its category's keywords, where nobody has written others."""
    own = {category.keywords for category in CATEGORIES.values()}
    if form.category not in CATEGORIES or (form.keywords and _lines(form.keywords) not in own):
        return form
    return replace(form, keywords="\n".join(CATEGORIES[form.category].keywords))


def _counts(form: GatherForm, policy: LicencePolicy) -> CountsPart:
    lines = _lines(form.keywords)
    if not lines and form.category in CATEGORIES:
        lines = CATEGORIES[form.category].keywords
    try:
        spec = gathering.spec_of(form.platform)
        counts = gathering.count(spec.key, lines, policy)
        left_out = max(0, len(gathering.checked_keywords(lines)) - gathering.COUNTED_KEYWORDS)
    except GgtError as error:
        return CountsPart(problem=str(error))
    return CountsPart(spec.title, tuple(counts), left_out, gathering.forbidden(spec, policy))


def _page(session: Session, form: GatherForm, part: CountsPart) -> GatherPage:
    return _assembled(form, part, licence_policy.current(session), gallery.choices(session).sources)


def _assembled(form: GatherForm, part: CountsPart, policy: LicencePolicy, sources: tuple[str, ...]) -> GatherPage:
    return GatherPage(
        form,
        tuple(Option(key, c.title, key == form.category) for key, c in CATEGORIES.items()),
        tuple(_row(spec, form, policy) for spec in PLATFORMS.values()),
        tuple(Option(key, title, key == form.then) for key, title in THEN.items()),
        sources,
        bool(settings().contact.strip()),
        part,
    )


def _row(spec: PlatformSpec, form: GatherForm, policy: LicencePolicy) -> PlatformRow:
    no_key = "" if settings().platform_key(spec.key) else f"It has no key here: set {spec.key_setting}."
    why = no_key or gathering.forbidden(spec, policy)
    may = sorted(LICENCES[key].title for key in gathering.allowed(spec, policy))
    stand_in = settings().platform_stand_in(spec.key)
    return PlatformRow(spec, spec.key == form.platform and not why, why, tuple(may), stand_in)


_FOUND = Found("1", "https://www.flickr.com/photos/ada/1/", "", "Ada", "https://www.flickr.com/people/ada/", "CC0-1.0")
_PART = CountsPart(
    "Flickr", (Count("rain", 1234, 30, 28, (_FOUND,)), Count("fog", problem="Flickr asks to wait.")), 2, "Not allowed."
)  # fmt: skip
_FORM = GatherForm("rain", "flickr", "rain\nfog", "50", "flickr-rain", "look")
EXAMPLES = {
    "gather/index.html": [
        _assembled(form, part, LicencePolicy(), ("own",))
        for form in (GatherForm(), _FORM)
        for part in (CountsPart(), _PART, CountsPart(problem="No."))
    ],
    "gather/_keywords.html": [KeywordsPart(_FORM)],
    "gather/_counts.html": [_PART, CountsPart()],
}
