"""Queues with several independent decisions: what goes wrong here is work done twice, or a pair that nobody gets."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app import db
from app.config import settings
from app.domain.review import Answer
from app.errors import Conflict, GgtError
from app.models import (
    CandidateSummary,
    Event,
    Image,
    Pair,
    QueueItem,
    Review,
    ReviewLease,
    ReviewQueue,
    Stage,
    Verdict,
    WorkItem,
    utcnow,
)
from app.services import flow, gold, planning, queues, review, review_items, review_leases, review_progress, review_queue
from app.services.options import PipelineOptions
from app.services.queues import Wanted
from tests import factories
from tests.conftest import SignedIn
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements
from workers.main import fill_queues

pytestmark = pytest.mark.usefixtures("database")


def waiting(n: int, category: str = "rain") -> list[tuple[int, int]]:
    """n pairs that wait, as (image id, candidate id)."""
    with db.unit_of_work() as session:
        source = factories.make_source(session)
        images = [factories.make_image(session, Stage.AWAITING, category, source) for _ in range(n)]
        made = [factories.make_candidate(session, image, metrics={"niqe": 3.1, "niqe_lq": 5.2}) for image in images]
        return [(c.image_id, c.id or 0) for c in made]


def people(n: int) -> list[int]:
    with db.unit_of_work() as session:
        return [factories.make_user(session) for _ in range(n)]


def queue(**wanted: Any) -> ReviewQueue:
    with db.unit_of_work() as session:
        made = queues.create(session, Wanted(**{"name": "A queue"} | wanted), user_id=factories.make_user(session))
        while queues.fill(session, made):
            pass
        return made


def take(made: ReviewQueue, user: int, n: int = 1, exclude: tuple[int, ...] = ()) -> list[review_leases.Held]:
    with db.unit_of_work() as session:
        return review_queue.next_items(session, user, queues.filters(made), n, exclude)


_keys = iter(f"key-{number:08}" for number in range(10**6))


def say(user: int, pair: tuple[int, int], decision: Any = "accept", **more: Any) -> review.Decided:
    with db.unit_of_work() as session:
        return review.decide(
            session, user_id=user, key=next(_keys), image_id=pair[0], candidate_id=pair[1],
            answer=Answer(decision, **more),
        )  # fmt: skip


def judge_says(pair: tuple[int, int], decision: str) -> None:
    with db.unit_of_work() as session:
        reasons = {"object_consistency": "A lamp is missing."}
        session.add(
            Verdict(candidate_id=pair[1], judge="gpt-5.4-pro", version="1", raw="", decision=decision,
                    rule_decision=decision, scores={"object_consistency": 40}, reasons=reasons)
        )  # fmt: skip
        session.get_one(CandidateSummary, pair[1]).decision = decision


def stage(image_id: int) -> str:
    with db.reading() as session:
        return session.get_one(Image, image_id).stage


def test_a_pair_moves_on_when_all_wanted_decisions_agree_and_not_before() -> None:
    [pair] = waiting(1)
    made = queue(overlap=3)
    three = people(3)
    for number, user in enumerate(three):
        assert [held.image_id for held in take(made, user)] == [pair[0]]
        assert stage(pair[0]) == Stage.AWAITING
        assert say(user, pair).open == (number < 2)
    assert stage(pair[0]) == Stage.VERIFIED
    with db.reading() as session:
        assert session.get(Pair, pair[0]) is not None
        assert sorted(r.slot or 0 for r in session.exec(select(Review))) == [0, 1, 2]


def test_different_answers_are_settled_by_a_person_and_that_can_be_taken_back() -> None:
    """A majority of three is no proof, and a pair that people disagree about must not reach the dataset by itself."""
    [pair] = waiting(1)
    made = queue(overlap=2)
    one, two, lead = people(3)
    for user, decision, more in ((one, "accept", {}), (two, "reject", {"reasons": ("structure",)})):
        take(made, user)
        say(user, pair, decision, **more)
    assert stage(pair[0]) == Stage.DISPUTED
    with pytest.raises(Conflict):
        say(lead, pair)
    for key in ("final-00000001", "final-00000001"):
        with db.unit_of_work() as session:
            review.settle(session, user_id=lead, key=key, image_id=pair[0], candidate_id=pair[1], answer=Answer("accept"))
    assert stage(pair[0]) == Stage.VERIFIED
    with db.unit_of_work() as session, pytest.raises(Conflict, match="settled"):
        review.undo(session, user_id=one)
    with db.unit_of_work() as session:
        review.undo(session, user_id=lead)
    assert stage(pair[0]) == Stage.DISPUTED
    with db.reading() as session:
        assert session.get(Pair, pair[0]) is None
    with db.unit_of_work() as session:
        review.undo(session, user_id=two)
    assert stage(pair[0]) == Stage.AWAITING


def test_the_same_person_never_decides_twice_on_a_pair() -> None:
    """Else two independent decisions would be one person's."""
    pairs = waiting(2)
    made = queue(overlap=2)
    one, two = people(2)
    assert len(take(made, one, 5)) == 2
    say(one, pairs[0])
    assert [held.image_id for held in take(made, one, 5)] == [pairs[1][0]]
    with pytest.raises(Conflict, match="already accepted by you"):
        say(one, pairs[0])
    assert [held.image_id for held in take(made, two, 5)] == [pairs[0][0], pairs[1][0]]


