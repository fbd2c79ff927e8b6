"""Signing in by password, by one-time link or by invitation, and signing out."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.config import settings
from app.errors import GgtError, NotFound
from app.security import local_path
from app.services import invitations, people
from app.web.deps import COOKIE, AnyViewer, MaybeViewer, Reader, Writer, same_site
from app.web.templating import render

router = APIRouter()

COOKIE_SECONDS = 400 * 86400
"""The longest a browser keeps a cookie. The server decides when the sign-in ends, and extends it while it is used."""


@dataclass(frozen=True)
class SignInPage:
    """``next`` is a local path. ``problem`` says why the last try failed."""

    next: str = "/"
    email: str = ""
    problem: str = ""


@dataclass(frozen=True)
class InvitePage:
    """A link's page: for a new person (``user_name`` empty), or to sign in the person of that name."""

    token: str
    role: str
    user_name: str = ""
    name: str = ""
    email: str = ""
    problem: str = ""


EXAMPLES = {
    "sign_in/index.html": [SignInPage(), SignInPage("/images", "a@example.org", "Wrong password.")],
    "sign_in/invite.html": [
        InvitePage("t0ken", "annotator"),
        InvitePage("t0ken", "admin", user_name="Ada", problem="A password needs 10 characters."),
    ],
}


@router.get("/sign-in", response_model=None)
def sign_in_page(request: Request, viewer: MaybeViewer, next: str = "/") -> Response:
    if viewer is not None:
        return RedirectResponse(local_path(next), 303)
    return render(request, None, "sign_in/index.html", SignInPage(local_path(next)))


@router.post("/sign-in", dependencies=[Depends(same_site)])
def sign_in(
    request: Request,
    reader: Reader,
    session: Writer,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = "/",
) -> Response:
    try:
        user_id = people.check_password(reader, email, password)
    except people.TooManyAttempts as error:
        return render(request, None, "sign_in/index.html", SignInPage(local_path(next), email, str(error)), error.status)
    if user_id is None:
        people.note_failure(session, email)
        page = SignInPage(local_path(next), email, "This address and password do not belong together.")
        return render(request, None, "sign_in/index.html", page, status=401)
    return _enter(people.sign_in(session, user_id, "password"), local_path(next))


@router.post("/sign-out")
def sign_out(request: Request, viewer: AnyViewer, session: Writer) -> Response:
    people.sign_out(session, viewer.user_id, request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=settings().secure_cookies)
    return response


@router.get("/invite/{token}")
def invite_page(request: Request, token: str, reader: Reader) -> Response:
    """Looking at a link uses nothing up: mail scanners and previews look too."""
    found = invitations.look_up(reader, token)
    return _invite(request, InvitePage(token, found.role, found.user_name, email=found.email))


@router.post("/invite/{token}", dependencies=[Depends(same_site)])
def accept_invite(
    request: Request,
    token: str,
    reader: Reader,
    session: Writer,
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
) -> Response:
    found = invitations.look_up(reader, token)
    try:
        if found.user_id is not None:
            password_hash = people.checked_password(password) if password else ""
            user_id = invitations.accept_sign_in(session, token, password_hash)
        else:
            user_id = invitations.accept(session, token, name, email, people.checked_password(password))
    except NotFound:
        raise
    except GgtError as error:
        session.rollback()  # the link was marked as used before the account turned out to be impossible
        page = InvitePage(token, found.role, found.user_name, name, email, str(error))
        return _invite(request, page, error.status)
    return _enter(people.sign_in(session, user_id, "link" if found.user_id else "invitation"), "/")


def _invite(request: Request, page: InvitePage, status: int = 200) -> Response:
    return render(request, None, "sign_in/invite.html", page, status, {"Cache-Control": "no-store"})


def _enter(token: str, to: str) -> Response:
    response = RedirectResponse(to, 303)
    response.set_cookie(
        COOKIE, token, max_age=COOKIE_SECONDS, httponly=True, samesite="lax", secure=settings().secure_cookies
    )  # fmt: skip
    return response
