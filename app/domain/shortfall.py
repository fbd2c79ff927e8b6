"""How far a category is from its target, and how many more photographs that means if things go on as they did."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class SoFar:
    """One category. ``photographs`` gave ``patches``; of those ``screened`` are decided on and ``fit`` of them passed.

    Of the images made of those that were drawn, ``decided`` came to an end and ``pairs`` of them were accepted. ``waiting``
    patches are still being screened; ``ready`` images or patches that passed are on their way and not decided on.
    """

    photographs: int
    patches: int
    screened: int
    fit: int
    decided: int
    pairs: int
    waiting: int
    ready: int


@dataclass(frozen=True)
class Shortfall:
    """``missing`` pairs of ``target``. ``accepted``: pairs per decided image; ``kept``: patches that pass per screened one.

    ``images`` more are needed for them, beside ``coming`` pairs that what is on its way will give, and for those so many
    ``photographs``. None: nothing is known yet that this could be reckoned from.
    """

    target: int
    pairs: int
    missing: int
    accepted: float | None
    kept: float | None
    coming: int | None
    images: int | None
    photographs: int | None


def shortfall(target: int, so_far: SoFar) -> Shortfall:
    """What is missing of ``target`` pairs. Rates are those so far; nothing is assumed where there is none."""
    missing = max(0, target - so_far.pairs)
    accepted = so_far.pairs / so_far.decided if so_far.decided else None
    kept = so_far.fit / so_far.screened if so_far.screened else None
    coming = images = photographs = None
    if not missing:
        coming = images = photographs = 0
    elif accepted:
        on_the_way = so_far.ready + so_far.waiting * (kept or 0)
        coming = min(missing, math.floor(on_the_way * accepted))
        images = math.ceil((missing - coming) / accepted)
        each = so_far.patches / so_far.photographs * (kept or 0) if so_far.photographs else 0
        photographs = math.ceil(images / each) if each else (None if images else 0)
    return Shortfall(target, so_far.pairs, missing, accepted, kept, coming, images, photographs)
