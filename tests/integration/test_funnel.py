"""The funnel's numbers. If they are wrong, a lab believes it has pairs that it has not, or generates twice what it has."""

import pytest
from sqlmodel import Session

from app import db
from app.models import CandidateSummary, ItemState, Run, Stage, WorkItem
from app.services import funnel
from app.services.changes import digests
from tests import factories
from tests.conftest import SignedIn


def one_image_at_each_stage(session: Session) -> None:
    source = factories.make_source(session, "own")
    for stage in Stage:
        image = factories.make_image(session, stage, source=source)
        if stage not in (Stage.COLLECTED, Stage.FAILED, Stage.SET_ASIDE):
            factories.make_candidate(session, image, stage=stage)


def test_counts_are_cumulative(database: str) -> None:
    """An image that waits for verification was also generated, scored, passed by the filter and judged in."""
    with db.unit_of_work() as session:
        one_image_at_each_stage(session)
    with db.reading() as session:
        total = funnel.funnel(session).total
    assert total == funnel.Counts(
        collected=13, generated=10, scored=9, filter_passed=8, filtered_out=1, judged_in=5, judged_out=1, refining=1,
        waiting=2, verified=3, pairs=1, failed=1, set_aside=1,
    )  # fmt: skip
    assert total.share == pytest.approx(1 / 13)


def test_no_images_is_no_yield_rather_than_a_division_by_zero(database: str) -> None:
    with db.reading() as session:
        found = funnel.funnel(session)
    assert found.total.share is None
    assert found.categories == ()


def test_categories_have_their_own_counts_and_sources(database: str) -> None:
    with db.unit_of_work() as session:
        flickr, own = factories.make_source(session, "Flickr"), factories.make_source(session, "own")
        factories.make_image(session, category="rain", source=own)
        factories.make_image(session, category="rain", source=flickr)
        factories.make_image(session, category="haze", source=own, stage=Stage.VERIFIED)
    with db.reading() as session:
        rows = {row.key: row for row in funnel.funnel(session).categories}
    assert set(rows) == {"rain", "haze"}
    assert rows["rain"].sources == ("Flickr", "own")
    assert rows["haze"].sources == ("own",)
    assert (rows["rain"].counts.collected, rows["rain"].counts.pairs) == (2, 0)
    assert (rows["haze"].counts.collected, rows["haze"].counts.pairs) == (1, 1)


def test_later_attempts_count_only_those_judged_in(database: str) -> None:
    with db.unit_of_work() as session:
        for stage, attempt, chosen in (
            (Stage.AWAITING, 2, True), (Stage.VERIFIED, 3, True), (Stage.JUDGED_OUT, 3, True), (Stage.AWAITING, 2, False),
            (Stage.AWAITING, 1, True),
        ):  # fmt: skip
            candidate = factories.make_candidate(session, stage=stage, chosen=chosen)
            session.get_one(CandidateSummary, candidate.id).attempt = attempt
    with db.reading() as session:
        assert funnel.funnel(session).later_attempts == {2: 1, 3: 1}


def test_unknown_and_failed_items_ask_for_a_person_but_refused_files_do_not(database: str) -> None:
    with db.unit_of_work() as session:
        failed = Run(kind="pipeline", title="failed", total=2, failed=2)
        unknown = Run(kind="pipeline", title="unknown", total=1)
        files = Run(kind="ingest", title="files", total=1, failed=1)
        session.add_all([failed, unknown, files, Run(kind="pipeline", title="fine", total=1, done=1)])
        session.flush()
        session.add(WorkItem(run_id=unknown.id or 0, key="a", kind="generate", queue="api", state=ItemState.UNKNOWN))
    with db.reading() as session:
        needs = funnel.needs_person(session, 0, 0)
        nobody = funnel.NeedsPerson(0, 0, ())
    assert {(run.title, run.failed, run.unknown) for run in needs.runs} == {("failed", 2, 0), ("unknown", 0, 1)}
    assert needs
    assert not nobody


def test_digests_change_exactly_with_what_they_stand_for(database: str) -> None:
    """A page that is not told shows old figures; one that is told of nothing reloads for nothing."""
    with db.unit_of_work() as session:
        image = factories.make_image(session)
        run = Run(kind="pipeline", title="a", total=5)
        session.add(run)
    with db.reading() as session:
        before = digests(session)
    with db.reading() as session:
        assert digests(session) == before
    with db.unit_of_work() as session:
        session.get_one(Run, run.id).done = 1
    with db.reading() as session:
        after = digests(session)
    assert {topic for topic in after if after[topic] != before[topic]} == {"runs", f"run-{run.id}"}
    with db.unit_of_work() as session:
        session.merge(image).stage = Stage.GENERATED
    with db.reading() as session:
        moved = digests(session)
    assert moved["funnel"] != after["funnel"]
    assert moved[f"run-{run.id}"] == after[f"run-{run.id}"]


def test_the_dashboard_tells_what_waits_before_there_are_images(annotator: SignedIn, researcher: SignedIn) -> None:
    assert "Nothing collected yet" in annotator.get("/").text
    with db.unit_of_work() as session:
        factories.make_photograph(session)
        for state in ("flagged", "grading", "grading", "waiting"):
            factories.make_patch(session, state)
    page = researcher.get("/").text
    for told in ("1 photograph to look at", "1 flagged patch", "2 patches to grade", "No images yet", "Look at photographs"):
        assert told in page, told
    assert "Nothing collected yet" not in page
