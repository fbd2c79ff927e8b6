"""Live updates: one poller per process, which runs only while somebody listens, and any number of listeners.

A listener is a set of topics to tell and an event to wake it: however slow a client is, it costs the same, and it hears of
each topic once. Nothing here holds a database session while it waits.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable

from app import db
from app.errors import GgtError
from app.services.changes import digests

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
POLL_SHARE = 0.1
"""The largest part of the time the poller may spend looking: on a large database it looks less often."""
KEEP_ALIVE_SECONDS = 15.0
LIFE_SECONDS = 15 * 60.0
"""How long one stream lasts. The browser then connects again, and who has been signed out is refused."""
MAX_LISTENERS = 200


class TooManyListeners(GgtError):
    """This process serves no further stream; the page still works, it only does not move by itself."""

    status = 503


def _look() -> dict[str, str]:
    with db.reading() as session:
        return digests(session)


class Listener:
    """One open stream: the topics it has not been told of yet."""

    def __init__(self) -> None:
        self._pending: set[str] = set()
        self._woken = asyncio.Event()

    def tell(self, topics: set[str]) -> None:
        self._pending |= topics
        self._woken.set()

    async def next(self, timeout: float) -> list[str]:
        """Topics that changed since the last call, waiting up to ``timeout`` seconds for one."""
        try:
            await asyncio.wait_for(self._woken.wait(), timeout)
        except TimeoutError:
            return []
        self._woken.clear()
        topics, self._pending = sorted(self._pending), set()
        return topics


class Broadcaster:
    """Tells all listeners of this process what changed in the database."""

    def __init__(self, look: Callable[[], dict[str, str]] = _look, poll_seconds: float = POLL_SECONDS) -> None:
        self._look = look
        self._poll_seconds = poll_seconds
        self._listeners: set[Listener] = set()
        self._poller: asyncio.Task[None] | None = None

    @property
    def listening(self) -> int:
        return len(self._listeners)

    @property
    def polling(self) -> bool:
        return self._poller is not None

    async def stream(self) -> AsyncGenerator[str, None]:
        """Server-sent events until the client leaves. Check :meth:`admit` first."""
        listener = Listener()
        self._listeners.add(listener)
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        ends = time.monotonic() + LIFE_SECONDS
        try:
            yield "retry: 3000\n: listening\n\n"
            while time.monotonic() < ends:
                topics = await listener.next(KEEP_ALIVE_SECONDS)
                yield "".join(f"event: {topic}\ndata: changed\n\n" for topic in topics) or ": still here\n\n"
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._poller is not None:
                self._poller.cancel()
                self._poller = None

    def admit(self) -> None:
        """Raises TooManyListeners when no further stream is served."""
        if len(self._listeners) >= MAX_LISTENERS:
            raise TooManyListeners(f"{MAX_LISTENERS} pages are live already. Reload this one to see new figures.")

    async def _poll(self) -> None:
        last: dict[str, str] | None = None
        while True:
            began = time.monotonic()
            try:
                now: dict[str, str] | None = await asyncio.to_thread(self._look)
            except Exception:
                logger.exception("looking for changes failed; trying again")
                now = last
            if last is not None and now is not None:
                changed = {topic for topic in now | last if now.get(topic) != last.get(topic)}
                if changed:
                    for listener in list(self._listeners):
                        listener.tell(changed)
            last = now
            took = time.monotonic() - began
            await asyncio.sleep(max(self._poll_seconds, took * (1 / POLL_SHARE - 1)))