def test_no_more_people_hold_a_pair_than_decisions_are_wanted() -> None:
    pairs = waiting(3)
    made = queue(overlap=2)
    crowd = people(6)
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda user: take(made, user, 3), crowd))
    holders = {image: [user for user, held in zip(crowd, got, strict=True) if image in {h.image_id for h in held}]
               for image, _ in pairs}  # fmt: skip
    assert all(len(users) == 2 for users in holders.values()), holders
    with db.reading() as session:
        assert review_progress.locked(session, people(1)[0], queues.filters(made)) is not None


def test_who_has_decided_everything_hears_that_others_have_to() -> None:
    [pair] = waiting(1)
    made = queue(overlap=2)
    [one] = people(1)
    take(made, one)
    say(one, pair)
    assert take(made, one) == []
    with db.reading() as session:
        told = review_progress.locked(session, one, queues.filters(made))
        assert told is not None
        assert (told.count, told.others_turn) == (0, 1)
        assert review_progress.progress(session, one, queues.filters(made), utcnow()).left == 0


def test_many_people_at_once_decide_each_pair_exactly_as_often_as_wanted() -> None:
    pairs = waiting(20)
    made = queue(overlap=3)
    crowd = people(8)

    def work(user: int) -> int:
        done = 0
        while True:
            held = take(made, user, 3)
            if not held:
                return done
            for one in held:
                try:
                    say(user, (one.image_id, one.candidate_id))
                    done += 1
                except Conflict:
                    pytest.fail("somebody worked for nothing")

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(work, crowd))
    # Near the end all slots may be taken by others for a moment; whoever saw that has stopped. One more look ends it.
    done += [work(user) for user in crowd]
    assert sum(done) == 60
    assert {stage(image) for image, _ in pairs} == {Stage.VERIFIED}


def test_a_regeneration_request_needs_an_instruction_and_waits_for_an_admin() -> None:
    [pair] = waiting(1)
    [one] = people(1)
    with pytest.raises(GgtError, match="instruction"):
        say(one, pair, "regenerate")
    say(one, pair, "regenerate", note="Keep the wet asphalt.")
    assert stage(pair[0]) == Stage.REQUESTED
    with db.unit_of_work() as session:
        review.undo(session, user_id=one)
    assert stage(pair[0]) == Stage.AWAITING


def test_scores_and_marks_are_kept_and_nonsense_is_refused() -> None:
    [pair] = waiting(1)
    [one] = people(1)
    beyond = {"marks": [[0.5, 0.5, 0.6, 0.1]]}
    for wrong in ({"scores": {"beauty": 50.0}}, {"scores": {"restoration_quality": 101.0}}, beyond, {"marks": [[0.1] * 3]}):
        with pytest.raises(GgtError):
            say(one, pair, **wrong)
    say(one, pair, scores={"restoration_quality": 80.0}, marks=[[0.25, 0.5, 0.25, 0.5]])
    with db.reading() as session:
        row = session.exec(select(Review)).one()
        assert (row.scores, row.marks) == ({"restoration_quality": 80.0}, [[0.25, 0.5, 0.25, 0.5]])


