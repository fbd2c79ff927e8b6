"""Saved views: a list page with its filter and order under a name, for oneself or for everybody."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from app.errors import Conflict, GgtError, NotAllowed, NotFound
from app.models import SavedView, User
from app.services import events
from app.services.gallery_filter import GalleryFilter

MOST_VIEWS = 100
LONGEST_NAME = 80
LONGEST_QUERY = 2000


@dataclass(frozen=True)
class ListPage:
    """A page that views can be of. ``clean`` keeps what the page knows of a query and raises GgtError for a wrong value."""

    title: str
    clean: Callable[[Mapping[str, str]], Mapping[str, str]]


LISTS: dict[str, ListPage] = {
    "/images": ListPage("Images", lambda query: GalleryFilter.parse(query).query()),
}
"""The pages that views can be of, by path. Whatever else an address says never gets into the database."""


@dataclass(frozen=True)
class View:
    """A saved view as menus show it. ``url`` is the page itself: there is nothing else to share."""

    id: int
    name: str
    url: str
    page: str
    shared: bool
    mine: bool
    by: str


def address(here: str) -> tuple[str, str]:
    """Path and shortest query of a list page's address. Raises GgtError for any other address, or a wrong value in it."""
    split = urlsplit(here)
    known = LISTS.get(split.path)
    if known is None or split.scheme or split.netloc:
        raise GgtError(f"Views can be saved of: {', '.join(page.title for page in LISTS.values())}.")
    query = urlencode(known.clean(dict(parse_qsl(split.query))))
    if len(query) > LONGEST_QUERY:
        raise GgtError("This filter is too long to be saved. Untick some of the images.")
    return split.path, query


def views(session: Session, user_id: int, path: str = "") -> Sequence[View]:
    """The person's own views by name, then those that others share; of ``path`` alone where given. One statement."""
    mine = col(SavedView.user_id) == user_id
    query = (
        select(SavedView, col(User.name))
        .join(User, col(User.id) == col(SavedView.user_id))
        .where(or_(mine, col(SavedView.shared)), col(SavedView.path).in_([path] if path else LISTS))
        .order_by(mine.desc(), func.lower(col(SavedView.name)), col(SavedView.id))
        .limit(2 * MOST_VIEWS)
    )
    return [
        View(view.id or 0, view.name, _url(view), LISTS[view.path].title, view.shared, view.user_id == user_id, by)
        for view, by in session.execute(query)
    ]


def save(session: Session, user_id: int, here: str, name: str, *, shared: bool) -> str:
    """Keep the address ``here`` under a name; returns it as it was kept. Saving the same again changes nothing.

    Raises GgtError for another address than a list's or a missing name, Conflict where the name stands for something else.
    """
    path, query = address(here)
    name = _name(name)
    known = _named(session, user_id, name)
    if known is not None and (known.path, known.query, known.shared) != (path, query, shared):
        raise Conflict(f"You have a view called {name!r} already. Choose another name, or rename or delete that one.")
    if known is None:
        number = session.execute(
            select(func.count()).select_from(SavedView).where(col(SavedView.user_id) == user_id)
        ).scalar_one()
        if number >= MOST_VIEWS:
            raise Conflict(f"You have {number} views, which is the most. Delete one first.")
        view = SavedView(user_id=user_id, name=name, path=path, query=query, shared=shared)
        session.add(view)
        session.flush()
        events.record(session, user_id, "view.saved", f"view:{view.id}", name, {"path": path, "query": query})
        return _url(view)
    return _url(known)


def change(session: Session, user_id: int, view_id: int, name: str, *, shared: bool) -> None:
    """Rename one's view, share it, or keep it to oneself. Raises NotFound, NotAllowed, GgtError, or Conflict."""
    view, name = _own(session, user_id, view_id), _name(name)
    other = _named(session, user_id, name)
    if other is not None and other.id != view_id:
        raise Conflict(f"You have a view called {name!r} already. Choose another name.")
    if (view.name, view.shared) == (name, shared):
        return
    view.name, view.shared = name, shared
    session.add(view)
    events.record(session, user_id, "view.changed", f"view:{view_id}", name, {"shared": shared})


def delete(session: Session, user_id: int, view_id: int) -> None:
    """Delete one's view; one that is gone already stays gone. Raises NotAllowed for somebody else's."""
    if session.get(SavedView, view_id) is None:
        return
    view = _own(session, user_id, view_id)
    session.delete(view)
    session.flush()
    events.record(session, user_id, "view.deleted", f"view:{view_id}", view.name, {"path": view.path, "query": view.query})


def _own(session: Session, user_id: int, view_id: int) -> SavedView:
    view = session.get(SavedView, view_id)
    if view is None or (view.user_id != user_id and not view.shared):
        raise NotFound(f"There is no view {view_id} (any more).")
    if view.user_id != user_id:
        raise NotAllowed(f"The view {view.name!r} is somebody else's. Open it and save it under a name of your own.")
    return view


def _named(session: Session, user_id: int, name: str) -> SavedView | None:
    query = select(SavedView).where(col(SavedView.user_id) == user_id, col(SavedView.name) == name)
    return session.execute(query).scalar_one_or_none()


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME:
        raise GgtError(f"Give the view a name of at most {LONGEST_NAME} characters.")
    return name


def _url(view: SavedView) -> str:
    return f"{view.path}?{view.query}" if view.query else view.path
