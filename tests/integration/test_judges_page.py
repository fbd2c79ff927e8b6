"""Judges compared: a miscounted agreement would have somebody trust the wrong judge with a hundred thousand pairs."""

import pytest
from sqlmodel import Session

from app import db
from app.domain.agreement import Table
from app.domain.aspects import ASPECTS
from app.errors import GgtError
from app.models import Candidate, Review, Verdict, utcnow
from app.services import judge_comparison
from app.services.judge_comparison import Rater, parse_rater
from tests import factories
from tests.conftest import SignedIn
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
GPT, GEMINI, LOCAL = Rater("gpt-5.4-pro"), Rater("gemini-3.1-pro"), Rater("local-measure")


def verdict(
    session: Session, candidate: Candidate, judge: str, decision: str, rule: str = "", score: float = 80,
    stand_in: bool = False, version: str = "1",
) -> None:  # fmt: skip
    row = Verdict(
        candidate_id=candidate.id or 0, judge=judge, version=version, decision=decision, rule_decision=rule or decision,
        scores=dict.fromkeys(ASPECTS, score), reasons={}, raw="", stand_in=stand_in,
    )  # fmt: skip
    session.add(row)
    session.flush()


def review(session: Session, candidate: Candidate, decision: str, *, undone: bool = False) -> None:
    user_id = factories.make_user(session)
    session.add(
        Review(
            key=f"key-{user_id:08}", candidate_id=candidate.id or 0, image_id=candidate.image_id, user_id=user_id,
            decision=decision, undone_at=utcnow() if undone else None,
        )
    )  # fmt: skip
    session.flush()


def some(session: Session, number: int, category: str = "rain") -> list[Candidate]:
    image = factories.make_image(session, category=category)
    return [factories.make_candidate(session, image) for _ in range(number)]


def test_two_judges_are_compared_on_what_both_judged(database: str) -> None:
    with db.unit_of_work() as session:
        rain, haze = some(session, 4), some(session, 2, "haze")
        gpts = ("accept", "accept", "reject", "accept", "reject", "accept")
        geminis = ("accept", "reject", "accept", "", "reject", "reject")
        for candidate, gpt, gemini in zip([*rain, *haze], gpts, geminis, strict=True):
            verdict(session, candidate, "gpt-5.4-pro", gpt, score=90)
            if gemini:
                verdict(session, candidate, "gemini-3.1-pro", gemini, score=70 if gemini == "accept" else 40)
        verdict(session, rain[0], "gemini-3.1-pro", "reject", score=10, stand_in=True)  # kept apart
        verdict(session, rain[1], "gpt-5.4-pro", "reject", score=50, version="2")  # the later version counts
    with db.reading() as session:
        found = judge_comparison.compare(session, GPT, GEMINI)
        assert found.categories == {"rain": Table(1, 0, 1, 1), "haze": Table(0, 1, 0, 1)}
        assert found.table == Table(1, 1, 1, 2)
        sums = found.aspects["object_consistency"]
        assert (sums.n, sums.x, sums.y) == (5, 90 * 4 + 50, 70 * 2 + 40 * 3)
        assert sums.xy == 90 * 70 * 2 + 90 * 40 * 2 + 50 * 40
        assert judge_comparison.compare(session, GPT, GEMINI, "haze").aspects["object_consistency"].n == 2
        stand_in = judge_comparison.compare(session, GPT, Rater("gemini-3.1-pro", stand_in=True))
        assert stand_in.table == Table(accept_reject=1)
        assert [(j.judge, j.stand_in, j.n) for j in judge_comparison.judged(session)] == [
            ("gemini-3.1-pro", False, 5), ("gpt-5.4-pro", False, 6), ("gemini-3.1-pro", True, 1)
        ]  # fmt: skip


def test_people_count_by_their_latest_decision_that_stands(database: str) -> None:
    with db.unit_of_work() as session:
        kept, changed, undone = some(session, 3)
        for candidate in (kept, changed, undone):
            verdict(session, candidate, "local-measure", "accept")
        review(session, kept, "accept")
        review(session, changed, "accept")
        review(session, changed, "reject")
        review(session, kept, "reject", undone=True)
        review(session, undone, "reject", undone=True)
    with db.reading() as session:
        found = judge_comparison.compare(session, LOCAL, Rater())
        assert found.table == Table(both_accept=1, accept_reject=1)
        assert found.aspects == {}, "people give no scores"
        assert judge_comparison.reviewed(session) == 2
        listed = judge_comparison.listed(session, Rater(), LOCAL, "").rows
        assert [row.candidate_id for row in listed] == [changed.id]
        assert (listed[0].first.lowest, listed[0].second.decision) == ((), "accept")


