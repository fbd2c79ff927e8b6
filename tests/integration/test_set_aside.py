"""Setting images aside and taking them back. If this fails, images are lost, or come back as something else."""

from collections import Counter

import pytest
from sqlmodel import Session, col, select

from app import db
from app.errors import Conflict, GgtError, NotAllowed
from app.models import BulkAction, Event, Image, QueueItem, ReviewQueue, Role, Run, RunState, SetAside, Stage, WorkItem
from app.services import bulk_actions, flow, planning, queues, set_aside
from app.services.gallery_filter import GalleryFilter
from app.services.options import PipelineOptions, images_of
from tests import factories
from tests.conftest import SignedIn, SignInAs
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements
from workers.main import fill_queues

pytestmark = pytest.mark.usefixtures("redis")
one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
RAIN = GalleryFilter(category="rain")
MOVED = (Stage.COLLECTED, Stage.FILTERED_OUT, Stage.JUDGED_OUT, Stage.AWAITING, Stage.REJECTED, Stage.FAILED)


def make(session: Session, *stages: Stage, category: str = "rain") -> list[int]:
    source = factories.make_source(session)
    made = [factories.make_image(session, stage, category, source) for stage in stages]
    for image in made:
        image.stage_reason = f"was {image.stage}"
    session.flush()
    return [image.id or 0 for image in made]


def stages(*ids: int) -> list[str]:
    with db.reading() as session:
        found = {image.id: image.stage for image in session.exec(select(Image).where(col(Image.id).in_(ids)))}
    return [found[i] for i in ids]


def set_them_aside(user_id: int, wanted: GalleryFilter = RAIN, key: str = "k" * 22) -> int:
    with db.unit_of_work() as session:
        return set_aside.start(session, user_id, "set_aside", wanted, why="Faces", key=key)


def undo(user_id: int, action_id: int, *, any_of: bool = False) -> int:
    with db.unit_of_work() as session:
        return set_aside.undo(session, user_id, action_id, any_of=any_of)


def run_windows(run_id: int) -> int:
    """Work a run's windows as a worker would, each twice; returns how many there were."""
    done = 0
    while True:
        with db.reading() as session:
            query = select(WorkItem.payload).where(WorkItem.run_id == run_id).order_by(col(WorkItem.id))
            waiting = list(session.exec(query))[done:]
        if not waiting:
            return done
        for payload in waiting:
            for _ in range(2):
                with db.unit_of_work() as session:
                    set_aside.work_window(session, payload["action_id"], payload["after"])
            done += 1


def test_images_leave_the_flow_and_come_back_as_they_were(database: str) -> None:
    with db.unit_of_work() as session:
        user = factories.make_user(session, Role.RESEARCHER)
        moved = make(session, *MOVED)
        kept = make(session, Stage.VERIFIED, Stage.REFINING, Stage.SCORED, Stage.GENERATED)
        other = make(session, Stage.AWAITING, category="haze")
    action = set_them_aside(user)
    assert stages(*moved) == [Stage.SET_ASIDE] * len(moved)
    assert stages(*kept, *other) == [Stage.VERIFIED, Stage.REFINING, Stage.SCORED, Stage.GENERATED, Stage.AWAITING]
    with db.reading() as session:
        assert session.get_one(Image, moved[0]).stage_reason == "Set aside: Faces"
        taken = set(session.execute(images_of(PipelineOptions(query={"category": "rain"}))).scalars())
        assert taken == set(kept), "a run would take up what was set aside"
    undo(user, action)
    assert stages(*moved) == list(MOVED)
    with db.reading() as session:
        assert session.get_one(Image, moved[3]).stage_reason == f"was {Stage.AWAITING}"
        done = [(event.action, event.subject) for event in session.exec(select(Event).order_by(col(Event.id)))]
    assert done == [("images.set_aside", f"bulk:{action}"), ("images.undone", f"bulk:{action}")]


def test_a_form_sent_twice_acts_once_and_undoing_twice_undoes_once(database: str) -> None:
    with db.unit_of_work() as session:
        user = factories.make_user(session, Role.RESEARCHER)
        first = make(session, Stage.AWAITING)
    action = set_them_aside(user)
    with db.unit_of_work() as session:
        later = make(session, Stage.AWAITING)
    assert set_them_aside(user) == action
    assert stages(*first, *later) == [Stage.SET_ASIDE, Stage.AWAITING]
    with pytest.raises(Conflict, match="something else"):
        set_them_aside(user, GalleryFilter(category="haze"))
    assert undo(user, action) == undo(user, action)
    with db.reading() as session:
        assert len(session.exec(select(BulkAction)).all()) == 2


