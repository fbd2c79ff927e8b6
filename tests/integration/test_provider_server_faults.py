"""If these fail, our answer to a provider's failure is tried on failures in a form that no provider sends."""

import time
from collections.abc import Iterator

import httpx2
import openai
import pytest
from google import genai
from google.genai import errors, types

from tests.providers.clients import LQ, NANO, TASKS, Clients, first_image, look
from tests.providers.script import Fault
from tests.providers.server import ProviderServer


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as running:
        running.script.hang_seconds, running.script.drip_seconds = 5.0, 0.2
        yield running


@pytest.fixture
def clients(server: ProviderServer) -> Iterator[Clients]:
    made = Clients(server.url)
    yield made
    made.close()


def test_gemini_says_in_its_own_words_why_nothing_was_made(server: ProviderServer, clients: Clients) -> None:
    expected = {
        Fault.RATE_LIMIT: (429, "RESOURCE_EXHAUSTED"),
        Fault.NO_CREDIT: (429, "RESOURCE_EXHAUSTED"),
        Fault.SERVER_ERROR: (500, "INTERNAL"),
        Fault.OVERLOADED: (503, "UNAVAILABLE"),
        Fault.BAD_KEY: (400, "INVALID_ARGUMENT"),
        Fault.FORBIDDEN: (403, "PERMISSION_DENIED"),
        Fault.BAD_REQUEST: (400, "INVALID_ARGUMENT"),
        Fault.NOT_FOUND: (404, "NOT_FOUND"),
    }
    details = {}
    for fault, (code, status) in expected.items():
        server.script.push(fault)
        with pytest.raises(errors.ClientError if code < 500 else errors.ServerError) as raised:
            clients.gemini()
        assert (raised.value.code, raised.value.status) == (code, status)
        details[fault] = raised.value.details["error"].get("details", [])
    assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.5s"} in details[Fault.RATE_LIMIT]
    assert details[Fault.BAD_KEY][0]["reason"] == "API_KEY_INVALID"
    assert not details[Fault.NO_CREDIT]
    assert server.charged == 0


def test_gemini_finish_reasons_are_those_the_sdk_knows(server: ProviderServer, clients: Clients) -> None:
    expected = {
        Fault.SAFETY_IMAGE: "IMAGE_SAFETY",
        Fault.PROHIBITED_IMAGE: "IMAGE_PROHIBITED_CONTENT",
        Fault.RECITATION: "IMAGE_RECITATION",
        Fault.IMAGE_OTHER: "IMAGE_OTHER",
        Fault.NO_IMAGE: "NO_IMAGE",
    }
    for fault, reason in expected.items():
        server.script.push(fault)
        candidates = clients.gemini().candidates
        assert candidates
        assert candidates[0].finish_reason is types.FinishReason[reason]
        assert not (candidates[0].content and candidates[0].content.parts)
    assert server.charged == len(expected), "a refusal that was generated is billed"
    server.script.push(Fault.SAFETY_PROMPT, Fault.EMPTY, Fault.TEXT_ONLY)
    blocked = clients.gemini()
    assert not blocked.candidates
    assert blocked.prompt_feedback
    assert blocked.prompt_feedback.block_reason is types.BlockedReason.PROHIBITED_CONTENT
    assert clients.gemini().candidates == []
    assert server.charged == len(expected)
    assert clients.gemini().text
    assert server.charged == len(expected) + 1


def test_images_come_in_the_form_the_script_asks_for(server: ProviderServer, clients: Clients) -> None:
    expected = {
        Fault.GOOD_PNG: ("PNG", (96, 96)),
        Fault.GOOD_WEBP: ("WEBP", (96, 96)),
        Fault.WRONG_SIZE: ("JPEG", (72, 72)),
        Fault.WRONG_ASPECT: ("JPEG", (96, 72)),
    }
    for fault, form in expected.items():
        server.script.push(fault)
        assert look(first_image(clients.gemini())) == form
    server.script.push(Fault.THOUGHTS, Fault.NOT_AN_IMAGE)
    thinking = clients.gemini().candidates
    assert thinking
    assert thinking[0].content
    assert [(part.thought, bool(part.inline_data)) for part in thinking[0].content.parts or []] == [
        (True, False),
        (True, True),
        (None, True),
    ]
    with pytest.raises(OSError, match="identify"):
        look(first_image(clients.gemini()))


