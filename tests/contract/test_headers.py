"""What every answer carries, and where it may send a browser."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app import db
from app.imaging import Limits, decode, pixel_hash
from app.main import create_app
from app.models import Image
from app.security import CONTENT_SECURITY_POLICY, local_path
from tests import factories
from tests.conftest import SignedIn, forget
from tests.contract.test_routes import one_engine

pytestmark = one_engine


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/sign-in", 200), ("/people", 303), ("/nowhere", 404), ("/api/v1/nowhere", 404), ("/api/v1/openapi.json", 401),
        ("/static/css/app.css", 200), ("/static/../pyproject.toml", 404), ("/static/%2e%2e/pyproject.toml", 404),
        ("/health", 200), ("/invite/wrong", 404),
    ],
)  # fmt: skip
def test_protective_headers_are_on_every_answer(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_a_crash_is_answered_with_the_same_headers_and_no_details(web: FastAPI) -> None:
    @web.get("/crash")
    def crash() -> None:
        raise ValueError("the password is hunter2")

    answer = TestClient(web, raise_server_exceptions=False).get("/crash", headers={"Accept": "text/html"})
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


def test_errors_come_in_the_form_that_was_asked_for(admin: SignedIn, client: TestClient) -> None:
    assert admin.get("/people/999").headers["content-type"].startswith("text/html")
    assert admin.get("/api/v1/nowhere").json()["detail"]
    toast = admin.post("/people/999/role", data={"role": "admin"}, headers={"HX-Request": "true"})
    assert toast.status_code == 404
    assert "There is no person 999" in toast.headers["hx-trigger"]
    wrong = admin.post("/people/1/role", data={"role": "king"})
    assert wrong.status_code == 422
    assert "role: Input should be" in wrong.text
    assert admin.post("/people/x/role", data={"role": "admin"}).status_code == 404


def test_an_htmx_request_after_the_session_ended_goes_to_sign_in_and_back(client: TestClient) -> None:
    here = {"HX-Request": "true", "HX-Current-URL": "http://evil.example/images?category=rain"}
    answer = client.get("/people", headers=here)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/sign-in?next=%2Fimages%3Fcategory%3Drain"


@pytest.mark.parametrize(
    "target",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "",
     "evil", "/\t/evil.example", "/\n/evil.example", "/\r/evil", "http:/evil.example", " //evil.example", "/a\\..\\b"],
)  # fmt: skip
def test_sign_in_never_leads_to_another_site(admin: SignedIn, target: str) -> None:
    assert local_path(target) == "/"
    assert admin.get("/sign-in", params={"next": target}).headers["location"] == "/"


def test_sign_in_leads_back_to_the_page_that_was_asked_for(client: TestClient, admin: SignedIn) -> None:
    asked = client.get("/people?a=1&b=2").headers["location"]
    assert asked == "/sign-in?next=%2Fpeople%3Fa%3D1%26b%3D2"
    assert admin.get(asked).headers["location"] == "/people?a=1&b=2"


def test_links_name_the_configured_address(admin: SignedIn) -> None:
    """A forged Host header must not put another site into an invitation link."""
    page = admin.post("/people/invitations", data={"role": "annotator"}, headers={"Host": "evil.example"})
    assert "http://127.0.0.1:8000/invite/" in page.text
    assert "evil.example" not in page.text


def test_hashed_assets_are_kept_and_plain_ones_asked_for_again(client: TestClient) -> None:
    assert "immutable" in client.get("/static/css/app.css?v=0123456789").headers["cache-control"]
    assert client.get("/static/js/app.js").headers["cache-control"] == "no-cache"


def test_images_are_sent_once_and_kept(annotator: SignedIn) -> None:
    """A gallery of 60 pairs is looked at all day: what was seen once must not cross the network again."""
    with db.unit_of_work() as session:
        candidate = factories.make_candidate(session)
        image_id, candidate_id = candidate.image_id, candidate.id
    kept = "private, max-age=31536000, immutable"
    for path in (f"images/{image_id}/thumbnail", f"images/{image_id}/master", f"candidates/{candidate_id}/file"):
        answer = annotator.get(f"/files/{path}")
        assert answer.headers["cache-control"] == kept
        again = annotator.get(f"/files/{path}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", kept)


def test_thumbnails_are_webp_and_what_is_judged_is_lossless(annotator: SignedIn) -> None:
    with db.unit_of_work() as session:
        candidate = factories.make_candidate(session)
        image = session.get_one(Image, candidate.image_id)
    for path in (f"images/{image.id}", f"candidates/{candidate.id}"):
        answer = annotator.get(f"/files/{path}/thumbnail")
        assert (answer.headers["content-type"], answer.content[8:12]) == ("image/webp", b"WEBP")
    master = annotator.get(f"/files/images/{image.id}/master")
    assert master.headers["content-type"] == "image/png"
    pixels = decode(master.content, Limits(max_bytes=2**20, min_side=1)).pixels
    assert pixel_hash(pixels) == image.pixel_sha256, "judged on other pixels than were taken in"


def test_a_thumbnails_address_changes_with_its_pixels(annotator: SignedIn) -> None:
    """It is kept for a year: under the same address the old picture would stay."""
    with db.unit_of_work() as session:
        image = factories.make_image(session)
    address = f"/files/images/{image.id}/thumbnail?v="
    assert address + image.thumbnail_sha256[:8] in annotator.get("/images").text
    with db.unit_of_work() as session:
        session.get_one(Image, image.id).thumbnail_sha256 = "f" * 64
    assert address + "ffffffff" in annotator.get("/images").text


def test_pages_with_personal_state_are_not_shared(admin: SignedIn) -> None:
    assert admin.get("/settings").headers["cache-control"] == "private, no-cache"
    assert admin.get("/people").headers["cache-control"] == "no-store"


def test_a_large_form_is_refused(client: TestClient) -> None:
    answer = client.post("/sign-in", data={"email": "a@b.c", "password": "x" * 1_100_000})
    assert answer.status_code == 413


def test_health_answers_head_and_says_when_the_database_is_gone(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.head("/health").status_code == 200
    forget()
    monkeypatch.setenv("GGT_DATABASE_URL", f"sqlite:///{tmp_path}/no/such/folder/x.sqlite3")
    assert client.get("/health").status_code == 503


def test_https_installations_say_so(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_SECURE_COOKIES", "true")
    forget()
    answer = TestClient(create_app()).get("/sign-in")
    assert "max-age" in answer.headers["strict-transport-security"]
