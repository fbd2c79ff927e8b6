"""Agreement, adjudication and calibration: wrong numbers here would have a lab trust careless work, or a careless judge."""

import csv
import io
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app import db
from app.domain import krippendorff
from app.domain.agreement import Table, wilson
from app.domain.aspects import ASPECTS
from app.errors import GgtError
from app.models import Candidate, GoldAnswer, Image, Pair, Review, ReviewQueue, Role, Stage, Verdict, utcnow
from app.services import (
    adjudication,
    agreement_cases,
    filter_rules,
    gold,
    review_agreement,
    reviewed_pairs,
    threshold_calibration,
)
from app.services.agreement_cases import Which
from app.services.judge_comparison import Judged
from app.services.reviewed_pairs import Wanted
from tests import factories
from tests.conftest import SignedIn, SignInAs
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
GPT = Wanted("gpt-5.4-pro")
_keys = iter(f"key-{number:08}" for number in range(10**6))


def people(session: Session, n: int = 3) -> list[int]:
    return [factories.make_user(session, name=f"Annotator {number}") for number in range(1, n + 1)]


def candidate(session: Session, category: str = "rain", wanted: int = 2, **metrics: float) -> Candidate:
    image = factories.make_image(session, Stage.AWAITING, category)
    image.decisions_wanted = wanted
    return factories.make_candidate(session, image, metrics=metrics)


def say(session: Session, it: Candidate, user: int, decision: str, slot: int | None = 0, **more: Any) -> Review:
    row = Review(
        key=next(_keys), candidate_id=it.id or 0, image_id=it.image_id, user_id=user, decision=decision, slot=slot, **more
    )
    session.add(row)
    session.flush()
    return row


def verdict(session: Session, it: Candidate, decision: str, score: float = 80, *, stand_in: bool = False) -> None:
    row = Verdict(
        candidate_id=it.id or 0, judge="gpt-5.4-pro", version=next(_keys), decision=decision, rule_decision=decision,
        scores=dict.fromkeys(ASPECTS, score), reasons={}, raw="", stand_in=stand_in,
    )  # fmt: skip
    session.add(row)
    session.flush()


def said(session: Session, users: Sequence[int], *answers: str, category: str = "rain", judge: str = "") -> Candidate:
    """A pair on which each person said what stands there: a, r, g (another try), or a dot for nothing."""
    it = candidate(session, category, wanted=sum(answer != "." for answer in answers))
    words = {"a": "accept", "r": "reject", "g": "regenerate"}
    slot = 0
    for user, answer in zip(users, answers, strict=False):
        if answer != ".":
            say(session, it, user, words[answer], slot)
            slot += 1
    if judge:
        verdict(session, it, words[judge])
    return it


def read(wanted: Wanted = GPT) -> review_agreement.Agreement:
    with db.reading() as session:
        return review_agreement.agreement(session, wanted)


def test_alpha_is_that_of_the_decisions_that_stand(database: str) -> None:
    units = ["aa", "rr", "ar", "aaa", "rrg", "gg", "aa", "r.r", "a", ".ra", "aar", "rr"]
    with db.unit_of_work() as session:
        users = people(session)
        for unit in units:
            said(session, users, *unit)
        gone = said(session, users, "a", "r")
        for row in session.exec(select(Review).where(col(Review.candidate_id) == gone.id)):
            row.undone_at = utcnow()
        gold = candidate(session)
        say(session, gold, users[0], "accept", None, kind="gold")
        say(session, gold, users[1], "reject", None, kind="gold")
    known = krippendorff.alpha(krippendorff.nominal([None if v == "." else v for v in unit] for unit in units))
    assert known is not None
    found = read().everything
    assert found.alpha is not None
    assert found.alpha.value == pytest.approx(known.value)
    assert (found.alpha.units, found.pairs, found.decisions, found.overlapping, found.split) == (11, 12, 26, 11, 4)
    assert found.alpha.low is not None
    assert found.alpha.low <= found.alpha.value


