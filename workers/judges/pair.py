"""An LQ-HQ pair prepared for measurement: luminance planes at working size, noise, and the regions a reason names."""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.restoration import estimate_sigma

Plane = NDArray[np.float32]
"""One channel, shape (H, W)."""

PRECIPITATION = frozenset({"rain", "snow"})
"""Categories whose degradation is thin and bright (streaks, flakes)."""

THIN_CATEGORIES = PRECIPITATION | {"old_photo"}
"""Categories whose degradation is thin structure (scratches and grain too) that a right restoration removes."""

_GRID = 8
_ROWS = ("upper", "centre", "lower")
_COLUMNS = ("left", "centre", "right")


@dataclass(frozen=True)
class Region:
    """One cell of the grid, as slices of a plane of the shape the grid was made for."""

    rows: slice
    columns: slice
    name: str


@dataclass(frozen=True)
class Finding:
    """One aspect as measured: score 0 to 100, a sentence with the numbers, and the numbers themselves."""

    score: int
    reason: str
    numbers: dict[str, float]


@dataclass(frozen=True)
class Pair:
    """Both images (H, W, 3) uint8 sRGB and their luminance (H, W), float32, 0 to 255."""

    lq: NDArray[np.uint8]
    hq: NDArray[np.uint8]
    lq_luma: Plane
    hq_luma: Plane
    category: str


def prepare(lq: NDArray[np.uint8], hq: NDArray[np.uint8], category: str) -> Pair:
    """Check the pair and take its luminance. Raises ValueError unless both are (H, W, 3) uint8 of one size."""
    for name, image in (("LQ", lq), ("HQ", hq)):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"{name} must be uint8 of shape (H, W, 3), not {image.dtype} {image.shape}")
    if lq.shape != hq.shape:
        raise ValueError(f"LQ is {lq.shape[1]}x{lq.shape[0]} but HQ is {hq.shape[1]}x{hq.shape[0]}")
    lq, hq = np.ascontiguousarray(lq), np.ascontiguousarray(hq)
    return Pair(lq, hq, luma(lq), luma(hq), category)


def luma(image: NDArray[np.uint8]) -> Plane:
    """Rec. 601 luma, float32, 0 to 255."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.float32)


def resized(plane: Plane, longest: int) -> Plane:
    """``plane`` with its long side at most ``longest`` (area averaging, which also averages noise away)."""
    factor = longest / max(plane.shape)
    if factor >= 1:
        return plane
    size = (max(1, round(plane.shape[1] * factor)), max(1, round(plane.shape[0] * factor)))
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def smooth(plane: Plane, sigma: float) -> Plane:
    """Gaussian blur; sigma in pixels of ``plane``, 0 for none."""
    if sigma <= 0:
        return plane
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def without_thin(plane: Plane, category: str) -> Plane:
    """``plane`` with thin structure taken out where the category's degradation consists of it."""
    if category not in THIN_CATEGORIES:
        return plane
    width = 5 if max(plane.shape) < 700 else 9
    if category == "old_photo":
        width, plane = 9, np.asarray(cv2.medianBlur(plane, 5), dtype=np.float32)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    return np.asarray(cv2.morphologyEx(plane, cv2.MORPH_OPEN, disc), dtype=np.float32)


def gradient(plane: Plane) -> Plane:
    """Gradient magnitude by Sobel, in grey levels per pixel."""
    dx = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=0.125)
    dy = cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=0.125)
    return np.asarray(cv2.magnitude(dx, dy), dtype=np.float32)


def noise(plane: Plane) -> float:
    """Standard deviation of the noise (Donoho and Johnstone's median estimator on the finest wavelet band)."""
    if min(plane.shape) < 8 or float(plane.max()) == float(plane.min()):
        return 0.0
    return float(np.nan_to_num(estimate_sigma(plane)))  # type: ignore[no-untyped-call]


def contrast(plane: Plane) -> float:
    """Robust range of a plane: 99th minus 1st percentile, at least 4 grey levels so that flat planes stay flat."""
    low, high = np.percentile(plane, (1, 99))
    return max(float(high - low), 4.0)


def regions(shape: tuple[int, ...]) -> Iterator[Region]:
    """The grid over a plane of ``shape``: at most 8x8 cells of at least 8 pixels, each named by its ninth of the image."""
    rows, columns = (int(np.clip(side // 8, 1, _GRID)) for side in shape[:2])
    for i in range(rows):
        for j in range(columns):
            yield Region(
                slice(i * shape[0] // rows, (i + 1) * shape[0] // rows),
                slice(j * shape[1] // columns, (j + 1) * shape[1] // columns),
                place((i + 0.5) / rows, (j + 0.5) / columns),
            )


def place(down: float, right: float) -> str:
    """Name of a position given as fractions of height and width."""
    row, column = _ROWS[min(int(down * 3), 2)], _COLUMNS[min(int(right * 3), 2)]
    return "centre" if row == column == "centre" else f"{row} {column}"


def worst_places(values: list[tuple[float, str]], count: int = 2) -> list[tuple[float, str]]:
    """The ``count`` highest values of different places, highest first."""
    found: dict[str, float] = {}
    for value, name in sorted(values, reverse=True):
        found.setdefault(name, value)
    return [(value, name) for name, value in list(found.items())[:count]]


def scale(value: float, knots: tuple[tuple[float, float], ...]) -> int:
    """Score of a measured ``value`` by linear interpolation between (value, score) ``knots``, values ascending."""
    return int(np.clip(round(float(np.interp(value, [k[0] for k in knots], [k[1] for k in knots]))), 0, 100))
