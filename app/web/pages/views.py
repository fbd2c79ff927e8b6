"""Saved views of list pages: the menu that such a page offers, and the page where they are renamed, shared and deleted."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.errors import GgtError
from app.services import saved_views
from app.services.saved_views import LONGEST_NAME, View
from app.web.deps import AnyViewer, Reader, Writer
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/views")
Name = Annotated[str, Form()]
Shared = Annotated[bool, Form()]


@dataclass(frozen=True)
class ViewsMenu:
    """Views of one list page, and the form that saves ``here``, the page as it stands, under a name."""

    here: str
    views: tuple[View, ...]
    longest_name: int
    name: str = ""
    shared: bool = False
    problem: str = ""


@dataclass(frozen=True)
class ViewsPage:
    mine: tuple[View, ...]
    others: tuple[View, ...]
    longest_name: int
    menu: ViewsMenu | None
    problem: str


@router.get("")
def views(request: Request, viewer: AnyViewer, session: Reader, here: str = "") -> Response:
    return _page(request, viewer, session, _menu(session, viewer, here) if here else None)


@router.get("/menu")
def menu(request: Request, viewer: AnyViewer, session: Reader, here: str) -> Response:
    return render(request, viewer, "views/_menu.html", MenuPart(_menu(session, viewer, here)))


@dataclass(frozen=True)
class MenuPart:
    menu: ViewsMenu


@router.post("")
def save(request: Request, viewer: AnyViewer, session: Writer, here: Name, name: Name, shared: Shared = False) -> Response:
    """Save a view and go back to the list, or come back with what is wrong and the name as it was typed."""
    try:
        return RedirectResponse(saved_views.save(session, viewer.user_id, here, name, shared=shared), 303)
    except GgtError as error:
        try:
            part = _menu(session, viewer, here, name, shared=shared, problem=str(error))
        except GgtError:  # not a list page's address: there is nothing to come back to
            raise error from None
        return _page(request, viewer, session, part, status=error.status)


@router.post("/{view_id}")
def change(
    request: Request, view_id: int, viewer: AnyViewer, session: Writer, name: Name, shared: Shared = False
) -> Response:
    try:
        saved_views.change(session, viewer.user_id, view_id, name, shared=shared)
    except GgtError as error:
        return _page(request, viewer, session, None, str(error), error.status)
    return RedirectResponse("/views", 303)


@router.post("/{view_id}/delete")
def delete(view_id: int, viewer: AnyViewer, session: Writer) -> Response:
    saved_views.delete(session, viewer.user_id, view_id)
    return RedirectResponse("/views", 303)


def _menu(
    session: Session, viewer: Viewer, here: str, name: str = "", *, shared: bool = False, problem: str = ""
) -> ViewsMenu:
    path, query = saved_views.address(here)
    found = saved_views.views(session, viewer.user_id, path)
    return ViewsMenu(f"{path}?{query}" if query else path, tuple(found), LONGEST_NAME, name, shared, problem)


def _page(
    request: Request, viewer: Viewer, session: Session, part: ViewsMenu | None, problem: str = "", status: int = 200
) -> Response:
    found = saved_views.views(session, viewer.user_id)
    page = ViewsPage(tuple(v for v in found if v.mine), tuple(v for v in found if not v.mine), LONGEST_NAME, part, problem)
    return render(request, viewer, "views/index.html", page, status=status)


_MINE = View(1, "Doubtful <rain>", "/images?category=rain", "Images", shared=True, mine=True, by="Ada")
_THEIRS = View(2, "Haze", "/images?category=haze", "Images", shared=True, mine=False, by="Bo <b>")
_MENU = ViewsMenu("/images?category=rain", (_MINE, _THEIRS), LONGEST_NAME)
_WRONG = ViewsMenu("/images", (), LONGEST_NAME, "Rain", shared=True, problem="You have one <b> already.")
EXAMPLES = {
    "views/index.html": [
        ViewsPage((_MINE,), (_THEIRS,), LONGEST_NAME, _WRONG, "No."), ViewsPage((), (), LONGEST_NAME, None, ""),
    ],
    "views/_menu.html": [MenuPart(_MENU), MenuPart(_WRONG)],
}  # fmt: skip
