"""Every route, whoever wrote it: refuses strangers, forged forms and too low a role. A gap here is a way in."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import event

from app import db
from app.main import create_app
from app.models import Role
from app.services import people
from app.web.deps import SAFE_METHODS, RequireRole
from app.web.templating import NAV
from tests.conftest import SignedIn, SignInAs

PUBLIC = {
    ("GET", "/health"), ("HEAD", "/health"), ("GET", "/sign-in"), ("POST", "/sign-in"), ("GET", "/invite/{token}"),
    ("POST", "/invite/{token}"),
}  # fmt: skip
"""What a stranger may ask for, besides static files."""

BELOW = {Role.ADMIN: Role.RESEARCHER, Role.RESEARCHER: Role.ANNOTATOR}
one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    url: str
    role: Role | None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def changes(self) -> bool:
        return self.method not in SAFE_METHODS


def roles(dependant: Dependant) -> Iterator[Role]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, RequireRole):
            yield inner.call.role
        yield from roles(inner)


def example(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return str(get_args(annotation)[0])
    return "1" if annotation is int else "x"


def all_routes() -> list[Route]:
    found = []
    for context in iter_route_contexts(create_app().routes):
        dependant: Dependant | None = getattr(context.original_route, "dependant", None)
        if dependant is None or context.path is None:
            continue
        url = context.path
        for field in dependant.path_params:
            url = url.replace("{" + field.alias + "}", example(field.field_info.annotation))
        needed = min(roles(context.dependant), key=lambda role: -people.RANK[role], default=None)
        found += [Route(method, context.path, url, needed) for method in sorted(context.methods or ())]
    return found


ROUTES = all_routes()
PRIVATE = [route for route in ROUTES if (route.method, route.path) not in PUBLIC]
CHANGING = [route for route in PRIVATE if route.changes]
RESTRICTED = [route for route in PRIVATE if route.role in BELOW]
API_CHANGING = [route for route in CHANGING if route.path.startswith("/api/")]


def test_the_walk_sees_the_routes() -> None:
    paths = {route.path for route in ROUTES}
    assert {"/people", "/people/{user_id}/role", "/sign-out", "/api/v1/openapi.json", "/health"} <= paths
    assert all("{" not in route.url for route in ROUTES)
    assert {(route.method, route.path) for route in ROUTES} >= PUBLIC


@pytest.mark.parametrize("route", PRIVATE, ids=str)
def test_every_route_declares_a_role(route: Route) -> None:
    assert route.role is not None


@one_engine
@pytest.mark.parametrize("route", PRIVATE, ids=str)
def test_a_stranger_is_refused(client: TestClient, route: Route) -> None:
    answer = client.request(route.method, route.url)
    if answer.status_code == 303:
        assert not route.changes
        assert answer.headers["location"].startswith("/sign-in")
    else:
        assert answer.status_code == 401


@one_engine
@pytest.mark.parametrize("route", CHANGING, ids=str)
def test_a_forged_form_is_refused(admin: SignedIn, route: Route) -> None:
    """Another site can make an admin's browser send a request, but not with the session's CSRF token."""
    for forged in (b"", b"0" * 64, b"\xe9"):
        answer = admin.request(route.method, route.url, headers={b"X-CSRF-Token": forged})
        assert answer.status_code == 403
        assert "CSRF" in answer.text


@one_engine
@pytest.mark.parametrize("route", RESTRICTED, ids=str)
def test_too_low_a_role_is_refused(sign_in_as: SignInAs, route: Route) -> None:
    assert route.role is not None
    answer = sign_in_as(BELOW[route.role]).request(route.method, route.url)
    assert answer.status_code == 403
    assert f"needs the role {route.role}" in answer.text


@one_engine
@pytest.mark.parametrize("route", API_CHANGING, ids=str)
def test_scripts_need_a_token_only(client: TestClient, admin: SignedIn, route: Route) -> None:
    with db.unit_of_work() as session:
        token = people.create_api_token(session, admin.user_id, "script")
    answer = client.request(route.method, route.url, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code not in (401, 403)


@one_engine
def test_openapi_lists_the_api_and_nothing_else(client: TestClient, annotator: SignedIn) -> None:
    with db.unit_of_work() as session:
        token = people.create_api_token(session, annotator.user_id, "script")
    answer = client.get("/api/v1/openapi.json", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    api = {route.path for route in ROUTES if route.path.startswith("/api/v1/")} - {"/api/v1/openapi.json"}
    assert set(answer.json()["paths"]) == api


@one_engine
def test_api_tokens_open_no_pages(client: TestClient, admin: SignedIn) -> None:
    """A leaked token must not be enough to make more tokens, change roles or read the settings."""
    with db.unit_of_work() as session:
        token = people.create_api_token(session, admin.user_id, "leaked")
    for route in PRIVATE:
        if not route.path.startswith(("/api/", "/files/")):
            answer = client.request(route.method, route.url, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code in (303, 401), route


def test_navigation_leads_to_pages() -> None:
    readable = {route.path: route.role for route in ROUTES if route.method == "GET"}
    for item in NAV:
        assert item.path in readable, f"{item.title} leads nowhere"
        needed = readable[item.path]
        assert needed is not None
        assert all(people.may(role, needed) for role in item.roles), f"{item.title} is shown to people it refuses"


@one_engine
def test_a_request_finds_its_session_with_one_statement(admin: SignedIn) -> None:
    statements: list[str] = []
    event.listen(db.engine(), "before_cursor_execute", lambda *call: statements.append(call[2]))
    assert admin.get("/settings").status_code == 200  # a page that reads nothing else
    assert len([statement for statement in statements if statement != "BEGIN"]) == 1
