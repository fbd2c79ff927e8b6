"""People on both engines: who gets in, who does not, and that the door always has a keyholder."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select, update
from sqlmodel import col

from app import db
from app.config import settings
from app.errors import Conflict, GgtError, NotFound
from app.main import create_app
from app.models import Event, Role, SignIn, utcnow
from app.security import csrf_token, hash_password, hash_token
from app.services import people
from tests import factories
from tests.conftest import SignedIn, SignInAs, forget

PASSWORD = "correct horse battery"


@cache
def password_hash() -> str:
    return hash_password(PASSWORD)


def sign_in(client: TestClient, email: str = "ada@example.org", password: str = PASSWORD, **headers: str) -> int:
    return client.post("/sign-in", data={"email": email, "password": password}, headers=headers).status_code


@pytest.fixture
def ada(database: str) -> int:
    with db.unit_of_work() as session:
        return factories.make_user(session, Role.ADMIN, "Ada", "ada@example.org", password_hash())


def actions() -> list[str]:
    with db.reading() as session:
        return list(session.execute(select(col(Event.action)).order_by(col(Event.id))).scalars())


# --- passwords ------------------------------------------------------------------------------------------------------


def test_signing_in_and_out(client: TestClient, ada: int) -> None:
    answer = client.post("/sign-in", data={"email": " Ada@Example.org ", "password": PASSWORD, "next": "/people"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie
    token = client.cookies["ggt_session"]
    with db.reading() as session:
        assert session.execute(select(col(SignIn.token_hash))).scalars().all() == [hash_token(token)]
    assert client.get("/people").status_code == 200
    out = client.post("/sign-out", data={"csrf": csrf_token(hash_token(token))})
    assert out.headers["location"] == "/sign-in"
    client.cookies.set("ggt_session", token)  # a copy that somebody kept
    assert client.get("/people").status_code == 303
    assert actions() == ["sign_in.begun", "sign_in.ended"]


def test_https_cookies_are_secure(ada: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_SECURE_COOKIES", "1")
    forget()
    client = TestClient(create_app(), follow_redirects=False)
    answer = client.post("/sign-in", data={"email": "ada@example.org", "password": PASSWORD})
    assert "; secure" in answer.headers["set-cookie"].lower()


def test_nobody_learns_which_addresses_have_accounts(client: TestClient, ada: int) -> None:
    wrong = client.post("/sign-in", data={"email": "ada@example.org", "password": "wrong password"})
    unknown = client.post("/sign-in", data={"email": "eve@example.org", "password": "wrong password"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("ada@", "X@") == unknown.text.replace("eve@", "X@")
    assert "ggt_session" not in client.cookies


@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
def test_an_unknown_address_costs_a_hash_as_well(ada: int, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def verify(password: str, known: str) -> bool:
        checked.append(known)
        return False

    monkeypatch.setattr(people, "verify_password", verify)
    with db.reading() as session:
        assert people.check_password(session, "ada@example.org", "x") is None
        assert people.check_password(session, "eve@example.org", "x") is None
    assert checked == [password_hash(), ""]  # verify_password hashes for an empty one too


@pytest.mark.parametrize("password", ["", "x" * 100_000, "\x00", "passwörd"])
def test_odd_passwords_are_only_wrong(client: TestClient, ada: int, password: str) -> None:
    assert sign_in(client, password=password) == 401


def test_people_without_a_password_cannot_sign_in_with_an_empty_one(client: TestClient) -> None:
    with db.unit_of_work() as session:
        factories.make_user(session, Role.ADMIN, "Bob", "bob@example.org")
    assert sign_in(client, "bob@example.org", "") == 401
    assert sign_in(client, "bob@example.org", "the password of nobody") == 401


def test_guessing_is_slowed_down_per_address(client: TestClient, ada: int) -> None:
    with db.unit_of_work() as session:
        factories.make_user(session, Role.ADMIN, "Bob", "bob@example.org", password_hash())
        for _ in range(people.FAILURES_PER_MINUTE - 1):
            people.note_failure(session, "ADA@example.org")
    assert sign_in(client, password="one more guess") == 401
    assert sign_in(client) == 429  # even the right one
    assert sign_in(client, "bob@example.org") == 303  # others are not locked out
    with db.unit_of_work() as session:
        session.execute(update(Event).values(at=utcnow() - timedelta(seconds=61)))
    assert sign_in(client) == 303


def test_a_sign_in_form_on_another_site_is_refused(client: TestClient, ada: int) -> None:
    """It would sign a visitor in as somebody else, who then sees what they do."""
    assert sign_in(client, **{"Sec-Fetch-Site": "cross-site"}) == 403
    assert sign_in(client, **{"Sec-Fetch-Site": "same-site"}) == 403
    assert sign_in(client, Origin="https://evil.example") == 403
    assert sign_in(client, Origin="null") == 403
    assert sign_in(client, Origin="http://testserver") == 303
    assert sign_in(client, **{"Sec-Fetch-Site": "same-origin", "Origin": "http://testserver"}) == 303


# --- sessions -------------------------------------------------------------------------------------------------------


def test_a_session_lasts_while_it_is_used(admin: SignedIn) -> None:
    def ends_in(remaining: timedelta) -> None:
        with db.unit_of_work() as session:
            session.execute(update(SignIn).values(expires_at=utcnow() + remaining))

    ends_in(timedelta(days=3))
    assert admin.get("/settings").status_code == 200
    with db.reading() as session:
        assert session.execute(select(col(SignIn.expires_at))).scalar_one() > utcnow() + timedelta(days=13)
    ends_in(timedelta(seconds=-1))
    assert admin.get("/settings").status_code == 303


def test_a_changed_role_counts_at_once(admin: SignedIn, sign_in_as: SignInAs) -> None:
    other = sign_in_as(Role.ADMIN)
    assert other.get("/people").status_code == 200
    assert admin.post(f"/people/{other.user_id}/role", data={"role": "annotator"}).status_code == 303
    assert other.get("/people").status_code == 403


def test_csrf_tokens_of_other_sessions_do_not_work(admin: SignedIn, annotator: SignedIn) -> None:
    answer = admin.post("/account/tokens", data={"name": "x"}, headers={"X-CSRF-Token": annotator.csrf})
    assert answer.status_code == 403


def test_the_token_may_come_in_the_form(admin: SignedIn) -> None:
    del admin.headers["X-CSRF-Token"]
    assert admin.post("/account/tokens", data={"name": "x", "csrf": "wrong"}).status_code == 403
    assert admin.post("/account/tokens", data={"name": "x", "csrf": admin.csrf}).status_code == 200
    answer = admin.post("/account/tokens", data={"name": "x"}, files={"csrf": ("csrf", admin.csrf.encode())})
    assert answer.status_code == 403  # a file named csrf is no token


# --- accounts -------------------------------------------------------------------------------------------------------


def test_deactivating_ends_sessions_and_tokens(admin: SignedIn, annotator: SignedIn, client: TestClient) -> None:
    with db.unit_of_work() as session:
        token = people.create_api_token(session, annotator.user_id, "script")
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/openapi.json", headers=bearer).status_code == 200
    assert admin.post(f"/people/{annotator.user_id}/deactivate").status_code == 303
    assert annotator.get("/account").status_code == 303
    assert client.get("/api/v1/openapi.json", headers=bearer).status_code == 401
    assert admin.post(f"/people/{annotator.user_id}/activate").status_code == 303
    assert annotator.get("/account").status_code == 303  # the old session stays ended


def test_the_last_admin_stays(admin: SignedIn, sign_in_as: SignInAs) -> None:
    me = admin.user_id
    for path, data in ((f"/people/{me}/deactivate", {}), (f"/people/{me}/role", {"role": "researcher"})):
        answer = admin.post(path, data=data)
        assert answer.status_code == 409
        assert "only active admin" in answer.text
    other = sign_in_as(Role.ADMIN)
    assert other.post(f"/people/{me}/deactivate").status_code == 303
    assert other.post(f"/people/{other.user_id}/deactivate").status_code == 409


def test_two_admins_cannot_remove_each_other_at_once(sign_in_as: SignInAs) -> None:
    ids = [sign_in_as(Role.ADMIN).user_id for _ in range(2)]

    def remove(by: int, whom: int) -> bool:
        try:
            with db.unit_of_work() as session:
                people.deactivate(session, by, whom)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(remove, ids, reversed(ids)))
    assert sorted(done) == [False, True]


def test_changing_the_password_signs_other_browsers_out(client: TestClient, web: FastAPI, ada: int) -> None:
    other = TestClient(web, follow_redirects=False)
    assert sign_in(client) == sign_in(other) == 303
    csrf = csrf_token(hash_token(client.cookies["ggt_session"]))
    wrong = client.post("/account/password", data={"csrf": csrf, "current": "not it", "new": "a new password"})
    assert wrong.status_code == 422
    assert "current password" in wrong.text
    right = client.post("/account/password", data={"csrf": csrf, "current": PASSWORD, "new": "a new password"})
    assert right.headers["location"] == "/account?saved=1"
    assert client.get("/account").status_code == 200
    assert other.get("/account").status_code == 303
    assert sign_in(other) == 401
    assert sign_in(other, password="a new password") == 303


def test_api_tokens_are_shown_once_and_can_be_revoked_by_their_owner_only(
    admin: SignedIn, annotator: SignedIn, client: TestClient
) -> None:
    page = annotator.post("/account/tokens", data={"name": "lab script"})
    token = "ggt_" + page.text.split('value="ggt_')[1].split('"')[0]
    assert token not in annotator.get("/account").text
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/openapi.json", headers=bearer).status_code == 200
    with db.reading() as session:
        (row,) = people.api_tokens(session, annotator.user_id)
    assert admin.post(f"/account/tokens/{row.id}/revoke").status_code == 404
    assert annotator.post(f"/account/tokens/{row.id}/revoke").status_code == 303
    assert client.get("/api/v1/openapi.json", headers=bearer).status_code == 401
    for nonsense in ("Bearer", "Bearer ", "Bearer x y", "Basic abc", f"Bearer {hash_token(token)}"):
        assert client.get("/api/v1/openapi.json", headers={"Authorization": nonsense}).status_code == 401


def test_a_names_markup_is_shown_and_not_run(admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        factories.make_user(session, name='<img src=x onerror="alert(1)">')
    assert "<img src=x" not in admin.get("/people").text


def test_settings_hide_passwords(admin: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "environment" in admin.get("/settings").text  # the test's own GGT_DATA_DIR
    monkeypatch.setenv("GGT_REDIS_URL", "redis://:s3cret@cache:6379/0")
    monkeypatch.setenv("GGT_STORAGE_URL", "s3://bucket/prefix?secret_key=s3cret&region=x")
    settings.cache_clear()
    page = admin.get("/settings").text
    assert "s3cret" not in page
    assert "redis://:•••@cache:6379/0" in page
    assert "region=x" in page


def test_services_name_what_is_missing(database: str) -> None:
    with db.unit_of_work() as session:
        with pytest.raises(NotFound, match="person 99"):
            people.set_role(session, 99, 99, Role.ADMIN)
        with pytest.raises(GgtError, match="no working API token 7"):
            people.revoke_api_token(session, 99, 7)
