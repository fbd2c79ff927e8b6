"""A quick look at whole photographs before their patches are screened: keep, or discard for a reason."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.catalog.screening import STEPS
from app.errors import GgtError
from app.models import Look, Role, utcnow
from app.services import look_list, looks, sources
from app.services.look_list import KEEP, REASONS, WAIT, PatchOf, PhotoFacts
from app.services.looks import Photograph
from app.services.source_photos import Photo, licence_title
from app.web.deps import Annotator, Reader, Writer
from app.web.errors import wants_json
from app.web.pages.sift import Answer, Controls, Did, answered, did
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/looks")

STATE_TITLES = {Look.WAITING: "Wait for a look", Look.KEPT: "Kept", Look.DISCARDED: "Discarded"}
ANSWERS = (
    Answer(KEEP, "k", "Keep", "Kept", "ok"),
    *(Answer(key, str(number), text.capitalize(), text.capitalize(), "bad", menu=True)
      for number, (key, text) in enumerate(REASONS.items(), start=1)),
)  # fmt: skip
CATEGORY_TITLES = {key: category.title for key, category in CATEGORIES.items()}
STEP_TITLES = {key: step.title for key, step in STEPS.items()}
After = Annotated[int, Query(ge=0, le=2**53)]


@dataclass(frozen=True)
class LooksFilter:
    """Which photographs are listed. Empty strings and 0 filter nothing."""

    state: Look = Look.WAITING
    category: str = ""
    source: int = 0

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "LooksFilter":
        """The filter of an address. Raises GgtError for a wrong value."""
        state, category, source = (query.get(name, "") for name in ("state", "category", "source"))
        if state not in ("", *Look):
            raise GgtError(f"There is no state {state[:40]!r}. Choose one of: {', '.join(Look)}.")
        if category and category not in CATEGORIES:
            raise GgtError(f"There is no category {category[:40]!r}. Choose one of: {', '.join(CATEGORIES)}.")
        if source and not (source.isascii() and source.isdigit() and len(source) < 10):
            raise GgtError(f"A source is given by its number, not as {source[:40]!r}.")
        return cls(Look(state or Look.WAITING), category, int(source or 0))

    def url(self, path: str, after: int | None = None) -> str:
        state = "" if self.state == Look.WAITING else self.state.value
        query = {"state": state, "category": self.category, "source": self.source or "", "after": after or ""}
        given = {name: value for name, value in query.items() if value}
        return f"{path}?{urlencode(given)}" if given else path


@dataclass(frozen=True)
class Tile:
    """A photograph of the grid. ``answer`` is what was decided on it before, ``mark`` and ``tone`` say so."""

    photo: Photograph
    category: str
    answer: str
    mark: str
    tone: str


@dataclass(frozen=True)
class TilesPart:
    tiles: tuple[Tile, ...]
    more: str | None
    more_part: str | None


@dataclass(frozen=True)
class StateLink:
    title: str
    number: int
    url: str
    chosen: bool


@dataclass(frozen=True)
class LooksPage:
    part: TilesPart
    states: tuple[StateLink, ...]
    wanted: LooksFilter
    categories: tuple[tuple[str, str], ...]
    sources: tuple[tuple[int, str], ...]
    controls: Controls
    did: Did | None
    first: str
    any: bool


@dataclass(frozen=True)
class AboutPart:
    """What is on record of one photograph. ``controls`` are those of the list that it is decided on from."""

    found: PhotoFacts
    category: str
    licence: str
    step_titles: dict[str, str]
    controls: Controls
    researcher: bool


@router.get("")
def page(
    request: Request,
    viewer: Annotator,
    session: Reader,
    after: After = 0,
    did_answer: Annotated[str, Query(alias="did", max_length=20)] = "",
    ids: Annotated[str, Query(max_length=4000)] = "",
    late: Annotated[int, Query(ge=0, le=1000)] = 0,
) -> Response:
    """Photographs that wait for a look, or what became of others."""
    wanted = LooksFilter.parse(request.query_params)
    counts = look_list.counts(session)
    left = counts.get(wanted.state, 0)
    if wanted.category or wanted.source:
        left = look_list.number_of(session, wanted.state, category=wanted.category, source_id=wanted.source)
    context = LooksPage(
        part=_part(session, wanted, after),
        states=_states(wanted, counts),
        wanted=wanted,
        categories=tuple(CATEGORY_TITLES.items()),
        sources=tuple(sources.names(session)),
        controls=_controls(viewer, wanted, left),
        did=did(ANSWERS, did_answer, ids, late),
        first=wanted.url("/looks") if after else "",
        any=bool(counts),
    )
    return render(request, viewer, "looks/index.html", context)


@router.get("/tiles")
def tiles(request: Request, viewer: Annotator, session: Reader, after: After = 0) -> Response:
    """The next photographs of the grid, which the page has ready before it needs them."""
    wanted = LooksFilter.parse(request.query_params)
    return render(request, viewer, "looks/_tiles.html", _part(session, wanted, after))


@router.post("")
def decide(
    request: Request,
    viewer: Annotator,
    session: Writer,
    answer: Annotated[str, Form(max_length=20)],
    photo: Annotated[list[int] | None, Form(max_length=look_list.MOST_AT_ONCE)] = None,
    shown: Annotated[list[int] | None, Form(max_length=look_list.MOST_AT_ONCE)] = None,
    query: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Decide on ticked photographs; ``answer=rest`` keeps those that were shown and are not ticked."""
    ids = photo or []
    if answer == "rest":
        answer, ids = KEEP, [one for one in shown or () if one not in ids]
    decided = look_list.decide(session, viewer.user_id, ids, answer, any_of=viewer.role == Role.ADMIN)
    return answered(decided, answer, _back("/looks", query), json=wants_json(request))


