"""If these fail, Kling's tasks are paid and forgotten, made twice, or make this machine fetch what it must not."""

import base64
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import jwt
import pytest

from tests.providers.clients import LQ, look
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers.providers.base import Access, CallFailed, ImageRequest, Trouble
from workers.providers.kling import Kling

KEY, SECRET = "the-access-key", "a-secret-key-that-nobody-may-see"
EDIT = ImageRequest("kling-image-o1", LQ, "image/png", 96, 96, "Restore this photograph.", reference="ggt-7")
TASKS = "/v1/images/omni-image"


@pytest.fixture
def server() -> Iterator[ProviderServer]:
    with ProviderServer() as server:
        yield server


def at(url: str, timeout: float = 5.0, key: str = KEY, secret: str = SECRET) -> Kling:
    return Kling(Access(url, key, secret, timeout=timeout, poll_seconds=0.02))


@pytest.fixture
def backend(server: ProviderServer) -> Iterator[Kling]:
    backend = at(server.url)
    yield backend
    backend.close()


def failing(backend: Kling, request: ImageRequest = EDIT) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        backend.edit_image(request)
    assert SECRET not in str(caught.value)
    return caught.value


def kinds(server: ProviderServer) -> list[str]:
    return [call.kind for call in server.calls]


def test_an_image_goes_round_and_its_task_is_told_before_the_wait(server: ProviderServer, backend: Kling) -> None:
    told: list[tuple[str, list[str]]] = []
    answer = backend.edit_image(EDIT, lambda task: told.append((task, kinds(server))))
    assert look(answer.data) == ("PNG", (96, 96))
    assert answer.request_id == "task1"
    assert told == [("task1", ["image"])], "a worker that dies while waiting must leave the id behind"
    assert kinds(server) == ["image", "poll", "poll", "file"]
    created = server.calls[0]
    assert (created.path, created.images) == (TASKS, [LQ])
    assert created.body == {
        "model_name": "kling-image-o1",
        "prompt": EDIT.prompt,
        "image_list": [{"image": f"<{len(LQ)} bytes>"}],
        "resolution": "1k",
        "n": 1,
        "aspect_ratio": "1:1",
        "external_task_id": "ggt-7",
    }
    claims = jwt.decode(created.key, SECRET, algorithms=["HS256"])
    assert claims["iss"] == KEY
    assert claims["exp"] - claims["nbf"] == 1805
    assert server.calls[-1].key == "", "the token is not for the server of the images"


def test_the_image_is_plain_base64(server: ProviderServer) -> None:
    """A data URL is refused by Kling."""
    backend, bodies = at(server.url), []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return httpx.Response(500)

    answering(backend, answer)
    assert failing(backend).trouble is Trouble.BROKEN
    assert base64.b64decode(bodies[0]["image_list"][0]["image"], validate=True) == LQ


@pytest.mark.parametrize(("width", "height", "ratio"), [(1264, 848, "3:2"), (1000, 700, "auto"), (900, 1600, "9:16")])
def test_an_lq_is_asked_for_in_its_own_shape(
    server: ProviderServer, backend: Kling, width: int, height: int, ratio: str
) -> None:
    backend.edit_image(replace(EDIT, width=width, height=height))
    assert server.calls[0].body["aspect_ratio"] == ratio


@pytest.mark.parametrize(
    ("fault", "trouble", "reason"),
    [
        (Fault.RATE_LIMIT, Trouble.BUSY, "1303"),
        (Fault.OVERLOADED, Trouble.BUSY, "5001"),
        (Fault.SERVER_ERROR, Trouble.BROKEN, "5000"),
        (Fault.BAD_KEY, Trouble.ACCOUNT, "1002"),
        (Fault.FORBIDDEN, Trouble.ACCOUNT, "1103"),
        (Fault.NO_CREDIT, Trouble.ACCOUNT, "1102"),
        (Fault.BAD_REQUEST, Trouble.BAD_REQUEST, "1201"),
        (Fault.NOT_FOUND, Trouble.BAD_REQUEST, "1203"),
        (Fault.HANG, Trouble.LOST, ""),
        (Fault.RESET, Trouble.LOST, ""),
        (Fault.HALF_BODY, Trouble.LOST, ""),
        (Fault.MALFORMED, Trouble.LOST, "UNREADABLE"),
    ],
)
def test_a_task_that_was_not_created_is_not_created_again(
    server: ProviderServer, fault: Fault, trouble: Trouble, reason: str
) -> None:
    server.script.push(fault)
    backend = at(server.url, 0.3 if fault is Fault.HANG else 5.0)
    failed = failing(backend)
    backend.close()
    assert (failed.trouble, failed.reason) == (trouble, reason)
    assert kinds(server) == ["image"]


@pytest.mark.parametrize(
    ("fault", "trouble", "reason"),
    [
        (Fault.SAFETY_PROMPT, Trouble.REFUSED, "TASK_REFUSED"),
        (Fault.SAFETY_IMAGE, Trouble.REFUSED, "TASK_REFUSED"),
        (Fault.IMAGE_OTHER, Trouble.BROKEN, "TASK_FAILED"),
        (Fault.NO_IMAGE, Trouble.REFUSED, "NO_IMAGE"),
        (Fault.EMPTY, Trouble.REFUSED, "NO_IMAGE"),
    ],
)
def test_a_task_that_fails_says_why(
    server: ProviderServer, backend: Kling, fault: Fault, trouble: Trouble, reason: str
) -> None:
    server.script.push(fault)
    failed = failing(backend)
    assert (failed.trouble, failed.reason) == (trouble, reason)
    assert kinds(server) == ["image", "poll", "poll"]


