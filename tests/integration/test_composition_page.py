"""The accounting of one's own collection: the same numbers in the table, the Sankey and both exports; targets."""

import csv
import io
import re
import time

import pytest
from sqlmodel import Session, col, select

from app import db
from app.catalog.targets import TARGETS
from app.models import Event, Patch, SourceFile, Stage
from app.services import collection_counts, composition, targets
from tests import factories
from tests.conftest import SignedIn

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def fill(session: Session) -> None:
    """Two sources: one of two categories with patches in all states, one whose images came without screening."""
    flickr, scans = factories.make_source(session, "Flickr"), factories.make_source(session, "scans")
    states = [("out", "artifact"), ("out", "artifact"), ("out", "content"), ("waiting", ""), ("flagged", "unsafe"),
              ("passed", ""), ("not_drawn", "sampling")]  # fmt: skip
    for state, step in states:
        factories.make_patch(session, state, category="rain", source=flickr, step=step)
    for stage in (Stage.VERIFIED, Stage.VERIFIED, Stage.REJECTED, Stage.COLLECTED):
        image = factories.make_image(session, stage, "snow", flickr)
        file = session.get_one(SourceFile, image.source_file_id)
        session.add(
            Patch(
                source_file_id=file.id or 0, source_id=flickr.id or 0, category="snow", box_x=0, box_y=0, box_width=64,
                box_height=64, state="retained", level="low", image_id=image.id,
            )
        )  # fmt: skip
    factories.make_image(session, Stage.VERIFIED, "haze", scans)
    factories.make_source(session, "empty")


def test_the_table_and_both_exports_say_the_same(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        fill(session)
    with db.reading() as session:
        found = composition.accounting(session)
    rows = {(row.source, row.category): row.cell for row in found.rows}
    rain, snow, haze = rows["Flickr", "rain"], rows["Flickr", "snow"], rows["scans", "haze"]
    assert (rain.photographs, rain.cut, rain.unscreened, rain.screened, rain.passed, rain.not_drawn) == (7, 7, 2, 5, 1, 1)
    assert rain.out == {"artifact": 2, "content": 1}
    assert (snow.photographs, snow.retained, snow.generated, snow.pairs, snow.given_up, snow.under_way) == (4, 4, 3, 2, 1, 1)
    assert (haze.photographs, haze.cut, haze.retained, haze.direct, haze.pairs) == (1, 0, 1, 1, 1)
    assert (found.total.photographs, found.total.retained, found.total.pairs) == (12, 5, 3)
    assert found.steps == ("content", "artifact"), "in the order of screening"
    assert [step.before for step in found.ways["rain"]][:2] == [7, 7]
    told = researcher.get("/composition/export.json").json()
    lines = list(csv.DictReader(io.StringIO(researcher.get("/composition/export.csv").text)))
    assert [{key: str(value) for key, value in row.items()} for row in told["rows"]] == lines
    assert told["total"]["out_artifact"] == 2
    assert told["categories"]["rain"]["target"] == TARGETS["rain"]
    page = researcher.get("/composition").text
    table = page[page.index('id="table"') :]
    for line in lines:
        row = next(row for row in table.split("<tr>") if line["source"] in row and f">{line['category'].title()}<" in row)
        numbers = [int(number.replace(",", "")) for number in re.findall(r'<td class="n[^"]*">([\d,]+)</td>', row)]
        assert numbers == [int(value) for name, value in line.items() if name not in ("source", "category")]


@one_engine
def test_the_sankey_holds_all_that_flows(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        fill(session)
    page = researcher.get("/composition").text
    assert page.count('role="img"') == 2
    for label in ("Flickr", "Rain", "Out: Artifact", "Retained", "Pairs", "Given up", "Being screened"):
        assert re.search(rf">{label} <tspan", page), label
    with db.reading() as session:
        nodes, links = composition.flows(composition.accounting(session), sources=True)
    for node in nodes:
        arriving = sum(link.value for link in links if link.target == node.key)
        leaving = sum(link.value for link in links if link.source == node.key)
        assert node.column == 0 or node.column == 3 or not leaving or arriving == leaving, node


@one_engine
def test_small_sources_share_a_ribbon(database: str) -> None:
    with db.unit_of_work() as session:
        for number in range(13):
            source = factories.make_source(session, f"source {number:02}")
            for _ in range(2 if number < 10 else 1):
                factories.make_image(session, source=source)
    with db.reading() as session:
        nodes, links = composition.flows(composition.accounting(session), sources=True)
    drawn = [node for node in nodes if node.column == 0]
    assert len(drawn) == 11
    assert drawn[-1].title == "3 other sources"
    assert sum(link.value for link in links if link.source == drawn[-1].key) == 3


def test_targets_are_the_papers_until_somebody_sets_others(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        fill(session)
    assert 'value="66058"' in researcher.get("/composition").text
    answer = researcher.post("/composition/targets", data={"category": ["rain", "snow"], "wanted": ["5", "12"]})
    assert answer.status_code == 303
    with db.reading() as session:
        assert targets.current(session) == {**TARGETS, "rain": 5, "snow": 12}
        [event] = session.exec(select(Event).where(col(Event.action) == "targets.changed"))
        assert (event.user_id, event.why) == (researcher.user_id, "Rain 5, Snow 12")
    page = researcher.get("/composition").text
    assert re.search(r"Snow</th>.*?66\.7 %", page, re.DOTALL), "2 of 3 that were decided on"
    assert re.search(r'data-label="more photographs">\s*(\d+)', page)
    wrong = researcher.post("/composition/targets", data={"category": ["rain"], "wanted": ["-1"]})
    assert (wrong.status_code, "from 0 to" in wrong.text) == (400, True)
    assert researcher.post("/composition/targets", data={"paper": "true"}).status_code == 303
    with db.reading() as session:
        assert targets.current(session) == TARGETS


@one_engine
def test_nothing_collected_leads_to_the_ingest(researcher: SignedIn, annotator: SignedIn) -> None:
    page = researcher.get("/composition").text
    assert "Nothing collected yet" in page
    assert 'href="/ingest"' in page
    assert annotator.get("/composition").status_code == 403


@one_engine
def test_an_old_count_is_shown_while_it_is_made_anew(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection_counts, "MANY", 1)
    monkeypatch.setattr(collection_counts, "SHARE", 1e9)  # good for no time

    def counted() -> int:
        with db.reading() as session:
            return sum(group.number for group in collection_counts.patch_groups(session))

    def add() -> None:
        with db.unit_of_work() as session:
            factories.make_patch(session, "out")

    add()
    assert counted() == 1
    add()
    assert counted() == 1, "nobody waits for a count that is only seconds old"
    until = time.monotonic() + 10
    while counted() == 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert counted() == 2
    monkeypatch.setattr(collection_counts, "STALE_SECONDS", 0.0)
    add()
    assert counted() == 3, "one that is older is counted before it is shown"
    collection_counts._known.clear()


@one_engine
def test_what_was_counted_on_a_large_collection_is_used_again(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collection_counts, "MANY", 1)
    monkeypatch.setattr(collection_counts, "SHARE", 1e-9)
    with db.unit_of_work() as session:
        factories.make_patch(session, "out")
        assert sum(group.number for group in collection_counts.patch_groups(session)) == 1
        factories.make_patch(session, "out")
        assert sum(group.number for group in collection_counts.patch_groups(session)) == 1
        collection_counts._known.clear()
        assert sum(group.number for group in collection_counts.patch_groups(session)) == 2
    collection_counts._known.clear()
