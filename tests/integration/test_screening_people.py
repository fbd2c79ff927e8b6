"""What people decide in the screening: a decision lost or overwritten is an hour of somebody's eyes."""

import threading

import pytest
from sqlmodel import col, select

pytest.importorskip("cv2")

from app.db import reading, unit_of_work
from app.errors import Conflict, GgtError, NotAllowed, NotFound
from app.models import Event, Look, Patch, PatchState, SourceFile
from app.services import looks, screening_people
from app.services.screening_people import Graded, decide_flag, grade, ungrade
from tests.integration.screening_run import good, patches, photograph, sample, screen, states, take_in, user

pytestmark = pytest.mark.usefixtures("database")
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def to_grade(number: int = 3) -> list[int]:
    take_in([photograph(*(good(n) for n in range(number)))])
    screen(level="person")
    assert states() == ["grading"] * number
    return [patch.id or 0 for patch in patches()]


def to_look_at(number: int = 2) -> list[int]:
    take_in([photograph(*(good(n) for n in range(number)))])
    screen(unsafe="person", level="person")
    assert states() == ["flagged"] * number
    return [patch.id or 0 for patch in patches()]


def graded(user_id: int, ids: list[int], level: str, why: str = "") -> Graded:
    with unit_of_work() as session:
        return grade(session, user_id, ids, level, why)


def flag(user_id: int, patch_id: int, *, safe: bool, why: str = "") -> str:
    with unit_of_work() as session:
        return decide_flag(session, user_id, patch_id, safe=safe, why=why)


def undo(user_id: int, ids: list[int], *, any_of: bool = False) -> tuple[int, ...]:
    with unit_of_work() as session:
        return ungrade(session, user_id, ids, any_of=any_of)


def events(action: str) -> list[Event]:
    with reading() as session:
        return list(session.exec(select(Event).where(col(Event.action) == action).order_by(col(Event.id))))


def test_a_person_grades_and_the_grade_is_recorded_in_their_name() -> None:
    ids, ada = to_grade(), user()
    assert graded(ada, ids[:2], "low").graded == tuple(ids[:2])
    graded(ada, ids[2:], "out", "a hand before the lens")
    assert [(p.state, p.level, p.decided_by) for p in patches()] == [("passed", "low", ada)] * 2 + [("out", "", ada)]
    assert patches()[2].reason == "a hand before the lens"
    assert [(e.user_id, e.subject, e.details) for e in events("patch.graded")] == [
        (ada, f"patch:{i}", {"level": level}) for i, level in zip(ids, ("low", "low", "out"), strict=True)
    ]


def test_grading_twice_grades_once_and_ones_own_grade_can_be_changed() -> None:
    ids, ada = to_grade(1), user()
    graded(ada, ids, "low")
    assert graded(ada, ids, "low").graded == tuple(ids)
    assert len(events("patch.graded")) == 1
    graded(ada, ids, "high")
    assert patches()[0].level == "high"
    undo(ada, ids)
    assert patches()[0].level == "low"
    undo(ada, ids)
    assert (states(), patches()[0].level, patches()[0].decided_by) == (["grading"], "", None)
    assert undo(ada, ids) == (), "there is nothing left to take back"


def test_of_two_people_the_later_one_is_told_and_nothing_is_overwritten() -> None:
    ids, ada, bob = to_grade(2), user("Ada"), user("Bob")
    graded(ada, ids[:1], "low")
    found = graded(bob, ids, "high")
    assert found.graded == (ids[1],)
    [late] = found.overtaken
    assert late.told == f"Ada was faster with patch {ids[0]} and graded it low."
    assert [p.level for p in patches()] == ["low", "high"]
    with pytest.raises(NotAllowed, match="They, or an admin"):
        undo(bob, ids)
    assert [p.level for p in patches()] == ["low", "high"], "nothing is taken back by halves"
    undo(bob, ids[:1], any_of=True)
    assert states() == ["grading", "passed"]


