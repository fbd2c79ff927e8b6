"""If these fail, OpenAI is paid two or three times for one image, or a refusal or an empty purse is taken for a glitch."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from tests.providers.clients import LQ, look, png
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers.providers.base import Access, CallFailed, ImageRequest, TextRequest, Trouble, Usage
from workers.providers.openai import OpenAi

KEY = "sk-a-key-that-nobody-may-see"
EDIT = ImageRequest("gpt-image-2", LQ, "image/png", 96, 96, "Restore this photograph.")
QUESTION = TextRequest("gpt-5.4-pro", "You judge.", "Compare them.", ((LQ, "image/png"), (png(1), "image/png")))


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


@pytest.fixture
def backend(server: ProviderServer) -> Iterator[OpenAi]:
    backend = OpenAi(Access(server.url + "/v1", KEY, timeout=5.0))
    yield backend
    backend.close()


def answering(backend: OpenAi, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
    """Let every request of the backend be answered so."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    backend._http._transport.close()
    transport = httpx2.MockTransport(lambda request: httpx2.Response(status, content=content, headers=headers))
    backend._http._transport = transport


def failing(backend: OpenAi, status: int, body: Any, headers: dict[str, str] | None = None) -> CallFailed:
    answering(backend, status, body, headers)
    with pytest.raises(CallFailed) as caught:
        backend.edit_image(EDIT)
    return caught.value


def test_an_image_comes_as_it_was_sent_with_what_it_cost(server: ProviderServer, backend: OpenAi) -> None:
    answer = backend.edit_image(EDIT)
    assert look(answer.data) == ("PNG", (1024, 1024))
    assert answer.usage == Usage(1056 + len(EDIT.prompt) // 4, 1056)
    assert answer.request_id == "req_1"
    (call,) = server.calls
    assert (call.key, call.path, call.images) == (KEY, "/v1/images/edits", [LQ])
    assert call.body == {
        "model": "gpt-image-2",
        "prompt": EDIT.prompt,
        "image": f"<image/png, {len(LQ)} bytes>",
        "size": "1024x1024",
        "output_format": "png",
    }, "gpt-image-2 refuses input_fidelity"


@pytest.mark.parametrize(
    ("width", "height", "size"), [(1500, 1000, "1536x1024"), (800, 1200, "1024x1536"), (500, 500, "1024x1024")]
)
def test_an_lq_is_asked_for_in_its_own_shape(
    server: ProviderServer, backend: OpenAi, width: int, height: int, size: str
) -> None:
    backend.edit_image(ImageRequest("gpt-image-1.5", LQ, "image/png", width, height, "x"))
    assert (server.calls[0].body["size"], server.calls[0].body["input_fidelity"]) == (size, "high")


@pytest.mark.parametrize(
    ("fault", "trouble", "reason", "charged"),
    [
        (Fault.RATE_LIMIT, Trouble.BUSY, "rate_limit_exceeded", False),
        (Fault.OVERLOADED, Trouble.BUSY, "server_error", False),
        (Fault.SERVER_ERROR, Trouble.BROKEN, "server_error", False),
        (Fault.BAD_KEY, Trouble.ACCOUNT, "invalid_api_key", False),
        (Fault.FORBIDDEN, Trouble.ACCOUNT, "model_access_denied", False),
        (Fault.NO_CREDIT, Trouble.ACCOUNT, "insufficient_quota", False),
        (Fault.BAD_REQUEST, Trouble.BAD_REQUEST, "invalid_value", False),
        (Fault.NOT_FOUND, Trouble.BAD_REQUEST, "model_not_found", False),
        (Fault.HANG, Trouble.LOST, "", True),
        (Fault.RESET, Trouble.LOST, "", True),
        (Fault.HALF_BODY, Trouble.LOST, "", True),
        (Fault.SLOW_DRIP, Trouble.LOST, "", True),
        (Fault.MALFORMED, Trouble.LOST, "UNREADABLE", True),
        (Fault.SAFETY_PROMPT, Trouble.REFUSED, "moderation_blocked", False),
        (Fault.SAFETY_IMAGE, Trouble.REFUSED, "moderation_blocked", False),
        (Fault.NO_IMAGE, Trouble.REFUSED, "NO_IMAGE", True),
        (Fault.EMPTY, Trouble.BROKEN, "EMPTY", False),
    ],
)
def test_every_failure_is_told_apart_and_nothing_is_sent_twice(
    server: ProviderServer, fault: Fault, trouble: Trouble, reason: str, charged: bool
) -> None:
    server.script.push(fault)
    timeout = 0.6 if fault in (Fault.HANG, Fault.SLOW_DRIP) else 5.0
    backend = OpenAi(Access(server.url + "/v1", KEY, timeout=timeout))
    with pytest.raises(CallFailed) as caught:
        backend.edit_image(EDIT)
    backend.close()
    assert (caught.value.trouble, caught.value.reason) == (trouble, reason)
    assert len(server.calls) == 1, "the SDK would ask three times"
    assert server.charged == charged
    assert caught.value.retry_after == (1.5 if fault is Fault.RATE_LIMIT else None)
    assert KEY not in str(caught.value)


def test_a_provider_that_cannot_be_reached_was_asked_nothing() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        backend = OpenAi(Access(f"http://127.0.0.1:{unused.getsockname()[1]}/v1", KEY, timeout=0.5))
        for call in (lambda: backend.edit_image(EDIT), lambda: backend.ask(QUESTION)):
            with pytest.raises(CallFailed) as caught:
                call()
            assert caught.value.trouble is Trouble.UNSENT
    backend.close()


def test_a_judgement_is_word_for_word(server: ProviderServer, backend: OpenAi) -> None:
    schema = {"type": "object", "properties": {"scores": {"type": "object"}}, "required": ["scores"]}
    answer = backend.ask(TextRequest(QUESTION.model, QUESTION.system, QUESTION.user, QUESTION.images, schema))
    assert json.loads(answer.text)["scores"]
    assert answer.usage
    assert answer.usage.output_tokens > 0
    call = server.calls[0]
    assert call.images == [LQ, png(1)], "LQ first, then HQ"
    assert (call.body["instructions"], call.body["store"]) == ("You judge.", False)
    content = call.body["input"][0]["content"]
    assert [part["type"] for part in content] == ["input_image", "input_image", "input_text"]
    assert content[0]["image_url"].startswith("data:image/png;base64,")
    assert call.body["text"] == {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}}
    backend.ask(QUESTION)
    assert "text" not in server.calls[1].body


