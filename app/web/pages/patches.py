"""Patches: those that wait for a person's grade or decision, and every other, with why it is where it is."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from app.catalog.categories import CATEGORIES
from app.catalog.screening import MEASURES, STEPS
from app.models import Json, PatchState, Role
from app.services import patch_list, sources
from app.services.patch_list import SAFE, UNDO, UNSAFE, Found, PatchFacts, PatchFilter, PatchTile
from app.web.deps import Annotator, Reader, Writer
from app.web.errors import wants_json
from app.web.pages.images import Option, Select
from app.web.pages.sift import Answer, Controls, Did, answered, did
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/patches")

STATE_TITLES: dict[str, str] = {
    PatchState.FLAGGED: "Flagged", PatchState.GRADING: "To grade", PatchState.WAITING: "Waiting",
    PatchState.PASSED: "Passed", PatchState.OUT: "Out", PatchState.NOT_DRAWN: "Not drawn",
    PatchState.RETAINED: "Retained", PatchState.HELD: "Held",
}  # fmt: skip
STATE_MEANINGS: dict[str, str] = {
    PatchState.FLAGGED: "Perhaps unsafe or private: a person says what may stay.",
    PatchState.GRADING: "A person says how good each still is.",
    PatchState.WAITING: "Not screened yet.",
    PatchState.PASSED: "Passed, and may be drawn.",
    PatchState.OUT: "Screened out. A grade brings a patch back.",
    PatchState.NOT_DRAWN: "Passed, but left by the sampling; may be drawn later.",
    PatchState.RETAINED: "Images now.",
    PatchState.HELD: "The photograph waits for a look.",
}
LEVEL_TITLES = {"high": "High", "medium": "Medium", "low": "Low"}
GRADES = (
    Answer("high", "1", "High", "High", "ok"),
    Answer("medium", "2", "Medium", "Medium", "ok"),
    Answer("low", "3", "Low", "Low", "ok"),
    Answer("out", "x", "Out", "Out", "bad"),
)
FLAGS = (Answer(SAFE, "f", "Safe", "Safe", "ok"), Answer(UNSAFE, "x", "Unsafe or private", "Unsafe or private", "bad"))
ANSWERS: dict[str, tuple[Answer, ...]] = {
    PatchState.FLAGGED: FLAGS,
    **dict.fromkeys((PatchState.GRADING, PatchState.PASSED, PatchState.OUT, PatchState.NOT_DRAWN), GRADES),
}
TOLD_ELSEWHERE = ("before", "why", "measured", "run", "unsafe_by", "level_by", "level")
"""What stands among a patch's measures and is no measure."""
CATEGORY_TITLES = {key: category.title for key, category in CATEGORIES.items()}
STEP_TITLES = {key: step.title for key, step in STEPS.items()}


@dataclass(frozen=True)
class TilesPart:
    """``measured`` says whether a tile tells its reason: in lists of what is out or flagged."""

    tiles: tuple[PatchTile, ...]
    category_titles: dict[str, str]
    step_titles: dict[str, str]
    more: str | None
    more_part: str | None


@dataclass(frozen=True)
class StateLink:
    title: str
    number: int
    url: str
    chosen: bool
    meaning: str


@dataclass(frozen=True)
class PatchesPage:
    part: TilesPart
    states: tuple[StateLink, ...]
    state: str
    meaning: str
    total: int
    selects: tuple[Select, ...]
    filtered: bool
    controls: Controls
    did: Did | None
    first: str
    any: bool
    researcher: bool


@dataclass(frozen=True)
class Measure:
    """A number or answer on record of a patch, as people read it."""

    title: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class PatchPart:
    """One patch with all that is known of it."""

    found: PatchFacts
    category: str
    state: str
    step: str
    measures: tuple[Measure, ...]
    run: int | None
    controls: Controls
    researcher: bool


