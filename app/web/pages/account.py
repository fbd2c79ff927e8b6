"""A person's own account: password and API tokens."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.models import ApiToken
from app.services import people
from app.web.deps import COOKIE, AnyViewer, Reader, Writer
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter()


@dataclass(frozen=True)
class AccountPage:
    """``new_token`` is shown once, right after it was made. ``problem`` says why the password was not changed."""

    has_password: bool
    tokens: list[ApiToken]
    new_token: str = ""
    problem: str = ""
    saved: bool = False


_TOKEN = ApiToken(id=3, user_id=1, name="laptop", token_hash="", created_at=datetime(2026, 1, 2, tzinfo=UTC))
EXAMPLES = {
    "account/index.html": [
        AccountPage(False, []),
        AccountPage(True, [_TOKEN], "ggt_t0ken", "The current password is not right.", True),
    ]
}


@router.get("/account")
def account(request: Request, viewer: AnyViewer, session: Reader, saved: bool = False) -> Response:
    return _page(request, viewer, session, saved=saved)


@router.post("/account/password")
def change_password(
    request: Request,
    viewer: AnyViewer,
    reader: Reader,
    session: Writer,
    current: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
) -> Response:
    try:
        people.check_own_password(reader, viewer.user_id, current)
        password_hash = people.checked_password(new)
    except people.Invalid as error:
        return _page(request, viewer, reader, problem=str(error), status=422)
    people.set_password(session, viewer.user_id, password_hash, keep=request.cookies.get(COOKIE, ""))
    return RedirectResponse("/account?saved=1", 303)


@router.post("/account/tokens")
def create_token(request: Request, viewer: AnyViewer, session: Writer, name: Annotated[str, Form()] = "") -> Response:
    token = people.create_api_token(session, viewer.user_id, name)
    return _page(request, viewer, session, new_token=token)


@router.post("/account/tokens/{token_id}/revoke")
def revoke_token(viewer: AnyViewer, session: Writer, token_id: int) -> Response:
    people.revoke_api_token(session, viewer.user_id, token_id)
    return RedirectResponse("/account", 303)


def _page(
    request: Request,
    viewer: Viewer,
    session: Session,
    new_token: str = "",
    problem: str = "",
    saved: bool = False,
    status: int = 200,
) -> Response:
    has_password = bool(people.user(session, viewer.user_id).password_hash)
    page = AccountPage(has_password, people.api_tokens(session, viewer.user_id), new_token, problem, saved)
    return render(request, viewer, "account/index.html", page, status, {"Cache-Control": "no-store"})
