"""The Celery application: one message is one batch, and a worker that found work sends the next message itself."""

import logging
import threading
import time

from celery import signals

from app import db, job_control, messages
from app.db import unit_of_work
from app.services import ingest
from workers import runtime

app = messages.celery_app()
log = logging.getLogger("ggt.worker")


KEEP_ON_SECONDS = 20.0
_stopping = threading.Event()


@app.task(name="ggt.work")
def work(queue: str) -> None:
    """There may be work on ``queue``: do a batch of it.

    A thread of the api queue goes on while there is more: its items are short, and a message for each costs as much as all
    else that is done about a call.
    """
    until = time.monotonic() + (KEEP_ON_SECONDS if queue == "api" else 0.0)
    found = runtime.work_once(queue, found=lambda: messages.wake(queue))
    while found and time.monotonic() < until and not _stopping.is_set():
        found = runtime.work_once(queue)
    if found and queue == "api":
        messages.wake(queue)


@signals.worker_shutting_down.connect
def _stop_soon(**_: object) -> None:
    """Finish what is under way, and take up nothing more."""
    _stopping.set()


@app.task(name="ggt.sweep")
def sweep() -> None:
    """Give back expired leases, finish cancellations, wake queues nobody was woken for, close abandoned uploads."""
    with unit_of_work() as session:
        released = job_control.sweep(session)
        ingest.close_abandoned(session)
    if released:
        log.warning("%d work items of silent workers were given back", released)


@signals.worker_process_init.connect
def _own_connections(**_: object) -> None:
    """A forked child must not share its parent's database connections."""
    db.dispose()


@signals.setup_logging.connect
def _setup_logging(**_: object) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("celery").setLevel(logging.WARNING)  # two lines per message would drown what matters
