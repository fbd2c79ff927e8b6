"""Human verification: what an annotator, or whoever uses the dataset, would lose if it went wrong."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, col, select

from app import db
from app.domain.review import Answer, decision_problem
from app.errors import Conflict, GgtError, NotFound
from app.models import CandidateSummary, Event, Image, Pair, Review, ReviewLease, Role, Stage, utcnow
from app.services import review, review_leases, review_progress, review_queue
from app.services.review_queue import Filters, next_items
from tests import factories

pytestmark = pytest.mark.usefixtures("database")
ALL = Filters()
ONE_ENGINE = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
"""For what is refused before the database is asked."""


def waiting(n: int, category: str = "rain") -> list[tuple[int, int]]:
    """n pairs that wait, as (image id, candidate id)."""
    with db.unit_of_work() as session:
        source = factories.make_source(session)
        images = [factories.make_image(session, Stage.AWAITING, category, source) for _ in range(n)]
        made = [factories.make_candidate(session, image, metrics={"niqe": 3.1, "niqe_lq": 5.2}) for image in images]
        return [(c.image_id, c.id or 0) for c in made]


def person(role: Role = Role.ANNOTATOR, name: str = "") -> int:
    with db.unit_of_work() as session:
        return factories.make_user(session, role, name)


def together(*works: Callable[[], Any]) -> list[Any]:
    """Do all at the same moment, each in its own transaction; an expected error is its result."""
    start = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return work()
        except GgtError as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def lease(user: int, n: int = 1, filters: Filters = ALL, exclude: tuple[int, ...] = ()) -> list[int]:
    with db.unit_of_work() as session:
        return [item.image_id for item in next_items(session, user, filters, n, exclude)]


def decide(user: int, pair: tuple[int, int], key: str = "key-00000001", decision: Any = "accept", **more: Any) -> Any:
    with db.unit_of_work() as session:
        return review.decide(
            session, user_id=user, key=key, image_id=pair[0], candidate_id=pair[1], answer=Answer(decision, **more)
        )


def undo(user: int, key: str | None = None) -> review.Decided:
    with db.unit_of_work() as session:
        return review.undo(session, user_id=user, review_key=key)


def state(pair: tuple[int, int]) -> tuple[str, str, str | None, int | None]:
    """(image's stage, candidate's stage, its review, the pair's candidate)."""
    with db.reading() as session:
        image, summary = session.get(Image, pair[0]), session.get(CandidateSummary, pair[1])
        made = session.get(Pair, pair[0])
        assert image is not None
        assert summary is not None
        return image.stage, summary.stage, summary.review, made.candidate_id if made else None


def expire_leases() -> None:
    with db.unit_of_work() as session:
        for row in session.exec(select(ReviewLease)):
            row.expires_at = utcnow() - timedelta(seconds=1)
            session.add(row)


def reviews(session: Session) -> list[Review]:
    return list(session.exec(select(Review).order_by(col(Review.id))))


def test_people_who_ask_at_once_never_get_the_same_pair() -> None:
    """Else two people judge one pair, and one of them works for nothing."""
    pairs = waiting(24)
    people = [person() for _ in range(4)]
    got = together(*[lambda u=u: lease(u, 6) for u in people])
    assert [len(ids) for ids in got] == [6, 6, 6, 6]
    assert sorted(i for ids in got for i in ids) == sorted(i for i, _ in pairs)


def test_the_last_pair_goes_to_one_person_only() -> None:
    waiting(1)
    people = [person() for _ in range(4)]
    got = together(*[lambda u=u: lease(u, 6) for u in people])
    assert sorted(len(ids) for ids in got) == [0, 0, 0, 1]


def test_oldest_first_and_the_same_again_after_a_reload() -> None:
    pairs = waiting(4)
    me = person()
    assert lease(me, 2) == [pairs[0][0], pairs[1][0]]
    assert lease(me, 2) == [pairs[0][0], pairs[1][0]]
    assert lease(me, 2, exclude=(pairs[0][0],)) == [pairs[1][0], pairs[2][0]]


def test_a_silent_browser_loses_its_pair_and_an_open_one_keeps_it() -> None:
    [pair] = waiting(1)
    gone, here = person(), person()
    assert lease(gone) == [pair[0]]
    assert lease(here) == []
    expire_leases()
    assert lease(here) == [pair[0]]
    with db.unit_of_work() as session:
        assert review_queue.renew(session, here, [pair[0]]) == set()
        assert review_queue.renew(session, gone, [pair[0], 999_999]) == {pair[0], 999_999}


def test_an_empty_queue_is_told_from_one_that_is_open_elsewhere() -> None:
    """ "Nothing to do" while twelve pairs are only locked sends annotators home."""
    waiting(3)
    holder, me = person(), person()
    lease(holder, 3)
    with db.reading() as session:
        locked = review_progress.locked(session, me, ALL)
        assert locked is not None
        assert locked.count == 3
        assert 240 < locked.seconds <= 300
        assert review_progress.locked(session, me, Filters(category="snow")) is None
    with db.unit_of_work() as session:
        review_leases.release(session, holder)
        assert review_progress.locked(session, me, ALL) is None
    assert len(lease(me, 3)) == 3


def test_filters_choose_the_queue() -> None:
    rain, snow = waiting(1, "rain"), waiting(1, "snow")
    assert lease(person(), 5, Filters(category="snow")) == [snow[0][0]]
    with db.reading() as session:
        image = session.get(Image, rain[0][0])
        assert image is not None
        source = image.source_id
    assert lease(person(), 5, Filters(source_id=source)) == [rain[0][0]]
    assert lease(person(), 5, Filters(after=snow[0][0])) == []


def test_a_pair_without_a_current_candidate_is_not_shown() -> None:
    with db.unit_of_work() as session:
        factories.make_image(session, Stage.AWAITING)
    assert lease(person()) == []


def test_accept_makes_the_pair_and_says_who_did_it() -> None:
    [pair] = waiting(1)
    me = person()
    lease(me)
    decided = decide(me, pair)
    assert (decided.image_id, decided.decision, decided.undone) == (pair[0], "accept", False)
    assert state(pair) == ("verified", "verified", "accept", pair[1])
    with db.reading() as session:
        assert session.get(ReviewLease, pair[0]) is None
        event = session.exec(select(Event).where(Event.subject == f"image:{pair[0]}")).one()
        assert (event.user_id, event.action) == (me, "review.accepted")


def test_reject_keeps_the_reasons_and_makes_no_pair() -> None:
    [pair] = waiting(1)
    decide(person(), pair, decision="reject", reasons=("artifact", "other"), note=" halo at the roof ")
    assert state(pair) == ("rejected", "rejected", "reject", None)
    with db.reading() as session:
        [row] = reviews(session)
        assert (row.reasons, row.note) == (["artifact", "other"], "halo at the roof")


@ONE_ENGINE
@pytest.mark.parametrize(
    ("decision", "reasons", "note"),
    [
        ("reject", (), ""),
        ("reject", ("ugly",), ""),
        ("reject", ("other",), "  "),
        ("reject", ("artifact",), "x" * 2001),
        ("accept", ("artifact",), ""),
        ("maybe", (), ""),
    ],
)
def test_an_incomplete_decision_changes_nothing(decision: str, reasons: tuple[str, ...], note: str) -> None:
    assert decision_problem(decision, reasons, note)
    [pair] = waiting(1)
    with pytest.raises(GgtError):
        decide(person(), pair, decision=decision, reasons=reasons, note=note)
    assert state(pair) == ("awaiting_verification", "awaiting_verification", None, None)


@ONE_ENGINE
@pytest.mark.parametrize("key", ["", "short", "x" * 65, "key 00000001", "ключ-0000001"])
def test_a_key_that_cannot_be_one_is_refused(key: str) -> None:
    [pair] = waiting(1)
    with pytest.raises(GgtError, match="key"):
        decide(person(), pair, key)


def test_a_decision_sent_twice_counts_once() -> None:
    """A browser that lost the answer sends again; the dataset must not have the pair twice, the person no error."""
    [pair] = waiting(1)
    me = person()
    first = decide(me, pair)
    assert decide(me, pair) == first
    with db.reading() as session:
        assert len(reviews(session)) == 1


def test_a_decision_sent_eight_times_at_once_counts_once() -> None:
    [pair] = waiting(1)
    me = person()
    got = together(*[lambda: decide(me, pair)] * 8)
    assert got == [got[0]] * 8
    assert isinstance(got[0], review.Decided)
    with db.reading() as session:
        assert len(reviews(session)) == 1


def test_of_two_people_at_once_one_decides_and_the_other_learns_it() -> None:
    [pair] = waiting(1)
    people = [person(name="Ada"), person(name="Ben")]
    ada, ben = people
    got = together(
        lambda: decide(ada, pair, "key-of-ada"),
        lambda: decide(ben, pair, "key-of-ben", "reject", reasons=("color",)),
    )
    assert sorted(type(g).__name__ for g in got) == ["Conflict", "Decided"]
    refused = next(g for g in got if isinstance(g, Conflict))
    assert f"Image {pair[0]} was already" in str(refused)
    assert ("by Ada" in str(refused)) or ("by Ben" in str(refused))
    with db.reading() as session:
        assert len(reviews(session)) == 1


def test_work_done_offline_counts_though_the_lease_ran_out() -> None:
    [pair] = waiting(1)
    away, other = person(), person()
    lease(away)
    expire_leases()
    assert lease(other) == [pair[0]]
    decide(away, pair)
    with pytest.raises(Conflict):
        decide(other, pair, "key-00000002")
    assert state(pair)[0] == "verified"


def test_a_decision_on_an_older_candidate_is_refused() -> None:
    """Else a person's accept of one picture would put another into the dataset."""
    [pair] = waiting(1)
    with db.unit_of_work() as session:
        factories.make_candidate(session, session.get(Image, pair[0]), method="local-dcp")
    with pytest.raises(Conflict, match="newer candidate"):
        decide(person(), pair)


def test_a_key_cannot_be_used_for_another_decision() -> None:
    one, two = waiting(2)
    me = person()
    decide(me, one)
    with pytest.raises(Conflict, match="key"):
        decide(me, two)
    with pytest.raises(Conflict, match="key"):
        decide(person(), one)
    assert state(two)[0] == "awaiting_verification"


def test_an_image_that_is_not_there() -> None:
    with pytest.raises(NotFound, match="Image 999999"):
        decide(person(), (999_999, 1))


@pytest.mark.parametrize(("decision", "reasons"), [("accept", ()), ("reject", ("content",))])
def test_undo_restores_everything_and_brings_the_pair_back(decision: str, reasons: tuple[str, ...]) -> None:
    pair, _ = waiting(2)
    me, other = person(), person()
    before = state(pair)
    decide(me, pair, decision=decision, reasons=reasons)
    assert undo(me).undone
    assert state(pair) == before
    assert pair[0] not in lease(other, 5)
    assert lease(me) == [pair[0]]
    with db.reading() as session:
        [row] = reviews(session)
        assert row.undone_at is not None
    decide(me, pair, "key-00000002")
    assert state(pair)[0] == "verified"


def test_undo_twice_and_a_late_resend_change_nothing() -> None:
    [pair] = waiting(1)
    me = person()
    decide(me, pair)
    assert undo(me, "key-00000001") == undo(me, "key-00000001")
    assert decide(me, pair).undone
    assert state(pair)[0] == "awaiting_verification"


def test_undo_goes_back_one_by_one_or_to_any_of_the_last() -> None:
    pairs = waiting(4)
    me = person()
    for n, pair in enumerate(pairs):
        decide(me, pair, f"key-0000000{n}")
    assert undo(me).image_id == pairs[3][0]
    assert undo(me).image_id == pairs[2][0]
    assert undo(me, "key-00000000").image_id == pairs[0][0]
    assert [state(p)[0] for p in pairs] == ["awaiting_verification", "verified", *["awaiting_verification"] * 2]


def test_nobody_undoes_what_another_decided() -> None:
    [pair] = waiting(1)
    decide(person(), pair)
    with pytest.raises(NotFound):
        undo(person(), "key-00000001")
    with pytest.raises(NotFound):
        undo(person())
    assert state(pair)[0] == "verified"


def test_undo_is_refused_when_the_image_has_moved_on() -> None:
    [pair] = waiting(1)
    me = person()
    decide(me, pair, decision="reject", reasons=("artifact",))
    with db.unit_of_work() as session:
        factories.make_candidate(session, session.get(Image, pair[0]), method="local-dcp")
    with pytest.raises(Conflict, match="moved on"):
        undo(me)


def test_progress_counts_what_stands() -> None:
    pairs = waiting(4)
    me = person()
    for n, pair in enumerate(pairs[:3]):
        decide(me, pair, f"key-0000000{n}")
    undo(me)
    with db.reading() as session:
        numbers = review_progress.progress(session, me, ALL, utcnow() - timedelta(hours=1))
        assert (numbers.today, numbers.left, numbers.per_minute) == (2, 2, 2.0)
        assert review_progress.progress(session, me, ALL, utcnow()).today == 0


def form(pair: tuple[int, int], **more: str) -> dict[str, str]:
    return {"key": "key-00000001", "image_id": str(pair[0]), "candidate_id": str(pair[1]), **more}


JSON = {"Accept": "application/json"}


def test_the_page_works_without_a_script(annotator: TestClient) -> None:
    one, two = waiting(2)
    page = annotator.get("/review").text
    assert f"/files/images/{one[0]}/master?v=" in page
    assert f"/files/candidates/{one[1]}/file?v=" in page
    back = annotator.post("/review/decide", data=form(one, decision="accept", query="?category=rain"))
    assert (back.status_code, back.headers["location"]) == (303, "/review?category=rain")
    assert f"/files/images/{two[0]}/master?v=" in annotator.get("/review").text
    assert annotator.post("/review/undo", data={}).status_code == 303
    assert state(one)[0] == "awaiting_verification"
    assert f"/files/images/{two[0]}/master" in annotator.get(f"/review?after={one[0]}").text


@ONE_ENGINE
def test_a_redirect_never_leaves_the_site(annotator: TestClient) -> None:
    [pair] = waiting(1)
    back = annotator.post("/review/decide", data=form(pair, decision="accept", query="//evil.example"))
    assert back.headers["location"] == "/review"


@ONE_ENGINE
@pytest.mark.parametrize("query", ["category=rain&source=1", "category=nonsense", "source=abc", "source=99999999999999"])
def test_any_filter_in_the_url_gives_a_page(annotator: TestClient, query: str) -> None:
    waiting(1)
    assert annotator.get(f"/review?{query}").status_code == 200


def test_the_browser_gets_pairs_keeps_them_and_learns_what_it_lost(annotator: TestClient) -> None:
    pairs = waiting(3)
    got = annotator.post("/review/queue", json={"want": 2}, headers=JSON).json()
    assert [i["image_id"] for i in got["items"]] == [pairs[0][0], pairs[1][0]]
    assert (got["lost"], got["empty"], got["progress"]["left"]) == ([], None, 3)
    assert "NIQE" in got["items"][0]["info"].upper()
    decide(person(), pairs[0])
    got = annotator.post(
        "/review/queue",
        json={"want": 2, "held": [pairs[0][0], pairs[1][0]], "day_start": "1999-01-01T00:00:00Z"},
        headers=JSON,
    ).json()
    assert got["lost"] == [pairs[0][0]]
    assert [i["image_id"] for i in got["items"]] == [pairs[2][0]]
    assert "Nothing waits" in got["empty"]["text"]
    assert annotator.post("/review/release", data={"image_id": [str(pairs[1][0])]}).status_code == 204
    assert lease(person(), 5) == [pairs[1][0]]


@ONE_ENGINE
@pytest.mark.parametrize(
    "asked", [{}, {"want": 1000}, {"want": -1}, {"want": 1, "held": ["x"]}, {"want": 1, "day_start": "?"}]
)
def test_a_malformed_request_is_refused(annotator: TestClient, asked: dict[str, Any]) -> None:
    assert annotator.post("/review/queue", json=asked, headers=JSON).status_code == 422


def test_refusals_tell_the_browser_what_happened(annotator: TestClient) -> None:
    [pair] = waiting(1)
    decide(person(name="Ada"), pair, "key-00000009")
    refused = annotator.post("/review/decide", data=form(pair, decision="accept"), headers=JSON)
    assert refused.status_code == 409
    assert "already accepted by Ada" in refused.json()["detail"]
    assert annotator.post("/review/decide", data=form(pair, decision="reject"), headers=JSON).status_code == 400
    assert annotator.post("/review/decide", data=form(pair, decision="maybe"), headers=JSON).status_code == 422


@ONE_ENGINE
def test_nobody_decides_without_session_or_token(client: TestClient, annotator: TestClient) -> None:
    [pair] = waiting(1)
    assert client.get("/review").status_code == 303
    assert client.get("/review/me", headers=JSON).status_code == 401
    assert client.post("/review/decide", data=form(pair, decision="accept"), headers=JSON).status_code == 401
    stolen = {**JSON, "X-CSRF-Token": "0" * 64}
    assert annotator.post("/review/decide", data=form(pair, decision="accept"), headers=stolen).status_code == 403
    assert state(pair)[0] == "awaiting_verification"


def test_the_page_needs_few_statements(annotator: TestClient) -> None:
    """A page that asks per item gets slow exactly when there is much to do."""
    from sqlalchemy import event

    waiting(10)
    seen: list[str] = []
    event.listen(db.engine(), "before_cursor_execute", lambda *a: seen.append(a[2]))
    assert annotator.get("/review").status_code == 200
    assert len([statement for statement in seen if not statement.startswith("BEGIN")]) <= 8, seen
    seen.clear()
    annotator.post("/review/queue", json={"want": 6}, headers=JSON)
    assert len([statement for statement in seen if not statement.startswith("BEGIN")]) <= 8, seen
