"""How visible a category's degradation is, 0 to 100, by measurement: a stand-in for the VLM that the paper asks (App. A)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.generators.scratch import colourfulness
from workers.judges.pair import Plane, contrast, scale, smooth
from workers.judges.restoration import dark_channel

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Seen:
    """A patch as it is looked at: a copy (h, w, 3) of at most 512 pixels a side, its luminance, what was measured of it."""

    small: Rgb
    luma: Plane
    found: Mapping[str, float]


_CELLS = 16
"""Blocks along each side of the copy in which thin structure is compared."""
_STEEPEST = np.cos(np.deg2rad(80))
"""Rain falls: only directions within 40 degrees of the vertical count (80 in the doubled angle)."""


def rain(seen: Seen) -> float:
    """Thin bright structure of one common steep direction, above all where the scene itself is quiet."""
    thin, _ = _hats(seen.small)
    dx, dy = (cv2.Sobel(thin, cv2.CV_32F, *order, scale=0.125) for order in ((1, 0), (0, 1)))
    energy = _cells(dx * dx + dy * dy)
    # The structure tensor's direction as a vector of the doubled angle, so that opposite gradients add up.
    along, across = (_cells(part) / (energy + 0.05) for part in (dx * dx - dy * dy, 2 * dx * dy))
    quiet = energy <= np.median(energy)
    directions = [
        (float(along[quiet].mean()), float(across[quiet].mean())),
        (float(np.median(along)), float(np.median(across))),
    ]
    steep = [np.hypot(x, y) for x, y in directions if x >= _STEEPEST * np.hypot(x, y)]
    return float(scale(float(max(steep, default=0.0)), ((0.1, 0.0), (0.25, 40.0), (0.5, 70.0), (0.8, 100.0))))


def snow(seen: Seen) -> float:
    """Bright spots that no dark ones match, in the quiet half of the scene. Flakes before white ground are not seen."""
    bright, dark = _hats(seen.small)
    quiet = (total := _cells(bright + dark)) <= np.median(total)
    most, least = _maxima(bright), _maxima(dark)
    excess = float(((most - least) / (most + least + 8))[quiet].mean())
    return float(scale(excess, ((0.05, 0.0), (0.2, 40.0), (0.35, 70.0), (0.6, 100.0))))


def haze(seen: Seen) -> float:
    """A high dark channel (He, Sun, Tang, 2009), and little contrast."""
    veil = scale(dark_channel(seen.small), ((30.0, 0.0), (60.0, 40.0), (100.0, 75.0), (150.0, 100.0)))
    flat = scale(contrast(seen.luma), ((60.0, 100.0), (130.0, 80.0), (200.0, 40.0), (250.0, 0.0)))
    return float(0.7 * veil + 0.3 * flat)


def low_light(seen: Seen) -> float:
    """Little light: on average, and in all but the lamps."""
    mean = scale(float(seen.luma.mean()), ((15.0, 100.0), (40.0, 80.0), (70.0, 50.0), (110.0, 0.0)))
    most = scale(float(np.percentile(seen.luma, 75)), ((20.0, 100.0), (60.0, 75.0), (100.0, 40.0), (150.0, 0.0)))
    return float((mean + most) / 2)


def old_photo(seen: Seen) -> float:
    """A print's age: monochrome or toned, scratched, with faded blacks and whites."""
    tone = scale(colourfulness(np.asarray(seen.small / np.float32(255))), ((0.008, 60.0), (0.02, 30.0), (0.05, 0.0)))
    low, high = np.percentile(smooth(seen.luma, 1.0), (1, 99))
    faded = scale(float(low + 255 - high), ((20.0, 0.0), (60.0, 40.0), (120.0, 80.0), (160.0, 100.0)))
    scratched = scale(seen.found.get("scratches", 0.0), ((0.3, 0.0), (1.0, 30.0), (2.5, 60.0), (6.0, 100.0)))
    return float(min(100.0, tone + 0.6 * faded + scratched))


def _hats(small: Rgb) -> tuple[Plane, Plane]:
    """What is brighter, and what is darker, than its surroundings within 7 pixels, in the least of the three channels.

    A drop or a flake has no colour and lifts all three; coloured highlights do not.
    """
    least = np.asarray(small.min(axis=2), np.float32)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    kinds = (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT)
    bright, dark = (np.asarray(cv2.morphologyEx(least, kind, disc), np.float32) for kind in kinds)
    return bright, dark


def _cells(plane: Plane) -> Plane:
    return np.asarray(cv2.resize(plane, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA), np.float32)


def _maxima(plane: Plane) -> Plane:
    """The greatest value of each cell, shape (16, 16)."""
    edges = [np.linspace(0, side, _CELLS, endpoint=False).astype(int) for side in plane.shape]
    return np.maximum.reduceat(np.maximum.reduceat(plane, edges[0], axis=0), edges[1], axis=1)


ARTIFACTS: Mapping[str, Callable[[Seen], float]] = {
    "rain": rain, "snow": snow, "haze": haze, "low_light": low_light, "old_photo": old_photo,
}  # fmt: skip