def test_sent_back_comes_first_with_its_note_and_only_to_its_maker() -> None:
    pairs = waiting(3)
    made = queue()
    one, other, lead = people(3)
    take(made, one)
    decided = say(one, pairs[0])
    with db.unit_of_work() as session:
        review.send_back(session, user_id=lead, review_key=decided.key, note="Look at the roof.")
    assert stage(pairs[0][0]) == Stage.AWAITING
    held = take(made, one, 2)
    assert held[0].image_id == pairs[0][0]
    with db.reading() as session:
        item = review_items.items(session, one, [pairs[0][0]])[0]
        assert "Look at the roof." in item.returned
    say(one, pairs[0], "reject", reasons=("structure",))
    assert pairs[0][0] not in {held.image_id for held in take(made, one, 5)}
    assert stage(pairs[0][0]) == Stage.REJECTED
    with db.unit_of_work() as session:
        review_leases.release(session, one)
    assert [held.image_id for held in take(made, other, 5)] == [image for image, _ in pairs[1:]]


def test_orders() -> None:
    for_rain, for_snow = waiting(6, "rain"), waiting(2, "snow")
    stratified = queue(name="Stratified", order="stratified")
    random = queue(name="Random", order="random")
    [one] = people(1)
    first_four = [held.image_id for held in take(stratified, one, 4)]
    snow = {image for image, _ in for_snow}
    assert len(snow & set(first_four)) == 2, "each category has its turn"
    ids = [image for image, _ in [*for_rain, *for_snow]]
    drawn = [held.image_id for held in take(random, one, 8)]
    assert sorted(drawn) == sorted(ids)
    assert drawn != ids
    assert [held.image_id for held in take(random, one, 8)] == drawn, "the same again after a reload"


def test_what_comes_to_wait_later_joins_the_queues_it_matches() -> None:
    rain = queue(name="Rain", filter="category=rain")
    snow = queue(name="Snow", filter="category=snow", overlap=2)
    with db.unit_of_work() as session:
        image = factories.make_image(session, Stage.SCORED, "snow")
        factories.make_candidate(session, image, stage=Stage.SCORED)
        flow._set_stage(session, image, _summary(session, image), Stage.AWAITING, "")
        image_id = image.id
    with db.reading() as session:
        assert session.exec(select(QueueItem.queue_id).where(col(QueueItem.image_id) == image_id)).all() == [snow.id]
        assert session.get_one(Image, image_id).decisions_wanted == 2
    assert take(rain, people(1)[0]) == []


def _summary(session: Session, image: Image) -> CandidateSummary:
    return session.get_one(CandidateSummary, image.current_candidate_id)


def test_gold_questions_are_mixed_in_and_change_no_image() -> None:
    pairs = waiting(30)
    [known] = waiting(1)
    [one] = people(1)
    with db.unit_of_work() as session:
        session.get_one(Image, known[0]).stage = Stage.REJECTED
        gold.know(session, user_id=one, candidate_id=known[1], decision="reject")
    made = queue(gold_every=5)
    seen = []
    for _ in range(12):
        [held] = take(made, one)
        seen.append(held.image_id)
        say(one, (held.image_id, held.candidate_id))
    assert seen.count(known[0]) == 1, "asked once, although more places were for it"
    assert stage(known[0]) == Stage.REJECTED
    assert set(seen) - {known[0]} == {image for image, _ in pairs[:11]}, "nothing is left out for it"
    with db.reading() as session:
        [accuracy] = gold.accuracies(session)
        assert (accuracy.right, accuracy.n) == (0, 1)


def test_what_is_in_an_open_queue_is_handed_out_there_alone() -> None:
    """Else its people, its order and what it hides would mean nothing."""
    pairs = waiting(2, "rain")
    [outside] = waiting(1, "snow")
    [one] = people(1)
    made = queue(filter="category=rain", people=(one,))
    everything = review_queue.Filters()
    with db.unit_of_work() as session:
        other = factories.make_user(session)
        assert [h.image_id for h in review_queue.next_items(session, other, everything, 5)] == [outside[0]]
        assert review_progress.progress(session, other, everything, utcnow()).left == 1
        queues.set_active(session, made.id or 0, False, one)
        later = review_queue.next_items(session, other, everything, 5)
    assert {h.image_id for h in later} == {outside[0], *(image for image, _ in pairs)}


