"""How an LQ meets models that know only some aspect ratios, and how their output is brought back to its geometry.

Nothing is ever stretched to fit: an LQ of another shape is extended by mirroring to the nearest ratio that contains it, and
the same margin is cut off what comes back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.patching import Box

SAME_RATIO = 0.01
"""Ratios this close are the same: 1024x1023 is sent as it is."""
ASPECT_TOLERANCE = 0.02
"""An output whose ratio is further off than this has another framing, and is no restoration of the LQ. Models round their
sizes to multiples of 8 or 16 (1264x848 for 3:2), which stays below it."""


@dataclass(frozen=True)
class Canvas:
    """What a model is shown: ``width`` x ``height`` pixels with the LQ at ``box``."""

    width: int
    height: int
    box: Box

    @property
    def padded(self) -> bool:
        return (self.width, self.height) != (self.box.width, self.box.height)


def canvas(width: int, height: int, ratios: Sequence[str]) -> Canvas:
    """The smallest canvas of one of ``ratios`` ("3:2"; none given: any) that contains an image of this size, centred."""
    if not ratios or any(abs(width / height / _value(r) - 1) <= SAME_RATIO for r in ratios):
        return Canvas(width, height, Box(0, 0, width, height))

    def extended(ratio: float) -> tuple[int, int]:
        return (round(height * ratio), height) if ratio > width / height else (width, round(width / ratio))

    wide, high = min((extended(_value(r)) for r in ratios), key=lambda size: size[0] * size[1])
    return Canvas(wide, high, Box((wide - width) // 2, (high - height) // 2, width, height))


def aspect_error(width: int, height: int, wanted: Canvas) -> float:
    """How far an output's ratio is from the canvas's, as a share: 0.0 is exact, 0.33 a 4:3 image for a square one."""
    return abs(width * wanted.height / (height * wanted.width) - 1)


def nearest_ratio(width: int, height: int, ratios: Sequence[str]) -> str:
    """The ratio of ``ratios`` nearest to an image of this size."""
    return min(ratios, key=lambda r: abs(width / height / _value(r) - 1))


def _value(ratio: str) -> float:
    wide, high = ratio.split(":")
    return int(wide) / int(high)
