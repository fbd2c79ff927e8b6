"""Screening by a VLM: if it breaks, a question is paid twice, an answer is guessed, or a stand-in's passes for a VLM's."""

import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage
from sqlmodel import col, select

pytest.importorskip("cv2")

from app import job_control
from app.db import reading, unit_of_work
from app.errors import GgtError
from app.models import CallState, ItemState, Patch, PatchState, Run, RunState, WorkItem
from app.services import ledger, prompts, run_control, screening_people
from app.services.planning import NotConfirmed
from app.services.screening import ScreenOptions, quote
from tests.integration import provider_run
from tests.integration.provider_run import calls, work
from tests.integration.screening_run import Pixels, blank, good, patches, photograph, row, start, states, take_in, user
from tests.integration.scripted import claim
from tests.providers import texts
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers import runtime

pytestmark = pytest.mark.usefixtures("redis")
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
ALL: dict[str, Any] = dict.fromkeys(("content", "degraded", "artifact", "unsafe", "level"), "gemini")
STAYS: dict[str, Any] = {
    "content_poor": False, "overly_degraded": False, "artifact_visible": 80, "unsafe_or_private": False, "level": "low",
    "reasons": {},
}  # fmt: skip
RED = np.full((128, 128, 3), (200, 20, 20), np.uint8)


@pytest.fixture
def server(redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderServer]:
    monkeypatch.setenv("GGT_PROVIDER_TIMEOUT", "1")
    with provider_run.serving(monkeypatch) as serving:
        serving.studio.screening = lambda _images: STAYS
        yield serving
    runtime.task_for.cache_clear()


def ask(**choices: Any) -> Run:
    return work(start(**{**ALL, **choices}))


def says(server: ProviderServer, **changed: Any) -> None:
    server.studio.screening = lambda _images: {**STAYS, **changed}


def sent(images: Sequence[bytes]) -> Pixels:
    return np.asarray(PilImage.open(io.BytesIO(images[0])))


def test_one_paid_call_answers_every_step_of_a_patch(server: ProviderServer) -> None:
    take_in([photograph(good(1), good(2))])
    run = ask()
    assert (run.state, run.failed, run.unknown) == (RunState.FINISHED, 0, 0)
    assert [(p.state, p.level) for p in patches()] == [("passed", "low")] * 2
    assert server.charged == 2
    assert [call.purpose for call in calls()] == ["screen"] * 2
    assert run.spent_micros == sum(call.cost_micros for call in calls()) > 0
    assert {tuple(map(int, image.shape)) for image in (sent(call.images) for call in server.calls)} == {(128, 128, 3)}
    assert all(np.array_equal(sent(call.images), good(n)) for n, call in enumerate(server.calls, 1)), "lossless, full size"
    assert patches()[0].measures["asked_by"] == "gemini/1 (stand-in)", "a local server's answer never passes for Gemini's"
    assert 'category "General mixed"' in server.calls[0].prompt


@pytest.mark.parametrize(
    ("answer", "state", "step"),
    [
        ({"content_poor": True}, "out", "content"),
        ({"overly_degraded": True}, "out", "degraded"),
        ({"artifact_visible": 20}, "out", "artifact"),
        ({"unsafe_or_private": True}, "flagged", "unsafe"),
    ],
)
@on_sqlite
def test_what_the_vlm_says_decides_and_stands_as_the_reason(
    server: ProviderServer, answer: dict[str, Any], state: str, step: str
) -> None:
    says(server, **answer, reasons=dict.fromkeys(answer, "as anybody can see"))
    take_in([good(1)])
    ask()
    [patch] = patches()
    assert (patch.state, patch.step) == (state, step)
    assert patch.reason.endswith(", says gemini/1 (stand-in): as anybody can see")


def test_what_measurement_puts_out_is_not_paid_for(server: ProviderServer) -> None:
    take_in([photograph(good(1), blank(1))])
    run = ask(content="measure")
    assert states() == ["passed", "out"]
    assert server.charged == 1
    assert run.total == 4, "two windows, a photograph, and one question"


def test_a_run_starts_only_when_the_most_it_may_cost_was_confirmed(server: ProviderServer) -> None:
    take_in([photograph(good(1), good(2))])
    with pytest.raises(NotConfirmed, match=r"up to \$0\.03 for 2 patches"):
        start(**ALL, confirmed=1000)
    with reading() as session:
        told = quote(session, ScreenOptions())
    assert told.estimate.lines == ()
    assert server.calls == []


@on_sqlite
def test_two_runs_over_one_patch_pay_once(server: ProviderServer) -> None:
    take_in([good(1)])
    runs = [start(**ALL), start(**ALL)]
    assert [work(run_id).state for run_id in runs] == [RunState.FINISHED] * 2
    assert server.charged == 1
    assert states() == ["passed"]
    work(start(again=True, **ALL))
    assert server.charged == 1, "an answer that is there is used"


