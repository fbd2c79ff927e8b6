"""If these fail, an answer of Kling's makes this machine fetch what it must not, or a paid image cannot be fetched."""

import socket
from dataclasses import replace

import httpx
import pytest

from tests.integration.test_kling import EDIT, TASKS, answering, at
from workers.providers import kling
from workers.providers.base import CallFailed, Trouble
from workers.providers.kling import checked

REAL = "https://api-singapore.klingai.com"


@pytest.mark.parametrize(
    "url",
    [
        "http://93.184.216.34/a.png",
        "https://127.0.0.1/a.png",
        "https://10.0.0.1/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a.png",
        "https://[::ffff:10.0.0.1]/a.png",
        "https://100.64.0.1/",
        "https://224.0.0.1/",
        "https://localhost/a.png",
        "file:///etc/passwd",
        "ftp://93.184.216.34/",
        "https:///a.png",
        "",
    ],
)
def test_no_answer_makes_this_machine_fetch_from_its_own_network(url: str) -> None:
    with pytest.raises(CallFailed) as caught:
        checked(url, REAL)
    assert caught.value.trouble is Trouble.LOST


def test_names_are_looked_up_once_and_the_address_found_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))
    inside = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.1.1", 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *rest, **options: [entry])
    assert checked("https://p1.kling.example/a.png", REAL)[1] == "93.184.216.34"
    monkeypatch.setattr(socket, "getaddrinfo", lambda *rest, **options: [entry, inside])
    with pytest.raises(CallFailed, match="private network"):
        checked("https://p1.kling.example/a.png", REAL)
    assert checked("http://127.0.0.1:1234/a.png", "http://127.0.0.1:1234")[1] == "127.0.0.1", "a stand-in gives its own"
    with pytest.raises(CallFailed, match="no https address"):
        checked("http://93.184.216.34/a.png", "https://127.0.0.1")


def test_a_download_goes_to_the_address_that_was_checked_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *rest, **options: [entry])
    monkeypatch.setattr(kling, "_MOST_BYTES", 100)
    backend, sent = at(REAL, 0.5), []
    answers = [httpx.Response(302, headers={"location": "http://127.0.0.1/"}), httpx.Response(200, content=b"x" * 101)]
    answers.append(httpx.Response(200, content=b"image"))

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith(TASKS):
            images = [{"url": "https://p1.kling.example/a.png?sign=s3cret"}]
            return httpx.Response(
                200, json={"code": 0, "data": {"task_status": "succeed", "task_result": {"images": images}}}
            )
        sent.append(request)
        return answers.pop(0)

    answering(backend, answer)
    assert backend.edit_image(replace(EDIT, remote_id="t")).data == b"image"
    assert [str(request.url.host) for request in sent] == ["93.184.216.34"] * 3, "the redirect was not followed"
    assert {request.headers["host"] for request in sent} == {"p1.kling.example"}
    assert {request.extensions["sni_hostname"] for request in sent} == {"p1.kling.example"}
    assert not any("authorization" in request.headers for request in sent)