def wanted_on(*pairs: tuple[int, int]) -> list[int]:
    with db.reading() as session:
        return [session.get_one(Image, image).decisions_wanted for image, _ in pairs]


def set_active(made: ReviewQueue, active: bool) -> None:
    with db.unit_of_work() as session:
        queues.set_active(session, made.id or 0, active, factories.make_user(session))


def outside(user: int, n: int = 5) -> list[int]:
    with db.unit_of_work() as session:
        return [held.image_id for held in review_queue.next_items(session, user, review_queue.Filters(), n)]


def test_closing_a_queue_wants_no_more_than_the_other_open_ones_and_settles_what_has_enough() -> None:
    """Else its pairs wait for second opinions that nobody asks for any more, and good work is stuck."""
    pairs = accepted, differing, untouched, elsewhere, redone = [*waiting(3), *waiting(1, "snow"), *waiting(1)]
    made = queue(overlap=3)
    queue(name="Snow", filter="category=snow", overlap=2)
    assert wanted_on(*pairs) == [3] * 5
    one, two, three = people(3)
    said = say(one, accepted)
    say(one, differing)
    say(two, differing, "reject", reasons=("structure",), note="The roof bends.")
    say(one, elsewhere)
    say(two, redone)
    with db.unit_of_work() as session:
        review.undo(session, user_id=two)
    with db.unit_of_work() as session:
        review_leases.release(session, two)
    set_active(made, False)
    kinds = Stage.VERIFIED, Stage.DISPUTED, Stage.AWAITING, Stage.AWAITING, Stage.AWAITING
    assert [stage(image) for image, _ in pairs] == list(kinds)
    assert wanted_on(untouched, elsewhere, redone) == [1, 2, 1]
    with db.reading() as session:
        pair = session.get_one(Pair, accepted[0])
        assert session.get_one(Review, pair.review_id).key == said.key
        open_items = session.exec(select(QueueItem.image_id).where(QueueItem.queue_id == made.id, col(QueueItem.open)))
        assert set(open_items) == {untouched[0], elsewhere[0], redone[0]}
        assert session.get_one(ReviewQueue, made.id).filled
        closed = session.exec(select(Event.subject).where(Event.action == "review.closed")).all()
        assert set(closed) == {f"image:{accepted[0]}", f"image:{differing[0]}"}
    assert set(outside(three)) == {untouched[0], redone[0]}
    assert not say(three, untouched, "reject", reasons=("color",)).open
    say(three, elsewhere)
    assert stage(elsewhere[0]) == Stage.VERIFIED
    with db.unit_of_work() as session:  # what was closed this way can be taken back like anything else
        review.undo(session, user_id=two)
        review.undo(session, user_id=one, review_key=said.key)
    assert (stage(differing[0]), stage(accepted[0])) == (Stage.AWAITING, Stage.AWAITING)
    say(two, differing)
    say(one, accepted, "reject", reasons=("color",))
    assert (stage(differing[0]), stage(accepted[0])) == (Stage.VERIFIED, Stage.REJECTED)


def test_a_queue_that_is_opened_again_wants_as_many_as_before_and_takes_in_what_came_meanwhile() -> None:
    [pair] = waiting(1)
    made = queue(overlap=2)
    set_active(made, False)
    [later] = waiting(1)
    assert wanted_on(pair, later) == [1, 1]
    set_active(made, True)
    assert wanted_on(pair, later) == [2, 2]
    assert {held.image_id for held in take(made, people(1)[0], 5)} == {pair[0], later[0]}


def test_what_comes_to_wait_again_is_not_asked_for_a_closed_queues_sake() -> None:
    [pair] = waiting(1)
    made = queue(overlap=3)
    with db.unit_of_work() as session:
        session.get_one(Image, pair[0]).stage = Stage.REFINING
    set_active(made, False)
    with db.unit_of_work() as session:
        image = session.get_one(Image, pair[0])
        flow._set_stage(session, image, _summary(session, image), Stage.AWAITING, "")
    assert wanted_on(pair) == [1]


