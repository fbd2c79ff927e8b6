"""Which providers may be asked now: what is waited for by nobody, a worker does not claim."""

import time

from app import pacing
from app.config import settings
from app.services.recipes import CUDA
from workers import paid

LANES_SECONDS = 0.1
_lanes: tuple[float, dict[str, float]] = (float("-inf"), {})


def lane_waits() -> dict[str, float]:
    """Seconds until each lane may be asked; a provider that is paused, or has no key, is not asked at all.

    All threads of a process share one look at Redis for a tenth of a second: it only saves them from claiming in vain.
    """
    global _lanes
    read_at, waits = _lanes
    if time.monotonic() - read_at > LANES_SECONDS:
        waits = _look_at_lanes()
        _lanes = (time.monotonic(), waits)
    return waits


def without_gpu() -> dict[str, float]:
    """What a worker that scores on the CPU leaves alone: open models of 50 GB and more, which wait for one with a GPU."""
    return {CUDA: float("inf")} if settings().device == "cpu" else {}


def _look_at_lanes() -> dict[str, float]:
    current = paid.limits()
    waits = pacing.waits(current)
    for key, limit in current.items():
        if limit.paused or not settings().provider_key(key):
            waits[key] = waits[pacing.image_lane(key)] = float("inf")
    return waits
