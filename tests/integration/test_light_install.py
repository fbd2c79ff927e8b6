"""A web server without the heavy extra (no torch, no OpenCV) still serves everything, and says what is missing."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).with_name("uv")


@pytest.fixture(scope="module")
def light_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the pinned packages of the web server alone."""
    folder = tmp_path_factory.mktemp("light") / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    pinned = str(ROOT / "requirements" / "web.txt")
    install = [str(UV), "pip", "install", "--quiet", "--python", str(python), "--no-deps", "-r", pinned]
    subprocess.run(install, check=True)
    return python


START = "import sys; sys.argv[0] = 'ggt'; from app.cli import main; main()"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "GGT_DATA_DIR": str(tmp_path), "GGT_PORT": str(free_port()), "PYTHONPATH": str(ROOT)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.timeout(240)
def test_the_web_application_works_without_the_heavy_packages(light_python: Path, environment: dict[str, str]) -> None:
    def ggt(command: str) -> subprocess.CompletedProcess[str]:
        start = [str(light_python), "-c", START, command]
        return subprocess.run(start, env=environment, capture_output=True, text=True)

    absent = subprocess.run([light_python, "-c", "import torch"], capture_output=True)
    assert absent.returncode != 0, "this environment should not have torch"
    assert ggt("migrate").returncode == 0

    doctor = ggt("doctor")
    assert doctor.returncode == 1
    assert "torch" in doctor.stdout
    assert "requirements/all.txt" in doctor.stdout

    refused = ggt("up")
    assert refused.returncode == 1
    assert "requirements/all.txt" in refused.stderr
    assert "Traceback" not in refused.stderr

    address = f"http://127.0.0.1:{environment['GGT_PORT']}"
    server = subprocess.Popen([str(light_python), "-c", START, "serve"], env=environment, stderr=subprocess.DEVNULL)
    try:
        assert _answer(f"{address}/health") == 200
        assert _answer(f"{address}/sign-in") == 200
    finally:
        server.kill()
        server.wait()


def _answer(url: str) -> int:
    for _ in range(500):
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return int(answer.status)
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} never answered")