def test_a_judges_own_decision_is_compared_with_the_rule(database: str) -> None:
    with db.unit_of_work() as session:
        one, other, third = some(session, 3)
        verdict(session, one, "gpt-5.4-pro", "accept", rule="reject", score=30)
        verdict(session, other, "gpt-5.4-pro", "accept")
        verdict(session, third, "gpt-5.4-pro", "reject")
    with db.reading() as session:
        (judge,) = judge_comparison.judged(session)
        assert (judge.n, judge.against_rule) == (3, 1)
        rule = Rater("gpt-5.4-pro", rule=True)
        found = judge_comparison.compare(session, GPT, rule)
        assert (found.table, found.aspects) == (Table(1, 1, 0, 1), {})
        (row,) = judge_comparison.listed(session, GPT, rule, "accept-reject").rows
        assert row.first.lowest == (("restoration_quality", 30.0, True), ("object_consistency", 30.0, True))


def test_the_list_is_paged_without_gap_or_repetition(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_comparison, "PAGE_SIZE", 3)
    with db.unit_of_work() as session:
        made = [*some(session, 8), *some(session, 2, "haze")]
        for candidate in made:
            verdict(session, candidate, "gpt-5.4-pro", "accept")
            verdict(session, candidate, "gemini-3.1-pro", "reject")
    seen: list[int] = []
    after: int | None = None
    with db.reading() as session:
        for _ in range(4):
            page = judge_comparison.listed(session, GPT, GEMINI, "accept-reject", "rain", after)
            seen += [row.candidate_id for row in page.rows]
            after = page.after
            if after is None:
                break
        assert not judge_comparison.listed(session, GPT, GEMINI, "reject-accept").rows
    assert seen == sorted((c.id or 0 for c in made[:8]), reverse=True)


def test_raters_survive_the_url() -> None:
    for rater in (Rater(), GPT, Rater("gpt-5.4-pro", rule=True), Rater("gpt-5.4-pro", rule=True, stand_in=True)):
        assert parse_rater(rater.key) == rater
    for wrong in ("", "rule:", "stand-in:rule:gpt-5.4-pro"):
        with pytest.raises(GgtError, match="no judge"):
            parse_rater(wrong)
    assert "not VLM-R" in LOCAL.title
    assert "no real model" in Rater("gpt-5.4-pro", stand_in=True).title


@pytest.mark.parametrize(
    "path",
    [
        "/judges",
        "/judges?a=gpt-5.4-pro&b=people&category=rain&cell=accept-reject&after=999",
        "/judges/disagreements?a=people",
    ],
)
def test_a_page_takes_at_most_eight_statements(researcher: SignedIn, path: str) -> None:
    with db.unit_of_work() as session:
        for candidate in some(session, 3):
            verdict(session, candidate, "gpt-5.4-pro", "accept")
            verdict(session, candidate, "local-measure", "reject", score=20)
            review(session, candidate, "reject")
    with statements() as seen:
        answer = researcher.get(path)
    assert answer.status_code == 200
    assert 1 <= len(seen) <= MOST_STATEMENTS, "\n".join(seen)


@one_engine
def test_the_page_tells_its_figures_and_leads_to_what_is_behind_them(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        made = some(session, 3)
        for candidate, other in zip(made, ("accept", "reject", "reject"), strict=True):
            verdict(session, candidate, "gpt-5.4-pro", "accept", score=95)
            verdict(session, candidate, "local-measure", other, score=40)
        image_id = made[0].image_id
    page = researcher.get("/judges").text  # without a choice: the two that have judged
    assert 'href="/judges?a=gpt-5.4-pro&amp;b=local-measure&amp;cell=accept-reject#list">2</a>' in page
    assert "33.3 %" in page
    assert "Local measurement (measurement, not VLM-R)" in page
    assert f"/images/{image_id}#candidate-{made[1].id}" in page
    assert f"#candidate-{made[0].id}" not in page, "on this one they agree"
    assert "not defined" in page  # the correlation of scores that never change
    assert researcher.get("/judges?a=gpt-5.4-pro&b=people&category=fog").status_code == 400
    assert researcher.get("/judges?cell=none").status_code == 400


@one_engine
def test_an_empty_page_says_what_to_do(researcher: SignedIn) -> None:
    assert "Nobody has judged anything yet" in researcher.get("/judges").text
    with db.unit_of_work() as session:
        (candidate,) = some(session, 1)
        verdict(session, candidate, "gpt-5.4-pro", "accept")
    page = researcher.get("/judges?a=gpt-5.4-pro&b=local-measure").text
    assert "Only one judge has judged anything" in page
    assert "compared with itself" in researcher.get("/judges?a=people&b=people").text
    with db.unit_of_work() as session:
        (candidate,) = some(session, 1)
        verdict(session, candidate, "local-measure", "accept")
    assert "no candidate in common" in researcher.get("/judges").text
    assert researcher.get("/judges/disagreements").status_code == 200


@one_engine
def test_annotators_are_not_shown_others_answers(annotator: SignedIn) -> None:
    assert annotator.get("/judges").status_code == 403
