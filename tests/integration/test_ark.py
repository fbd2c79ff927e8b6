"""If these fail, Seedream's images carry a watermark, come in a size that is refused, or are paid twice."""

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.providers.clients import LQ, look
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers.providers.ark import Ark, size
from workers.providers.base import Access, CallFailed, ImageRequest, Trouble, Usage

KEY = "a-key-that-nobody-may-see"
MODEL = "doubao-seedream-5-0-260128"
EDIT = ImageRequest(MODEL, LQ, "image/png", 96, 96, "Restore this photograph.")


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


@pytest.fixture
def backend(server: ProviderServer) -> Iterator[Ark]:
    backend = Ark(Access(server.url + "/api/v3/", KEY, timeout=10.0))
    yield backend
    backend.close()


def failing(backend: Ark, status: int, body: Any, headers: dict[str, str] | None = None) -> CallFailed:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    backend._http._transport.close()
    backend._http._transport = httpx.MockTransport(lambda request: httpx.Response(status, content=content, headers=headers))
    with pytest.raises(CallFailed) as caught:
        backend.edit_image(EDIT)
    return caught.value


def test_an_image_comes_as_it_was_sent_and_without_a_watermark(server: ProviderServer, backend: Ark) -> None:
    answer = backend.edit_image(replace(EDIT, model="doubao-seedream-4-0-250828"))
    assert look(answer.data) == ("PNG", (960, 960))
    assert answer.usage == Usage(0, 4096)
    (call,) = server.calls
    assert (call.key, call.path, call.images) == (KEY, "/api/v3/images/generations", [LQ])
    assert call.body == {
        "model": "doubao-seedream-4-0-250828",
        "prompt": EDIT.prompt,
        "image": f"data:image/png;base64,<{len(LQ)} bytes>",
        "size": "960x960",
        "response_format": "b64_json",
        "watermark": False,
        "sequential_image_generation": "disabled",
    }


@pytest.mark.parametrize(
    ("model", "width", "height", "wanted"),
    [
        ("doubao-seedream-4-0-250828", 1024, 1024, "1024x1024"),
        ("doubao-seedream-4-0-250828", 1024, 512, "1358x679"),
        (MODEL, 1024, 1024, "1920x1920"),
        (MODEL, 2048, 2048, "2048x2048"),
        (MODEL, 8000, 4000, "4561x2280"),
    ],
)
def test_the_size_is_one_that_the_model_makes_in_the_lqs_shape(model: str, width: int, height: int, wanted: str) -> None:
    assert size(model, width, height) == wanted
    wide, high = map(int, wanted.split("x"))
    assert abs(wide * height / (high * width) - 1) < 0.005
    assert (921_600 if "4-0" in model else 3_686_400) <= wide * high <= 10_404_496


@pytest.mark.parametrize(
    ("fault", "trouble", "reason", "charged"),
    [
        (Fault.RATE_LIMIT, Trouble.BUSY, "RateLimitExceeded.EndpointRPMExceeded", False),
        (Fault.OVERLOADED, Trouble.BUSY, "ServiceUnavailable", False),
        (Fault.SERVER_ERROR, Trouble.BROKEN, "InternalServiceError", False),
        (Fault.BAD_KEY, Trouble.ACCOUNT, "AuthenticationError", False),
        (Fault.FORBIDDEN, Trouble.ACCOUNT, "AccessDenied", False),
        (Fault.NO_CREDIT, Trouble.ACCOUNT, "AccountOverdueError", False),
        (Fault.BAD_REQUEST, Trouble.BAD_REQUEST, "InvalidParameter", False),
        (Fault.NOT_FOUND, Trouble.BAD_REQUEST, "InvalidEndpointOrModel.NotFound", False),
        (Fault.HANG, Trouble.LOST, "", True),
        (Fault.RESET, Trouble.LOST, "", True),
        (Fault.HALF_BODY, Trouble.LOST, "", True),
        (Fault.SLOW_DRIP, Trouble.LOST, "", True),
        (Fault.MALFORMED, Trouble.LOST, "UNREADABLE", True),
        (Fault.SAFETY_PROMPT, Trouble.REFUSED, "InputImageSensitiveContentDetected", False),
        (Fault.SAFETY_IMAGE, Trouble.REFUSED, "OutputImageSensitiveContentDetected", False),
        (Fault.NO_IMAGE, Trouble.REFUSED, "NO_IMAGE", False),
        (Fault.EMPTY, Trouble.REFUSED, "NO_IMAGE", False),
    ],
)
def test_every_failure_is_told_apart_and_nothing_is_sent_twice(
    server: ProviderServer, fault: Fault, trouble: Trouble, reason: str, charged: bool
) -> None:
    server.script.push(fault)
    backend = Ark(Access(server.url + "/api/v3", KEY, timeout=1.0 if fault in (Fault.HANG, Fault.SLOW_DRIP) else 10.0))
    with pytest.raises(CallFailed) as caught:
        backend.edit_image(replace(EDIT, model="doubao-seedream-4-0-250828"))
    backend.close()
    assert (caught.value.trouble, caught.value.reason) == (trouble, reason)
    assert len(server.calls) == 1, "each further request would be paid"
    assert server.charged == charged
    assert caught.value.retry_after == (1.5 if fault is Fault.RATE_LIMIT else None)
    assert KEY not in str(caught.value)


