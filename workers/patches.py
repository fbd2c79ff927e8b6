"""Patches cut from stored photographs, for tasks."""

import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app import imaging
from app.domain.patching import Box, Plan
from app.models import Patch
from app.storage import storage
from workers.pixels import ANY_SIZE

Rgb = NDArray[np.uint8]

_one_at_a_time = threading.Lock()


def cut(file_sha256: str, patches: Iterable[Patch]) -> Iterator[tuple[Patch, Rgb]]:
    """The pixels (H, W, 3) of patches of one photograph and category, which is decoded once."""
    patches = list(patches)
    plan = _plan(patches)
    for patch, (_, found) in zip(patches, imaging.cut(_decoded(file_sha256, plan.resized), plan), strict=True):
        yield patch, found


def cut_one(file_sha256: str, patch: Patch) -> Rgb:
    """The pixels of one patch. The last photographs stay decoded, since the next patch asked for is often of the same."""
    plan = _plan([patch])
    with _one_at_a_time:  # many threads ask for patches of one photograph: it is decoded once, and not by each
        pixels = _kept(file_sha256, plan.resized)
    return next(imaging.cut(pixels, Plan(None, plan.boxes)))[1]


def _decoded(file_sha256: str, resized: tuple[int, int] | None) -> Rgb:
    return imaging.decode(storage().get(file_sha256), ANY_SIZE, lambda _width, _height: resized).pixels


_kept = lru_cache(maxsize=2)(_decoded)


def _plan(patches: list[Patch]) -> Plan:
    """As the photograph was laid out: all patches of a photograph and category are cut from it at one size."""
    first = patches[0]
    resized = (first.resized_width, first.resized_height) if first.resized_width and first.resized_height else None
    return Plan(resized, tuple(Box(p.box_x, p.box_y, p.box_width, p.box_height) for p in patches))