def test_two_people_in_the_same_moment_leave_one_decision() -> None:
    [patch_id] = to_grade(1)
    people = [user("Ada"), user("Bob")]
    results: list[Graded] = []
    both = threading.Barrier(2)

    def decide(user_id: int, level: str) -> None:
        both.wait()
        results.append(graded(user_id, [patch_id], level))

    threads = [threading.Thread(target=decide, args=args) for args in zip(people, ("low", "high"), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(len(found.graded) for found in results) == [0, 1]
    assert len(events("patch.graded")) == 1


def test_a_person_stands_above_what_was_measured_and_a_new_run_leaves_that_alone() -> None:
    take_in([photograph(good(1), good(2))])
    screen()
    [first, second] = [patch.id or 0 for patch in patches()]
    ada = user()
    graded(ada, [first], "low")
    graded(ada, [second], "out")
    screen(again=True, content="off")
    assert [(p.state, p.level) for p in patches()] == [("passed", "low"), ("out", "")]
    undo(ada, [second])
    assert patches()[1].state == "passed"
    assert patches()[1].level in ("high", "medium", "low"), "as it was measured"


def test_a_flag_is_decided_and_the_screening_goes_on_where_it_stopped() -> None:
    ids, ada = to_look_at(), user()
    assert flag(ada, ids[0], safe=True) == "grading"
    assert flag(ada, ids[1], safe=False, why="somebody's letter") == "out"
    assert [(p.state, p.step, p.decided_by) for p in patches()] == [("grading", "level", ada), ("out", "unsafe", ada)]
    assert patches()[1].reason == "somebody's letter"
    assert [e.subject for e in events("patch.cleared") + events("patch.barred")] == [f"patch:{i}" for i in ids]
    assert flag(ada, ids[0], safe=True) == "grading", "the same said twice is said once"
    assert len(events("patch.cleared")) == 1


def test_whoever_decides_a_flag_second_is_told() -> None:
    ids, ada, bob = to_look_at(), user("Ada"), user("Bob")
    flag(ada, ids[0], safe=False)
    flag(ada, ids[1], safe=True)
    with pytest.raises(Conflict, match="Ada was faster"):
        flag(bob, ids[0], safe=True)
    with pytest.raises(Conflict, match="Ada was faster"):
        flag(bob, ids[1], safe=False)
    assert states() == ["out", "grading"]


def test_decisions_of_two_people_are_taken_back_one_after_the_other() -> None:
    ids, ada, bob = to_look_at(1), user("Ada"), user("Bob")
    flag(ada, ids[0], safe=True)
    assert graded(bob, ids, "medium").graded == tuple(ids), "who cleared it need not be who grades it"
    with pytest.raises(NotAllowed):
        undo(ada, ids)
    undo(bob, ids)
    assert (states(), patches()[0].decided_by) == (["grading"], ada)
    undo(ada, ids)
    assert (states(), patches()[0].step, patches()[0].decided_by) == (["flagged"], "unsafe", None)
    assert flag(bob, ids[0], safe=False) == "out"


@on_sqlite
def test_a_barred_patch_is_not_brought_back_by_grading_it() -> None:
    ids, ada, bob = to_look_at(1), user("Ada"), user("Bob")
    flag(ada, ids[0], safe=False)
    assert len(graded(bob, ids, "high").overtaken) == 1
    assert states() == ["out"]


@on_sqlite
def test_what_has_become_an_image_is_taken_back_no_more() -> None:
    ids, ada = to_grade(1), user()
    graded(ada, ids, "low")
    sample(ratio={"high": 0, "medium": 0, "low": 1})
    assert states() == ["retained"]
    with pytest.raises(Conflict, match="has become image 1"):
        undo(ada, ids)
    assert graded(ada, ids, "high").overtaken[0].told == f"Patch {ids[0]} has become image 1."


@on_sqlite
def test_pages_follow_each_other_without_gap_or_double(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screening_people, "PAGE_SIZE", 2)
    ids = to_grade(5)
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        with reading() as session:
            page = screening_people.grading(session, category="general_mixed", after=after)
        seen += [patch.id for patch in page.patches]
        after = page.after
    assert seen == ids
    first = page.patches[-1]
    assert (first.source, first.photograph) == ("archive", "archive-0.png")
    assert first.thumbnail_sha256
    with reading() as session:
        assert screening_people.grading(session, category="rain").patches == ()
        assert screening_people.flagged(session).patches == ()


@on_sqlite
def test_what_cannot_be_graded_is_refused() -> None:
    ids, ada = to_grade(1), user()
    with pytest.raises(GgtError, match="high, medium, low"):
        graded(ada, ids, "best")
    with pytest.raises(NotFound, match="no patch 99"):
        graded(ada, [99], "low")
    with pytest.raises(Conflict, match="waits for nobody"):
        flag(ada, ids[0], safe=True)
    assert states() == ["grading"]


def look(user_id: int, file_id: int, *, keep: bool, why: str = "") -> None:
    with unit_of_work() as session:
        looks.look(session, user_id, file_id, keep=keep, why=why)


def unlook(user_id: int, file_id: int, *, any_of: bool = False) -> None:
    with unit_of_work() as session:
        looks.unlook(session, user_id, file_id, any_of=any_of)


def test_a_look_lets_patches_on_or_ends_them() -> None:
    files = take_in([photograph(good(1), good(2)), photograph(good(3))], then="look")
    ada = user()
    assert states() == ["held"] * 3
    with reading() as session:
        page = looks.looks(session)
    assert [(p.id, p.patches, p.category, p.licence) for p in page.photographs] == [
        (files[0], 2, "general_mixed", "CC0-1.0"), (files[1], 1, "general_mixed", "CC0-1.0")
    ]  # fmt: skip
    screen()
    assert states() == ["held"] * 3, "nothing is measured before somebody looked"
    look(ada, files[0], keep=True)
    look(ada, files[0], keep=True)
    look(ada, files[1], keep=False, why="no rain to be seen")
    assert states() == ["waiting", "waiting", "out"]
    assert [(p.step, p.reason) for p in patches()][2] == ("look", "no rain to be seen")
    assert [len(events(f"photograph.{word}")) for word in ("kept", "discarded")] == [1, 1]
    with reading() as session:
        assert looks.looks(session).photographs == ()
        [gone] = looks.looks(session, Look.DISCARDED).photographs
    assert (gone.id, gone.reason, gone.by) == (files[1], "no rain to be seen", "Ada")


def test_a_look_is_taken_back_until_the_patches_were_screened() -> None:
    files = take_in([photograph(good(1)), photograph(good(2))], then="look")
    ada, bob = user("Ada"), user("Bob")
    look(ada, files[0], keep=True)
    look(ada, files[1], keep=False)
    with pytest.raises(Conflict, match=r"Ada was faster with archive-1\.png and discarded it"):
        look(bob, files[1], keep=True)
    with pytest.raises(NotAllowed):
        unlook(bob, files[1])
    unlook(ada, files[1])
    unlook(ada, files[1])
    unlook(bob, files[0], any_of=True)
    assert states() == ["held", "held"]
    with reading() as session:
        assert [f.look for f in session.exec(select(SourceFile))] == [Look.WAITING] * 2
    look(bob, files[0], keep=True)
    screen()
    with pytest.raises(Conflict, match="were screened since"):
        unlook(bob, files[0])
    assert states() == ["passed", "held"]


@on_sqlite
def test_a_photograph_that_nobody_was_asked_about_needs_no_look() -> None:
    [file_id] = take_in([good(1)])
    with pytest.raises(Conflict, match="waits for no look"):
        look(user(), file_id, keep=False)
    with pytest.raises(NotFound):
        look(user(), 99, keep=True)
    with reading() as session:
        assert session.exec(select(Patch.state)).one() == PatchState.WAITING
