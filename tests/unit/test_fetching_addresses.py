"""If these fail, an address that a stranger chose makes this machine ask its own network, with what only it may see."""

import logging
import socket
from pathlib import Path

import httpx
import pytest

from app.errors import BadImage, Later
from app.services import outbound
from app.services.fetching import fetch
from tests.conftest import forget
from tests.platforms.web import Answer, Asked
from tests.unit.fetched import JPEG, allow, serving

PUBLIC = "93.184.216.34"
Lookup = list[tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int]]]


def found(*addresses: str, port: int = 80) -> Lookup:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/a.jpg", "http://127.1/a.jpg", "http://0x7f.1/a.jpg", "http://2130706433/a.jpg",
        "http://0x7f000001/a.jpg", "http://127.0.0.1:8000/settings", "http://0/a.jpg", "http://10.0.0.1/a.jpg",
        "http://169.254.169.254/latest/meta-data", "http://[::1]/a.jpg", "http://[::ffff:127.0.0.1]/a.jpg",
        "http://[::ffff:a9fe:a9fe]/a.jpg", "http://[64:ff9b::7f00:1]/a.jpg", "http://[fe80::1]/a.jpg", "http://[::]/a.jpg",
        "http://localhost/a.jpg", "https://127.0.0.1/a.jpg",
    ],
)  # fmt: skip
def test_private_addresses_are_refused_however_they_are_written(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "")
    with pytest.raises(BadImage, match="private network"):
        fetch(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("file:///etc/passwd", "'file'"), ("ftp://93.184.216.34/a", "'ftp'"), ("gopher://93.184.216.34/", "'gopher'"),
        ("javascript:alert(1)", "'javascript'"), ("data:image/png;base64,AAAA", "'data'"), ("//8.8.8.8/a", "'unknown'"),
        ("http://me:secret@93.184.216.34/a.jpg", "user name or password"), ("http://x\\@127.0.0.1/a.jpg", "user name"),
        ("http:///a.jpg", "without a host"), ("http://a:99999/", "port"), ("http://[::1", "can be read"),
        ("", "'unknown'"), ("http://0177.0.0.1/a", "can be read"),
        ("http://１２７.０.０.１/", "can be read"), ("http://a/" + "x" * 3000, "3009 characters"),
    ],
)  # fmt: skip
def test_other_kinds_of_addresses_are_refused_with_the_reason(url: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "")
    with pytest.raises(BadImage, match=told) as caught:
        fetch(url)
    assert "secret" not in str(caught.value)


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    allow(monkeypatch, "")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found(PUBLIC, "192.168.1.1"))
    with pytest.raises(BadImage, match="private network"):
        fetch("http://photos.example/a.jpg")


def test_a_name_is_looked_up_once_and_the_connection_goes_to_what_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebinding: the second answer of a name server, a private one, is never asked for, nor does the system look again."""
    allow(monkeypatch, "")
    answers, asked, connected = [found(PUBLIC), found("127.0.0.1")], [], []

    def lookup(host: str, *_: object, **__: object) -> Lookup:
        asked.append(host)
        return answers.pop(0)

    def connect(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(Later, match="cannot be reached"):
        fetch("http://photos.example/a.jpg")
    assert (asked, connected) == (["photos.example"], [(PUBLIC, 80)])


def test_an_unknown_name_is_tried_later_and_given_up_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> Lookup:
        raise socket.gaierror(-2, "Name or service not known")

    allow(monkeypatch, "")
    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(Later, match=r"gone\.example cannot be reached"):
        fetch("http://gone.example/a.jpg")


def test_a_redirect_into_the_private_network_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = []

    def inside(asked: Asked) -> Answer:
        secret.append(asked)
        return Answer(JPEG)

    with serving(monkeypatch, {"/a.jpg": inside}) as private:
        port = private.host.partition(":")[2]
        targets = [f"http://localhost:{port}/a.jpg", f"http://127.1:{port}/a.jpg", f"http://[::1]:{port}/a.jpg", "file:///x"]
        pages = {f"/{n}": Answer(status=302, headers={"Location": target}) for n, target in enumerate(targets)}
        with serving(monkeypatch, pages) as server:  # allows itself alone
            for number in range(len(targets)):
                with pytest.raises(BadImage, match=r"private network|only http"):
                    fetch(f"{server.url}/{number}")
    assert secret == []


def test_redirects_are_followed_by_hand_five_times_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = {f"/{n}": Answer(status=302, headers={"Location": f"{n - 1}"}) for n in range(1, 8)} | {"/0": Answer(JPEG)}
    with serving(monkeypatch, pages) as server:
        fetched = fetch(f"{server.url}/5")
        assert (fetched.data, fetched.url) == (JPEG, f"{server.url}/0")
        with pytest.raises(BadImage, match="more than 5 times"):
            fetch(f"{server.url}/6")


def test_the_name_is_what_the_server_and_its_certificate_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connecting to a checked address must not mean asking for, or trusting, that address instead of the name."""
    with serving(monkeypatch, {"/a.jpg": Answer(JPEG)}) as server:
        port = server.host.partition(":")[2]
        allow(monkeypatch, f"photos.example:{port}")
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found("127.0.0.1", port=int(port)))
        assert fetch(f"http://photos.example:{port}/a.jpg").data == JPEG
        assert {asked.headers["host"] for asked in server.asked} == {f"photos.example:{port}"}
    names = []

    def handle(self: object, request: httpx.Request) -> httpx.Response:
        names.append((request.extensions["sni_hostname"], request.url.host, request.headers["host"]))
        return httpx.Response(200)

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found(PUBLIC))
    outbound.CheckedTransport().handle_request(httpx.Request("GET", "https://photos.example/a.jpg"))
    assert names == [("photos.example", PUBLIC, "photos.example")]


def test_nothing_is_sent_through_a_proxy_and_no_address_gets_into_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """A proxy would look names up by itself; an address may hold a signature."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with caplog.at_level(logging.INFO), serving(monkeypatch, {"/a.jpg": Answer(JPEG)}) as server:
        assert fetch(f"{server.url}/a.jpg?sign=s3cret").data == JPEG
    assert "s3cret" not in caplog.text
    forget()
