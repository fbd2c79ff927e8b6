"""Queues with several independent decisions: what goes wrong here is work done twice, or a pair that nobody gets."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app import db
from app.config import settings
from app.domain.review import Answer
from app.errors import Conflict, GgtError
from app.models import CandidateSummary, Image, Pair, QueueItem, Review, ReviewLease, ReviewQueue, Stage, WorkItem, utcnow
from app.services import flow, gold, planning, queues, review, review_items, review_leases, review_progress, review_queue
from app.services.options import PipelineOptions
from app.services.queues import Wanted
from tests import factories
from tests.conftest import SignedIn

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
def test_an_image_page_tells_nobody_what_others_said_before_they_have_decided(
    annotator: SignedIn, researcher: SignedIn
) -> None:
    """Else two independent decisions would be one, looked up."""
    [pair] = waiting(1)
    made = queue(overlap=2)
    [other] = people(1)
    take(made, other)
    say(other, pair, "reject", reasons=("structure",), note="The roof bends.")
    address = f"/images/{pair[0]}"
    assert "The roof bends." not in annotator.get(address).text
    assert "The roof bends." in researcher.get(address).text
    take(made, annotator.user_id)
    say(annotator.user_id, pair)
    assert "The roof bends." in annotator.get(address).text


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