def test_an_undo_says_what_it_left_and_why(database: str) -> None:
    with db.unit_of_work() as session:
        user = factories.make_user(session, Role.RESEARCHER)
        back, before, moved = make(session, Stage.AWAITING, Stage.AWAITING, Stage.REJECTED)
    action = set_them_aside(user)
    with db.unit_of_work() as session:
        set_aside.start(session, user, "take_back", GalleryFilter(ids=(before,)), why="", key="b" * 22)
        session.get_one(Image, moved).stage = Stage.VERIFIED  # whatever did it
    undo(user, action)
    assert stages(back, before, moved) == [Stage.AWAITING, Stage.AWAITING, Stage.VERIFIED]
    with db.reading() as session:
        taken_back, set_back = bulk_actions.actions(session)
    assert (taken_back.kind, taken_back.touched) == ("take_back", 1)
    assert set_back.undone == bulk_actions.Undone(taken_back=1, moved_on=1, before=1, working=False)
    again = set_them_aside(user, GalleryFilter(ids=(back,)), "c" * 22)
    assert stages(back) == [Stage.SET_ASIDE], "what was taken back can be set aside again"
    undo(user, again)
    assert stages(back) == [Stage.AWAITING]


def test_many_images_go_in_windows_each_once(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_aside, "WINDOW", 3)
    with db.unit_of_work() as session:
        user = factories.make_user(session, Role.RESEARCHER)
        ids = make(session, *[Stage.AWAITING] * 7)
    action = set_them_aside(user)
    assert Counter(stages(*ids)) == {Stage.SET_ASIDE: 3, Stage.AWAITING: 4}, "one transaction took more than its window"
    with pytest.raises(Conflict, match="still at work"):
        undo(user, action)
    assert run_windows(1) == 2
    with db.reading() as session:
        row = session.get_one(BulkAction, action)
        assert (row.touched, row.finished_at is not None) == (7, True)
        assert len(session.exec(select(SetAside)).all()) == 7
    undo(user, action)
    assert run_windows(2) == 2
    assert stages(*ids) == [Stage.AWAITING] * 7


