"""Images made by providers: if this breaks, money is spent twice, answers are lost, or stand-ins pass for MFMs."""

from collections.abc import Iterator

import pytest
from sqlmodel import col, select

pytest.importorskip("torch")

from app.db import reading, unit_of_work
from app.models import (
    CallState,
    Candidate,
    CandidateSummary,
    ItemState,
    Method,
    Refusal,
    Run,
    RunState,
    Stage,
    Verdict,
    WorkItem,
    WrittenPrompt,
)
from app.services.options import PipelineOptions
from app.services.planning import NotConfirmed
from app.storage import storage
from tests.integration import provider_run
from tests.integration.provider_run import calls, image, new_images, start, work
from tests.integration.scripted import EveryHqIsBetter, drain
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers import runtime
from workers.pixels import stored_pixels
from workers.tasks import score

pytestmark = [pytest.mark.usefixtures("redis"), pytest.mark.xdist_group("torch")]
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
NB2 = PipelineOptions(method="nano-banana-2", strategy="fix", compare=False, judge="")


@pytest.fixture
def server(redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderServer]:
    monkeypatch.setattr(score, "engine", EveryHqIsBetter)
    monkeypatch.setenv("GGT_PROVIDER_TIMEOUT", "1")
    with provider_run.serving(monkeypatch, accept_rate=1.0) as serving:
        yield serving
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


def with_(**changes: object) -> PipelineOptions:
    return PipelineOptions(**{**{"method": "nano-banana-2", "strategy": "fix", "compare": False, "judge": ""}, **changes})  # type: ignore[arg-type]


def candidates() -> list[Candidate]:
    with reading() as session:
        return list(session.exec(select(Candidate).order_by(col(Candidate.id))))


def items(kind: str = "generate") -> list[WorkItem]:
    with reading() as session:
        return list(session.exec(select(WorkItem).where(col(WorkItem.kind) == kind).order_by(col(WorkItem.id))))


def test_the_whole_way_with_a_written_prompt_and_a_vlm_judge(server: ProviderServer) -> None:
    [image_id] = new_images()
    run = work(start(with_(strategy="vlm-gemini", judge="gemini-3.1-pro")))
    assert (run.state, run.failed, run.unknown) == (RunState.FINISHED, 0, 0)
    assert image(image_id).stage == Stage.AWAITING
    [made] = candidates()
    with reading() as session:
        [written] = session.exec(select(WrittenPrompt)).all()
        [verdict] = session.exec(select(Verdict)).all()
        [method] = session.exec(select(Method)).all()
    assert made.recipe["prompt"] == written.text
    assert made.recipe["prompt_version"] == "meta/1 gemini/1"
    assert [call.kind for call in server.calls] == ["text", "image", "text"]
    assert server.calls[1].prompt == written.text
    judged = server.calls[2]
    assert judged.images[0] == storage().get(image(image_id).master_sha256), "the LQ goes first"
    assert judged.images[1] == storage().get(made.file_sha256)
    assert made.raw_sha256 == made.file_sha256, "the provider's bytes are kept as they came"
    assert made.media_type == "image/jpeg"
    assert made.checks["resized"] is False
    assert verdict.decision == "accept"
    assert method.stand_in
    assert verdict.stand_in
    assert written.stand_in, "what a local server made never passes for an MFM's or for VLM-R"
    assert run.spent_micros == sum(call.cost_micros for call in calls()) > 0
    assert server.charged == 3


def test_a_run_that_costs_money_starts_only_when_its_price_was_confirmed(server: ProviderServer) -> None:
    new_images(2)
    with pytest.raises(NotConfirmed, match=r"2 images, about \$0\.13; batch \$0\.067"):
        start(NB2, confirmed=1000)
    assert server.calls == []


@on_sqlite
@pytest.mark.parametrize("fault", [Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.OVERLOADED])
def test_a_provider_that_is_busy_is_asked_again_later(server: ProviderServer, fault: Fault) -> None:
    server.script.push(fault)
    [image_id] = new_images()
    run = work(start(NB2))
    assert (run.state, run.failed) == (RunState.FINISHED, 0)
    assert image(image_id).stage == Stage.AWAITING
    assert [call.state for call in calls()] == [CallState.FAILED, CallState.ANSWERED]
    assert calls()[0].cost_micros == 0
    assert server.charged == 1


