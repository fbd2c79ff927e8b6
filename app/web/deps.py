"""What routes ask for: a session to read or write with, and the person who is asking.

Every role dependency goes through :func:`signed_in`, so no route can forget the CSRF check.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlmodel import Session

from app import db
from app.errors import NotAllowed
from app.models import Role
from app.security import csrf_matches, csrf_token, hash_token
from app.services import people
from app.web.viewer import SignInNeeded, Viewer

COOKIE = "ggt_session"
TOKEN_PATHS = ("/api/", "/files/")
"""Where API tokens are taken. Pages and the account itself need a browser session."""
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def _reading() -> Iterator[Session]:
    with db.reading() as session:
        yield session


def _writing() -> Iterator[Session]:
    with db.unit_of_work() as session:
        yield session


# scope="function" ends the session, and so commits, before the response leaves: the next request sees the change.
Reader = Annotated[Session, Depends(_reading, scope="function")]
Writer = Annotated[Session, Depends(_writing, scope="function")]


async def _seat() -> AsyncIterator[None]:
    yield


SEAT = Depends(_seat, scope="function", max_concurrency=32)
"""Every request's. A Writer has its turn to write before its route has a thread. There are 40 of these (AnyIO's); if others
that wait for their turn held them all, nobody would ever go on. Who has no seat waits without a thread."""


def identify(request: Request) -> Viewer | None:
    """Who is asking, by API token or session cookie, in one SQL statement; None when nobody is signed in."""
    viewer = _identify(request)
    request.state.viewer = viewer  # for the error pages, which no dependency reaches
    return viewer


def _identify(request: Request) -> Viewer | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and request.url.path.startswith(TOKEN_PATHS):
        with db.reading() as session:
            owner = people.token_owner(session, token.strip())
        return Viewer(owner.id, owner.name, owner.email, owner.role, "", "token") if owner else None
    cookie = request.cookies.get(COOKIE)
    if not cookie:
        return None
    with db.reading() as session:
        known = people.signed_in(session, cookie)
    if known is None:
        return None
    if known.needs_extension:
        with db.unit_of_work() as session:
            people.extend_sign_in(session, cookie)
    return Viewer(known.id, known.name, known.email, known.role, csrf_token(hash_token(cookie)), "session")


MaybeViewer = Annotated[Viewer | None, Depends(identify)]


async def signed_in(request: Request, viewer: MaybeViewer) -> Viewer:
    """The person who is asking. Raises SignInNeeded, or NotAllowed for a change without the session's CSRF token."""
    if viewer is None:
        raise SignInNeeded("Sign in first: nobody is signed in, or the sign-in has ended.")
    if request.method not in SAFE_METHODS and viewer.via == "session":
        given = request.headers.get("X-CSRF-Token") or await _form_token(request)
        if not csrf_matches(given, viewer.csrf):
            raise NotAllowed("This page is out of date (its CSRF token does not match). Reload it and try again.")
    return viewer


async def _form_token(request: Request) -> str:
    kind = request.headers.get("Content-Type", "").partition(";")[0]
    if kind not in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return ""
    given = (await request.form()).get("csrf")
    return given if isinstance(given, str) else ""


def same_site(request: Request) -> None:
    """Refuse a form that another site posts for a visitor without a session (there is no CSRF token yet).

    Browsers say where a request comes from in Sec-Fetch-Site, older ones in Origin. Programs send neither.
    """
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site not in (None, "same-origin", "none") or (
        site is None and origin is not None and origin.partition("://")[2] != request.headers.get("Host")
    ):
        raise NotAllowed("This form was sent from another site. Open the page here and try again.")


@dataclass(frozen=True)
class RequireRole:
    """A dependency that lets in people of ``role`` and the roles above it. The route tests look for it."""

    role: Role

    async def __call__(self, viewer: Annotated[Viewer, Depends(signed_in)]) -> Viewer:
        if not people.may(viewer.role, self.role):
            raise NotAllowed(f"This needs the role {self.role}; yours is {viewer.role}. An admin can change it.")
        return viewer


AnyViewer = Annotated[Viewer, Depends(RequireRole(Role.ANNOTATOR))]
Annotator = AnyViewer
Researcher = Annotated[Viewer, Depends(RequireRole(Role.RESEARCHER))]
Admin = Annotated[Viewer, Depends(RequireRole(Role.ADMIN))]
