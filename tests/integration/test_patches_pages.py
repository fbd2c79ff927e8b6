"""Patches: every state can be browsed, pages join at any filter, people decide by forms, runs start as was told before."""

import re

import pytest
from sqlmodel import Session, col, select

from app import db
from app.catalog.vlms import VLMS
from app.models import Patch, PatchState, Run, SourceFile, table_of
from app.services import patch_list, screening_people
from app.services.collection_counts import PatchGroup
from app.services.patch_list import PatchFilter
from tests import factories
from tests.conftest import SignedIn
from tests.integration.test_pages_queries import statements

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
JSON = {"Accept": "application/json"}


def many(session: Session, number: int = 60) -> None:
    """Patches of three sources in all states, steps and levels, as bare rows."""
    files = [factories.make_photograph(session, "", "snow").id for _ in range(3)]
    rows: list[dict[str, object]] = []
    states = [
        ("out", "artifact", ""), ("out", "content", ""), ("passed", "", "high"), ("passed", "", "low"),
        ("grading", "level", ""),
    ]  # fmt: skip
    for place in range(number):
        state, step, level = states[place % 5]
        rows.append(
            {"source_file_id": files[place % 3], "source_id": place % 3 + 1, "category": ("rain", "haze")[place % 2],
             "box_x": place, "box_y": 0, "box_width": 64, "box_height": 64, "undersized": False, "state": state,
             "step": step, "level": level, "reason": "", "measures": {}, "thumbnail_sha256": "",
             "created_at": session.get_one(SourceFile, files[0]).created_at}
        )  # fmt: skip
    session.execute(table_of(Patch).insert(), rows)


@pytest.mark.parametrize(
    "query",
    [{}, {"state": "out"}, {"state": "passed"}, {"state": "out", "category": "rain"}, {"state": "passed", "level": "low"},
     {"state": "out", "step": "content", "source": "2"}, {"state": "out", "source": "3", "category": "haze"},
     {"state": "held"}],
)  # fmt: skip
def test_pages_join_without_gap_or_double(database: str, query: dict[str, str]) -> None:
    with db.unit_of_work() as session:
        many(session)
    with db.reading() as session:
        groups = patch_list.groups(session)
        found = patch_list.find(groups, PatchFilter.parse(query))
        wanted = found.wanted
        seen: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            with statements() as sent:
                page = patch_list.page(session, groups, wanted, cursor, size=7)
            assert len(sent) <= 1
            seen += [tile.id for tile in page.tiles]
            cursor = page.next_cursor
        rows = session.exec(select(Patch).where(col(Patch.state) == wanted.state)).all()
    expected = [
        row.id for row in rows
        if wanted.category in ("", row.category) and wanted.source in (0, row.source_id)
        and wanted.step in ("", row.step) and wanted.level in ("", row.level)
    ]  # fmt: skip
    assert sorted(seen) == sorted(one for one in expected if one is not None)
    assert found.total == len(expected)


@one_engine
def test_a_page_reads_no_more_groups_than_it_needs(database: str) -> None:
    groups = [PatchGroup(1, "rain", "out", f"step {number:03}", "", 1) for number in range(600)]
    with db.reading() as session, statements() as seen:
        assert patch_list.page(session, groups, PatchFilter("out")).tiles == ()
    assert seen[0].count("UNION ALL") == 3 * patch_list.PAGE_SIZE


@one_engine
def test_every_state_can_be_browsed_and_says_why(annotator: SignedIn) -> None:
    with db.unit_of_work() as session:
        for state in PatchState:
            step = "artifact" if state == "out" else ""
            factories.make_patch(session, state, step=step, reason="no rain <seen>" if state == "out" else "")
        out = session.exec(select(Patch).where(col(Patch.state) == "out")).one()
        out.measures = {**out.measures, "artifact": 12.34, "asked_by": "gemini/1", "why": {"artifact_visible": "dry <b>"}}
        out_id = out.id
    for state in PatchState:
        page = annotator.get(f"/patches?state={state}").text
        assert page.count('class="cell"') == 1, state
    assert 'name="answer"' not in annotator.get("/patches?state=waiting").text
    assert "Unsafe or private <kbd>X" in annotator.get("/patches").text, "flagged ones come first"
    page = annotator.get("/patches?state=out&step=artifact").text
    assert "no rain &lt;seen&gt;" in page
    about = annotator.get(f"/patches/{out_id}", headers={"HX-Request": "true"}).text
    for told in ("no rain &lt;seen&gt;", "12.34", "gemini/1", "dry &lt;b&gt;", "Artifact"):
        assert told in about, told
    assert "Nothing was measured" in annotator.get(f"/patches/{out_id + 1 if out_id else 0}").text
    assert annotator.get("/patches/999").status_code == 404
    for wrong in ("?state=x", "?category=x", "?source=x", "?step=x", "?level=x", "?state=out&after=%21"):
        assert annotator.get(f"/patches{wrong}").status_code == 400, wrong


