"""Paid calls nobody knows the outcome of, and runs that stand still. If this fails, people pay twice or wait for nothing."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from app import accounts, db
from app.models import ApiCall, CallState, Event, Image, ItemState, Json, Run, RunState, Stage, WorkItem, utcnow
from app.services import run_views
from app.services.run_advice import advice
from tests import factories
from tests.conftest import SignedIn, forget
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements

pytestmark = pytest.mark.usefixtures("redis")
one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def run_of(session: Session, *rows: WorkItem, state: RunState = RunState.RUNNING) -> Run:
    """A run of these items, its counters in agreement with them."""
    run = Run(kind="pipeline", title="a run", total=len(rows), state=state, spent_micros=1_230_000)
    for name in ("done", "failed", "cancelled", "unknown"):
        setattr(run, name, sum(row.state == name for row in rows))
    session.add(run)
    session.flush()
    for number, row in enumerate(rows):
        row.run_id, row.key = run.id or 0, row.key or f"item:{number}"
        session.add(row)
    session.flush()
    return run


def item(state: ItemState = ItemState.WAITING, **more: Any) -> WorkItem:
    values: dict[str, Any] = {"kind": "generate", "queue": "api", "shape": "nano-banana-2", "key": "", **more}
    ended = None if state in (ItemState.WAITING, ItemState.REMOTE) else utcnow()
    return WorkItem(state=state, finished_at=ended, **values)


def unknown_generation(session: Session, stage: Stage = Stage.COLLECTED) -> tuple[int, WorkItem]:
    """An image and the item that was to make its chosen candidate, with the call that was lost."""
    image = factories.make_image(session, stage)
    payload: Json = {"image_id": image.id, "recipe": {}, "chosen": True, "parent_id": None, "replaces": False}
    return image.id or 0, item(ItemState.UNKNOWN, key=f"generate:{image.id}", payload=payload, error="No answer came.")


def lost_call(row: WorkItem) -> ApiCall:
    return ApiCall(
        provider="gemini", model="m", purpose="generate", request_key=row.key, item_id=row.id, run_id=row.run_id,
        state=CallState.UNKNOWN,
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/runs/1", "/api/v1/runs/1"])
def test_asking_again_is_a_persons_decision_and_is_recorded(admin: SignedIn, path: str) -> None:
    with db.unit_of_work() as session:
        _, row = unknown_generation(session)
        run_of(session, row, item(ItemState.DONE), state=RunState.FINISHED)
        session.add(lost_call(row))
    answer = admin.post(f"{path}/retry-unknown")
    assert answer.status_code in (200, 303)
    with db.reading() as session:
        run, stored, call = session.get_one(Run, 1), session.get_one(WorkItem, 1), session.get_one(ApiCall, 1)
        [event] = session.exec(select(Event).where(col(Event.action) == "run.unknown_retried")).all()
    assert (run.state, run.unknown, stored.state) == (RunState.RUNNING, 0, ItemState.WAITING)
    assert call.retried_at is not None
    assert (event.user_id, event.subject, event.details) == (admin.user_id, "run:1", {"items": 1})
    assert admin.post(f"{path}/retry-unknown").status_code == 409


@pytest.mark.parametrize("path", ["/runs/1", "/api/v1/runs/1"])
def test_giving_up_frees_the_images_for_other_runs(admin: SignedIn, path: str) -> None:
    with db.unit_of_work() as session:
        image_id, row = unknown_generation(session)
        judged = factories.make_candidate(session, stage=Stage.SCORED)
        opinion = factories.make_candidate(session, stage=Stage.AWAITING)
        written = factories.make_image(session)
        run_of(
            session,
            row,
            item(ItemState.UNKNOWN, kind="judge", payload={"candidate_id": judged.id, "decides": True}),
            item(ItemState.UNKNOWN, kind="judge", payload={"candidate_id": opinion.id, "decides": False}),
            item(ItemState.UNKNOWN, kind="prompt", payload={"image_id": written.id, "then": [{"chosen": True}]}),
        )
        freed = [image_id, judged.image_id, written.id]
    assert admin.post(f"{path}/give-up-unknown").status_code in (200, 303)
    with db.reading() as session:
        run = session.get_one(Run, 1)
        [event] = session.exec(select(Event).where(col(Event.action) == "run.unknown_given_up")).all()
        stages = [session.get_one(Image, number).stage for number in freed]
        untouched = session.get_one(Image, opinion.image_id).stage
        reason = session.get_one(Image, image_id).stage_reason
    assert (run.state, run.failed, run.unknown) == (RunState.FINISHED, 4, 0)
    assert event.details == {"items": 4}
    assert stages == [Stage.FAILED] * 3
    assert untouched == Stage.AWAITING
    assert reason == "Given up, its outcome unknown: No answer came."
    assert admin.post(f"{path}/give-up-unknown").status_code == 409


@one_engine
def test_unknown_items_come_first_with_what_they_are(admin: SignedIn, annotator: SignedIn) -> None:
    with db.unit_of_work() as session:
        failed = [item(ItemState.FAILED, error="No weights.") for _ in range(run_views.FAILED_SIZE)]
        _, row = unknown_generation(session)
        run_of(session, *failed, row, item(ItemState.REMOTE))
    page = admin.get("/runs/1").text
    assert page.index(">Unknown</h2>") < page.index(">Failed</h2>")
    for told in ("image 1</a> <small>generate by nano-banana-2", "No answer came.", "$1.23</b> spent", "In a batch",
                 "Ask again for 1 unknown", "may have charged for these already; asking again may pay twice",
                 "Give up 1 unknown", "1 item is in a batch", 'id="unknown"'):  # fmt: skip
        assert told in page
    assert "Ask again for" not in annotator.get("/runs/1").text
    for path in ("/runs", "/"):
        assert "$1.23" in admin.get(path).text
        assert "/runs/1#unknown" in admin.get(path).text


def test_a_run_says_what_it_waits_for(admin: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_GEMINI_API_KEY", "x")
    forget()
    soon, later = utcnow() + timedelta(seconds=40), utcnow() + timedelta(seconds=90)
    with db.unit_of_work() as session:
        account = accounts.ensure(session, "gemini")
        account.total_budget_micros = account.spent_micros = 5_000_000
        run_of(
            session,
            *(item(lane="gemini/image") for _ in range(3)),
            item(lane="gemini", error="Something else.", ready_at=soon),
            item(lane="openai/image"),
            *(item(error="Waiting for the provider's turn.", ready_at=at) for at in (later, soon)),
            item(error="The same is being asked for by another run.", ready_at=soon),
            item(error="What it failed of before."),
        )
    for path in ("/runs/1", "/runs/1/live"):
        with statements() as seen:
            page = admin.get(path).text
        assert len(seen) <= MOST_STATEMENTS, "\n".join(seen)
        assert "Google Gemini: Its total budget is spent. 4 items wait. Raise the budget on the Providers page." in page
        assert "OpenAI has no key here: set GGT_OPENAI_API_KEY and start GGT Studio again. 1 item waits." in page
        assert "Waiting for the provider&#39;s turn. 2 items wait; next try in" in page
        assert "What it failed of before." not in page
    with db.reading() as session:
        waits = run_views.run_detail(session, 1).waits
    assert [wait.items for wait in waits] == [4, 1, 2]
    assert waits[0].seconds is None
    assert waits[2].seconds is not None
    assert 30 < waits[2].seconds <= 40
    with db.unit_of_work() as session:
        session.get_one(Run, 1).state = RunState.FINISHED
    with db.reading() as session:
        assert run_views.run_detail(session, 1).waits == ()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("The key of Google Gemini is missing or has characters that no key has.", "key"),
        ("OpenAI answered 401 invalid_api_key: no", "key"),
        ("The budget of OpenAI does not cover another call.", "budget"),
        ("GPT-5.4-Pro's replies were unreadable 3 times, the last one: no scores", "another judge"),
        ("Kling AI sent an answer that cannot be read; it may have been charged.", "asks anew"),
        ("Gemini-3.1-Pro would not judge this pair: SAFETY", "another method or judge"),
        ("Google Gemini refused: IMAGE_SAFETY (no)", "another method or judge"),
        ("No connection to Kling AI (ConnectError).", "out of reach"),
        ("OpenAI answered 400 invalid_image: too large", "read its message"),
        ("No weights here.", "ggt weights fetch"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "look at what is special"),
    ],
)
@one_engine
def test_an_error_says_what_to_do(error: str, told: str) -> None:
    assert told in advice("failed", error)
