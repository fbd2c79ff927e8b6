"""A worker with one extra kind of work, "echo", that is quick and leaves a countable trace (run as Celery app)."""

import time
from collections.abc import Iterator, Sequence

from sqlmodel import Session

from app import jobs
from app.jobs import Job
from app.leasing import Lease
from app.models import Event
from workers.main import app

__all__ = ["app"]

MAX_ATTEMPTS = 5
jobs.JOBS["echo"] = Job("tests.integration.echo_worker:EchoTask", batch=4, max_attempts=MAX_ATTEMPTS)


class EchoTask:
    """Writes one event per item; an item that asks for it raises."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[str]:
        return [lease.key for lease in leases]

    def compute(self, loaded: Sequence[str]) -> Iterator[str]:
        for key in loaded:
            time.sleep(0.02)
            if key.startswith("poison"):
                raise RuntimeError(f"{key} cannot be done")
            yield key

    def save(self, session: Session, lease: Lease, outcome: str) -> None:
        session.add(Event(action="echo", subject=outcome))

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        session.add(Event(action="echo-failed", subject=lease.key, why=error[:500]))
