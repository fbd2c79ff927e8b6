"""The Celery application: one message is one batch, and a worker that found work sends the next message itself."""

import logging

from celery import signals

from app import db, job_control, messages
from app.db import unit_of_work
from app.services import ingest
from workers import runtime

app = messages.celery_app()
log = logging.getLogger("ggt.worker")


@app.task(name="ggt.work")
def work(queue: str) -> None:
    """There may be work on ``queue``: do one batch of it."""
    runtime.work_once(queue, found=lambda: messages.wake(queue))


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
