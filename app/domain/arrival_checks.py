"""What was found when a provider's image arrived, in words, and whether it makes a pair suspect."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHIFT_TOLERANCE = 0.02
"""Share of the longer side by which an HQ may lie beside its LQ before a person is warned."""


def displaced(shift: tuple[float, float], width: int, height: int) -> bool:
    """Whether an HQ of ``width`` x ``height`` pixels lies suspiciously far from its LQ.

    ``shift`` is its displacement (x, y) in those pixels; the length of that counts, against 2 % of the longer side. Exactly
    2 % is no warning. Full-reference metrics and training both suffer from such a pair, however good it looks.
    """
    return math.hypot(*shift) > SHIFT_TOLERANCE * max(width, height)


@dataclass(frozen=True)
class Arrival:
    """A candidate's arrival. ``words`` tells the size it came in, what was done to it, and its shift in pixels."""

    words: str
    displaced: bool
    likeness: float | None


def arrival(checks: Mapping[str, Any], width: int, height: int) -> Arrival | None:
    """What a candidate's ``checks`` say, for one that is ``width`` x ``height`` now; None where nothing was checked."""
    if "width" not in checks or "height" not in checks:
        return None
    told = [f"came as {checks['width']} x {checks['height']}"]
    if checks.get("resized") and checks.get("padded"):
        told.append(f"resized and cut to {width} x {height}")
    elif checks.get("resized"):
        told.append(f"resized to {width} x {height}")
    elif checks.get("padded"):
        told.append(f"cut to {width} x {height}")
    x, y = (float(value) for value in checks.get("shift") or (0, 0))
    told.append(f"shifted by ({x:g}, {y:g}) px" if x or y else "not shifted")
    likeness = checks.get("likeness")
    return Arrival(", ".join(told), displaced((x, y), width, height), None if likeness is None else float(likeness))
