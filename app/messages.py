"""Messages that wake workers. They carry no truth: one that is lost costs seconds, one too many finds nothing to do."""

from functools import lru_cache

from celery import Celery
from kombu.exceptions import KombuError
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import event
from sqlalchemy.orm import Session as OrmSession
from sqlmodel import Session

from app.config import settings

QUEUES = ("cpu", "gpu", "api")
WAKES_PER_QUEUE = 16
"""Wake-ups that may wait on one queue: more would only be read and found empty."""


@lru_cache
def celery_app() -> Celery:
    """The Celery application, configured the same for those who send and those who work."""
    app = Celery("ggt", broker=settings().broker_url)
    app.conf.update(
        task_ignore_result=True,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 3600, "socket_timeout": 10, "socket_connect_timeout": 5},
        task_default_queue="cpu",
        worker_hijack_root_logger=False,
        timezone="UTC",
        beat_schedule={"sweep": {"task": "ggt.sweep", "schedule": 5.0, "options": {"queue": "cpu", "expires": 30}}},
    )
    return app


@lru_cache
def redis_client() -> Redis:
    """A connection to Redis, for pacing and for looking at queue lengths."""
    url = settings().broker_url.replace("redis+socket://", "unix://", 1)
    return Redis.from_url(url, socket_timeout=5, socket_connect_timeout=2, retry=Retry(NoBackoff(), 1))


def wake(queue: str) -> bool:
    """Tell the workers of ``queue`` that there is work. A lost message costs seconds: the sweeper wakes again."""
    try:
        if redis_client().llen(queue) < WAKES_PER_QUEUE:
            celery_app().send_task("ggt.work", args=[queue], queue=queue, retry=False)
    except (RedisError, KombuError, OSError):
        return False
    return True


def wake_after_commit(session: Session, queue: str) -> None:
    """Wake ``queue`` once, when this unit of work has been committed."""
    queues: set[str] | None = session.info.get("wake")
    if queues is None:
        queues = session.info["wake"] = set()
        event.listen(session, "after_commit", _send_wakes, once=True)
    queues.add(queue)


def _send_wakes(session: OrmSession) -> None:
    for queue in sorted(session.info.pop("wake", ())):
        wake(queue)
