"""Killed processes: nothing acknowledged is lost, nothing is done twice."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlmodel import col, func, select

from app import job_control, jobs
from app.db import dispose, reading, unit_of_work
from app.jobs import NewItem
from app.models import Event, Run, RunState, Source
from tests.conftest import forget
from tests.redis_server import RedisServer

ITEMS = 200
ROOT = Path(__file__).resolve().parents[2]


def start_worker(name: str) -> subprocess.Popen[bytes]:
    """A real Celery worker of two processes, in a process group of its own."""
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.echo_worker", "worker", "-Q", "cpu", "-c", "2"]
    quiet = ["-l", "warning", "--without-gossip", "--without-mingle", "-n", f"{name}@test"]
    return subprocess.Popen([*command, *quiet], cwd=ROOT, env=os.environ.copy(), start_new_session=True)


@contextmanager
def worker(name: str) -> Iterator[subprocess.Popen[bytes]]:
    process = start_worker(name)
    try:
        yield process
    finally:
        kill(process)


class KeptAlive:
    """A worker that is started again when it ends, as the supervisor and Docker do (losing Redis may end it)."""

    def __init__(self) -> None:
        self.process = start_worker("steady")

    def tend(self) -> bool:
        """Start it again when it has ended. Returns whether that was so."""
        if self.process.poll() is None:
            return False
        self.process = start_worker("steady")
        return True


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start_echoes() -> int:
    with unit_of_work() as session:
        run = jobs.start_run(session, "echo", "echo", {}, None)
        assert run.id
        jobs.add_items(session, run.id, [NewItem("echo", f"echo:{n}") for n in range(ITEMS)])
        return run.id


def finished(run_id: int) -> bool:
    with unit_of_work() as session:
        job_control.sweep(session)  # what the beat process does every few seconds
    with reading() as session:
        return session.get_one(Run, run_id).state == RunState.FINISHED


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


def done() -> int:
    with reading() as session:
        return session.exec(select(func.count()).where(col(Event.action) == "echo")).one()


def assert_each_once() -> None:
    with reading() as session:
        times = Counter(session.exec(select(Event.subject).where(col(Event.action) == "echo")))
    assert times == {f"echo:{n}": 1 for n in range(ITEMS)}


@pytest.fixture
def own_redis(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    """A Redis to kill, and leases short enough to wait for."""
    server = RedisServer(tmp_path)
    server.start()
    monkeypatch.setenv("GGT_REDIS_URL", server.url)
    monkeypatch.setenv("GGT_LEASE_SECONDS", "2")
    forget()
    yield server
    server.kill()


@pytest.mark.usefixtures("own_redis")
def test_a_worker_killed_amid_200_items_loses_none_and_doubles_none() -> None:
    run_id = start_echoes()
    with worker("victim") as victim:
        wait_until(lambda: done() >= 40)
        kill(victim)
    before = done()
    assert before < ITEMS
    with worker("heir"):
        wait_until(lambda: finished(run_id))
    assert_each_once()


def test_redis_killed_amid_200_items_loses_none_and_doubles_none(own_redis: RedisServer) -> None:
    run_id = start_echoes()
    steady = KeptAlive()
    try:
        wait_until(lambda: done() >= 40)
        own_redis.kill()
        time.sleep(1)
        own_redis.start()
        wait_until(lambda: not steady.tend() and finished(run_id))
    finally:
        kill(steady.process)
    assert_each_once()


def _read_then_write(times: int) -> None:
    dispose()
    for _ in range(times):
        with unit_of_work() as session:
            source = session.exec(select(Source)).one()
            source.note = str(int(source.note) + 1)
            session.add(source)


@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("database")
def test_two_processes_that_read_then_write_are_never_refused_and_lose_nothing() -> None:
    with unit_of_work() as session:
        session.add(Source(name="counter", note="0"))
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_read_then_write, args=(50,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [p.exitcode for p in processes] == [0, 0, 0]
    with reading() as session:
        assert session.exec(select(Source.note)).one() == "150"
