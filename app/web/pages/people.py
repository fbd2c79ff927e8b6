"""Who may sign in, with which role, and the invitations that are out. For admins."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.config import settings
from app.models import Invitation, Role, User
from app.services import invitations, people
from app.web.deps import Admin, Reader, Writer
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/people")


@dataclass(frozen=True)
class PeoplePage:
    """``link`` is a new one-time link, shown once; ``link_for`` says whom it lets in."""

    people: list[User]
    invitations: list[Invitation]
    link: str = ""
    link_for: str = ""
    roles: tuple[Role, ...] = tuple(Role)


_DAY = datetime(2026, 1, 2, tzinfo=UTC)
_ADA = User(id=1, email="ada@example.org", name="Ada", role=Role.ADMIN, created_at=_DAY)
_BOB = User(id=2, email="bob@example.org", name="Bob", role=Role.ANNOTATOR, active=False, created_at=_DAY)
_OUT = Invitation(id=1, token_hash="", role=Role.RESEARCHER, email="eve@example.org", created_at=_DAY, expires_at=_DAY)
EXAMPLES = {
    "people/index.html": [
        PeoplePage([_ADA], []),
        PeoplePage([_ADA, _BOB], [_OUT], "http://127.0.0.1:8000/invite/t0ken", "a new annotator"),
    ]
}


@router.get("")
def index(request: Request, viewer: Admin, session: Reader) -> Response:
    return _page(request, viewer, session)


@router.post("/invitations")
def invite(
    request: Request, viewer: Admin, session: Writer, role: Annotated[Role, Form()], email: Annotated[str, Form()] = ""
) -> Response:
    token = invitations.invite(session, viewer.user_id, role, email)
    return _page(request, viewer, session, token, f"{email.strip() or 'a new person'} ({role})")


@router.post("/invitations/{invitation_id}/revoke")
def revoke(viewer: Admin, session: Writer, invitation_id: int) -> Response:
    invitations.revoke(session, viewer.user_id, invitation_id)
    return RedirectResponse("/people", 303)


@router.post("/{user_id}/role")
def set_role(viewer: Admin, session: Writer, user_id: int, role: Annotated[Role, Form()]) -> Response:
    people.set_role(session, viewer.user_id, user_id, role)
    return RedirectResponse("/people", 303)


@router.post("/{user_id}/deactivate")
def deactivate(viewer: Admin, session: Writer, user_id: int) -> Response:
    people.deactivate(session, viewer.user_id, user_id)
    return RedirectResponse("/people", 303)


@router.post("/{user_id}/activate")
def activate(viewer: Admin, session: Writer, user_id: int) -> Response:
    people.activate(session, viewer.user_id, user_id)
    return RedirectResponse("/people", 303)


@router.post("/{user_id}/link")
def sign_in_link(request: Request, viewer: Admin, session: Writer, user_id: int) -> Response:
    token = invitations.sign_in_link(session, viewer.user_id, user_id)
    return _page(request, viewer, session, token, people.user(session, user_id).name)


def _page(request: Request, viewer: Viewer, session: Session, token: str = "", link_for: str = "") -> Response:
    link = invitations.link(settings().base_url, token) if token else ""
    page = PeoplePage(people.everyone(session), invitations.pending(session), link, link_for)
    return render(request, viewer, "people/index.html", page, headers={"Cache-Control": "no-store"})