@router.get("/{photo_id}")
def about(request: Request, viewer: Annotator, session: Reader, photo_id: int) -> Response:
    """One photograph, large, with what is on record of it and its patches; for htmx what is on record alone."""
    part = _about(viewer, look_list.photograph(session, photo_id))
    template = "looks/_about.html" if request.headers.get("HX-Request") == "true" else "looks/photograph.html"
    return render(request, viewer, template, part)


def _part(session: Session, wanted: LooksFilter, after: int) -> TilesPart:
    found = looks.looks(
        session, wanted.state, category=wanted.category, source_id=wanted.source or None, after=after
    )  # fmt: skip
    return _tiles(found.photographs, found.after, wanted)


def _tiles(photographs: tuple[Photograph, ...], after: int | None, wanted: LooksFilter) -> TilesPart:
    more, part = (wanted.url(path, after) if after else None for path in ("/looks", "/looks/tiles"))
    return TilesPart(tuple(_tile(photo) for photo in photographs), more, part)


def _states(wanted: LooksFilter, counts: Mapping[str, int]) -> tuple[StateLink, ...]:
    return tuple(
        StateLink(title, counts.get(key, 0), replace(wanted, state=key).url("/looks"), key == wanted.state)
        for key, title in STATE_TITLES.items()
    )


def _tile(photo: Photograph) -> Tile:
    answer = mark = tone = ""
    if photo.look == Look.KEPT:
        answer, mark, tone = KEEP, f"Kept by {photo.by}", "ok"
    elif photo.look == Look.DISCARDED:
        answer = next((key for key, text in REASONS.items() if text == photo.reason), "other")
        mark, tone = f"{(photo.reason or 'discarded').capitalize()}, {photo.by}", "bad"
    return Tile(photo, CATEGORY_TITLES.get(photo.category, photo.category), answer, mark, tone)


def _controls(viewer: Viewer, wanted: LooksFilter, left: int) -> Controls:
    rest = KEEP if wanted.state == Look.WAITING else ""
    return Controls("/looks", "photo", ANSWERS, WAIT, rest, wanted.url(""), viewer.user_id, left)


def _about(viewer: Viewer, found: PhotoFacts) -> AboutPart:
    return AboutPart(
        found, CATEGORY_TITLES.get(found.category, found.category), licence_title(found.photo.licence), STEP_TITLES,
        _controls(viewer, LooksFilter(), 0), viewer.role != Role.ANNOTATOR,
    )  # fmt: skip


def _back(path: str, query: str) -> str:
    """The list a form came from. Only a query is taken from it, so it cannot lead elsewhere."""
    return path + (query if query.startswith("?") and query.isprintable() else "")


_PHOTO = Photograph(
    12, "rain/<b>.jpg", "Flickr", "CC0-1.0", "Ada <b>", "https://example.org/12", ("rain",), "ab" * 32, 4000, 3000, "rain",
    3, "waiting", "", "",
)  # fmt: skip
_SEEN = Photograph(
    13, "b.jpg", "own", "", "", "", (), "", 640, 480, "rain", 1, "discarded", "not a photograph", "Ada <b>"
)  # fmt: skip
_RAIN = LooksFilter(Look.WAITING, "rain", 3)
_TILES = _tiles((_PHOTO, _SEEN), 13, _RAIN)
_NONE = _tiles((), None, LooksFilter())
_CONTROLS = Controls("/looks", "photo", ANSWERS, WAIT, KEEP, "?source=3", 1, 12000)
_STATES = _states(_RAIN, {Look.WAITING: 12000, Look.KEPT: 3})


def _example(part: TilesPart, wanted: LooksFilter, shown: Did | None = None, *, any: bool = True) -> LooksPage:
    first = "/looks" if part.tiles else ""
    return LooksPage(part, _STATES, wanted, (("rain", "Rain"),), ((3, "Flickr"),), _CONTROLS, shown, first, any)


_FACTS = PhotoFacts(
    Photo(12, "rain/<b>.jpg", "CC0-1.0", "Ada <b>", "https://example.org/12", ("rain",), {"make": "NIKON", "model": "D850"},
          4000, 3000, 2_000_000, "discarded", utcnow(), utcnow()),
    3, "Flickr", "rain", "duplicate", "Ada <b>", utcnow(), ("upright",),
    (PatchOf(1, "out", "look", "duplicate", "", None), PatchOf(2, "retained", "", "", "low", 4)),
)  # fmt: skip
_BARE = PhotoFacts(Photo(13, "b", "", "", "", (), {}, 64, 64, 9, "", None, utcnow()), 4, "own", "", "", "", None, (), ())
EXAMPLES = {
    "looks/index.html": [
        _example(_TILES, _RAIN, Did(2, "Kept", (1, 2), 1)),
        _example(_NONE, LooksFilter()),
        _example(_NONE, LooksFilter(Look.KEPT)),
        _example(_NONE, LooksFilter(), any=False),
    ],
    "looks/_tiles.html": [_TILES, _NONE],
    "looks/photograph.html": [
        AboutPart(_FACTS, "Rain", "CC0 1.0", STEP_TITLES, _CONTROLS, True),
        AboutPart(_BARE, "", "No licence on record", STEP_TITLES, _CONTROLS, False),
    ],
    "looks/_about.html": [AboutPart(_FACTS, "Rain", "CC0 1.0", STEP_TITLES, _CONTROLS, True)],
}
