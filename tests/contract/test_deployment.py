"""The container files, checked without an engine. If these fail, `docker compose up` fails on somebody's machine."""

import os
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from app.cli import cli
from app.config import Settings
from app.messages import QUEUES

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"migrate", "bucket"}
OURS = {name for name, service in SERVICES.items() if "build" in service}
DOCKERFILES = ("Dockerfile.web", "Dockerfile.worker")
# Read by docker-compose.yml itself, to be passed on under another name.
COMPOSE_ONLY = {"GGT_DB_PASSWORD", "GGT_REDIS_PASSWORD", "GGT_S3_ACCESS_KEY", "GGT_S3_SECRET_KEY", "GGT_LISTEN"}
SECRETS = COMPOSE_ONLY - {"GGT_LISTEN"}


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """(instruction, rest) of every line of a Dockerfile, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (ROOT / dockerfile).read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def test_the_services_of_the_design_are_there() -> None:
    expected = {"db", "redis", "objects", "bucket", "migrate", "web", "beat", "worker-cpu", "worker-api", "worker-gpu"}
    assert set(SERVICES) == expected
    assert SERVICES["worker-gpu"]["profiles"] == ["gpu"]


@pytest.mark.parametrize("name", SERVICES)
def test_every_lasting_service_is_watched_and_restarted(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOT:
        assert service["restart"] == "on-failure"
    else:
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]


@pytest.mark.parametrize("name", SERVICES)
def test_services_wait_for_what_they_need(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        assert how["condition"] == ("service_completed_successfully" if other in ONE_SHOT else "service_healthy")
    if name in OURS - ONE_SHOT:
        assert "migrate" in SERVICES[name]["depends_on"]


def test_volumes_are_declared_and_used() -> None:
    named = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", [])}
    assert named == set(COMPOSE["volumes"])


def test_images_are_pinned() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += [rest.split()[0] for file in DOCKERFILES for word, rest in instructions(file) if word == "FROM"]
    for image in images:
        _, _, tag = image.partition(":")
        assert tag, f"{image} has no tag"
        assert tag != "latest"


def test_ggt_variables_are_settings() -> None:
    """A misspelt variable is silently ignored at run time."""
    settings = {f"GGT_{field.upper()}" for field in Settings.model_fields}
    passed = {key for service in SERVICES.values() for key in service.get("environment", {}) if key.startswith("GGT_")}
    passed |= {
        key
        for file in DOCKERFILES
        for word, rest in instructions(file)
        if word == "ENV"
        for key in re.findall(r"GGT_\w+", rest)
    }
    assert passed <= settings
    example = set(re.findall(r"^(GGT_\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    referenced = set(re.findall(r"\$\{(GGT_\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert referenced == example
    assert example <= settings | COMPOSE_ONLY


def test_no_secret_has_a_default() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    example = (ROOT / ".env.example").read_text()
    for secret in SECRETS:
        uses = re.findall(r"\$\{" + secret + r"([^}]*)\}", compose)
        assert uses
        assert all(use.startswith(":?") for use in uses), f"{secret} could be empty"
        assert re.search(rf"^{secret}=$", example, re.MULTILINE)


def test_commands_exist() -> None:
    commands = set(getattr(get_command(cli), "commands", {}))
    called = [service["command"] for name, service in SERVICES.items() if name in OURS]
    called += [yaml.safe_load(rest) for file in DOCKERFILES for word, rest in instructions(file) if word == "CMD"]
    for command in called:
        assert command[0] == "ggt"
        assert command[1] in commands
        if command[1] == "worker":
            assert command[2] == "--queues"
            assert set(command[3].split(",")) <= set(QUEUES)
    served = {queue for command in called if command[1] == "worker" for queue in command[3].split(",")}
    assert served == set(QUEUES)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_is_copied_exists_and_reaches_the_build(dockerfile: str) -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for word, rest in instructions(dockerfile):
        if word != "COPY" or rest.startswith("--from"):
            continue
        for source in shlex.split(rest)[:-1]:
            assert (ROOT / source).exists(), f"{dockerfile} copies {source}"
            assert source in kept or source.split("/")[0] in kept, f".dockerignore keeps {source} out"


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_our_images_do_not_run_as_root_and_own_their_volume(dockerfile: str) -> None:
    steps = instructions(dockerfile)
    last_stage = steps[max(i for i, (word, _) in enumerate(steps) if word == "FROM") :]
    assert ("USER", "ggt") in last_stage
    assert last_stage.index(("USER", "ggt")) < next(i for i, (word, _) in enumerate(last_stage) if word == "CMD")
    # A new named volume takes the owner of the folder it covers.
    assert any("-o ggt -g ggt /data" in rest for word, rest in last_stage if word == "RUN")
    assert any(word == "HEALTHCHECK" for word, _ in last_stage)


def pinned(name: str) -> dict[str, str]:
    lines = (ROOT / "requirements" / name).read_text().splitlines()
    requirements = [line.split(" ;")[0] for line in lines if line and not line.startswith((" ", "#"))]
    assert all("==" in line for line in requirements), f"{name} has a package without a version"
    return {line.split("==")[0]: line for line in requirements}


def test_the_web_image_is_slim_and_workers_are_not() -> None:
    heavy = {"torch", "torchvision", "pyiqa", "opencv-python-headless"}
    assert heavy.isdisjoint(pinned("web.txt"))
    assert heavy.isdisjoint(pinned("s3.txt"))
    assert heavy <= set(pinned("worker.txt"))
    assert heavy <= set(pinned("all.txt"))


def test_only_the_headless_opencv_can_be_installed() -> None:
    """Two builds of cv2 overwrite each other, and one of them needs a display library."""
    for name in ("all.txt", "worker.txt"):
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        others = [line for line in lines if re.match(r"opencv-(contrib-)?python(-headless)?==", line)]
        active = [line for line in others if "sys_platform == 'never'" not in line]
        assert [line.split("==")[0] for line in active] == ["opencv-python-headless"]


def test_everybody_gets_the_same_versions() -> None:
    """A worker with another SQLModel than the web application would read other rows than were written."""
    reference = {**pinned("all.txt"), **pinned("worker.txt")}
    for name in ("all.txt", "s3.txt", "web.txt"):
        for package, line in pinned(name).items():
            assert reference[package] == line, name


def test_ci_runs_the_checks_and_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = script.read_text().splitlines()
    assert "set -euo pipefail" in lines
    assert lines[-2:] == ["make check", "make test"]