@one_engine
@pytest.mark.parametrize("where", ["/runs/1/cancel", "/api/v1/runs/1/cancel"])
def test_whoever_started_a_long_action_can_cancel_it(
    sign_in_as: SignInAs, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Else a mistake over the whole collection runs on until an admin is found."""
    monkeypatch.setattr(set_aside, "WINDOW", 2)
    one, other, admin = sign_in_as(Role.RESEARCHER), sign_in_as(Role.RESEARCHER), sign_in_as(Role.ADMIN)
    with db.unit_of_work() as session:
        make(session, *[Stage.AWAITING] * 5)
    set_them_aside(one.user_id)
    button = 'action="/runs/1/cancel"'
    assert [button in who.get("/runs/1").text for who in (one, other, admin)] == [True, False, True]
    refused = other.post(where)
    assert refused.status_code == 403
    assert "started by somebody else" in refused.text
    assert one.post(where).status_code in (200, 303)
    with db.reading() as session:
        assert session.get_one(Run, 1).state in (RunState.CANCELLING, RunState.CANCELLED)
        assert bulk_actions.actions(session)[0].touched == 2
    assert one.post("/runs/1/resume").status_code == 403
    assert admin.post("/runs/1/resume").status_code == 303
    assert admin.post(where).status_code in (200, 303)


def test_an_action_that_was_stopped_undone_and_resumed_sets_nothing_more_aside(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(set_aside, "WINDOW", 2)
    with db.unit_of_work() as session:
        user = factories.make_user(session, Role.RESEARCHER)
        ids = make(session, *[Stage.AWAITING] * 5)
    action = set_them_aside(user)
    with db.unit_of_work() as session:
        session.get_one(Run, 1).state = "cancelled"
    with db.reading() as session:
        assert bulk_actions.actions(session)[0].stopped
    undo(user, action)
    run_windows(1)
    run_windows(2)
    assert stages(*ids) == [Stage.AWAITING] * 5


def test_work_that_ends_later_moves_no_image_that_is_set_aside(database: str) -> None:
    with db.unit_of_work() as session:
        user = factories.make_user(session, Role.RESEARCHER)
        candidate = factories.make_candidate(session, stage=Stage.FAILED)
    set_them_aside(user)
    with db.unit_of_work() as session:
        flow.step_failed(session, candidate.id or 0, "no memory")
        flow.scored(session, 1, candidate.id or 0, filters=True, judge="")
    assert stages(candidate.image_id) == [Stage.SET_ASIDE]


def test_a_queue_hands_out_nothing_that_is_set_aside(database: str) -> None:
    with db.unit_of_work() as session:
        user = factories.make_user(session, Role.RESEARCHER)
        image_id = factories.make_candidate(session).image_id
        session.add(ReviewQueue(id=1, name="all", filled=True))
        session.flush()
        session.add(QueueItem(queue_id=1, image_id=image_id))
    action = set_them_aside(user)
    with db.reading() as session:
        assert not session.exec(select(QueueItem.open)).one()
    undo(user, action)
    with db.reading() as session:
        assert session.exec(select(QueueItem.open)).one()
        assert not session.exec(select(ReviewQueue.filled)).one(), "a queue made meanwhile would not get it"


def test_what_was_set_aside_when_its_queue_closed_comes_back_to_no_more_decisions_than_are_wanted(database: str) -> None:
    with db.unit_of_work() as session:
        user = factories.make_user(session, Role.RESEARCHER)
        image_id = factories.make_candidate(session).image_id
        closed = queues.create(session, queues.Wanted("all", overlap=2), user)
        queues.fill(session, closed)
    action = set_them_aside(user)
    with db.unit_of_work() as session:
        queues.set_active(session, closed.id or 0, False, user)
    undo(user, action)
    fill_queues()
    with db.reading() as session:
        assert session.get_one(Image, image_id).decisions_wanted == 1, "it would wait for an opinion nobody is asked for"


@one_engine
def test_a_run_takes_up_nothing_that_is_set_aside(database: str) -> None:
    with db.unit_of_work() as session:
        user = factories.make_user(session, Role.ADMIN)
        make(session, Stage.COLLECTED)
    set_them_aside(user)
    with db.unit_of_work() as session:
        run = planning.start_pipeline(session, PipelineOptions(), user_id=user)
        assert planning.plan_window(session, run.id or 0, 0) == 0


@one_engine
def test_a_reason_is_asked_for_and_somebody_elses_action_is_theirs(database: str) -> None:
    with db.unit_of_work() as session:
        one, two = (factories.make_user(session, Role.RESEARCHER) for _ in range(2))
        make(session, Stage.AWAITING)
    with db.unit_of_work() as session, pytest.raises(GgtError, match="Say why"):
        set_aside.start(session, one, "set_aside", RAIN, why=" ", key="k" * 22)
    action = set_them_aside(one)
    with pytest.raises(NotAllowed):
        undo(two, action)
    undo(two, action, any_of=True)


def test_the_page_shows_what_it_touches_and_acts(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        moved, _, kept = make(session, Stage.AWAITING, Stage.AWAITING, Stage.VERIFIED)
    with statements() as seen:
        page = researcher.get("/images/set-aside?category=rain")
    assert len(seen) <= MOST_STATEMENTS
    assert "<b>2</b> of 3 images will be set aside" in page.text
    assert "left alone" in page.text
    assert f"/files/images/{moved}/thumbnail" in page.text
    assert f"/files/images/{kept}/thumbnail" not in page.text
    form = {"key": "k" * 22, "why": ""}
    refused = researcher.post("/images/set-aside?category=rain", data=form)
    assert refused.status_code == 400
    assert "Say why" in refused.text
    done = researcher.post("/images/set-aside?category=rain", data=form | {"why": "Faces <b>"})
    assert done.headers["location"] == "/images/actions#action-1"
    with statements() as seen:
        listed = researcher.get("/images/actions").text
    assert len(seen) <= MOST_STATEMENTS
    assert "2 set aside" in listed
    assert "Faces &lt;b&gt;" in listed
    assert "back to awaiting verification" in researcher.get("/images/take-back?stage=set_aside").text
    assert researcher.post("/images/actions/1/undo").headers["location"] == "/images/actions#action-1"
    assert "2 taken back" in researcher.get("/images/actions").text


@one_engine
def test_the_whole_collection_has_to_be_meant(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        make(session, Stage.AWAITING)
    form = {"key": "k" * 22, "why": "Faces"}
    assert "tick that" in researcher.post("/images/set-aside", data=form).text
    assert researcher.post("/images/set-aside", data=form | {"everything": "1"}).status_code == 303


@one_engine
def test_ticked_tiles_are_a_filter_of_their_own(sign_in_as: SignInAs) -> None:
    admin, annotator = sign_in_as(Role.ADMIN), sign_in_as(Role.ANNOTATOR)
    with db.unit_of_work() as session:
        one, two, three = make(session, Stage.AWAITING, Stage.AWAITING, Stage.AWAITING)
    assert 'class="tick"' in admin.get("/images").text
    assert 'class="tick"' not in annotator.get("/images").text
    sent = admin.get(f"/images/ticked?do=set-aside&image={three}&image={one}")
    assert sent.headers["location"] == f"/images/set-aside?ids={one}%2C{three}"
    assert "<b>2</b> of 2 images" in admin.get(sent.headers["location"]).text
    assert "2 ticked images" in admin.get(f"/images?ids={one},{three}").text
    assert admin.get(f"/images/regenerate?ids={two}").status_code == 200
    assert admin.get("/images/ticked?do=set-aside").headers["location"] == "/images"
    assert admin.get("/images?ids=1,x").status_code == 400
    assert admin.get("/images?ids=" + ",".join(map(str, range(501)))).status_code == 400
