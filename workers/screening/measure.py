"""What a patch is like, measured on this machine: stand-ins for the VLM and the people of the paper's screening (App. A).

Numbers and their ranges are in :data:`app.catalog.screening.MEASURES`. Each is taken on as few pixels as tell it: noise,
sharpness and blocks on four full-size tiles, all else on a copy of at most 512 pixels a side.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.generators.scratch import scratches_of
from workers.judges.pair import Plane, contrast, luma, noise, scale, smooth
from workers.judges.restoration import blockiness, edge_steepness
from workers.screening.artifacts import ARTIFACTS, Seen

Rgb = NDArray[np.uint8]

SMALL, COARSE, TILE = 512, 256, 256
BLOCKS = 16
"""Blocks along each side in which structure is looked for."""

_SHARP_KNOTS = ((0.95, 0.0), (1.05, 20.0), (1.2, 40.0), (1.5, 65.0), (1.8, 90.0), (2.1, 100.0))
_GRAIN_KNOTS = ((1.5, 100.0), (3.0, 80.0), (5.0, 55.0), (10.0, 25.0), (20.0, 0.0))
_BLOCK_KNOTS = ((0.5, 100.0), (1.0, 80.0), (2.0, 60.0), (4.0, 35.0), (10.0, 5.0))
_CONTRAST_KNOTS = ((10.0, 0.0), (50.0, 40.0), (100.0, 75.0), (160.0, 100.0))
_SCRATCH_KNOTS = ((0.3, 100.0), (1.0, 70.0), (2.5, 40.0), (6.0, 10.0))


def measure(patch: Rgb, category: str, *, artifact: bool = False) -> dict[str, float]:
    """The numbers of one patch (H, W, 3) uint8 sRGB by name; with ``artifact`` also how visible its category's is.

    Raises ValueError for another type or shape.
    """
    if patch.dtype != np.uint8 or patch.ndim != 3 or patch.shape[2] != 3 or 0 in patch.shape:
        raise ValueError(f"a patch must be uint8 of shape (H, W, 3), not {patch.dtype} {patch.shape}")
    small = reduced(patch, SMALL)
    plane = luma(small)
    coarse = luma(reduced(small, COARSE))
    tiles = [luma(tile) for tile in _tiles(patch)]
    noises = [noise(tile) for tile in tiles]
    found = {
        "structure": structure(coarse),
        "contrast": contrast(smooth(plane, 2.0)),
        "light": float(plane.mean()),
        "clipped": float(((plane <= 3) | (plane >= 252)).mean()),
        "noise": float(np.median(noises)),
        "grain": float(np.median([grain(tile) for tile in tiles])),
        "sharpness": _sharpest(tiles, noises),
        "outlines": edge_steepness(coarse, noise(coarse)),
        "blocks": float(np.median([blockiness(tile) for tile in tiles])),
    }
    if category == "old_photo":
        found["scratches"] = 100 * float(
            (scratches_of(np.asarray(reduced(small, COARSE) / np.float32(255)), 0.1) > 0).mean()
        )
    found["quality"] = quality(found)
    if artifact and category in ARTIFACTS:
        found["artifact"] = ARTIFACTS[category](Seen(small, plane, found))
    return {name: round(value, 3) for name, value in found.items()}


def reduced(patch: Rgb, longest: int) -> Rgb:
    """``patch`` with its long side at most ``longest``, by area averaging."""
    factor = longest / max(patch.shape[:2])
    if factor >= 1:
        return np.ascontiguousarray(patch)
    size = (max(1, round(patch.shape[1] * factor)), max(1, round(patch.shape[0] * factor)))
    return np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), np.uint8)


def _tiles(patch: Rgb) -> list[Rgb]:
    """Four tiles in the middles of the quarters, or the whole of a patch that is hardly larger than one."""
    height, width = patch.shape[:2]
    if min(height, width) < 2 * TILE:
        return [np.ascontiguousarray(patch)]
    half = TILE // 2
    corners = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [np.ascontiguousarray(patch[y - half : y + half, x - half : x + half]) for y, x in corners]


def structure(coarse: Plane) -> float:
    """Share (0 to 1) of 16x16 blocks that show something: a spread beyond the noise's and 2 % of the brightness.

    A slope of light is no structure, so what is smooth over a third of the patch is taken off first.
    """
    size = (BLOCKS, BLOCKS)
    rest = coarse - smooth(coarse, min(coarse.shape) / 6)
    means = cv2.resize(
        cv2.resize(rest, size, interpolation=cv2.INTER_AREA), rest.shape[::-1], interpolation=cv2.INTER_NEAREST
    )
    spread = np.sqrt(cv2.resize((rest - means) ** 2, size, interpolation=cv2.INTER_AREA))
    bright = cv2.resize(coarse, size, interpolation=cv2.INTER_AREA)
    return float((spread > 0.02 * (bright + 10) + 1.5 * noise(coarse)).mean())


def grain(tile: Plane) -> float:
    """Unevenness of flat areas in levels: the standard deviation within 2 pixels, in the quietest tenth of 16-pixel blocks.

    A print's grain, and noise that a codec has smoothed, are coarser than what the wavelet estimate of noise sees. Foliage
    that fills the patch reads as grain.
    """
    fine = tile - smooth(tile, 2.0)
    size = (max(1, tile.shape[1] // 16), max(1, tile.shape[0] // 16))
    return float(np.percentile(np.sqrt(cv2.resize(fine * fine, size, interpolation=cv2.INTER_AREA)), 10))


def _sharpest(tiles: Sequence[Plane], noises: Sequence[float]) -> float:
    """Edge steepness of the sharpest tile among those with at least half the contrast of the one that has most."""
    shown = [contrast(smooth(tile, 2.0)) for tile in tiles]
    found = zip(tiles, noises, shown, strict=True)
    return max(edge_steepness(tile, sigma) for tile, sigma, range_ in found if range_ >= max(shown) / 2)


def quality(found: dict[str, float]) -> float:
    """How good a patch still is, 0 to 100: halfway between its worst property and the mean of all."""
    knots = {
        "sharpness": _SHARP_KNOTS, "grain": _GRAIN_KNOTS, "blocks": _BLOCK_KNOTS, "contrast": _CONTRAST_KNOTS,
        "scratches": _SCRATCH_KNOTS,
    }  # fmt: skip
    parts = [scale(found[name], knots[name]) for name in knots if name in found]
    return (min(parts) + float(np.mean(parts))) / 2
