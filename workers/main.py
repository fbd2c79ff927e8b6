"""The Celery application: one message is one batch, and a worker that found work sends the next message itself."""

import ctypes
import logging
import sys
import threading
import time
from typing import Any

from celery import signals

from app import db, job_control, messages
from app.db import unit_of_work
from app.services import ingest_report, queues
from workers import paid, runtime

app = messages.celery_app()
log = logging.getLogger("ggt.worker")


KEEP_ON_SECONDS = {"api": 20.0, "cpu": 5.0}
"""How long one message keeps a worker on a queue of short items: a message for each would cost as much as the work, and on a
machine where the same processes score, each image that arrived would wait for a batch of scores before it is taken in."""
_stopping = threading.Event()


@app.task(name="ggt.work")
def work(queue: str) -> None:
    """There may be work on ``queue``: do a batch of it, and go on for a while where items are short."""
    until = time.monotonic() + KEEP_ON_SECONDS.get(queue, 0.0)
    found = runtime.work_once(queue, found=lambda: messages.wake(queue))
    while found and time.monotonic() < until and not _stopping.is_set():
        found = runtime.work_once(queue)
    if found and queue in KEEP_ON_SECONDS:
        messages.wake(queue)


@signals.worker_ready.connect
def _warm_up(sender: Any, **_: object) -> None:
    """Import the SDKs of the providers that have a key now: the first call would wait seconds for it."""
    queues = sender.app.amqp.queues.consume_from
    if "api" in queues:
        # Half of these threads encode megabytes of base64 and JSON: the others get their turn five times as often.
        sys.setswitchinterval(0.001)
        _share_one_heap()
        threading.Thread(target=paid.warm_up, name="warm-up", daemon=True).start()


FILL_SECONDS = 2.0
"""How long one sweep may have images follow their queues."""
M_ARENA_MAX = -8
"""See mallopt(3)."""


def _share_one_heap() -> None:
    """Let all threads allocate from one heap, where the C library is glibc.

    Each would have its own, whose large blocks it asks the system for and gives back again, page by page: the bytes of one
    call are copied a dozen times, and that took a third of the whole time (docs/performance.md). Threads that hold the GIL
    while they allocate do not wait for each other here.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_ARENA_MAX, 1)


@signals.worker_shutting_down.connect
def _stop_soon(**_: object) -> None:
    """Finish what is under way, and take up nothing more."""
    _stopping.set()


@app.task(name="ggt.sweep")
def sweep() -> None:
    """Give back expired leases, finish cancellations, wake queues nobody was woken for, close abandoned uploads."""
    with unit_of_work() as session:
        released = job_control.sweep(session)
        ingest_report.close_abandoned(session)
    fill_queues()
    if released:
        log.warning("%d work items of silent workers were given back", released)


def fill_queues() -> None:
    """Go on with review queues that were made, closed or opened, window by window."""
    until = time.monotonic() + FILL_SECONDS
    while time.monotonic() < until:
        with unit_of_work() as session:
            if not queues.fill_some(session):
                return


@signals.worker_process_init.connect
def _own_connections(**_: object) -> None:
    """A forked child must not share its parent's database connections."""
    db.dispose()


@signals.setup_logging.connect
def _setup_logging(**_: object) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("celery").setLevel(logging.WARNING)  # two lines per message would drown what matters