def test_people_grade_and_decide_by_forms(annotator: SignedIn, admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        graded = [factories.make_patch(session, "grading", step="level").id or 0 for _ in range(3)]
        flagged = [factories.make_patch(session, "flagged", step="unsafe").id or 0 for _ in range(2)]
    answer = annotator.post("/patches", data={"answer": "low", "patch": graded[:2], "query": "?state=grading"})
    assert answer.headers["location"] == f"/patches?state=grading&did=low&ids={graded[0]},{graded[1]}&late=0"
    assert "Low: 2." in annotator.get(answer.headers["location"]).text
    told = admin.post("/patches", data={"answer": "high", "patch": graded}, headers=JSON).json()
    assert told["done"] == graded[2:]
    assert {one["id"] for one in told["late"]} == set(graded[:2])
    assert annotator.post("/patches", data={"answer": "undo", "patch": graded[:2]}, headers=JSON).json()["late"] == []
    assert annotator.post("/patches", data={"answer": "undo", "patch": graded[2:]}, headers=JSON).json()["done"] == []
    assert annotator.post("/patches", data={"answer": "safe", "patch": flagged[:1]}, headers=JSON).json()["late"] == []
    assert annotator.post("/patches", data={"answer": "unsafe", "patch": flagged[1:]}, headers=JSON).json()["late"] == []
    with db.reading() as session:
        states = {row.id: (row.state, row.level) for row in session.exec(select(Patch))}
    assert [states[one] for one in graded] == [("grading", ""), ("grading", ""), ("passed", "high")]
    assert [states[one][0] for one in flagged] == ["passed", "out"]
    assert annotator.post("/patches", data={"answer": "fine", "patch": graded}, headers=JSON).status_code == 400
    assert annotator.post("/patches", data={"answer": "low", "patch": [999]}, headers=JSON).status_code == 404


@one_engine
def test_empty_lists_say_what_to_do(annotator: SignedIn, researcher: SignedIn) -> None:
    assert 'href="/ingest"' in researcher.get("/patches").text
    assert 'href="/ingest"' not in annotator.get("/patches").text
    with db.unit_of_work() as session:
        factories.make_patch(session, "out")
    assert "No patch here" in researcher.get("/patches?state=flagged").text
    assert "Clear filters" in researcher.get("/patches?state=out&category=snow").text


def started(kind: str) -> Run:
    with db.reading() as session:
        return session.exec(select(Run).where(col(Run.kind) == kind)).one()


@one_engine
def test_screening_starts_with_the_limits_of_the_form(researcher: SignedIn, annotator: SignedIn) -> None:
    with db.unit_of_work() as session:
        source = factories.make_source(session)
        factories.make_photograph(session, "", "rain", source)
    page = researcher.get("/patches/screen?category=rain").text
    assert "1 patch will be screened." in page
    assert 'name="limit.artifact.measure.least.artifact" value="25"' in page
    form = {
        "category": "rain", "source": str(source.id), "who.artifact": "measure", "who.unsafe": "person",
        "limit.artifact.measure.least.artifact": "30,5", "limit.degraded.measure.most.grain": "",
        "limit.artifact.vlm.least.artifact_visible": "70",
    }  # fmt: skip
    told = researcher.post("/patches/screen/estimate", data=form, headers={"HX-Request": "true"}).text
    assert "Free" in told
    assert "<html" not in told
    answer = researcher.post("/patches/screen", data=form)
    run = started("screen")
    assert answer.headers["location"] == f"/runs/{run.id}"
    rules = {rule["step"]: rule for rule in run.params["rules"]["rain"]}
    assert rules["artifact"]["least"] == {"artifact": 30.5}
    assert "grain" not in rules["degraded"]["most"]
    assert rules["unsafe"]["who"] == "person"
    assert (run.params["source_id"], run.params["category"], run.created_by) == (source.id, "rain", researcher.user_id)
    told = annotator.get(f"/runs/{run.id}").text
    for words in (f"source <b>{source.name}</b>", "category <b>Rain</b>", "also what was screened before <b>no</b>",
                  "Artifact at least 30.5", "Blocks at most 8", "A person", "Too degraded"):  # fmt: skip
        assert words in told, words
    for raw in ("Grain", "{&#39;", "source id", "least"):
        assert raw not in told.replace("at least", ""), raw
    for wrong, why in (
        ({"limit.artifact.measure.least.artifact": "much"}, "must be a number"), ({"category": "x"}, "no category"),
        ({"source": "x"}, "no source"), ({"who.artifact": next(iter(VLMS))}, "an admin starts such a run"),
    ):  # fmt: skip
        answer = researcher.post("/patches/screen", data=form | wrong)
        assert answer.status_code in (400, 403)
        assert why in answer.text
    assert annotator.get("/patches/screen").status_code == 403
    assert "No patch waits" in researcher.get("/patches/screen?category=snow").text


@one_engine
def test_all_categories_are_screened_as_each_comes(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        factories.make_photograph(session, "", "rain")
        factories.make_photograph(session, "", "old_photo")
    page = researcher.get("/patches/screen").text
    assert "2 patches will be screened." in page
    assert 'name="limit.' not in page
    assert researcher.post("/patches/screen", data={"who.level": "person"}).status_code == 303
    rules = started("screen").params["rules"]
    assert {rule["who"] for rules_of in rules.values() for rule in rules_of if rule["step"] == "level"} == {"person"}
    assert len(rules) == 6


@one_engine
def test_a_draw_tells_what_it_takes_and_takes_it(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        for level, number in (("high", 4), ("medium", 5), ("low", 6), ("", 1)):
            for _ in range(number):
                factories.make_patch(session, "passed", category="old_photo", level=level)
    page = researcher.get("/patches/draw").text
    assert '<option value="old_photo" selected>Old photo (16 passed)' in page
    assert "12 new images" in page, "2 high, 4 medium, 6 low"
    assert "1 without a level is left" in page
    told = researcher.post(
        "/patches/draw/estimate", data={"category": "old_photo", "most": "6"}, headers={"HX-Request": "true"}
    ).text
    assert "6 new images" in told
    everything = researcher.post("/patches/draw/estimate", data={"category": "old_photo", "everything": "1"}).text
    assert "16 new images" in everything
    answer = researcher.post("/patches/draw", data={"category": "old_photo", "most": "6", "per_photo": "2", "fill": "1"})
    run = started("retain")
    assert answer.headers["location"] == f"/runs/{run.id}"
    assert (run.params["most"], run.params["per_photo"], run.params["fill"]) == (6, 2, True)
    assert run.params["ratio"] == {"high": 1, "medium": 2, "low": 3}
    told = researcher.get(f"/runs/{run.id}").text
    for words in ("category <b>Old photo</b>", "high to medium to low <b>1:2:3</b>", "images in all, at most <b>6</b>",
                  "of one photograph and level, at most <b>2</b>", "where a level has run out <b>the others go on</b>",
                  "seed <b>0</b>"):  # fmt: skip
        assert words in told, words
    assert "draws <b>" not in told
    again = researcher.post("/patches/draw", data={"category": "old_photo"})
    assert (again.status_code, "at present" in again.text) == (409, True)
    wrong = researcher.post("/patches/draw", data={"category": "old_photo", "high": "x"})
    assert (wrong.status_code, "cannot be drawn" in wrong.text) == (400, True)
    assert researcher.post("/patches/draw", data={"category": "nothing"}).status_code == 400


@one_engine
def test_at_most_so_many_at_once(annotator: SignedIn) -> None:
    ids = list(range(1, screening_people.MOST_AT_ONCE + 2))
    assert annotator.post("/patches", data={"answer": "safe", "patch": ids}, headers=JSON).status_code == 422
    assert re.search("500", annotator.post("/patches", data={"answer": "safe", "patch": ids}, headers=JSON).text)