def test_aspects_are_compared_as_numbers(database: str) -> None:
    units = [(80, 85), (40, 50), (90, 90), (20, None), (60, 30), (70, 75)]
    with db.unit_of_work() as session:
        users = people(session)
        for unit in units:
            it = candidate(session)
            for slot, score in enumerate(unit):
                scores = {} if score is None else {"color_consistency": float(score)}
                say(session, it, users[slot], "accept", slot, scores=scores)
    known = krippendorff.alpha(krippendorff.interval(units))
    aspects = read().everything.aspects
    assert known is not None
    assert aspects is not None
    found = aspects["color_consistency"]
    assert found is not None
    assert found.value == pytest.approx(known.value)
    assert found.units == 5
    assert aspects["object_consistency"] is None


def test_the_judge_is_measured_by_what_people_came_to(database: str) -> None:
    """A disputed or unfinished pair has no answer yet; guessing one would flatter the judge or damn it."""
    with db.unit_of_work() as session:
        users = people(session)
        for answers, judge in (("aa", "a"), ("aa", "a"), ("aa", "r"), ("rr", "a"), ("rg", "r"), ("gg", "a"), ("a", "a")):
            said(session, users, *answers, judge=judge)
        settled = said(session, users, "a", "r", judge="a")
        say(session, settled, users[2], "reject", None, kind="final")
        unfinished = candidate(session, wanted=3)
        say(session, unfinished, users[0], "accept")
        verdict(session, unfinished, "accept")
        later = said(session, users, "aa"[0], "a")
        verdict(session, later, "accept")
        verdict(session, later, "reject")  # the later one counts
        verdict(session, later, "accept", stand_in=True)  # never
    found = read().everything
    # accepted by both: two pairs of two people, one of one person; settled: people reject
    assert found.table == Table(both_accept=3, accept_reject=2, reject_accept=3, both_reject=0)
    assert (found.disputed, found.open) == (1, 1)
    stand_in = read(Wanted("stand-in:gpt-5.4-pro")).everything
    assert stand_in.table == Table(both_accept=1)


def test_each_person_is_told_by_their_own_decisions(database: str) -> None:
    with db.unit_of_work() as session:
        users = one, two, three = people(session)
        said(session, users, "a", "a", "r", judge="a")
        said(session, users, "r", "r", judge="a")
        gold = candidate(session)
        session.add(GoldAnswer(candidate_id=gold.id or 0, image_id=gold.image_id, decision="reject"))
        say(session, gold, one, "reject", None, kind="gold")
        session.flush()
        start = utcnow() - timedelta(hours=1)
        mine = session.exec(select(Review).where(col(Review.user_id) == one).order_by(col(Review.id)))
        for seconds, row in zip((0, 4, 12), mine, strict=True):
            row.created_at = start + timedelta(seconds=seconds)
    found = {person.user_id: person for person in read().people}
    assert set(found) == {one, two, three}
    first = found[one]
    assert (first.name, first.decisions, first.accepted, first.others, first.agreeing) == ("Annotator 1", 2, 1, 3, 2)
    assert first.table == Table(both_accept=1, reject_accept=1)
    assert first.gold is not None
    assert (first.gold.right, first.gold.n, first.seconds) == (1, 1, 4)
    assert (found[three].others, found[three].agreeing, found[three].gold) == (2, 0, None)


