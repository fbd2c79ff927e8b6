"""Work done ahead in a thread: files are read and decoded while the metrics compute (torch and libvips free the GIL)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(jobs: Iterable[Callable[[], T]], depth: int = 2) -> Iterator[T]:
    """The results of ``jobs`` in order, done by one thread that is up to ``depth`` jobs further than the one asked for.

    What a job raises is raised where its result would be.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    waiting: deque[Future[T]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(job))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
