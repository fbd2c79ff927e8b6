"""If these fail, Google's answers are paid and thrown away, refusals are asked for again, or a key shows in a log."""

import base64
import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.providers.clients import LQ, NANO, VLM, look, png
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers.providers.base import Access, CallFailed, ImageRequest, TextRequest, Trouble
from workers.providers.gemini import Gemini

KEY = "AIza-a-key-that-nobody-may-see"
EDIT = ImageRequest(NANO, LQ, "image/png", 96, 96, "Restore this photograph.")
QUESTION = TextRequest(VLM, "You judge.", "Compare them.", ((LQ, "image/png"), (png(1), "image/png")))


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


@pytest.fixture
def gemini(server: ProviderServer) -> Iterator[Gemini]:
    backend = Gemini(Access(server.url, KEY, timeout=5.0, api_version="v1beta"))
    yield backend
    backend.close()


def hasty(url: str, timeout: float = 0.3) -> Gemini:
    return Gemini(Access(url, KEY, timeout=timeout, api_version="v1beta"))


def answering(gemini: Gemini, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
    """Let every request of the backend be answered so."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    transport = httpx2.MockTransport(lambda request: httpx2.Response(status, content=content, headers=headers))
    gemini._http._transport.close()
    gemini._http._transport = transport


def test_an_image_comes_as_it_was_sent_with_what_it_cost(server: ProviderServer, gemini: Gemini) -> None:
    answer = gemini.edit_image(EDIT)
    assert look(answer.data) == ("JPEG", (96, 96))
    assert answer.usage
    assert answer.usage.input_tokens > 0
    assert answer.usage.output_tokens == 1120 + 64, "thoughts are paid as output"
    assert answer.request_id == "standin-1"
    (call,) = server.calls
    assert (call.key, call.path) == (KEY, f"/v1beta/models/{NANO}:generateContent")
    assert call.images == [LQ]
    parts = call.body["contents"][0]["parts"]
    assert "inlineData" in parts[0], "the LQ comes first"
    assert parts[1] == {"text": EDIT.prompt}
    config = call.body["generationConfig"]
    assert config == {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": {"aspectRatio": "1:1", "imageSize": "1K"}}


@pytest.mark.parametrize(
    ("width", "height", "ratio", "size"),
    [(1264, 848, "3:2", "1K"), (1000, 1780, "9:16", "2K"), (1536, 1536, "1:1", "1K"), (2100, 900, "21:9", "2K")],
)
def test_an_lq_is_asked_for_in_its_own_shape(
    gemini: Gemini, server: ProviderServer, width: int, height: int, ratio: str, size: str
) -> None:
    gemini.edit_image(ImageRequest(NANO, LQ, "image/png", width, height, "x"))
    assert server.calls[0].body["generationConfig"]["imageConfig"] == {"aspectRatio": ratio, "imageSize": size}


def test_the_drafts_of_a_thinking_model_are_not_taken_for_the_result(server: ProviderServer, gemini: Gemini) -> None:
    server.script.push(Fault.THOUGHTS, Fault.GOOD_WEBP, Fault.NOT_AN_IMAGE)
    assert look(gemini.edit_image(EDIT).data) == ("JPEG", (96, 96)), "the draft has 64 x 64 pixels"
    assert look(gemini.edit_image(EDIT).data)[0] == "WEBP"
    assert gemini.edit_image(EDIT).data.startswith(b"these bytes are no image"), "kept, since they were paid"


@pytest.mark.parametrize(
    ("fault", "trouble", "reason", "charged"),
    [
        (Fault.RATE_LIMIT, Trouble.BUSY, "RESOURCE_EXHAUSTED", False),
        (Fault.OVERLOADED, Trouble.BUSY, "UNAVAILABLE", False),
        (Fault.SERVER_ERROR, Trouble.BROKEN, "INTERNAL", False),
        (Fault.BAD_KEY, Trouble.ACCOUNT, "API_KEY_INVALID", False),
        (Fault.FORBIDDEN, Trouble.ACCOUNT, "PERMISSION_DENIED", False),
        (Fault.NO_CREDIT, Trouble.ACCOUNT, "RESOURCE_EXHAUSTED", False),
        (Fault.BAD_REQUEST, Trouble.BAD_REQUEST, "INVALID_ARGUMENT", False),
        (Fault.NOT_FOUND, Trouble.BAD_REQUEST, "NOT_FOUND", False),
        (Fault.HANG, Trouble.LOST, "", True),
        (Fault.RESET, Trouble.LOST, "", True),
        (Fault.HALF_BODY, Trouble.LOST, "", True),
        (Fault.SLOW_DRIP, Trouble.LOST, "", True),
        (Fault.MALFORMED, Trouble.LOST, "UNREADABLE", True),
        (Fault.SAFETY_PROMPT, Trouble.REFUSED, "PROHIBITED_CONTENT", False),
        (Fault.SAFETY_IMAGE, Trouble.REFUSED, "IMAGE_SAFETY", True),
        (Fault.PROHIBITED_IMAGE, Trouble.REFUSED, "IMAGE_PROHIBITED_CONTENT", True),
        (Fault.RECITATION, Trouble.REFUSED, "IMAGE_RECITATION", True),
        (Fault.IMAGE_OTHER, Trouble.REFUSED, "IMAGE_OTHER", True),
        (Fault.NO_IMAGE, Trouble.REFUSED, "NO_IMAGE", True),
        (Fault.TEXT_ONLY, Trouble.REFUSED, "NO_IMAGE", True),
        (Fault.EMPTY, Trouble.BROKEN, "EMPTY", False),
    ],
)
def test_every_failure_is_told_apart_and_nothing_is_sent_twice(
    server: ProviderServer, fault: Fault, trouble: Trouble, reason: str, charged: bool
) -> None:
    server.script.push(fault)
    gemini = hasty(server.url, 0.3 if fault in (Fault.HANG, Fault.SLOW_DRIP) else 5.0)
    with pytest.raises(CallFailed) as caught:
        gemini.edit_image(EDIT)
    gemini.close()
    assert (caught.value.trouble, caught.value.reason) == (trouble, reason)
    assert len(server.calls) == 1, "each further request would be paid"
    assert server.charged == charged
    assert KEY not in str(caught.value)
    assert caught.value.retry_after == (1.5 if fault is Fault.RATE_LIMIT else None)
    if trouble is Trouble.REFUSED:
        assert caught.value.usage
        assert bool(caught.value.usage.output_tokens) == charged, "a refusal is booked at what it cost"


def test_a_provider_that_cannot_be_reached_was_asked_nothing(server: ProviderServer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gemini = hasty(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(CallFailed) as caught:
            gemini.edit_image(EDIT)
    gemini.close()
    assert caught.value.trouble is Trouble.UNSENT
    assert "ConnectError" in str(caught.value)


def test_a_judgement_is_word_for_word(server: ProviderServer, gemini: Gemini) -> None:
    schema = {"type": "object", "properties": {"scores": {"type": "object"}}, "required": ["scores"]}
    question = TextRequest(QUESTION.model, QUESTION.system, QUESTION.user, QUESTION.images, schema)
    answer = gemini.ask(question)
    assert json.loads(answer.text)["scores"]
    assert answer.usage
    call = server.calls[0]
    assert call.images == [LQ, png(1)], "LQ first, then HQ"
    assert call.body["systemInstruction"]["parts"] == [{"text": "You judge."}]
    assert call.body["contents"][0]["parts"][2] == {"text": "Compare them."}
    config = call.body["generationConfig"]
    assert (config["responseMimeType"], config["responseJsonSchema"]) == ("application/json", schema)
    gemini.ask(QUESTION)
    assert (
        "generationConfig" not in server.calls[1].body or "responseMimeType" not in server.calls[1].body["generationConfig"]
    )


@pytest.mark.parametrize(
    ("fault", "trouble", "reason"),
    [
        (Fault.SAFETY_PROMPT, Trouble.REFUSED, "PROHIBITED_CONTENT"),
        (Fault.SAFETY_IMAGE, Trouble.REFUSED, "SAFETY"),
        (Fault.RECITATION, Trouble.REFUSED, "RECITATION"),
        (Fault.EMPTY, Trouble.BROKEN, "EMPTY"),
        (Fault.MALFORMED, Trouble.LOST, "UNREADABLE"),
        (Fault.RATE_LIMIT, Trouble.BUSY, "RESOURCE_EXHAUSTED"),
    ],
)
def test_a_question_fails_in_its_own_ways(
    server: ProviderServer, gemini: Gemini, fault: Fault, trouble: Trouble, reason: str
) -> None:
    server.script.push(fault)
    with pytest.raises(CallFailed) as caught:
        gemini.ask(QUESTION)
    assert (caught.value.trouble, caught.value.reason) == (trouble, reason)
    assert len(server.calls) == 1


def test_half_a_text_is_given_to_whoever_reads_it(server: ProviderServer, gemini: Gemini) -> None:
    server.script.push(Fault.TRUNCATED_TEXT, Fault.GARBLED_TEXT)
    assert gemini.ask(QUESTION).text
    assert "very nice" in gemini.ask(QUESTION).text
    answering(gemini, 200, {"candidates": [{"finishReason": "MAX_TOKENS"}]})
    assert gemini.ask(QUESTION).text == "", "all of it went into thoughts"


def test_thoughts_are_no_part_of_a_text(gemini: Gemini) -> None:
    parts = [{"text": "Hm.", "thought": True}, {"text": "{"}, {"text": "}"}]
    answering(gemini, 200, {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]})
    assert gemini.ask(QUESTION).text == "{}"


def failing(gemini: Gemini, status: int, body: Any, headers: dict[str, str] | None = None) -> CallFailed:
    answering(gemini, status, body, headers)
    with pytest.raises(CallFailed) as caught:
        gemini.edit_image(EDIT)
    return caught.value


def test_a_wait_is_read_wherever_google_writes_it(gemini: Gemini) -> None:
    quota = {"@type": "x/google.rpc.QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}
    retry = {"@type": "x/google.rpc.RetryInfo", "retryDelay": "37s"}
    error = {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "You exceeded your current quota, see billing details."}
    busy = failing(gemini, 429, {"error": error | {"details": [retry]}})
    assert (busy.trouble, busy.retry_after) == (Trouble.BUSY, 37.0), "Google says 'billing' of mere rate limits too"
    assert failing(gemini, 429, {"error": error}, {"retry-after": "8"}).retry_after == 8.0
    today = failing(gemini, 429, {"error": error | {"details": [quota, retry]}})
    assert (today.trouble, today.reason) == (Trouble.ACCOUNT, "QUOTA_PER_DAY"), "asking ten times more would fail the run"
    for words in ("Your prepayment credits are depleted. Please go to AI Studio", "Quota exceeded for metric: x, limit: 0"):
        assert failing(gemini, 429, {"error": error | {"message": words}}).trouble is Trouble.ACCOUNT


def test_odd_answers_are_no_crash(gemini: Gemini) -> None:
    page = b"<html>Bad gateway</html>"
    assert failing(gemini, 502, page).trouble is Trouble.BROKEN
    assert failing(gemini, 504, page).trouble is Trouble.LOST, "the gateway gave up, Google perhaps did not"
    assert failing(gemini, 504, {"error": {"code": 504, "status": "DEADLINE_EXCEEDED"}}).trouble is Trouble.BROKEN
    assert failing(gemini, 302, b"", {"location": "http://elsewhere.example/"}).trouble is Trouble.BAD_REQUEST
    assert failing(gemini, 400, b"[1]").trouble is Trouble.BAD_REQUEST
    assert failing(gemini, 500, b"\xff\xfe").trouble is Trouble.BROKEN
    for body in (b"", b"null", b"[]", b"[" * 100_000):
        assert failing(gemini, 200, body).trouble is Trouble.LOST, "a 200 was charged: a person decides whether to pay again"
    assert failing(gemini, 200, {"candidates": "x"}).trouble is Trouble.BROKEN
    data = {"inlineData": {"mimeType": "image/png", "data": "no base64!"}}
    assert failing(gemini, 200, {"candidates": [{"content": {"parts": [data]}}]}).reason == "UNREADABLE"
    assert failing(gemini, 200, {"candidates": [{"finishReason": "MALFORMED_RESPONSE"}]}).trouble is Trouble.BROKEN
    assert failing(gemini, 200, {"candidates": [{"finishReason": "SOMETHING_NEW"}]}).reason == "SOMETHING_NEW"
    assert failing(gemini, 200, {"candidates": [{"content": {"parts": None}, "finishReason": "STOP"}]}).reason == "NO_IMAGE"


def test_no_second_request_continues_an_answer(gemini: Gemini) -> None:
    """The SDK would send one for each CONTINUATION, and every one is paid."""
    sent = []
    token = base64.b64encode(b"go on").decode()
    candidate = {"content": {"parts": [{"text": "a"}]}, "finishReason": "CONTINUATION", "continuationToken": token}

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request)
        return httpx2.Response(200, json={"candidates": [candidate]})

    gemini._http._transport.close()
    gemini._http._transport = httpx2.MockTransport(answer)
    assert gemini.ask(QUESTION).text == "a"
    assert len(sent) == 1


def test_the_key_is_in_no_message_log_or_repr(gemini: Gemini, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    error = {"code": 400, "status": "INVALID_ARGUMENT", "message": f"No such key:\n {KEY}."}
    assert "No such key: ***." in str(failing(gemini, 400, {"error": error}))
    assert KEY not in repr(gemini) + repr(gemini._access) + caplog.text
    for key in ("", "  ", "a\nb", "clé"):
        with pytest.raises(CallFailed) as caught:
            Gemini(Access("http://127.0.0.1:9", key))
        assert caught.value.trouble is Trouble.ACCOUNT


def test_32_threads_have_32_connections_and_keep_them(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, connect = [], socket.create_connection

    def counted(*args: Any, **options: Any) -> socket.socket:
        opened.append(args)
        return connect(*args, **options)

    monkeypatch.setattr(socket, "create_connection", counted)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with ProviderServer(latency=1.0, canned=LQ) as server, ThreadPoolExecutor(32) as threads:
        gemini = hasty(server.url, 10.0)
        start = threading.Barrier(32)

        def edit(_: int) -> bytes:
            start.wait(10)
            return gemini.edit_image(EDIT).data

        for _ in range(2):
            assert list(threads.map(edit, range(32))) == [LQ] * 32
        gemini.close()
    assert len(opened) == 32, "fewer: threads waited for each other; more: connections were not kept"
