"""Claim, work, finish: what a worker process does with one wake-up. All truth is in the database (see app/jobs.py)."""

import importlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

from sqlmodel import Session

from app import job_control, jobs, leasing
from app.config import settings
from app.db import reading, together, unit_of_work
from app.errors import GgtError
from app.leasing import Lease
from workers import lanes
from workers.outcomes import Failure, Parked, Postponed, Unresolved

log = logging.getLogger("ggt.worker")


class Task(Protocol):
    """One kind of work. ``compute`` holds no session and yields one outcome per loaded item, in order.

    An outcome is what ``save`` takes, or a Failure, Postponed, Unresolved or Parked.
    """

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Any]: ...

    def compute(self, loaded: Sequence[Any]) -> Iterator[Any]: ...

    def save(self, session: Session, lease: Lease, outcome: Any) -> None: ...

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        """Called in the unit of work that gives an item up for good."""
        ...


def owner_name() -> str:
    """This thread of this process, as leases name it."""
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident()}"


@lru_cache
def task_for(kind: str) -> Task:
    """The task of a kind of work, made once per process: metrics and models stay loaded in it."""
    module, name = jobs.JOBS[kind].target.split(":")
    task: Task = getattr(importlib.import_module(module), name)()
    return task


def work_once(queue: str, found: Callable[[], object] = lambda: None) -> int:
    """Claim one batch from ``queue``, do it, save each result as it comes. Returns how many items were claimed.

    ``found`` is called as soon as there was something to claim, before the work: it wakes the next worker.
    """
    owner = owner_name()
    leases = _claim(queue, owner)
    if not leases:
        return 0
    found()
    with _heart.beating_for(leases):
        _work(leases)
    return len(leases)


SHORT_WAIT = 2.0
"""Seconds a worker rather waits for a provider's turn than goes back to sleep."""


def _claim(queue: str, owner: str) -> list[Lease]:
    """The next batch. On the api queue what a provider takes only later is passed over, and soon is waited for."""
    deadline = time.monotonic() + 5 * SHORT_WAIT
    while True:
        waits = lanes.lane_waits() if queue == "api" else lanes.without_gpu() if queue == "gpu" else {}
        blocked = [lane for lane, wait in waits.items() if wait > 0]
        soon = [lane for lane, wait in waits.items() if 0 < wait <= SHORT_WAIT]

        def take(session: Session, blocked: list[str] = blocked, soon: list[str] = soon) -> tuple[list[Lease], bool]:
            leases = leasing.claim(session, queue, owner, settings().lease_seconds, blocked)
            return leases, not leases and bool(soon) and leasing.any_waiting(session, queue, soon)

        leases, hopeful = together(take)
        if leases or not hopeful or time.monotonic() > deadline:
            return leases
        time.sleep(min(waits[lane] for lane in soon) + 0.01)


def _work(leases: Sequence[Lease]) -> None:
    """Do a batch. When it breaks as a whole, its items are done one by one, so that a bad one fails alone."""
    left = list(leases)
    task: Task | None = None
    started = time.perf_counter()
    try:
        task = task_for(leases[0].kind)
        if leases[0].attempts > jobs.JOBS[leases[0].kind].max_attempts:  # claimed alone, see leasing.claim
            _fail(task, leases[0], Failure("The worker died or fell silent at every attempt.", final=True))
            return
        with reading() as session:
            loaded = task.load(session, leases)
        for outcome in task.compute(loaded):
            _save(task, left[0], outcome, time.perf_counter() - started)
            left.pop(0)
            started = time.perf_counter()
    except Exception as error:
        log.exception("%s failed", leases[0].key)
        if len(leases) == 1:
            _fail(task, left[0], Failure(f"{type(error).__name__}: {error}", isinstance(error, GgtError)))
        else:
            for lease in left:
                _work([lease])


def _save(task: Task, lease: Lease, outcome: Any, seconds: float) -> None:
    if isinstance(outcome, Parked):
        return
    if isinstance(outcome, Failure):
        _fail(task, lease, outcome)
        return
    if isinstance(outcome, Postponed | Unresolved):
        _put_aside(lease, outcome)
        return
    with unit_of_work() as session:
        if leasing.finish(session, lease, seconds):
            task.save(session, lease, outcome)
            jobs.settle_run(session, lease.run_id)
        else:
            log.warning("%s was taken over by another worker; this result is dropped", lease.key)


def _put_aside(lease: Lease, outcome: Postponed | Unresolved) -> None:
    with unit_of_work() as session:
        if isinstance(outcome, Postponed):
            leasing.postpone(session, lease, outcome.seconds, outcome.why)
        else:
            leasing.leave_unknown(session, lease, outcome.error)
            jobs.settle_run(session, lease.run_id)


def _fail(task: Task | None, lease: Lease, failure: Failure) -> None:
    with unit_of_work() as session:
        given_up = leasing.fail(session, lease, failure.error, final=failure.final)
        if given_up:
            job_control.calls_lost(session, [lease.id])  # none, unless the worker that made one died
            if task is not None:  # None: its module cannot even be imported here
                task.failed(session, lease, failure.error)
            jobs.settle_run(session, lease.run_id)


class _Heart:
    """Extends the leases of all threads of this process, three times per lease: one thread, there while any is held."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[int, Lease] = {}
        self._nothing_held = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def beating_for(self, leases: Sequence[Lease]) -> Iterator[None]:
        """Extend ``leases`` while the block runs."""
        with self._lock:
            self._held |= {lease.id: lease for lease in leases}
            if self._thread is None:
                self._nothing_held = threading.Event()
                self._thread = threading.Thread(target=self._beat, args=[self._nothing_held], name="heartbeat", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            ended: threading.Thread | None = None
            with self._lock:
                for lease in leases:
                    if self._held.get(lease.id) is lease:  # else it was claimed anew, by another thread of ours
                        del self._held[lease.id]
                if not self._held:
                    ended, self._thread = self._thread, None
                    self._nothing_held.set()
            if ended is not None:
                ended.join()

    def _beat(self, nothing_held: threading.Event) -> None:
        seconds = settings().lease_seconds
        while not nothing_held.wait(seconds / 3):
            with self._lock:
                held = list(self._held.values())
            try:
                with unit_of_work() as session:
                    leasing.heartbeat(session, held, seconds)
            except Exception:
                log.exception("heartbeat failed; the next one may still be in time")


_heart = _Heart()