@on_sqlite
@pytest.mark.parametrize("fault", [Fault.HANG, Fault.RESET, Fault.HALF_BODY])
def test_an_answer_that_was_lost_is_left_to_a_person(server: ProviderServer, fault: Fault) -> None:
    server.script.push(fault)
    [image_id] = new_images()
    run_id = start(NB2)
    run = work(run_id)
    assert (run.state, run.unknown, run.failed) == (RunState.FINISHED, 1, 0)
    assert [item.state for item in items()] == [ItemState.UNKNOWN]
    [lost] = calls()
    assert (lost.state, lost.cost_micros) == (CallState.UNKNOWN, lost.reserved_micros)
    assert server.charged == 1, "the provider did make it, so asking again pays again"
    assert work(start(NB2)).unknown == 1, "another run must not pay again either"
    assert len(server.calls) == 1
    from app import job_control

    with unit_of_work() as session:
        assert job_control.retry_unknown(session, run_id) == 1
    work(run_id)
    assert image(image_id).stage == Stage.AWAITING
    assert server.charged == 2


@on_sqlite
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.SAFETY_PROMPT, "PROHIBITED_CONTENT"),
        (Fault.SAFETY_IMAGE, "IMAGE_SAFETY"),
        (Fault.NO_IMAGE, "NO_IMAGE"),
        (Fault.WRONG_ASPECT, "WRONG_ASPECT"),
        (Fault.NOT_AN_IMAGE, "NOT_AN_IMAGE"),
    ],
)
def test_no_usable_image_is_an_outcome_of_the_method(server: ProviderServer, fault: Fault, reason: str) -> None:
    server.script.push(fault)
    [image_id] = new_images()
    run = work(start(NB2))
    assert (run.state, run.failed, run.done) == (RunState.FINISHED, 0, run.total)
    with reading() as session:
        [refusal] = session.exec(select(Refusal)).all()
    assert refusal.reason == reason
    assert image(image_id).stage == Stage.FAILED
    assert reason in image(image_id).stage_reason
    assert candidates() == []


@on_sqlite
def test_another_size_is_brought_back_and_said_so(server: ProviderServer) -> None:
    server.script.push(Fault.WRONG_SIZE)
    new_images()
    work(start(NB2))
    [made] = candidates()
    assert (made.width, made.height) == (96, 96)
    assert made.checks["resized"] is True
    assert made.checks["width"] != 96
    assert made.raw_sha256 != made.file_sha256
    assert made.media_type == "image/png", "what we resampled is kept without loss"


@on_sqlite
def test_a_worker_that_dies_after_the_answer_pays_for_nothing_twice(server: ProviderServer) -> None:
    """The bytes are on disk and the call is closed before anything is done with them."""
    [image_id] = new_images()
    start(NB2)
    runtime.work_once("cpu")  # plans
    while runtime.work_once("api"):
        pass
    [call] = calls()
    assert call.state == CallState.ANSWERED
    assert storage().get(call.answer_sha256)
    assert candidates() == []
    with unit_of_work() as session:  # the item comes back, as after a crash, even to the asking queue
        [item] = session.exec(select(WorkItem).where(col(WorkItem.kind) == "generate")).all()
        item.queue = "api"
        session.add(item)
    work(item.run_id)
    assert image(image_id).stage == Stage.AWAITING
    assert server.charged == 1


@on_sqlite
def test_a_refused_key_pauses_the_provider_and_fails_nothing(server: ProviderServer) -> None:
    from app import accounts

    server.script.push(Fault.BAD_KEY)
    new_images(3)
    run_id = start(NB2)
    drain()
    with reading() as session:
        account = accounts.account(session, "gemini")
    assert "refuses this account" in account.paused
    assert provider_run.KEY not in account.paused
    run = provider_run.row(Run, run_id)
    assert (run.state, run.failed) == (RunState.RUNNING, 0)
    assert len(server.calls) == 1, "an account that is refused is not tried 120,000 times"


@on_sqlite
def test_an_unreadable_verdict_is_asked_for_again_and_never_guessed(server: ProviderServer) -> None:
    [image_id] = new_images()
    server.script.rule = lambda call: Fault.GARBLED_TEXT if call.kind == "text" and call.number < 3 else None
    work(start(with_(judge="gemini-3.1-pro")))
    assert image(image_id).stage == Stage.AWAITING
    assert [call.kind for call in server.calls] == ["image", "text", "text"]


