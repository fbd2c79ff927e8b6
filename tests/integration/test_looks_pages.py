"""Looks and single photographs without a script: forms, filters, who may what, and the pictures that are sent."""

import re
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event
from sqlmodel import col, select

from app import db
from app.imaging import decode, encode_png
from app.models import Look, Patch, SourceFile
from app.services import look_list, pictures
from app.storage import storage
from tests import factories
from tests.conftest import SignedIn

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def photographs(number: int = 3, category: str = "rain") -> list[int]:
    with db.unit_of_work() as session:
        source = factories.make_source(session, category)
        return [factories.make_photograph(session, category=category, source=source).id or 0 for _ in range(number)]


def looked() -> dict[int, tuple[str, str]]:
    with db.reading() as session:
        return {file.id or 0: (file.look, file.look_reason) for file in session.exec(select(SourceFile))}


def test_ticked_photographs_are_decided_on_and_taken_back(annotator: SignedIn) -> None:
    ids = photographs()
    page = annotator.get("/looks").text
    assert page.count('class="tick"') == 3
    answer = annotator.post("/looks", data={"answer": "duplicate", "photo": ids[:2], "query": "?category=rain"})
    assert answer.status_code == 303
    back = answer.headers["location"]
    assert back == f"/looks?category=rain&did=duplicate&ids={ids[0]},{ids[1]}&late=0"
    assert looked()[ids[1]] == ("discarded", "duplicate")
    page = annotator.get(back).text
    assert "Duplicate: 2." in page
    assert page.count(f'name="photo" value="{ids[0]}"') == 1
    assert annotator.post("/looks", data={"answer": "waiting", "photo": ids[:2]}).status_code == 303
    assert set(looked().values()) == {("waiting", "")}
    answer = annotator.post("/looks", data={"answer": "rest", "photo": ids[:1], "shown": ids})
    assert [looked()[one][0] for one in ids] == ["waiting", "kept", "kept"]
    assert "Kept: 2." in annotator.get(answer.headers["location"]).text
    with db.reading() as session:
        states = [patch.state for patch in session.exec(select(Patch).order_by(col(Patch.id)))]
    assert states == ["held", "waiting", "waiting"]


def test_a_script_is_told_who_was_late(annotator: SignedIn, admin: SignedIn) -> None:
    ids = photographs()
    assert admin.post("/looks", data={"answer": "keep", "photo": ids[:1]}).status_code == 303
    json = {"Accept": "application/json"}
    told = annotator.post("/looks", data={"answer": "other", "photo": ids[:2]}, headers=json).json()
    assert told["done"] == [ids[1]]
    assert [one["id"] for one in told["late"]] == [ids[0]]
    assert "was faster" in told["late"][0]["told"]
    again = annotator.post("/looks", data={"answer": "other", "photo": ids[1:2]}, headers=json).json()
    assert again == {"done": [ids[1]], "late": []}, "sent twice, it counts once"
    back = annotator.post("/looks", data={"answer": "waiting", "photo": ids[:1]}, headers=json).json()
    assert [one["id"] for one in back["late"]] == [ids[0]], "somebody else's look"
    assert admin.post("/looks", data={"answer": "waiting", "photo": ids}, headers=json).json()["done"] == ids
    assert annotator.post("/looks", data={"answer": "perhaps", "photo": ids}, headers=json).status_code == 400
    assert annotator.post("/looks", data={"answer": "keep", "photo": [99]}, headers=json).status_code == 404
    late = annotator.get("/looks?did=keep&ids=&late=2").text
    assert "2 left alone" in late


def test_filters_stand_in_the_address(annotator: SignedIn) -> None:
    rain, snow = photographs(2), photographs(1, "snow")
    with db.unit_of_work() as session:
        look_list.decide(session, annotator.user_id, rain[:1], "unsafe")

    def listed(query: str) -> list[int]:
        return [int(number) for number in re.findall(r'id="photo-(\d+)"', annotator.get(f"/looks{query}").text)]

    assert listed("") == [rain[1], *snow]
    assert listed("?category=snow") == listed("?source=2") == snow
    assert listed("?state=discarded") == rain[:1]
    page = annotator.get("/looks?state=discarded").text
    assert "Private or unsafe, Annotator" in page
    assert 'value="rest"' not in page, "what was discarded is not kept by one key"
    assert "No photograph here" in annotator.get("/looks?state=kept").text
    for wrong in ("?state=x", "?category=x", "?source=x"):
        assert annotator.get(f"/looks{wrong}").status_code == 400


