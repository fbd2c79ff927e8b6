"""A worker killed while paid calls are under way: no money is lost sight of, and nobody pays twice unasked.

The large version, with faults and budgets, is ``benchmarks/soak_providers.py``.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import col, func, select

from app import job_control
from app.db import reading, unit_of_work
from app.models import ApiCall, CallState, Candidate, ItemState, ProviderAccount, Run, RunState, WorkItem
from app.services import planning
from app.services.options import PipelineOptions
from app.supervisor import Supervisor
from tests import factories
from tests.conftest import forget

ROOT = Path(__file__).resolve().parents[2]
IMAGES = 12
CALLS = 2 * IMAGES
LATENCY = 0.3
FINAL = {ItemState.DONE, ItemState.FAILED, ItemState.UNKNOWN, ItemState.CANCELLED}


@dataclass
class Server:
    """The scripted providers, in a process of their own that nobody kills."""

    url: str

    def counts(self) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{self.url}/counts", timeout=10, trust_env=False).json()
        return told

    @property
    def charged(self) -> int:
        return sum(self.counts()["charged"].values())

    @property
    def asked(self) -> int:
        """Images that were asked for, charged or not."""
        return int(self.counts()["requests"].get("image", 0))


@pytest.fixture
def server(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The server, and an installation in a folder of its own that takes it for Gemini and Ark."""
    command = [sys.executable, "-m", "tests.providers", "--json", "--port", "0", "--latency", str(LATENCY)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            url = json.loads(process.stdout.readline())["url"]
            folder = tmp_path / "installation"
            folder.mkdir()
            environment = {
                "GGT_DATA_DIR": str(folder), "GGT_WORKERS": "1", "GGT_API_THREADS": "4",
                "GGT_LEASE_SECONDS": "3", "GGT_PROVIDER_TIMEOUT": "10", "GGT_GEMINI_BASE_URL": url,
                "GGT_ARK_BASE_URL": f"{url}/api/v3", "GGT_GEMINI_API_KEY": "fake", "GGT_ARK_API_KEY": "fake",
            }  # fmt: skip
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            forget()
            yield Server(url)
        finally:
            process.terminate()


def started() -> int:
    """A run of two settings over a dozen new images. Returns its id."""
    with unit_of_work() as session:
        source = factories.make_source(session)
        for _ in range(IMAGES):
            factories.make_image(session, source=source)
    options = PipelineOptions(
        method="nano-banana-2", strategy="fix", compare=False, judge="", also=(("seedream-5.0", "fix"),)
    )
    with unit_of_work() as session:
        return planning.start_pipeline(session, options, user_id=None, confirmed=10**12).id or 0


def tending(supervisor: Supervisor, condition: Callable[[], bool], seconds: float = 90) -> None:
    """Keep the children alive, as ``ggt up`` does, until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited too long: {items()}; {calls()}"
        supervisor.tend()
        time.sleep(0.2)


def calls() -> Counter[str]:
    with reading() as session:
        return Counter(session.exec(select(ApiCall.state)).all())


def items() -> Counter[tuple[str, str]]:
    with reading() as session:
        return Counter(session.exec(select(WorkItem.kind, WorkItem.state)).all())


def run_row(run_id: int) -> Run:
    with reading() as session:
        return session.get_one(Run, run_id)


def finished(run_id: int) -> bool:
    return run_row(run_id).state == RunState.FINISHED


def reserved() -> int:
    with reading() as session:
        return sum(session.exec(select(ProviderAccount.reserved_micros)).all())


def candidates() -> int:
    with reading() as session:
        return session.exec(select(func.count()).select_from(Candidate)).one()


def asked_per_request() -> list[int]:
    """Of each request, how often it was asked without a person's word."""
    with reading() as session:
        query = select(func.count()).where(col(ApiCall.retried_at).is_(None)).group_by(col(ApiCall.request_key))
        return list(session.exec(query).all())


def api_worker(supervisor: Supervisor) -> subprocess.Popen[bytes]:
    [child] = [child for child in supervisor.children if child.name.startswith("worker-api")]
    assert child.process
    return child.process


def booked() -> tuple[int, int]:
    """What the calls cost by their own account, and what the providers' accounts say was spent."""
    with reading() as session:
        own = sum(call.cost_micros or call.reserved_micros for call in session.exec(select(ApiCall)))
        return own, sum(session.exec(select(ProviderAccount.spent_micros)).all())


@pytest.mark.skipif(find_spec("torch") is None, reason="the workers score")
@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
@pytest.mark.timeout(240)
def test_a_worker_killed_with_calls_under_way_and_a_restart_lose_no_money(server: Server) -> None:
    run_id = started()
    with Supervisor(web=False, say=lambda _: None) as supervisor:
        tending(supervisor, lambda: server.asked >= 4 and calls()[CallState.SENT] >= 2)
        killed = api_worker(supervisor)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.wait(10)
        under_way = calls()[CallState.SENT]
        assert under_way, "nothing was under way when the worker died: this test has tested nothing"
        assert reserved()
        answered = calls()[CallState.ANSWERED]
        tending(supervisor, lambda: calls()[CallState.ANSWERED] >= min(CALLS - under_way, answered + 2))
        assert api_worker(supervisor).pid != killed.pid

    with Supervisor(web=False, say=lambda _: None) as supervisor:
        tending(supervisor, lambda: finished(run_id))
        told, after = calls(), run_row(run_id)
        assert {state for _, state in items()} <= FINAL
        assert set(told) <= {CallState.ANSWERED, CallState.UNKNOWN}
        assert after.total == after.done + after.failed + after.unknown
        assert (after.unknown, after.failed) == (told[CallState.UNKNOWN], 0)
        assert 1 <= told[CallState.UNKNOWN] <= under_way
        assert told[CallState.ANSWERED] <= server.charged <= told[CallState.ANSWERED] + told[CallState.UNKNOWN]
        assert server.asked <= CALLS
        assert asked_per_request() == [1] * CALLS
        assert reserved() == 0
        assert booked()[0] == booked()[1] == after.spent_micros
        assert candidates() == told[CallState.ANSWERED]

        with unit_of_work() as session:
            assert job_control.retry_unknown(session, run_id) == told[CallState.UNKNOWN]
        tending(supervisor, lambda: finished(run_id))
        again = run_row(run_id)
        assert (again.done, again.unknown, again.failed) == (again.total, 0, 0)
        assert candidates() == CALLS
        assert calls() == {CallState.ANSWERED: CALLS, CallState.UNKNOWN: told[CallState.UNKNOWN]}
        assert CALLS <= server.charged <= CALLS + told[CallState.UNKNOWN]
        assert reserved() == 0