@on_sqlite
def test_an_edited_question_is_asked_anew(server: ProviderServer) -> None:
    take_in([good(1)])
    ask()
    with unit_of_work() as session:
        prompts.edit(session, None, "screening", "general_mixed", system="Be strict.", user="Screen this image.")
    says(server, content_poor=True)
    work(start(again=True, **ALL))
    assert server.charged == 2
    assert patches()[0].measures["asked_by"] == "gemini/2 (stand-in)"
    assert states() == ["out"]


@on_sqlite
@pytest.mark.parametrize("fault", [Fault.GARBLED_TEXT, Fault.TRUNCATED_TEXT])
def test_an_unreadable_reply_is_asked_for_again_and_never_guessed(server: ProviderServer, fault: Fault) -> None:
    server.script.push(fault)
    take_in([good(1)])
    ask()
    assert states() == ["passed"]
    assert server.charged == 2


@on_sqlite
def test_after_three_unreadable_replies_a_person_must_look_and_can_have_it_asked_again(server: ProviderServer) -> None:
    server.script.push(*[Fault.GARBLED_TEXT] * 3)
    take_in([good(1)])
    run = ask()
    assert run.failed == 1
    [patch] = patches()
    assert (patch.state, patch.step) == (PatchState.WAITING, "content")
    assert patch.reason.startswith("Not screened: Gemini-3.1-Pro's replies were unreadable 3 times")
    ada = user()
    with unit_of_work() as session:
        assert run_control.retry_failed(session, ada, run.id or 0) == 1
    work(run.id or 0)
    assert states() == ["passed"]
    assert patches()[0].reason == ""


@on_sqlite
def test_a_patch_that_the_vlm_refuses_is_flagged_for_a_person(server: ProviderServer) -> None:
    server.script.push(Fault.SAFETY_PROMPT)
    take_in([good(1)])
    run = ask()
    assert (run.failed, run.done) == (0, run.total)
    [patch] = patches()
    assert (patch.state, patch.step) == ("flagged", "unsafe")
    assert "would not look at it" in patch.reason
    ada = user()
    with unit_of_work() as session:
        assert screening_people.decide_flag(session, ada, patch.id or 0, safe=True) == "grading"
    assert server.charged <= 1, "nobody asks it again"


@on_sqlite
def test_an_answer_that_was_lost_is_left_to_a_person_and_never_paid_twice(server: ProviderServer) -> None:
    server.script.push(Fault.HANG)
    take_in([good(1)])
    run = ask()
    assert (run.unknown, run.failed) == (1, 0)
    assert [call.state for call in calls()] == [CallState.UNKNOWN]
    assert states() == ["waiting"]
    assert ask().unknown == 1, "another run must not pay again either"
    ada = user()
    with unit_of_work() as session:
        run_control.give_up_unknown(session, ada, run.id or 0)
    assert patches()[0].reason.startswith("Not screened: Given up, its outcome unknown")
    assert len(server.calls) == 1


def test_a_worker_that_died_while_it_asked_leaves_the_question_to_a_person(server: ProviderServer) -> None:
    take_in([good(1)])
    run_id = start(**ALL)
    while not (held := claim_question()):
        runtime.work_once("cpu")
    with unit_of_work() as session:
        ledger.begin(session, held, provider="gemini", model="m", purpose="screen", micros=1, known=ledger.Standing())
    with unit_of_work() as session:
        job_control.release_expired(session, owner_prefix="a machine")
    run = work(run_id)
    assert run.unknown == 1
    assert server.calls == []
    assert states() == ["waiting"]


def claim_question() -> Any:
    return next(iter(claim("api", "a machine that dies")), None)


@on_sqlite
def test_nobody_is_asked_about_a_patch_that_a_person_has_put_out(server: ProviderServer) -> None:
    take_in([good(1)])
    run_id = start(**ALL)
    while not questions():
        runtime.work_once("cpu")
    ada = user()
    with unit_of_work() as session:
        patch = session.exec(select(Patch)).one()
        patch.state, patch.step, patch.decided_by = PatchState.OUT, "level", ada
        session.add(patch)
    work(run_id)
    assert server.calls == []
    assert states() == ["out"]
    assert row(run_id).state == RunState.FINISHED


def questions() -> list[WorkItem]:
    with reading() as session:
        return list(
            session.exec(
                select(WorkItem).where(col(WorkItem.kind) == "ask_screen", col(WorkItem.state) == ItemState.WAITING)
            )
        )


@on_sqlite
def test_a_vlm_without_a_key_is_refused_before_anything_starts(redis: str) -> None:
    take_in([good(1)])
    with pytest.raises(GgtError, match="GGT_GEMINI_API_KEY"):
        start(**ALL)


@on_sqlite
def test_the_stand_ins_own_answers_can_be_read(server: ProviderServer) -> None:
    """What somebody sees who tries the screening with `ggt-fake-providers`."""
    server.studio.screening = lambda images: texts.screening(images, 0.5, 1)
    take_in([photograph(*(good(n) for n in range(8)))])
    run = ask()
    assert run.failed == 0
    assert {p.state for p in patches()} >= {"passed"}
    assert "STAND-IN" in str([p.measures["why"] for p in patches()])
