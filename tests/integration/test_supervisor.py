"""``ggt up``: one command that starts everything, says what is wrong, and leaves nothing behind however it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
GGT = [sys.executable, "-c", "from app.cli import main; main()"]


class Installation:
    """A data folder and a port, and the ``ggt up`` that may run on them."""

    def __init__(self, data: Path, port: int) -> None:
        self.port = port
        self.log = data.with_suffix(".log")
        self.environment = {**os.environ, "GGT_DATA_DIR": str(data), "GGT_PORT": str(port), "GGT_WORKERS": "1"}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> psutil.Process:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*GGT, "up"], cwd=ROOT, env=self.environment, stderr=log)
        return psutil.Process(self.process.pid)

    def said(self) -> str:
        return self.log.read_text()

    def refused(self) -> str:
        """What another start says instead of starting."""
        done = subprocess.run(
            [*GGT, "up"], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 1
        [line] = done.stderr.splitlines()
        return line

    def healthy(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=2, trust_env=False).text == "ok"
        except httpx.TransportError:
            return False

    def ready(self) -> bool:
        return f"http://127.0.0.1:{self.port}/invite/" in self.said() and self.healthy()


def until(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


def family(process: psutil.Process) -> list[psutil.Process]:
    """All processes below one: Redis, worker with its pool, beat, web."""
    return process.children(recursive=True)


def web(process: psutil.Process) -> psutil.Process:
    [found] = [child for child in process.children() if "uvicorn" in child.cmdline()]
    return found


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.timeout(300)
def test_an_installation_starts_heals_stops_and_starts_again(weights: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here, elsewhere = Installation(tmp_path / "here", port), Installation(tmp_path / "elsewhere", port)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "weights").symlink_to(weights)  # nothing to download
    started: list[psutil.Process] = []
    try:
        supervisor = here.start()
        until(here.ready)
        assert re.search(rf"one time.*\n\s+http://127\.0\.0\.1:{port}/invite/[\w-]{{40,}}", here.said())
        started += family(supervisor)
        assert len(started) >= 5

        assert f"already runs on {tmp_path / 'here'} (process {supervisor.pid}, http://127.0.0.1:{port})" in here.refused()
        assert elsewhere.refused() == (
            f"error: Port {port} on 127.0.0.1 cannot be used (Address already in use). "
            f"Stop what uses it, or choose another: GGT_PORT={port + 1}."
        )
        assert here.healthy()  # neither refusal harmed it

        web(supervisor).kill()
        until(lambda: not here.healthy())
        until(here.healthy)
        assert "web ended with status -9; starting it again" in here.said()
        started += family(supervisor)

        supervisor.send_signal(signal.SIGINT)
        assert here.process
        assert here.process.wait(30) == 0
        assert alive(started) == []
        assert "Stopping" in here.said()

        supervisor = here.start()
        until(here.ready)
        orphans = family(supervisor)
        started += orphans
        supervisor.kill()
        here.process.wait(10)
        until(lambda: not alive(orphans), 60)
    finally:
        if here.process and here.process.poll() is None:
            here.process.kill()
            here.process.wait()
        for process in alive(started):
            process.kill()
