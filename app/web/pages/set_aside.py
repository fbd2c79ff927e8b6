"""Setting images aside and taking them back: a look at what it would touch, the act, and a list of what can be undone."""

import secrets
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.errors import GgtError
from app.models import Role, Stage, utcnow
from app.services import bulk_actions, set_aside
from app.services.bulk_actions import Action, Undone
from app.services.gallery_filter import GalleryFilter
from app.services.set_aside import LONGEST_WHY, Group, Kind, Preview
from app.web.deps import Reader, Researcher, Writer
from app.web.pages.images import CATEGORY_TITLES, STAGE_TITLES, chips_of
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/images")
Verb = Literal["set-aside", "take-back"]
KINDS: dict[Verb, Kind] = {"set-aside": "set_aside", "take-back": "take_back"}


@dataclass(frozen=True)
class SetAsidePage:
    """What would be touched. ``key`` makes a form that is sent twice act once."""

    verb: Verb
    words: str
    gallery: str
    address: str
    preview: Preview
    category_titles: dict[str, str]
    stage_titles: dict[str, str]
    key: str
    why: str
    longest_why: int
    whole: bool
    everything: bool
    problem: str


@dataclass(frozen=True)
class Row:
    """An action with its filter in words and its address; ``mine`` where the person who looks may undo it."""

    action: Action
    words: str
    gallery: str
    mine: bool


@dataclass(frozen=True)
class ActionsPage:
    rows: tuple[Row, ...]
    more: str | None


@router.get("/ticked")
def ticked(
    _viewer: Researcher,
    do: Literal["show", "set-aside", "take-back", "regenerate", "judge"] = "show",
    image: Annotated[tuple[int, ...], Query()] = (),
) -> Response:
    """From ticked tiles to the page of what is to be done with them: they become a filter like any other."""
    path = "/images" if do == "show" else f"/images/{do}"
    wanted = GalleryFilter.parse({"ids": ",".join(map(str, image))})
    return RedirectResponse(wanted.url(path if image else "/images"), 303)


@router.get("/actions")
def actions(request: Request, viewer: Researcher, session: Reader, before: int | None = None) -> Response:
    found = bulk_actions.actions(session, before)
    more = f"/images/actions?before={found[-1].id}" if len(found) == bulk_actions.PAGE_SIZE else None
    return render(request, viewer, "set_aside/actions.html", ActionsPage(tuple(_row(a, viewer) for a in found), more))


@router.post("/actions/{action_id}/undo")
def undo(action_id: int, viewer: Researcher, session: Writer) -> Response:
    set_aside.undo(session, viewer.user_id, action_id, any_of=viewer.role == Role.ADMIN)
    return RedirectResponse(f"/images/actions#action-{action_id}", 303)


@router.get("/set-aside")
def setting_aside(request: Request, viewer: Researcher, session: Reader) -> Response:
    return _shown(request, viewer, session, "set-aside", Given("", "", everything=False))


@router.get("/take-back")
def taking_back(request: Request, viewer: Researcher, session: Reader) -> Response:
    return _shown(request, viewer, session, "take-back", Given("", "", everything=False))


@dataclass(frozen=True)
class Given:
    """What was typed: the form's key, the reason, and whether the whole collection is meant."""

    key: str
    why: str
    everything: bool


def _given(
    key: Annotated[str, Form(max_length=64)],
    why: Annotated[str, Form()] = "",
    everything: Annotated[bool, Form()] = False,
) -> Given:
    return Given(key, why, everything)


Posted = Annotated[Given, Depends(_given)]


@router.post("/set-aside")
def set_them_aside(request: Request, viewer: Researcher, session: Writer, given: Posted) -> Response:
    return _done(request, viewer, session, "set-aside", given)


@router.post("/take-back")
def take_them_back(request: Request, viewer: Researcher, session: Writer, given: Posted) -> Response:
    return _done(request, viewer, session, "take-back", given)