def test_a_large_queue_is_closed_and_opened_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction for all would hold up every reviewer, and be lost as a whole."""
    monkeypatch.setattr(queues, "CHANGED", 2)
    pairs = waiting(11)
    made = queue(overlap=2)
    [one] = people(1)
    for pair in pairs[::2]:
        say(one, pair)
    set_active(made, False)
    assert 0 < sum(wanted == 2 for wanted in wanted_on(*pairs)) < 11
    fill_queues()
    assert wanted_on(*pairs) == [1] * 11
    assert [stage(image) for image, _ in pairs] == [Stage.VERIFIED, Stage.AWAITING] * 5 + [Stage.VERIFIED]
    set_active(made, True)
    assert 0 < sum(wanted == 1 for wanted in wanted_on(*pairs[1::2])) < 5
    fill_queues()
    assert wanted_on(*pairs[1::2]) == [2] * 5
    with db.reading() as session:
        assert session.get_one(ReviewQueue, made.id).filled, "it would be looked through every few seconds for ever"


def test_closing_while_people_decide_strands_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "CHANGED", 3)
    pairs = waiting(24)
    made = queue(overlap=3)
    crowd = people(4)

    def work(user: int) -> None:
        for pair in pairs[user % 4 :] + pairs[: user % 4]:
            with suppress(Conflict):
                say(user, pair)

    def close() -> None:
        set_active(made, False)
        fill_queues()

    with ThreadPoolExecutor(5) as pool:
        for done in [pool.submit(close), *(pool.submit(work, user) for user in crowd)]:
            done.result()
    [last] = people(1)
    while held := outside(last):
        for image in held:
            say(last, next(pair for pair in pairs if pair[0] == image))
    assert {stage(image) for image, _ in pairs} == {Stage.VERIFIED}


def test_a_queue_for_some_people_is_closed_to_others_and_a_silent_holder_loses_the_slot() -> None:
    [pair] = waiting(1)
    one, two = people(2)
    made = queue(people=(one,))
    assert queues.open_to(made, one)
    assert not queues.open_to(made, two)
    with db.unit_of_work() as session:
        session.add(factories.make_source(session))
    take(made, one)
    with db.unit_of_work() as session:
        for row in session.exec(select(ReviewLease)):
            row.expires_at = utcnow() - timedelta(seconds=1)
            session.add(row)
    assert [held.image_id for held in take(made, two)] == [pair[0]]
    with db.unit_of_work() as session:
        assert review_queue.renew(session, one, [pair[0]]) == {pair[0]}


@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("wrong", [{"name": " "}, {"order": "best"}, {"overlap": 0}, {"overlap": 11}, {"gold_every": 1},
                                   {"filter": "category=sun"}, {"people": (999,)}])  # fmt: skip
def test_a_wrong_queue_is_refused_with_what_is_wrong(wrong: dict[str, Any]) -> None:
    with pytest.raises(GgtError):
        queue(**wrong)


def test_the_instruction_of_a_request_reaches_the_prompt_of_the_next_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an annotator asked for must not be lost on the way to the generator."""
    monkeypatch.setenv("GGT_GEMINI_API_KEY", "k")
    settings.cache_clear()
    [pair] = waiting(1)
    [one] = people(1)
    say(one, pair, "regenerate", note="Keep the wet asphalt.")
    with db.unit_of_work() as session:
        options = PipelineOptions(method="nano-banana-2", strategy="fix", compare=False, judge="")
        run = planning.start_pipeline(session, options, user_id=None, confirmed=10**9)
        planning.plan_window(session, run.id or 0, 0)
    with db.reading() as session:
        [item] = session.exec(select(WorkItem).where(col(WorkItem.kind) == "generate")).all()
    assert item.payload["recipe"]["extra"] == "Keep the wet asphalt."
    assert "Keep the wet asphalt." in item.payload["recipe"]["prompt"]


