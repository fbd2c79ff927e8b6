"""Where the 1024x1024 patches of a photograph lie (paper, Appendix A). Pure arithmetic; ``app.imaging.cut`` cuts."""

from dataclasses import dataclass
from typing import Literal

Patching = Literal["crop", "resize_crop"]
Smaller = Literal["keep", "drop"]


@dataclass(frozen=True)
class PatchPolicy:
    """How photographs of a category become patches: sides and strides in pixels, as :func:`plan_patches` takes them.

    ``smaller``: whether a photograph smaller than a patch is kept whole or dropped.
    """

    patching: Patching
    patch: int = 1024
    stride: int | None = None
    max_per_photo: int | None = None
    smaller: Smaller = "keep"

    def plan(self, width: int, height: int) -> "Plan":
        """The patches of a photograph of that size; none where it is dropped. Raises ValueError as plan_patches does."""
        plan = plan_patches(
            width, height, self.patching, patch=self.patch, stride=self.stride, max_per_photo=self.max_per_photo
        )
        return Plan(None, (), undersized=True) if plan.undersized and self.smaller == "drop" else plan


@dataclass(frozen=True, order=True)
class Box:
    """A rectangle in pixels; ``x``, ``y`` is its upper left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Plan:
    """Patches of one photograph: ``boxes`` lie in the photograph reduced to ``resized`` (width, height), if given.

    ``undersized``: the photograph is smaller than a patch and kept whole, in its one box.
    """

    resized: tuple[int, int] | None
    boxes: tuple[Box, ...]
    undersized: bool = False


def plan_patches(
    width: int,
    height: int,
    patching: Patching,
    *,
    patch: int = 1024,
    stride: int | None = None,
    max_per_photo: int | None = None,
) -> Plan:
    """Lay patches over a photograph, row by row from the upper left.

    ``crop`` never resizes, so that a degradation such as noise or scratches keeps its scale. ``resize_crop`` first
    reduces (never enlarges) the photograph until its shorter side is one patch, then crops along the longer side.
    Along each side as many patches as fit at ``stride`` (by default ``patch``: none overlap) are spread evenly from
    edge to edge; a single one is centred. So 2496x1656 gives 2 patches by ``crop``, and by ``resize_crop``
    1543x1024 with 1. ``max_per_photo`` keeps that many, evenly chosen from the row-by-row order.

    Raises ValueError for sizes, strides or limits below 1.
    """
    stride = patch if stride is None else stride
    if min(width, height, patch, stride) < 1 or (max_per_photo is not None and max_per_photo < 1):
        raise ValueError("sizes, stride and max_per_photo must be at least 1")
    shorter = min(width, height)
    if shorter < patch:
        return Plan(None, (Box(0, 0, width, height),), undersized=True)
    resized = None
    if patching == "resize_crop" and shorter > patch:
        resized = width, height = _scaled(width, patch, shorter), _scaled(height, patch, shorter)
    boxes = [Box(x, y, patch, patch) for y in _starts(height, patch, stride) for x in _starts(width, patch, stride)]
    return Plan(resized, tuple(_evenly_chosen(boxes, max_per_photo)))


def _scaled(length: int, numerator: int, denominator: int) -> int:
    # Round half up in integers: the shorter side comes out as exactly one patch.
    return (2 * length * numerator + denominator) // (2 * denominator)


def _starts(length: int, patch: int, stride: int) -> list[int]:
    room = length - patch
    count = room // stride + 1
    return [room // 2] if count == 1 else [i * room // (count - 1) for i in range(count)]


def _evenly_chosen(boxes: list[Box], limit: int | None) -> list[Box]:
    if limit is None or limit >= len(boxes):
        return boxes
    # The middle of each of ``limit`` equal stretches of the list.
    return [boxes[(2 * i + 1) * len(boxes) // (2 * limit)] for i in range(limit)]