def test_openai_errors_have_its_classes_codes_and_headers(server: ProviderServer, clients: Clients) -> None:
    expected = {
        Fault.RATE_LIMIT: (openai.RateLimitError, "rate_limit_exceeded"),
        Fault.NO_CREDIT: (openai.RateLimitError, "insufficient_quota"),
        Fault.SERVER_ERROR: (openai.InternalServerError, None),
        Fault.OVERLOADED: (openai.InternalServerError, None),
        Fault.BAD_KEY: (openai.AuthenticationError, "invalid_api_key"),
        Fault.FORBIDDEN: (openai.PermissionDeniedError, "model_access_denied"),
        Fault.BAD_REQUEST: (openai.BadRequestError, "invalid_value"),
        Fault.NOT_FOUND: (openai.NotFoundError, "model_not_found"),
        Fault.SAFETY_PROMPT: (openai.BadRequestError, "moderation_blocked"),
    }
    for fault, (kind, code) in expected.items():
        server.script.push(fault)
        with pytest.raises(kind) as raised:
            clients.edit()
        assert raised.value.code == code
        if fault is Fault.RATE_LIMIT:
            assert raised.value.response.headers["retry-after"] == "1.5"
    server.script.push(Fault.NO_IMAGE)
    assert clients.edit().data == []
    assert server.charged == 1


def test_kling_and_ark_errors_have_their_codes(server: ProviderServer, clients: Clients) -> None:
    kling = {
        Fault.RATE_LIMIT: (429, 1303),
        Fault.NO_CREDIT: (429, 1102),
        Fault.BAD_KEY: (401, 1002),
        Fault.SERVER_ERROR: (500, 5000),
        Fault.OVERLOADED: (503, 5001),
    }
    for fault, answer in kling.items():
        server.script.push(fault)
        response = clients.kling()
        assert (response.status_code, response.json()["code"]) == answer
    ark = {
        Fault.RATE_LIMIT: (429, "RateLimitExceeded.EndpointRPMExceeded"),
        Fault.NO_CREDIT: (403, "AccountOverdueError"),
        Fault.BAD_KEY: (401, "AuthenticationError"),
        Fault.SAFETY_PROMPT: (400, "InputImageSensitiveContentDetected"),
        Fault.SAFETY_IMAGE: (400, "OutputImageSensitiveContentDetected"),
    }
    for fault, told in ark.items():
        server.script.push(fault)
        response = clients.ark()
        assert (response.status_code, response.json()["error"]["code"]) == told
    server.script.push(Fault.SAFETY_IMAGE)
    task = clients.kling().json()["data"]["task_id"]
    failed = [clients.http.get(f"{TASKS}/{task}").json()["data"] for _ in range(2)][1]
    assert failed["task_status"] == "failed"
    assert "content" in failed["task_status_msg"]
    assert server.charged == 0
    server.script.push(Fault.OVERLOADED, kind="poll")
    assert clients.http.get(f"{TASKS}/{task}").status_code == 503
    assert clients.http.get(f"{TASKS}/unknown").json()["code"] == 1203


def test_an_answer_that_does_not_arrive_is_paid_all_the_same(server: ProviderServer, clients: Clients) -> None:
    options = types.HttpOptions(base_url=server.url, timeout=300)
    hasty = genai.Client(api_key="g-key", http_options=options)
    server.script.push(Fault.HANG, Fault.RESET, Fault.HALF_BODY, Fault.MALFORMED, Fault.SLOW_DRIP)
    with pytest.raises(httpx2.ReadTimeout):
        hasty.models.generate_content(model=NANO, contents=types.Part.from_bytes(data=LQ, mime_type="image/png"))
    hasty.close()
    with pytest.raises(httpx2.ReadError):
        clients.gemini()
    with pytest.raises(httpx2.RemoteProtocolError, match="without sending complete message body"):
        clients.gemini()
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        clients.gemini()
    start = time.monotonic()
    assert first_image(clients.gemini())
    assert time.monotonic() - start > 0.15
    assert server.charged == 5
    assert all(call.charged for call in server.calls)


def test_batches_go_wrong_as_told(server: ProviderServer, clients: Clients) -> None:
    for fault, state in ((Fault.EXPIRED_BATCH, "EXPIRED"), (Fault.FAILED_BATCH, "FAILED")):
        server.script.push(fault)
        assert clients.finished(clients.batch()).state is types.JobState[f"JOB_STATE_{state}"]
    cancelled = clients.batch()
    clients.google.batches.cancel(name=cancelled.name or "")
    assert clients.google.batches.get(name=cancelled.name or "").state is types.JobState.JOB_STATE_CANCELLED
    assert server.charged == 0
    server.script.push(Fault.SHUFFLED_KEYS, Fault.MISSING_REPLY, Fault.BATCH_503, Fault.RESET)
    shuffled, missing = clients.finished(clients.batch()).dest, clients.finished(clients.batch()).dest
    assert shuffled
    assert [reply.metadata for reply in shuffled.inlined_responses or []] == [{"key": "k2"}, {"key": "k0"}, {"key": "k1"}]
    assert missing
    assert len(missing.inlined_responses or []) == 2
    assert server.charged == 6
    before = len(list(clients.google.batches.list()))
    with pytest.raises(errors.ServerError):
        clients.batch()
    with pytest.raises(httpx2.ReadError):
        clients.batch()
    assert len(list(clients.google.batches.list())) == before + 1, "the job exists although its creator heard nothing"