@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("address", ["/images/{}", "/api/v1/images/{}"])
def test_no_history_tells_an_annotator_what_others_said_before_they_have_decided(
    annotator: SignedIn, researcher: SignedIn, address: str
) -> None:
    """Else two independent decisions would be one, looked up."""
    [pair] = waiting(1)
    judge_says(pair, "reject")
    made = queue(overlap=3)
    [other] = people(1)
    take(made, other)
    say(other, pair, "reject", reasons=("structure",), note="The roof bends.")

    def told(who: SignedIn) -> tuple[bool, ...]:
        with statements() as seen:
            text = who.get(address.format(pair[0])).text
        assert len(seen) <= MOST_STATEMENTS
        return tuple(word in text for word in ("The roof bends.", "A lamp is missing.", "review.rejected"))

    assert told(annotator) == (False, False, False)
    assert told(researcher) == (True, True, True)
    take(made, annotator.user_id)
    say(annotator.user_id, pair)
    assert told(annotator) == (True, True, True)
    with db.unit_of_work() as session:  # another try was made meanwhile: a decision on the one before tells nothing of it
        candidate = factories.make_candidate(session, session.get_one(Image, pair[0]))
        again = (pair[0], candidate.id or 0)
    judge_says(again, "accept")
    assert told(annotator) == (False, False, False)


def test_no_list_tells_an_annotator_what_the_judge_said_before_they_have_decided(
    annotator: SignedIn, researcher: SignedIn
) -> None:
    """The verdict of a whole queue could be read from one list, or told from what a filter finds."""
    pairs = hidden, plain = [*waiting(1, "rain"), *waiting(1, "snow")]
    for pair in pairs:
        judge_says(pair, "accept")
    queue(filter="category=rain", overlap=2)
    queue(name="Snow", filter="category=snow", hide_answers=False)

    def told(who: SignedIn) -> tuple[dict[int, str | None], list[bool], bool]:
        items = who.get("/api/v1/images").json()["items"]
        with statements() as seen:
            found = who.get("/images?verdict=accept").text
        assert len(seen) <= MOST_STATEMENTS
        beside = who.get(f"/images/{plain[0]}?verdict=accept&category=rain").text
        tiles = [f'id="image-{image}"' in found for image, _ in pairs]
        return {item["id"]: item["decision"] for item in items}, tiles, f"/images/{hidden[0]}?" in beside

    everything = {hidden[0]: "accept", plain[0]: "accept"}, [True, True], True
    assert told(annotator) == ({hidden[0]: None, plain[0]: "accept"}, [False, True], False)
    assert annotator.get("/api/v1/images?verdict=none").json()["items"] == []
    assert annotator.get("/api/v1/images?verdict=accept&method=local-nlm").json()["total"] == 1
    assert told(researcher) == everything
    say(annotator.user_id, hidden)
    assert told(annotator) == everything


def test_a_pair_that_came_back_hides_the_verdict_wherever_it_is_asked_for() -> None:
    """What was sent back comes first on every review page, also on one without a queue."""
    [pair] = waiting(1)
    judge_says(pair, "accept")
    made = queue(overlap=2)
    one, lead = people(2)
    take(made, one)
    decided = say(one, pair)
    with db.unit_of_work() as session:
        review.send_back(session, user_id=lead, review_key=decided.key, note="Look at the roof.")
    with db.unit_of_work() as session:
        [held] = review_queue.next_items(session, one, review_queue.Filters(), 1)
        [item] = review_items.items(session, one, [held.image_id])
    assert "Look at the roof." in item.returned
    assert item.verdict is None


@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
def test_a_researcher_makes_a_gold_question_and_takes_it_back(researcher: SignedIn, annotator: SignedIn) -> None:
    [pair] = waiting(1)
    form = {"candidate_id": pair[1], "decision": "reject"}
    assert annotator.post("/queues/gold", data=form).status_code == 403
    answer = researcher.post("/queues/gold", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/images/{pair[0]}#candidate-{pair[1]}")
    with db.reading() as session:
        assert gold.questions(session, annotator.user_id, None, 5, ()) == [pair]
    researcher.post("/queues/gold", data=form | {"decision": "none"})
    with db.reading() as session:
        assert gold.questions(session, annotator.user_id, None, 5, ()) == []