def test_a_provider_that_cannot_be_reached_was_asked_nothing() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        backend = Ark(Access(f"http://127.0.0.1:{unused.getsockname()[1]}", KEY, timeout=0.5))
        with pytest.raises(CallFailed) as caught:
            backend.edit_image(EDIT)
    backend.close()
    assert caught.value.trouble is Trouble.UNSENT


def test_codes_count_before_the_status(backend: Ark) -> None:
    def told(code: str) -> dict[str, Any]:
        return {"error": {"code": code, "message": f"no {KEY}"}}

    for code in ("QuotaExceeded", "SetLimitExceeded", "InsufficientBalance"):
        assert failing(backend, 429, told(code)).trouble is Trouble.ACCOUNT, "a person has to act: waiting does not help"
    assert failing(backend, 404, told("ModelNotOpen")).trouble is Trouble.ACCOUNT
    assert failing(backend, 429, told("ServerOverloaded"), {"retry-after": "9"}).retry_after == 9.0
    assert failing(backend, 400, told("InputTextRiskDetection")).trouble is Trouble.REFUSED
    assert KEY not in str(failing(backend, 400, told("X")))


def test_odd_answers_are_no_crash(backend: Ark) -> None:
    assert failing(backend, 502, b"<html>").trouble is Trouble.BROKEN
    assert failing(backend, 504, b"<html>").trouble is Trouble.LOST
    assert failing(backend, 302, b"", {"location": "http://elsewhere.example/"}).trouble is Trouble.BAD_REQUEST
    assert failing(backend, 200, b"").reason == "UNREADABLE"
    assert failing(backend, 200, {"data": [{"b64_json": "no base64!"}]}).reason == "UNREADABLE"
    inside = {"data": [{"error": {"code": "OutputImageSensitiveContentDetected"}}]}
    assert failing(backend, 200, inside).trouble is Trouble.REFUSED
    assert failing(backend, 200, {"error": {"code": "InternalServiceError"}}).trouble is Trouble.BROKEN


def test_32_threads_have_32_connections_and_keep_them(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, connect = [], socket.create_connection

    def counted(*args: Any, **options: Any) -> socket.socket:
        opened.append(args)
        return connect(*args, **options)

    monkeypatch.setattr(socket, "create_connection", counted)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with ProviderServer(latency=1.0, canned=LQ) as server, ThreadPoolExecutor(32) as threads:
        backend = Ark(Access(server.url + "/api/v3", KEY, timeout=10.0))
        start = threading.Barrier(32)

        def edit(_: int) -> bytes:
            start.wait(10)
            return backend.edit_image(EDIT).data

        for _ in range(2):
            assert list(threads.map(edit, range(32))) == [LQ] * 32
        backend.close()
    assert len(opened) == 32, "fewer: threads waited for each other; more: connections were not kept"