@pytest.mark.parametrize(
    ("fault", "trouble", "reason"),
    [
        (Fault.SAFETY_IMAGE, Trouble.REFUSED, "refusal"),
        (Fault.EMPTY, Trouble.BROKEN, "EMPTY"),
        (Fault.MALFORMED, Trouble.LOST, "UNREADABLE"),
        (Fault.RATE_LIMIT, Trouble.BUSY, "rate_limit_exceeded"),
        (Fault.SERVER_ERROR, Trouble.BROKEN, "server_error"),
        (Fault.RESET, Trouble.LOST, ""),
    ],
)
def test_a_question_fails_in_its_own_ways(
    server: ProviderServer, backend: OpenAi, fault: Fault, trouble: Trouble, reason: str
) -> None:
    server.script.push(fault)
    with pytest.raises(CallFailed) as caught:
        backend.ask(QUESTION)
    assert (caught.value.trouble, caught.value.reason) == (trouble, reason)
    assert len(server.calls) == 1
    if trouble is Trouble.REFUSED:
        assert caught.value.usage
        assert caught.value.usage.output_tokens


def test_half_a_text_is_given_to_whoever_reads_it(server: ProviderServer, backend: OpenAi) -> None:
    server.script.push(Fault.TRUNCATED_TEXT, Fault.GARBLED_TEXT)
    assert backend.ask(QUESTION).text
    assert "very nice" in backend.ask(QUESTION).text


@pytest.mark.parametrize(
    ("body", "trouble", "reason"),
    [
        ({"error": {"code": "rate_limit_exceeded"}}, Trouble.BUSY, "rate_limit_exceeded"),
        ({"error": {"code": "server_error"}}, Trouble.BROKEN, "server_error"),
        ({"error": {"code": "image_content_policy_violation"}}, Trouble.REFUSED, "image_content_policy_violation"),
        ({"error": {"code": "image_too_small"}}, Trouble.BAD_REQUEST, "image_too_small"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, Trouble.REFUSED, "content_filter"),
        ({"status": "completed", "output": [{"type": "reasoning"}]}, Trouble.BROKEN, "EMPTY"),
    ],
)
def test_a_response_can_fail_inside_a_200(backend: OpenAi, body: dict[str, Any], trouble: Trouble, reason: str) -> None:
    answering(backend, 200, body)
    with pytest.raises(CallFailed) as caught:
        backend.ask(QUESTION)
    assert (caught.value.trouble, caught.value.reason) == (trouble, reason)


def test_odd_answers_are_no_crash(backend: OpenAi) -> None:
    assert failing(backend, 400, {"error": {"code": "billing_hard_limit_reached"}}).trouble is Trouble.ACCOUNT
    assert failing(backend, 400, {"error": {"code": "content_policy_violation"}}).trouble is Trouble.REFUSED
    assert failing(backend, 429, {"error": {"code": "x"}}, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}).retry_after == 0
    assert failing(backend, 502, b"<html>").trouble is Trouble.BROKEN
    assert failing(backend, 504, b"<html>").trouble is Trouble.LOST
    assert failing(backend, 408, b"").trouble is Trouble.BUSY
    assert failing(backend, 307, b"", {"location": "http://elsewhere.example/"}).trouble is Trouble.BAD_REQUEST
    assert failing(backend, 200, b"[]").reason == "UNREADABLE"
    assert failing(backend, 200, {"data": [{"b64_json": "no base64!"}]}).reason == "UNREADABLE"
    message = f"Incorrect API key provided: {KEY}."
    assert KEY not in str(failing(backend, 401, {"error": {"message": message, "code": "invalid_api_key"}}))
    image = base64.b64encode(b"image").decode()
    answering(backend, 200, {"data": [{"b64_json": image}]}, {"content-type": "text/plain"})
    assert backend.edit_image(EDIT).data == b"image", "a wrong content type makes the SDK give up on it"


def test_32_threads_have_32_connections_and_keep_them(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, connect = [], socket.create_connection

    def counted(*args: Any, **options: Any) -> socket.socket:
        opened.append(args)
        return connect(*args, **options)

    monkeypatch.setattr(socket, "create_connection", counted)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with ProviderServer(latency=1.0, canned=LQ) as server, ThreadPoolExecutor(32) as threads:
        backend = OpenAi(Access(server.url + "/v1", KEY, timeout=10.0))
        start = threading.Barrier(32)

        def edit(_: int) -> bytes:
            start.wait(10)
            return backend.edit_image(EDIT).data

        for _ in range(2):
            assert list(threads.map(edit, range(32))) == [LQ] * 32
        backend.close()
    assert len(opened) == 32, "fewer: threads waited for each other; more: connections were not kept"