def test_looks_and_downloads_that_fail_are_made_again_since_they_cost_nothing(
    server: ProviderServer, backend: Kling
) -> None:
    faults = [Fault.RESET, Fault.SERVER_ERROR, Fault.OVERLOADED, Fault.RATE_LIMIT, Fault.HALF_BODY, Fault.MALFORMED]
    server.script.push(*faults, kind="poll")
    server.script.push(Fault.HALF_BODY, Fault.NOT_FOUND, kind="file")
    assert look(backend.edit_image(EDIT).data)[0] == "PNG"
    assert kinds(server).count("image") == 1
    assert server.charged == 1


def test_a_download_that_keeps_failing_leaves_the_task_to_be_looked_at(server: ProviderServer, backend: Kling) -> None:
    server.script.push(*[Fault.RESET] * 3, kind="file")
    tasks: list[str] = []
    with pytest.raises(CallFailed, match=r"task1 .* can be looked at again") as caught:
        backend.edit_image(EDIT, tasks.append)
    assert caught.value.trouble is Trouble.LOST
    assert look(backend.edit_image(replace(EDIT, remote_id=tasks[0])).data)[0] == "PNG"
    assert kinds(server).count("image") == 1, "the second time it was only looked for"
    assert server.charged == 1


def test_a_task_that_takes_too_long_is_lost_with_its_name(server: ProviderServer) -> None:
    server.studio.latency = 60.0
    backend, start = at(server.url, 0.4), time.monotonic()
    with pytest.raises(CallFailed, match=r"task1 .* not done yet") as caught:
        backend.edit_image(EDIT)
    backend.close()
    assert caught.value.trouble is Trouble.LOST
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("fault", [Fault.BAD_KEY, Fault.NO_CREDIT, Fault.NOT_FOUND])
def test_a_look_that_is_refused_does_not_say_that_the_task_failed(
    server: ProviderServer, backend: Kling, fault: Fault
) -> None:
    """ACCOUNT or BAD_REQUEST would close the call as unpaid."""
    server.script.push(fault, kind="poll")
    failed = failing(backend)
    assert (failed.trouble, "task1" in str(failed)) == (Trouble.LOST, True)


def test_a_token_is_used_until_it_nears_its_end(
    server: ProviderServer, backend: Kling, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.edit_image(EDIT)
    backend._expires -= 1400
    backend.edit_image(replace(EDIT, reference="ggt-8"))
    assert len({call.key for call in server.calls if call.kind != "file"}) == 1
    backend._expires -= 200
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10)
    backend.edit_image(replace(EDIT, reference="ggt-9"))
    assert len({call.key for call in server.calls if call.kind != "file"}) == 2


def test_a_key_without_a_secret_is_the_token(server: ProviderServer) -> None:
    backend = at(server.url, key="one-key", secret="")
    backend.edit_image(EDIT)
    backend.close()
    assert server.calls[0].key == "one-key"


def test_codes_count_whatever_the_status(server: ProviderServer, backend: Kling) -> None:
    expected = {1000: Trouble.ACCOUNT, 1101: Trouble.ACCOUNT, 1304: Trouble.ACCOUNT, 1301: Trouble.REFUSED}
    expected |= {1302: Trouble.BUSY, 5001: Trouble.BUSY, 1201: Trouble.BAD_REQUEST, 5002: Trouble.BROKEN, 9: Trouble.BROKEN}
    for code, trouble in expected.items():
        reply = httpx.Response(200, json={"code": code, "message": "no"})
        answering(backend, reply)
        failed = failing(backend)
        assert (failed.trouble, failed.reason) == (trouble, str(code))
    for status, page in ((504, Trouble.LOST), (502, Trouble.BROKEN), (301, Trouble.BAD_REQUEST)):
        answering(backend, httpx.Response(status, text="<html>"))
        assert failing(backend).trouble is page
    answering(backend, httpx.Response(200, json={"code": 0, "data": None}))
    assert failing(backend).reason == "UNREADABLE"


def answering(backend: Kling, answer: httpx.Response | Callable[[httpx.Request], httpx.Response]) -> None:
    """Let every request of the backend be answered so."""
    backend._http._transport.close()
    backend._http._transport = httpx.MockTransport(answer if callable(answer) else lambda request: answer)


def test_the_signed_address_is_in_no_log(server: ProviderServer, backend: Kling, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    backend.edit_image(EDIT)
    assert "kling-files" not in caplog.text
    assert not re.search(SECRET, repr(backend) + repr(backend._access) + caplog.text)


def test_32_threads_have_32_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    opened, connect = [], socket.create_connection

    def counted(*args: Any, **options: Any) -> socket.socket:
        opened.append(args)
        return connect(*args, **options)

    monkeypatch.setattr(socket, "create_connection", counted)
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    with ProviderServer(canned=LQ) as server, ThreadPoolExecutor(32) as threads:
        server.script.hang_seconds = 1.0
        server.script.push(*[Fault.HANG] * 32)
        backend, start = at(server.url, 10.0), threading.Barrier(32)

        def edit(_: int) -> Trouble:
            start.wait(10)
            return failing(backend).trouble

        assert list(threads.map(edit, range(32))) == [Trouble.LOST] * 32
        assert len(opened) == 32, "fewer: threads waited for each other"
        backend.close()