@on_sqlite
def test_three_unreadable_verdicts_are_shown_to_a_person(server: ProviderServer) -> None:
    [image_id] = new_images()
    server.script.rule = lambda call: Fault.GARBLED_TEXT if call.kind == "text" else None
    run = work(start(with_(judge="gemini-3.1-pro")))
    assert run.failed == 1
    assert "unreadable 3 times" in image(image_id).stage_reason
    with reading() as session:
        assert session.exec(select(Verdict)).all() == []


@on_sqlite
def test_refinement_follows_fig_c2(server: ProviderServer) -> None:
    """P, then P' with instructions for what failed, then P' again; then out."""
    server.studio.accept_rate = 0.0
    [image_id] = new_images()
    work(start(with_(judge="gemini-3.1-pro")))
    first, second, third = (made.recipe["prompt"] for made in candidates())
    assert second.startswith(first)
    assert len(second) > len(first)
    assert "What was found: " in second
    assert third == second
    assert [made.sample for made in candidates()] == [0, 0, 1]
    assert image(image_id).stage == Stage.JUDGED_OUT
    with reading() as session:
        attempts = session.exec(select(CandidateSummary.attempt).order_by(col(CandidateSummary.candidate_id))).all()
    assert list(attempts) == [1, 2, 3]


@on_sqlite
def test_a_prompt_is_written_once_for_all_who_use_it(server: ProviderServer) -> None:
    new_images(2)
    also = (("nano-banana-pro", "vlm-gemini"), ("seedream-5.0", "vlm-gemini"), ("kling-image-o1", "vlm-gemini"))
    run = work(start(with_(strategy="vlm-gemini", also=also)))
    assert run.failed == 0
    texts = [call for call in server.calls if call.kind == "text"]
    assert len(texts) == 2
    assert len(candidates()) == 8
    work(start(with_(strategy="vlm-gemini", also=(*also, ("gpt-image-2", "vlm-gemini")))))
    assert len([call for call in server.calls if call.kind == "text"]) == 2, "a later run uses what was written"
    assert len(candidates()) == 10
    assert max(len(made.recipe["prompt"]) for made in candidates()) <= 2500 or all(
        len(made.recipe["prompt"]) <= 2500 for made in candidates() if made.recipe["generator"] == "kling-image-o1"
    )


@on_sqlite
def test_a_budget_stops_a_run_and_a_larger_one_lets_it_go_on(server: ProviderServer) -> None:
    from app import accounts, pacing

    with unit_of_work() as session:
        accounts.ensure(session, "gemini").total_budget_micros = 200_000
    new_images(5)
    run_id = start(NB2)
    drain()
    with reading() as session:
        account = accounts.account(session, "gemini")
    assert 0 < account.spent_micros <= 200_000
    assert account.reserved_micros == 0
    spent = server.charged
    assert 1 <= spent < 5
    assert provider_run.row(Run, run_id).state == RunState.RUNNING
    with unit_of_work() as session:
        accounts.ensure(session, "gemini").total_budget_micros = None
        session.execute(WorkItem.__table__.update().values(ready_at=None))  # type: ignore[attr-defined]
    pacing.close_circuit("gemini")
    provider_run.read_limits_again()
    run = work(run_id)
    assert (run.state, run.failed, run.unknown) == (RunState.FINISHED, 0, 0)
    assert server.charged == 5


@on_sqlite
@pytest.mark.timeout(240)
def test_faults_of_every_kind_leave_every_item_in_a_final_state(server: ProviderServer) -> None:
    faults = (Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.RESET, Fault.HALF_BODY, Fault.SAFETY_IMAGE, Fault.WRONG_ASPECT)
    server.script.rule = lambda call: faults[call.number // 7 % len(faults)] if call.number % 7 == 0 else None
    new_images(6, side=64)
    also = tuple(
        (generator, strategy)
        for generator in ("nano-banana-2", "gpt-image-2", "seedream-5.0")
        for strategy in ("fix", "fix-nc", "vlm-gemini", "vlm-gpt")
    )
    run = work(start(with_(also=also)), seconds=200)
    assert run.state == RunState.FINISHED
    assert run.total == run.done + run.failed + run.unknown
    answered = sum(call.state in (CallState.ANSWERED, CallState.REFUSED) for call in calls())
    unknown = sum(call.state == CallState.UNKNOWN for call in calls())
    assert answered - free_refusals() <= server.charged <= answered + unknown


def free_refusals() -> int:
    """Refusals that the server does not charge for."""
    return sum(call.state == CallState.REFUSED for call in calls())