def _done(request: Request, viewer: Viewer, session: Session, verb: Verb, given: Given) -> Response:
    """Do it, or come back with what is wrong and everything as it was typed."""
    wanted = GalleryFilter.parse(request.query_params)
    try:
        if not wanted.active and not given.everything:
            raise GgtError("No filter narrows these images down. If you mean the whole collection, tick that.")
        kind = KINDS[verb]
        action_id = set_aside.start(session, viewer.user_id, kind, wanted, why=given.why, key=given.key)
    except GgtError as error:
        return _shown(request, viewer, session, verb, given, error)
    return RedirectResponse(f"/images/actions#action-{action_id}", 303)


def _shown(
    request: Request, viewer: Viewer, session: Session, verb: Verb, given: Given, error: GgtError | None = None
) -> Response:
    wanted = GalleryFilter.parse(request.query_params)
    preview = set_aside.preview(session, KINDS[verb], wanted)
    page = _page(verb, wanted, preview, secrets.token_urlsafe(16), given, str(error) if error else "")
    return render(request, viewer, "set_aside/index.html", page, status=error.status if error else 200)


def _page(verb: Verb, wanted: GalleryFilter, preview: Preview, key: str, given: Given, problem: str = "") -> SetAsidePage:
    return SetAsidePage(
        verb, _words(wanted), wanted.url("/images"), wanted.url(f"/images/{verb}"), preview, CATEGORY_TITLES, STAGE_TITLES,
        key, given.why, LONGEST_WHY, not wanted.active, given.everything, problem,
    )  # fmt: skip


def _row(action: Action, viewer: Viewer) -> Row:
    wanted = GalleryFilter.parse(action.query)
    mine = action.user_id == viewer.user_id or viewer.role == Role.ADMIN
    return Row(action, _words(wanted), wanted.url("/images"), mine)


def _words(wanted: GalleryFilter) -> str:
    return ", ".join(chip.text for chip in chips_of(wanted)) or "all images"


_TYPED = Given("k" * 22, "Faces <b>", everything=True)
_RAIN, _ALL = GalleryFilter(category="rain"), GalleryFilter()
_ASIDE = Preview(
    (Group("rain", Stage.AWAITING, 12), Group("rain", Stage.VERIFIED, 3, moves=False)), ((12, "ab" * 32), (11, "cd" * 32))
)
_BACK = Preview((Group("rain", Stage.SET_ASIDE, 12, comes_back_to=Stage.AWAITING),), ((12, "ab" * 32),))
_DONE = Action(3, "set_aside", "Faces <b>", {"category": "rain"}, "Ada <b>", 1, utcnow(), 1200, False, False, 7, None)
_STOPPED = Action(2, "set_aside", "Twice", {"ids": "1,2"}, "Bo", 2, utcnow(), 1, False, True, None, Undone(8, 1, 2, False))
_BEGUN = Action(1, "take_back", "", {}, "Bo", 2, utcnow(), 1000, True, False, 8, None)
_UNDOING = Action(4, "set_aside", "x", {}, "Bo", 2, utcnow(), 5000, False, False, 9, Undone(1000, 0, 0, True))
EXAMPLES = {
    "set_aside/index.html": [
        _page("set-aside", _RAIN, _ASIDE, "k" * 22, _TYPED, "Say why."),
        _page("set-aside", _ALL, Preview((), ()), "k" * 22, _TYPED),
        _page("set-aside", _ALL, _ASIDE, "k" * 22, _TYPED),
        _page("take-back", _RAIN, _BACK, "k" * 22, _TYPED),
    ],
    "set_aside/actions.html": [
        ActionsPage((), None),
        ActionsPage(
            tuple(
                Row(action, "Rain", "/images?category=rain", mine)
                for action, mine in ((_UNDOING, True), (_DONE, True), (_DONE, False), (_STOPPED, True), (_BEGUN, True))
            ),
            "/images/actions?before=2",
        ),
    ],
}