def test_an_accuracy_leads_to_the_answers_behind_it(
    researcher: SignedIn, annotator: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A low one is a reproach; whoever makes it must be able to look whether the question was a good one."""
    monkeypatch.setattr(agreement_cases, "PAGE_SIZE", 2)
    with db.unit_of_work() as session:
        one, two = people(session, 2)
        queue = ReviewQueue(name="Rain", gold_every=5)
        session.add(queue)
        session.flush()
        said(session, (one, two), "a", "a")
        asked = [candidate(session) for _ in range(4)]
        for it, known in zip(asked, ("accept", "reject", "reject", "accept"), strict=True):
            session.add(GoldAnswer(candidate_id=it.id or 0, image_id=it.image_id, decision=known, note=f"Known {it.id}."))
            say(session, it, two, "accept", None, kind="gold")
        more: dict[str, Any] = {"kind": "gold", "queue_id": queue.id, "reasons": ["structure"], "note": "<bends>"}
        answers = [say(session, it, one, "reject", None, **more) for it in asked]
        answers[3].undone_at = utcnow()
        answers[0].queue_id = None
    for queue_id, shown in ((None, [2, 1, 0]), (queue.id, [2, 1])):
        with db.reading() as session:
            [accuracy] = [row for row in gold.accuracies(session, queue_id) if row.user_id == one]
        rows = all_gold(one, queue_id)
        assert [row.candidate_id for row in rows] == [asked[i].id for i in shown]
        assert (accuracy.right, accuracy.n) == (sum(row.right for row in rows), len(rows))
    link = f"/agreement/gold?person={one}"
    assert f'href="{link}"' in researcher.get("/agreement").text
    page = researcher.get(link).text
    assert f'href="/images/{asked[2].image_id}#candidate-{asked[2].id}"' in page
    for told in ("Annotator 1", "right", "answer: reject", "known: reject", "Structure changed: &lt;bends&gt;",
                 f"Known {asked[2].id}."):  # fmt: skip
        assert told in page, told
    assert annotator.get(link).status_code == 403


def all_gold(person: int, queue_id: int | None) -> list[agreement_cases.GoldCase]:
    rows: list[agreement_cases.GoldCase] = []
    after: int | None = None
    with db.reading() as session:
        while True:
            page = agreement_cases.gold_answers(session, person, queue_id, after)
            rows += page.rows
            after = page.after
            if after is None:
                return rows


def test_categories_weeks_and_queues_divide_the_whole(database: str) -> None:
    with db.unit_of_work() as session:
        users = people(session)
        queue = ReviewQueue(name="Rain", overlap=2)
        session.add(queue)
        session.flush()
        rain = [said(session, users, "a", "a", judge="a") for _ in range(3)]
        snow = said(session, users, "a", "r", category="snow", judge="a")
        for row in session.exec(select(Review).where(col(Review.candidate_id).in_([rain[0].id, rain[1].id]))):
            row.queue_id = queue.id
        old = utcnow() - timedelta(days=14)
        for row in session.exec(select(Review).where(col(Review.candidate_id) == snow.id)):
            row.created_at = old
        queue_id = queue.id
    found = read()
    assert {key: figures.pairs for key, figures in found.categories.items()} == {"rain": 3, "snow": 1}
    assert [(week.figures.pairs, week.start.weekday()) for week in found.weeks] == [(1, 0), (3, 0)]
    assert found.weeks[0].start <= old.date() < found.weeks[0].start + timedelta(days=7)
    assert read(Wanted("gpt-5.4-pro", queue=queue_id)).everything.pairs == 2
    assert read(Wanted("gpt-5.4-pro", category="snow")).everything.pairs == 1
    assert read(Wanted("gpt-5.4-pro", until=old.date())).everything.pairs == 1
    assert read(Wanted("gpt-5.4-pro", since=old.date() + timedelta(days=1))).everything.pairs == 3
    assert read(Wanted()).everything.table == Table()


def test_behind_each_number_stand_exactly_its_pairs(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement_cases, "PAGE_SIZE", 2)
    with db.unit_of_work() as session:
        users = people(session)
        for answers, judge in (("aa", "a"), ("aa", "r"), ("ra", "a"), ("rr", "a"), ("g", "r"), ("aa", "a"), ("aa", "a")):
            said(session, users, *answers, judge=judge)
    whole = read()

    def count(which: Which) -> int:
        seen: list[int] = []
        after: int | None = None
        with db.reading() as session:
            while True:
                page = agreement_cases.cases(session, GPT, which, after)
                seen += [case.candidate_id for case in page.rows]
                after = page.after
                if after is None:
                    assert len(set(seen)) == len(seen)
                    return len(seen)

    table, figures = whole.everything.table, whole.everything
    assert count(Which()) == figures.pairs == 7
    assert count(Which("overlap")) == figures.overlapping
    assert count(Which("split")) == figures.split == 1
    assert count(Which("disputed")) == figures.disputed == 1
    assert count(Which("accept-accept")) == table.both_accept == 3
    assert count(Which("accept-reject")) == table.accept_reject == 1
    assert count(Which("reject-accept")) == table.reject_accept == 1
    assert count(Which("reject-reject")) == table.both_reject == 1
    assert count(Which(week=whole.weeks[0].number)) == 7
    for person in whole.people:
        assert count(Which("", person.user_id)) == person.decisions
        assert count(Which("against-others", person.user_id)) == person.others - person.agreeing
        assert count(Which("reject-accept", person.user_id)) == person.table.reject_accept


def test_a_real_vlm_comes_first_and_nonsense_is_refused() -> None:
    told = (("gpt-5.4-pro", True), ("local-measure", False), ("gemini-3.1-pro", False))
    judges = tuple(Judged(judge, stand_in, 9, 0) for judge, stand_in in told)
    assert reviewed_pairs.parse({}, judges).judge == "gemini-3.1-pro"
    assert reviewed_pairs.parse({}, ()).judge == ""
    for wrong in ({"category": "x"}, {"queue": "x"}, {"judge": "people"}, {"judge": "rule:gpt-5.4-pro"}, {"from": "soon"},
                  {"from": "2026-02-01", "to": "2026-01-01"}):  # fmt: skip
        with pytest.raises(GgtError):
            reviewed_pairs.parse(wrong, judges)
    wanted = reviewed_pairs.parse({"from": "2026-01-01", "queue": "3", "category": "rain", "to": ""}, judges)
    assert reviewed_pairs.parse(wanted.query(), ()) == wanted


def test_thresholds_are_fitted_to_people(database: str) -> None:
    with db.unit_of_work() as session:
        users = people(session)
        for number in range(12):
            good = number >= 6
            it = candidate(session, wanted=1, niqe=5.0 - number / 10, niqe_lq=5.0)
            say(session, it, users[0], "accept" if good else "reject")
            verdict(session, it, "accept", score=50 + 4 * number)
        unseen = candidate(session, wanted=1, niqe=3.0, niqe_lq=5.0)
        verdict(session, unseen, "accept", score=99)
    with db.reading() as session:
        found = threshold_calibration.calibrations(session, GPT)
    assert (found.pairs, found.total, found.accepted) == (12, 12, 6)
    by_key = {one.key: one for one in found.thresholds}
    colour = by_key["color_consistency"].found
    assert colour is not None
    assert (colour.best.threshold, colour.best.balanced) == (72.0, 1.0)  # 70 is rejected, 74 accepted
    assert by_key["color_consistency"].present == 60
    assert by_key["color_consistency"].below == 3
    niqe = by_key["niqe"]
    assert niqe.found is not None
    assert niqe.found.best.threshold == pytest.approx(0.55)
    assert niqe.present == 0.1
    assert by_key["brisque"].found is None
    # object consistency must reach 90 whatever the lowest of all is asked to be: 90 and 94 are left
    lowest = by_key["rule_min_all"].found
    assert lowest is not None
    assert lowest.best.kept == pytest.approx(2 / 6)


def test_calibration_says_where_categories_differ(database: str) -> None:
    with db.unit_of_work() as session:
        users = people(session)
        for decision in ("accept", "reject"):
            say(session, candidate(session, wanted=1, niqe=4.0, niqe_lq=5.0), users[0], decision)
        filter_rules.apply(session, users[0], "snow", {"niqe": 0.7}, 1)
    with db.reading() as session:
        everywhere = {one.key: one for one in threshold_calibration.calibrations(session, Wanted()).thresholds}
        rain = {one.key: one for one in threshold_calibration.calibrations(session, Wanted(category="rain")).thresholds}
    assert (everywhere["niqe"].present, everywhere["niqe"].unsettled) == (None, True)
    assert (rain["niqe"].present, rain["niqe"].unsettled) == (0.1, False)


def some_disputes(n: int = 2) -> list[tuple[int, int]]:
    """n pairs that two people disagree about, as (image id, candidate id)."""
    found = []
    with db.unit_of_work() as session:
        users = people(session, 2)
        for _ in range(n):
            it = said(session, users, "a", "r", judge="a")
            image = session.get_one(Image, it.image_id)
            image.stage = Stage.DISPUTED
            refused = select(Review).where(col(Review.candidate_id) == it.id, col(Review.decision) == "reject")
            for row in session.exec(refused):
                row.reasons, row.note, row.marks = ["structure"], "The <roof> bends.", [[0.25, 0.5, 0.5, 0.25]]
            found.append((it.image_id, it.id or 0))
    return found


PAGES = ("/agreement", "/agreement/tables.csv", "/agreement/pairs", "/agreement/pairs?person=1", "/agreement/gold?person=1",
         "/adjudicate", "/adjudicate/{image}", "/calibration")  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_page_reads_little(researcher: SignedIn, path: str) -> None:
    (image, _), *_ = some_disputes()
    with statements() as seen:
        answer = researcher.get(path.format(image=image))
    assert answer.status_code == 200
    assert 1 <= len(seen) <= MOST_STATEMENTS, "\n".join(seen)


@one_engine
@pytest.mark.parametrize(
    "path", ["/agreement", "/adjudicate", "/calibration", "/agreement/pairs", "/agreement/gold?person=1"]
)
def test_an_empty_page_says_what_to_do(researcher: SignedIn, path: str) -> None:
    answer = researcher.get(path)
    assert answer.status_code == 200
    assert 'class="empty card"' in answer.text


@one_engine
def test_the_tables_open_in_a_spreadsheet_and_run_nothing_there(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        evil = factories.make_user(session, name='=HYPERLINK("x")')
        said(session, [evil], "a", judge="a")
    answer = researcher.get("/agreement/tables.csv?judge=gpt-5.4-pro")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert not [row for row in rows if row["row"].startswith("=")]
    share = next(row for row in rows if (row["table"], row["measure"]) == ("all", "precision_of_accept"))
    known = wilson(1, 1)
    assert known is not None
    assert (share["value"], share["low_95"], share["n"]) == ("1.000000", f"{known.low:.6f}", "1")


def test_a_dispute_is_settled_once_and_can_be_taken_back(researcher: SignedIn) -> None:
    (image, it), (after, _) = some_disputes()
    page = researcher.get(f"/adjudicate/{image}").text
    assert "The &lt;roof&gt; bends." in page
    assert "Structure changed" in page
    assert '<rect x="16.0" y="32.0" width="32.0" height="16.0"/>' in page
    form = {"key": "final-key-1", "candidate_id": str(it), "decision": "accept", "reasons": "artifact"}
    for _ in range(2):
        answer = researcher.post(f"/adjudicate/{image}", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, f"/adjudicate/{after}")
    with db.reading() as session:
        assert session.get_one(Image, image).stage == Stage.VERIFIED
        assert session.get(Pair, image) is not None
        assert len(session.exec(select(Review).where(col(Review.kind) == "final")).all()) == 1
    assert "Undo" in researcher.get("/adjudicate").text
    answer = researcher.post("/adjudicate/undo", data={"key": "final-key-1"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/adjudicate/{image}")
    with db.reading() as session:
        assert session.get_one(Image, image).stage == Stage.DISPUTED
        assert session.get(Pair, image) is None


@one_engine
def test_what_was_typed_survives_a_refusal(researcher: SignedIn) -> None:
    (image, it), *_ = some_disputes()
    form = {"key": "final-key-1", "candidate_id": str(it), "decision": "reject", "note": "A long <thought>."}
    answer = researcher.post(f"/adjudicate/{image}", data=form)
    assert answer.status_code == 400
    assert "at least one reason" in answer.text
    assert "A long &lt;thought&gt;." in answer.text
    assert researcher.post(f"/adjudicate/{image}", data=form | {"decision": "regenerate", "note": ""}).status_code == 400
    with db.reading() as session:
        assert session.get_one(Image, image).stage == Stage.DISPUTED


@one_engine
def test_two_who_settle_at_once_hear_of_each_other(sign_in_as: SignInAs) -> None:
    (image, it), *_ = some_disputes()
    one, other = sign_in_as(Role.RESEARCHER), sign_in_as(Role.RESEARCHER)
    form = {"candidate_id": str(it), "decision": "accept"}
    assert one.post(f"/adjudicate/{image}", data=form | {"key": "final-key-1"}).status_code == 303
    late = other.post(f"/adjudicate/{image}", data=form | {"key": "final-key-2"})
    assert late.status_code == 409
    assert "not counted" in late.text
    assert other.post("/adjudicate/undo", data={"key": "final-key-1"}).status_code == 404


@one_engine
def test_an_answer_is_sent_back_to_one_person_with_a_note(researcher: SignedIn) -> None:
    (image, it), *_ = some_disputes()
    with db.reading() as session:
        key, maker = session.exec(
            select(Review.key, Review.user_id).where(col(Review.candidate_id) == it, col(Review.decision) == "accept")
        ).one()
    form = {"key": key, "image_id": str(image)}
    assert researcher.post("/adjudicate/send-back", data=form | {"note": " "}).status_code == 400
    answer = researcher.post("/adjudicate/send-back", data=form | {"note": "Look at the roof."})
    assert answer.status_code == 303
    with db.reading() as session:
        row = session.exec(select(Review).where(col(Review.key) == key)).one()
        assert (row.user_id, row.returned_note, row.undone_at is not None) == (maker, "Look at the roof.", True)
        assert session.get_one(Image, image).stage == Stage.AWAITING


@one_engine
def test_names_are_told_after_the_decision(researcher: SignedIn) -> None:
    """Who said it must not decide it: the name is one more click away until the pair is settled."""
    (image, it), *_ = some_disputes()
    assert researcher.get(f"/adjudicate/{image}").text.count('<details class="who">') == 2
    researcher.post(f"/adjudicate/{image}", data={"key": "final-key-1", "candidate_id": str(it), "decision": "accept"})
    page = researcher.get(f"/adjudicate/{image}").text
    assert '<details class="who">' not in page
    assert "Annotator 1" in page


@one_engine
def test_the_judges_verdict_is_shown_unasked_after_the_decision_only(researcher: SignedIn) -> None:
    """Whoever settles a pair is to look at it, not to side with the judge."""
    (image, it), *_ = some_disputes()
    assert '<details class="judged">' in researcher.get(f"/adjudicate/{image}").text
    researcher.post(f"/adjudicate/{image}", data={"key": "final-key-1", "candidate_id": str(it), "decision": "accept"})
    assert '<details class="judged" open>' in researcher.get(f"/adjudicate/{image}").text


@one_engine
def test_the_list_goes_on_where_it_stopped(database: str) -> None:
    pairs = some_disputes(5)
    seen: list[int] = []
    after: int | None = None
    with db.reading() as session:
        for _ in range(4):
            page = adjudication.disputes(session, "", after, 2)
            seen += [row.image_id for row in page.rows]
            after = page.after
            if after is None:
                break
        assert adjudication.disputes(session, "snow").total == 0
    assert seen == [image for image, _ in pairs]
