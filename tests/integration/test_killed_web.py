"""A web server killed with -9 right after it acknowledged a click: the click is there when it starts again."""

import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlmodel import select

from app.db import reading, unit_of_work
from app.models import Pair, Review, Role, Stage
from app.security import csrf_token, hash_token
from app.services import people
from app.supervisor import web_command
from tests import factories
from tests.conftest import forget


@contextmanager
def server(address: str) -> Iterator[subprocess.Popen[bytes]]:
    """The real web server in a process of its own, killed at the end if it still lives."""
    process = subprocess.Popen(web_command(), stderr=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                httpx.get(f"{address}/health", timeout=2, trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def test_an_acknowledged_decision_survives_the_servers_death(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("GGT_PORT", str(port))
    forget()
    address = f"http://127.0.0.1:{port}"
    with unit_of_work() as session:
        image = factories.make_image(session, Stage.AWAITING)
        candidate = factories.make_candidate(session, image)
        token = people.sign_in(session, factories.make_user(session, Role.ANNOTATOR), "test")
        pair = (image.id, candidate.id)
    decision = {"key": uuid.uuid4().hex, "image_id": pair[0], "candidate_id": pair[1], "decision": "accept"}
    signed_in = {"X-CSRF-Token": csrf_token(hash_token(token)), "Accept": "application/json"}
    cookies = {"ggt_session": token}
    with (
        server(address) as first,
        httpx.Client(base_url=address, cookies=cookies, headers=signed_in, trust_env=False) as browser,
    ):
        assert browser.post("/review/decide", data=decision).status_code == 200
        first.kill()  # nothing between the answer and this
        first.wait()
        with reading() as session:
            assert (session.exec(select(Pair.image_id)).all(), len(session.exec(select(Review)).all())) == ([pair[0]], 1)
        with server(address):  # the browser was not sure and sends it again: one decision all the same
            assert browser.post("/review/decide", data=decision).status_code == 200
    with reading() as session:
        assert len(session.exec(select(Review)).all()) == 1
