"""What follows when a paid request gave no answer: ask again later, give up, or leave it to a person."""

import random
from dataclasses import dataclass
from typing import Literal

Step = Literal["again", "give_up", "unknown", "pause", "refused"]

MOST_TRIES = {"busy": 10, "broken": 4, "unsent": 6}
"""Calls of one request that may end so before it is given up."""
FIRST_WAIT, LONGEST_WAIT = 1.0, 120.0


@dataclass(frozen=True)
class Next:
    """What to do now. ``wait`` is in seconds, for "again"."""

    step: Step
    wait: float = 0.0


def what_next(trouble: str, tries: int, retry_after: float | None, on_lost: str, rng: random.Random) -> Next:
    """Decide after the ``tries``-th call of a request (1 is the first) ended in ``trouble``.

    Waits double from a second on and are drawn from their upper half, so that workers do not come back together; a wait
    that the provider asked for is a minimum. A lost call is asked again only where the setting ``on_lost`` says "retry".
    """
    if trouble == "refused":
        return Next("refused")
    if trouble == "bad_request":
        return Next("give_up")
    if trouble == "account":
        return Next("pause")
    if trouble == "lost":
        return Next("again", FIRST_WAIT) if on_lost == "retry" and tries < MOST_TRIES["broken"] else Next("unknown")
    if tries >= MOST_TRIES[trouble]:
        return Next("give_up")
    ceiling = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1))
    wait = ceiling * (0.5 + 0.5 * rng.random())
    return Next("again", max(wait, retry_after + wait / 4 if retry_after is not None else 0.0))
