"""One-time links on both engines: an invitation lets in one person once, and `ggt up` always finds a way in."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import func, select, update
from sqlmodel import col

from app import db
from app.models import Invitation, User, utcnow
from app.services import invitations, people
from tests import factories
from tests.conftest import SignedIn
from tests.integration.test_people import PASSWORD, actions, ada, sign_in

__all__ = ["ada"]  # a fixture


# --- invitations ----------------------------------------------------------------------------------------------------


def invited(admin: SignedIn, role: str = "annotator", email: str = "") -> str:
    page = admin.post("/people/invitations", data={"role": role, "email": email})
    assert page.status_code == 200
    return page.text.split("/invite/")[1].split('"')[0]


NEWCOMER = {"name": "Eve", "email": "Eve@example.org", "password": PASSWORD}


def test_an_invitation_makes_an_account_once(admin: SignedIn, client: TestClient) -> None:
    token = invited(admin, "researcher", "eve@example.org")
    assert token not in admin.get("/people").text  # shown once
    for _ in range(2):  # mail scanners look at links
        page = client.get(f"/invite/{token}")
        assert page.status_code == 200
        assert page.headers["cache-control"] == "no-store"
        assert "researcher" in page.text
    assert client.post(f"/invite/{token}", data=NEWCOMER).status_code == 303
    assert client.get("/account").status_code == 200
    assert client.get("/people").status_code == 403
    assert client.get(f"/invite/{token}").status_code == 404
    assert client.post(f"/invite/{token}", data=NEWCOMER | {"email": "x@example.org"}).status_code == 404
    with db.reading() as session:
        eve = session.execute(select(User).where(col(User.email) == "eve@example.org")).scalar_one()
    assert (eve.name, eve.role) == ("Eve", "researcher")
    assert actions()[-4:] == ["sign_in.begun", "invitation.created", "invitation.accepted", "sign_in.begun"]


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("password", "short", "10 to 200"), ("password", "x" * 201, "10 to 200"), ("email", "nobody", "e-mail"),
        ("email", "a@b@c", "e-mail"), ("email", "a" * 260 + "@b.c", "e-mail"), ("name", "   ", "1 to 100"),
        ("name", "x" * 101, "1 to 100"), ("email", "taken@example.org", "already has an account"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
def test_a_mistake_does_not_use_the_invitation_up(
    admin: SignedIn, client: TestClient, field: str, value: str, problem: str
) -> None:
    with db.unit_of_work() as session:
        factories.make_user(session, email="taken@example.org")
    token = invited(admin)
    answer = client.post(f"/invite/{token}", data=NEWCOMER | {field: value})
    assert answer.status_code in (409, 422)
    assert problem in answer.text
    assert client.post(f"/invite/{token}", data=NEWCOMER).status_code == 303


def test_of_two_who_open_one_link_at_once_one_gets_in(web: FastAPI, admin: SignedIn) -> None:
    token = invited(admin)

    def accept(number: int) -> int:
        one = TestClient(web, follow_redirects=False)
        return one.post(f"/invite/{token}", data=NEWCOMER | {"email": f"e{number}@example.org"}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(accept, range(4))) == [303, 404, 404, 404]
    with db.reading() as session:
        assert session.execute(select(func.count()).select_from(User)).scalar_one() == 2


def test_revoked_and_expired_invitations_are_worthless(admin: SignedIn, client: TestClient) -> None:
    token = invited(admin)
    with db.reading() as session:
        (waiting,) = invitations.pending(session)
    assert admin.post(f"/people/invitations/{waiting.id}/revoke").status_code == 303
    assert client.get(f"/invite/{token}").status_code == 404
    assert admin.post(f"/people/invitations/{waiting.id}/revoke").status_code == 404
    late = invited(admin)
    with db.unit_of_work() as session:
        days = session.execute(select(Invitation).order_by(col(Invitation.id).desc())).scalars().first()
        assert days is not None
        assert timedelta(days=6, hours=23) < days.expires_at - utcnow() < timedelta(days=7, seconds=1)
        session.execute(update(Invitation).values(expires_at=utcnow() - timedelta(seconds=1)))
    assert client.post(f"/invite/{late}", data=NEWCOMER).status_code == 404


# --- sign-in links --------------------------------------------------------------------------------------------------


def test_the_first_start_makes_an_admin_and_each_start_one_fresh_link(client: TestClient) -> None:
    with db.unit_of_work() as session:
        first = invitations.admin_link(session, "http://lab:8000/")
    with db.unit_of_work() as session:
        second = invitations.admin_link(session, "http://lab:8000/")
    assert first.startswith("http://lab:8000/invite/")
    path = second.removeprefix("http://lab:8000")
    assert client.get(first.removeprefix("http://lab:8000")).status_code == 404  # superseded
    assert "Sign in as admin" in client.get(path).text
    assert client.post(path).status_code == 303
    assert client.get("/people").status_code == 200
    assert client.post(path).status_code == 404
    with db.reading() as session:
        (only,) = people.everyone(session)
    assert (only.email, only.role) == ("admin@localhost", "admin")


def test_a_shut_out_first_admin_comes_back_when_no_other_is_left(database: str) -> None:
    with db.unit_of_work() as session:
        invitations.admin_link(session, "http://lab")
        session.execute(update(User).values(active=False))
    with db.unit_of_work() as session:
        invitations.admin_link(session, "http://lab")
        (only,) = people.everyone(session)
        assert only.active


def test_a_forgotten_password_is_replaced_by_a_link(admin: SignedIn, client: TestClient, ada: int) -> None:
    page = admin.post(f"/people/{ada}/link")
    path = "/invite/" + page.text.split("/invite/")[1].split('"')[0]
    assert client.post(path, data={"password": "short"}).status_code == 422
    assert client.post(path, data={"password": "a new password"}).status_code == 303
    assert sign_in(client) == 401
    assert sign_in(client, password="a new password") == 303


def test_a_link_for_somebody_shut_out_does_not_work(admin: SignedIn, client: TestClient, ada: int) -> None:
    page = admin.post(f"/people/{ada}/link")
    path = "/invite/" + page.text.split("/invite/")[1].split('"')[0]
    assert admin.post(f"/people/{ada}/deactivate").status_code == 303
    assert client.post(path).status_code == 404
    assert admin.post(f"/people/{ada}/link").status_code == 404