@one_engine
def test_pages_follow_each_other(annotator: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.looks.PAGE_SIZE", 2)
    ids = photographs(5)
    page, seen = annotator.get("/looks?category=rain").text, []
    while True:
        seen += [int(number) for number in re.findall(r'id="photo-(\d+)"', page)]
        more = re.search(r'data-part="([^"]+)"', page)
        if more is None:
            break
        page = annotator.get(more[1].replace("&amp;", "&")).text
        assert "<html" not in page
    assert seen == ids


@one_engine
def test_an_empty_list_says_what_to_do(annotator: SignedIn, researcher: SignedIn) -> None:
    assert 'href="/ingest"' in researcher.get("/looks").text
    assert 'href="/patches"' in annotator.get("/looks").text
    ids = photographs(1)
    with db.unit_of_work() as session:
        look_list.decide(session, annotator.user_id, ids, "keep")
    assert "Every photograph has been looked at" in researcher.get("/looks").text
    assert 'href="/patches/screen"' in researcher.get("/looks").text


@one_engine
def test_a_photographs_page_tells_all_and_leads_on(annotator: SignedIn, researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        file = factories.make_photograph(
            session, Look.WAITING, patches=2, author="Ada <b>", url="https://example.org/1", keywords=["rain"],
            author_url="https://example.org/ada",
        )  # fmt: skip
        photo_id, source_id = file.id or 0, file.source_id
    page = annotator.get(f"/looks/{photo_id}").text
    for told in ("Ada &lt;b&gt;", "https://example.org/1", "Its patches", "held", "CC0 1.0", 'value="no_artifact"',
                 'href="https://example.org/ada"'):  # fmt: skip
        assert told in page, told
    assert f'href="/sources/{source_id}"' not in page, "annotators may not go there"
    assert f'href="/sources/{source_id}"' in researcher.get(f"/looks/{photo_id}").text
    part = annotator.get(f"/looks/{photo_id}", headers={"HX-Request": "true"}).text
    assert "<html" not in part
    assert annotator.get("/looks/99").status_code == 404


@one_engine
def test_a_large_picture_is_made_when_it_is_asked_for(annotator: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "LARGE_SIDE", 32)
    [photo_id] = photographs(1)
    answer = annotator.get(f"/files/photographs/{photo_id}/large")
    assert answer.headers["content-type"] == "image/webp"
    assert "immutable" in answer.headers["cache-control"]
    assert decode(answer.content, pictures._ANY_SIZE).pixels.shape == (32, 32, 3)
    known = annotator.get(f"/files/photographs/{photo_id}/large", headers={"If-None-Match": answer.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
    small = annotator.get(f"/files/photographs/{photo_id}/thumbnail")
    assert small.headers["content-type"] == "image/webp"
    assert annotator.get("/files/photographs/99/large").status_code == 404
    with db.unit_of_work() as session:
        image = factories.make_image(session)  # its photograph has no thumbnail of its own
        file_id = image.source_file_id
    assert annotator.get(f"/files/photographs/{file_id}/thumbnail").content == storage().get(image.thumbnail_sha256)


@one_engine
def test_a_patchs_pixels_are_those_of_its_photograph(annotator: SignedIn) -> None:
    pixels = factories.picture(5, 96)
    with db.unit_of_work() as session:
        file = factories.make_photograph(session, "", side=96, patches=2)
        file.file_sha256 = storage().put(encode_png(pixels))
        first, second = session.exec(select(Patch).order_by(col(Patch.id)))
        second.resized_width, second.resized_height = 48, 48
        second.box_y, second.box_width, second.box_height = 8, 32, 32
        ids = [first.id, second.id]
    whole = annotator.get(f"/files/patches/{ids[0]}/file")
    assert whole.headers["content-type"] == "image/png"
    assert "immutable" in whole.headers["cache-control"]
    assert np.array_equal(decode(whole.content, pictures._ANY_SIZE).pixels, pixels[:48])
    reduced = decode(annotator.get(f"/files/patches/{ids[1]}/file").content, pictures._ANY_SIZE).pixels
    assert reduced.shape == (32, 32, 3)
    preview = annotator.get(f"/files/patches/{ids[0]}/thumbnail")
    assert preview.headers["cache-control"] == "private, max-age=60", "screening makes a better one"
    assert decode(preview.content, pictures._ANY_SIZE).pixels.shape == (16, 32, 3)
    with db.unit_of_work() as session:
        session.get_one(Patch, ids[0]).thumbnail_sha256 = storage().put(preview.content + b"\0")
    assert "immutable" in annotator.get(f"/files/patches/{ids[0]}/thumbnail").headers["cache-control"]
    assert annotator.get("/files/patches/99/file").status_code == 404


@one_engine
@pytest.mark.parametrize("path", ["/", "/looks", "/looks?category=rain", "/looks/tiles?state=kept"])
def test_photographs_that_wait_are_found_by_their_index(annotator: SignedIn, path: str) -> None:
    """SQLite uses a partial index only where the statement itself says its condition; it would read the whole table."""
    photographs(1)
    sent: list[tuple[str, Any]] = []
    event.listen(db.engine(), "before_cursor_execute", lambda *call: sent.append((call[2], call[3])))
    assert annotator.get(path).status_code == 200
    found = [(statement, given) for statement, given in sent if "source_file.look = ?" in statement]
    assert found
    for statement, given in found:
        with db.engine().connect() as connection:
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all())
        assert "ix_source_file_look (look=?" in plan, plan
