"""Cleaning up the storage: if this breaks, `ggt doctor --collect` deletes images that were paid for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import col, select

pytest.importorskip("torch")

from app.config import settings
from app.db import reading
from app.models import Candidate, Refusal
from app.services import doctor
from app.services.options import PipelineOptions
from app.storage import storage
from tests.integration import provider_run
from tests.integration.provider_run import calls, new_images, start, work
from tests.integration.scripted import EveryHqIsBetter
from tests.providers.script import Fault
from tests.providers.server import ProviderServer
from workers import runtime
from workers.pixels import stored_pixels
from workers.tasks import score

pytestmark = [
    pytest.mark.usefixtures("redis"),
    pytest.mark.xdist_group("torch"),
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
]
NB2 = PipelineOptions(method="nano-banana-2", strategy="fix", compare=False, judge="")


@pytest.fixture
def server(redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProviderServer]:
    monkeypatch.setattr(score, "engine", EveryHqIsBetter)
    with provider_run.serving(monkeypatch) as serving:
        yield serving
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


def collect_orphans() -> str:
    """As months later, when no file is young any more. Returns what the doctor says."""
    for path in Path(settings().files_url).rglob("*"):
        if path.is_file():
            os.utime(path, (0, 0))
    return next(check for check in doctor.examine(collect=True) if check.what == "files").told


def test_what_a_provider_sent_is_no_orphan(server: ProviderServer) -> None:
    """Resized, refused for its shape, or not yet taken in: the bytes as they came are named by their own columns only."""
    server.script.push(Fault.WRONG_SIZE, Fault.WRONG_ASPECT)
    new_images(3)
    run_id = start(NB2)
    runtime.work_once("cpu")
    while runtime.work_once("api"):
        pass
    orphan = storage().put(b"named by nobody")
    assert "1 orphans deleted, 0 missing" in collect_orphans()
    assert storage().path(orphan) is None
    for call in calls():
        assert storage().get(call.answer_sha256), "it waits to be taken in"
    work(run_id)
    assert "0 orphans deleted, 0 missing" in collect_orphans()
    with reading() as session:
        refusal = session.exec(select(Refusal)).one()
        made = session.exec(select(Candidate).order_by(col(Candidate.id))).all()
    assert storage().get(refusal.raw_sha256)
    assert any(candidate.raw_sha256 != candidate.file_sha256 for candidate in made)
    assert all(storage().get(candidate.raw_sha256) for candidate in made)
