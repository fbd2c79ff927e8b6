"""Pipeline runs over the scripted provider server, with the real SDKs, Redis, database and tasks, in this process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest
from sqlmodel import Session, col, select

from app.db import reading, unit_of_work
from app.models import ApiCall, Image, Run, RunState, WorkItem
from app.services import planning
from app.services.options import PipelineOptions
from tests import factories
from tests.conftest import forget
from tests.integration.scripted import drain
from tests.providers.server import ProviderServer
from workers import paid

ADDRESSES = {"gemini": "", "openai": "/v1", "kling": "", "ark": "/api/v3"}
KEYS = ("GEMINI_API_KEY", "OPENAI_API_KEY", "KLING_ACCESS_KEY", "KLING_SECRET_KEY", "ARK_API_KEY")
KEY = "test-key-of-thirty-two-characters"


@contextmanager
def serving(monkeypatch: pytest.MonkeyPatch, **options: float) -> Iterator[ProviderServer]:
    """The scripted server, and settings that point every provider at it."""
    with ProviderServer(seed=1, **options) as server:  # type: ignore[arg-type]
        for provider, path in ADDRESSES.items():
            monkeypatch.setenv(f"GGT_{provider.upper()}_BASE_URL", server.url + path)
        for name in KEYS:
            monkeypatch.setenv(f"GGT_{name}", KEY)
        forget()
        paid.provider.cache_clear()
        paid.limits.forget()
        yield server
        close_clients()


def read_limits_again() -> None:
    """What an admin changed holds from now on, and not only in a few seconds."""
    paid.limits.forget()


def close_clients() -> None:
    """Close and forget the clients, which a process keeps for its life."""
    for key in ADDRESSES:
        paid.provider(key).close()
    paid.provider.cache_clear()
    paid.limits.forget()


def new_images(count: int = 1, side: int = 96, category: str = "rain") -> list[int]:
    with unit_of_work() as session:
        source = factories.make_source(session)
        return [factories.make_image(session, source=source, side=side, category=category).id or 0 for _ in range(count)]


def start(options: PipelineOptions, confirmed: int = 10**12) -> int:
    with unit_of_work() as session:
        return planning.start_pipeline(session, options, user_id=None, confirmed=confirmed).id or 0


def work(run_id: int, seconds: float = 60) -> Run:
    """Work until the run is over, waiting for what was postponed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        drain()
        run = row(Run, run_id)
        if run.state != RunState.RUNNING:
            return run
        time.sleep(0.05)
    raise AssertionError(f"run {run_id} is not over after {seconds} s: {waiting()}")


def waiting() -> list[tuple[str, str, str]]:
    with reading() as session:
        rows = session.exec(select(WorkItem).where(col(WorkItem.state).in_(["waiting", "leased", "remote"])))
        return [(item.key, item.state, item.error) for item in rows]


T = TypeVar("T")


def row(table: type[T], key: int) -> T:
    with reading() as session:
        return session.get_one(table, key)


def calls(session: Session | None = None) -> list[ApiCall]:
    with reading() as own:
        return list((session or own).exec(select(ApiCall).order_by(col(ApiCall.id))))


def image(image_id: int) -> Image:
    return row(Image, image_id)