@router.get("")
def page(
    request: Request,
    viewer: Annotator,
    session: Reader,
    after: Annotated[str, Query(max_length=300)] = "",
    did_answer: Annotated[str, Query(alias="did", max_length=20)] = "",
    ids: Annotated[str, Query(max_length=4000)] = "",
    late: Annotated[int, Query(ge=0, le=1000)] = 0,
) -> Response:
    """Patches of one state, filtered; at first what waits for a person."""
    groups = patch_list.groups(session)
    found = patch_list.find(groups, PatchFilter.parse(request.query_params))
    wanted, names = found.wanted, dict(sources.names(session))
    context = PatchesPage(
        part=_part(patch_list.page(session, groups, wanted, after), wanted),
        states=_states(found),
        state=wanted.state,
        meaning=STATE_MEANINGS[wanted.state],
        total=found.total,
        selects=_selects(found, names),
        filtered=bool(wanted.category or wanted.source or wanted.step or wanted.level),
        controls=_controls(viewer, wanted, found.total),
        did=did(ANSWERS.get(wanted.state, ()), did_answer, ids, late),
        first=wanted.url() if after else "",
        any=bool(groups),
        researcher=viewer.role != Role.ANNOTATOR,
    )
    return render(request, viewer, "patches/index.html", context)


@router.get("/tiles")
def tiles(
    request: Request, viewer: Annotator, session: Reader, after: Annotated[str, Query(max_length=300)] = ""
) -> Response:
    """The next patches of the grid."""
    groups = patch_list.groups(session)
    wanted = patch_list.find(groups, PatchFilter.parse(request.query_params)).wanted
    return render(request, viewer, "patches/_tiles.html", _part(patch_list.page(session, groups, wanted, after), wanted))


