"""The JSON API: what programs read and start. Same rules as the pages, with a bearer token."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlmodel import col

from app import db
from app.models import ApiToken, Event, Image, ItemState, Role, Run, RunState, Stage, WorkItem
from app.security import hash_token
from tests import factories
from tests.conftest import SignedIn

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


@pytest.fixture
def program(web: FastAPI) -> TestClient:
    """A program with an admin's token, and no cookie."""
    with db.unit_of_work() as session:
        user_id = factories.make_user(session, Role.ADMIN)
        session.add(ApiToken(user_id=user_id, name="test", token_hash=hash_token("secret")))
    return TestClient(web, headers={"Authorization": "Bearer secret"})


def test_a_list_is_paged_to_its_end_with_the_gallerys_filters(program: TestClient) -> None:
    with db.unit_of_work() as session:
        for niqe in (3.0, 4.0, 5.0, 9.0):
            factories.make_candidate(session, metrics={"niqe": niqe, "piqe": None})
    seen, after = [], ""
    while after is not None:
        answer = program.get("/api/v1/images", params={"niqe_max": 6, "sort": "niqe", "limit": 2, "after": after}).json()
        assert (answer["total"], answer["capped"]) == (3, False)
        seen += [item["metrics"]["niqe"] for item in answer["items"]]
        after = answer["next_cursor"]
    assert seen == [3.0, 4.0, 5.0]


@one_engine
def test_an_image_comes_with_its_history_and_its_pixels(program: TestClient) -> None:
    with db.unit_of_work() as session:
        first = factories.make_candidate(session, stage=Stage.JUDGED_OUT)
        image_id = first.image_id
        image = session.get_one(Image, image_id)
        second = factories.make_candidate(session, image, parent=first)
    answer = program.get(f"/api/v1/images/{image_id}").json()
    assert answer["image"]["current_candidate_id"] == second.id
    attempts = answer["chains"][0]["attempts"]
    assert [(a["candidate"]["id"], a["attempt"]) for a in attempts] == [(first.id, 1), (second.id, 2)]
    assert program.get(f"/api/v1/candidates/{second.id}").json()["parent_id"] == first.id
    for kind, media_type in (("master", "image/png"), ("thumbnail", "image/webp")):
        file = program.get(f"/files/images/{image_id}/{kind}")
        assert (file.status_code, file.headers["content-type"]) == (200, media_type)
        assert "immutable" in file.headers["cache-control"]
        again = program.get(f"/files/images/{image_id}/{kind}", headers={"If-None-Match": file.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


@one_engine
def test_a_providers_odd_media_type_is_never_shown_as_a_page(program: TestClient) -> None:
    """A provider that answers with SVG or HTML must not run scripts in a person's browser."""
    with db.unit_of_work() as session:
        candidate = factories.make_candidate(session)
        candidate.media_type = "image/svg+xml"
    file = program.get(f"/files/candidates/{candidate.id}/file")
    assert file.headers["content-type"] == "application/octet-stream"
    assert file.headers["content-disposition"] == "attachment"
    assert file.headers["x-content-type-options"] == "nosniff"


@one_engine
def test_runs_are_started_cancelled_and_resumed_in_somebodys_name(program: TestClient, redis: str) -> None:
    started = program.post("/api/v1/runs", json={"categories": ["rain"]})
    assert started.status_code == 201
    run_id = started.json()["id"]
    assert program.post(f"/api/v1/runs/{run_id}/cancel").json()["cancelled"] == 1
    assert program.post(f"/api/v1/runs/{run_id}/cancel").status_code == 409
    assert program.post(f"/api/v1/runs/{run_id}/resume").json() == {"items": 1}
    assert program.post(f"/api/v1/runs/{run_id}/retry").status_code == 409
    with db.reading() as session:
        actions = session.execute(
            select(col(Event.action), col(Event.user_id)).where(col(Event.subject) == f"run:{run_id}")
        ).all()
    assert {action for action, _ in actions} >= {"run.cancelled", "run.resumed"}
    assert all(user_id is not None for _, user_id in actions)


@one_engine
def test_failed_items_are_told_with_what_to_do_and_retried(program: TestClient, redis: str) -> None:
    with db.unit_of_work() as session:
        run = Run(kind="pipeline", title="a", total=1, failed=1, state=RunState.FINISHED)
        session.add(run)
        session.flush()
        item = WorkItem(
            run_id=run.id or 0, key="a", kind="score", queue="cpu", state=ItemState.FAILED, error="No weights here."
        )
        session.add(item)
    detail = program.get(f"/api/v1/runs/{run.id}").json()
    assert detail["failed"][0]["error"] == "No weights here."
    assert "ggt weights fetch" in detail["failed"][0]["what_to_do"]
    assert program.post(f"/api/v1/runs/{run.id}/retry").json() == {"items": 1}
    assert program.get(f"/api/v1/runs/{run.id}").json()["progress"]["state"] == "running"


@one_engine
def test_mistakes_are_told_in_json(program: TestClient) -> None:
    for path, status in (
        ("/api/v1/images/99", 404), ("/api/v1/images?niqe_max=x", 400), ("/api/v1/images?after=x", 400),
        ("/api/v1/images?limit=0", 422), ("/api/v1/candidates/99", 404), ("/api/v1/runs/99", 404),
    ):  # fmt: skip
        answer = program.get(path)
        assert answer.status_code == status, path
        assert answer.json()["detail"]
    assert program.post("/api/v1/runs", json={"categories": ["x"]}).status_code == 400
    assert program.post("/api/v1/runs", json={"category": "rain"}).status_code == 422


@one_engine
def test_the_overview_agrees_with_the_catalogue(program: TestClient) -> None:
    with db.unit_of_work() as session:
        factories.make_image(session, Stage.VERIFIED, source=factories.make_source(session, "own"))
    assert program.get("/api/v1/funnel").json()["total"]["pairs"] == 1
    assert [source["name"] for source in program.get("/api/v1/sources").json()] == ["own"]
    assert {metric["key"]: metric["better"] for metric in program.get("/api/v1/metrics").json()}["niqe"] == "lower"
    assert all(method["local"] for method in program.get("/api/v1/methods").json() if method["key"].startswith("local-"))
    paths = program.get("/api/v1/openapi.json").json()["paths"]
    assert {"/api/v1/images", "/api/v1/images/{image_id}", "/api/v1/runs", "/api/v1/funnel"} <= set(paths)


@one_engine
def test_a_researcher_looks_but_starts_nothing(researcher: SignedIn) -> None:
    assert researcher.get("/api/v1/funnel").status_code == 200
    assert researcher.post("/api/v1/runs", json={}).status_code == 403