@router.post("")
def decide(
    request: Request,
    viewer: Annotator,
    session: Writer,
    answer: Annotated[str, Form(max_length=20)],
    patch: Annotated[list[int] | None, Form(max_length=500)] = None,
    query: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Grade ticked patches, say whether they are safe, or take back what was decided last."""
    decided = patch_list.decide(session, viewer.user_id, patch or (), answer, any_of=viewer.role == Role.ADMIN)
    back = "/patches" + (query if query.startswith("?") and query.isprintable() else "")
    return answered(decided, answer, back, json=wants_json(request))


@router.get("/{patch_id}")
def about(request: Request, viewer: Annotator, session: Reader, patch_id: int) -> Response:
    """One patch at full size with all that is known of it; for htmx what is known alone."""
    part = _patch(viewer, patch_list.patch(session, patch_id))
    template = "patches/_patch.html" if request.headers.get("HX-Request") == "true" else "patches/patch.html"
    return render(request, viewer, template, part)


def _part(found: patch_list.Page, wanted: PatchFilter) -> TilesPart:
    cursor = found.next_cursor
    more, part = (wanted.url(path, after=cursor) if cursor else None for path in ("/patches", "/patches/tiles"))
    return TilesPart(found.tiles, CATEGORY_TITLES, STEP_TITLES, more, part)


def _states(found: Found) -> tuple[StateLink, ...]:
    w = found.wanted
    return tuple(
        StateLink(
            STATE_TITLES[state], number, PatchFilter(state, w.category, w.source, "", "").url(), state == w.state,
            STATE_MEANINGS[state],
        )
        for state, number in found.by_state.items()
    )  # fmt: skip


def _selects(found: Found, names: dict[int, str]) -> tuple[Select, ...]:
    def field(name: str, title: str, any_title: str, options: dict[str, str], chosen: str) -> Select:
        return Select(name, title, any_title, tuple(Option(key, text, key == chosen) for key, text in options.items()))

    wanted = found.wanted
    known = {str(key): names.get(key, str(key)) for key in sorted(found.sources, key=lambda key: names.get(key, ""))}
    return (
        field("category", "Category", "All", CATEGORY_TITLES, wanted.category),
        field("source", "Source", "All", known, str(wanted.source)),
        field("step", "Step", "Any", {step: STEP_TITLES[step] for step in found.steps}, wanted.step),
        field("level", "Level", "Any", LEVEL_TITLES, wanted.level),
    )


def _controls(viewer: Viewer, wanted: PatchFilter, left: int) -> Controls:
    query = wanted.url("")
    return Controls("/patches", "patch", ANSWERS.get(wanted.state, ()), UNDO, "", query, viewer.user_id, left)


def _patch(viewer: Viewer, found: PatchFacts) -> PatchPart:
    tile = found.tile
    return PatchPart(
        found, CATEGORY_TITLES.get(tile.category, tile.category), STATE_TITLES.get(tile.state, tile.state),
        STEP_TITLES.get(tile.step, tile.step), measures_of(found.measures), found.measures.get("run"),
        _controls(viewer, PatchFilter(tile.state), 0), viewer.role != Role.ANNOTATOR,
    )  # fmt: skip


def measures_of(measures: Json) -> tuple[Measure, ...]:
    """Numbers first, in the catalogue's order, then what a VLM answered and people decided."""
    known = [
        Measure(spec.title, f"{value:.4g}", f"{spec.meaning} ({spec.range})")
        for name, spec in MEASURES.items()
        if isinstance(value := measures.get(name), int | float)
    ]
    others = [
        Measure(name.replace("_", " ").capitalize(), _words(value))
        for name, value in measures.items()
        if name not in MEASURES and name not in TOLD_ELSEWHERE and value not in (None, "")
    ]
    why = measures.get("why")
    reasons = [Measure(f"Why: {k.replace('_', ' ')}", str(v)) for k, v in why.items()] if isinstance(why, dict) else []
    return (*known, *others, *reasons)


def _words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_TILE = PatchTile(
    12, "rain", "out", "artifact", "artifact 12 is below <25>, as measured", "", "Flickr", "rain/<b>.jpg", True, 640, 480,
    "ab" * 32, None,
)  # fmt: skip
_KEPT = PatchTile(13, "old_photo", "retained", "", "", "low", "own", "b.jpg", False, 1024, 1024, "", 4)
_PART = TilesPart((_TILE, _KEPT), CATEGORY_TITLES, STEP_TITLES, "/patches?after=x", "/patches/tiles?after=x")
_NONE = TilesPart((), CATEGORY_TITLES, STEP_TITLES, None, None)
_FOUND = Found(PatchFilter("out", "rain", 3, "artifact"), {"flagged": 1, "out": 12000}, 12000, (3,), ("artifact",))
_BARE = Found(PatchFilter("grading"), {"grading": 0, "flagged": 0}, 0, (), ())
_MEASURES: Json = {
    "structure": 0.5, "asked_by": "gemini/1", "content_poor": True, "why": {"content_poor": "sky <b>"}, "before": [],
}  # fmt: skip


def _example(part: TilesPart, found: Found, answers: tuple[Answer, ...], *, any: bool, researcher: bool) -> PatchesPage:
    wanted = found.wanted
    controls = Controls("/patches", "patch", answers, UNDO, "", wanted.url(""), 1, found.total)
    shown = Did(2, "Out", (1, 2), 0) if part.tiles else None
    return PatchesPage(
        part, _states(found), wanted.state, STATE_MEANINGS[wanted.state], found.total, _selects(found, {3: "Flickr"}),
        bool(wanted.category), controls, shown, "/patches" if part.tiles else "", any, researcher,
    )  # fmt: skip


def _one(tile: PatchTile, researcher: bool) -> PatchPart:
    found = PatchFacts(tile, 3, 5, (0, 0, 640, 480), (1543, 1024), dict(_MEASURES), "Ada <b>")
    controls = Controls("/patches", "patch", ANSWERS.get(tile.state, ()), UNDO, "", "", 1, 0)
    return PatchPart(found, "Rain", "Out", "Artifact", measures_of(_MEASURES), 7, controls, researcher)


EXAMPLES = {
    "patches/index.html": [
        _example(_PART, _FOUND, GRADES, any=True, researcher=True),
        _example(_NONE, _FOUND, GRADES, any=True, researcher=True),
        _example(_NONE, _BARE, GRADES, any=True, researcher=False),
        _example(_NONE, _BARE, (), any=False, researcher=True),
    ],
    "patches/_tiles.html": [_PART, _NONE],
    "patches/patch.html": [_one(_TILE, True), _one(_KEPT, False)],
    "patches/_patch.html": [_one(_TILE, True)],
}
