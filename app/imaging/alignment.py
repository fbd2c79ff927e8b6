"""Whether two images show the same scene in the same place, whatever their brightness: for checks, never for scores."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.imaging.encode import resize

Rgb = NDArray[np.uint8]

_SIDE = 256
_COARSE = 48


@dataclass(frozen=True)
class Alignment:
    """``shift``: how far HQ lies from LQ, (x, y) in its pixels. ``likeness``: their structural correlation, -1 to 1."""

    shift: tuple[float, float]
    likeness: float


def align(lq: Rgb, hq: Rgb) -> Alignment:
    """Compare an LQ and an HQ of one aspect ratio; either may be a thumbnail. (H, W, 3) sRGB arrays.

    The shift is in pixels of ``hq``: the peak of the phase correlation of edges at 256x256, so its resolution is the longer
    side / 256. A shift below that reads as 0.
    """
    return Alignment(_shift(lq, hq), likeness(structure(lq), structure(hq)))


def structure(pixels: Rgb) -> NDArray[np.float64]:
    """What of an image stays when its light changes: 48x48 luminance, each place against its neighbourhood. Flat is 0."""
    grey = _grey(pixels, _COARSE)
    local = grey - _blurred(grey)
    local[np.abs(local) < 1e-6] = 0.0  # what the running sums round to where nothing is
    spread = np.sqrt(_blurred(local**2)) + 2.0
    return np.asarray(local / spread)


def likeness(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Correlation of two structures, -1 to 1; 0 where either is flat."""
    norm = float(np.sqrt((one**2).sum() * (other**2).sum()))
    return float((one * other).sum() / norm) if norm else 0.0


def _shift(lq: Rgb, hq: Rgb) -> tuple[float, float]:
    window = np.outer(np.hanning(_SIDE), np.hanning(_SIDE))
    first, second = (np.fft.rfft2(_edges(_grey(image, _SIDE)) * window) for image in (lq, hq))
    cross = second * np.conj(first)
    size = np.abs(cross)
    if not size.max():
        return 0.0, 0.0
    surface = np.fft.irfft2(cross / np.maximum(size, size.max() * 1e-6), s=(_SIDE, _SIDE))
    y, x = np.unravel_index(int(surface.argmax()), surface.shape)
    height, width = hq.shape[:2]
    across = _signed(int(x) + _between(surface[y, x - 1], surface[y, x], surface[y, (x + 1) % _SIDE]))
    down = _signed(int(y) + _between(surface[y - 1, x], surface[y, x], surface[(y + 1) % _SIDE, x]))
    return round(across * width / _SIDE, 1), round(down * height / _SIDE, 1)


def _between(before: float, peak: float, after: float) -> float:
    """Where between its neighbours a peak lies, -0.5 to 0.5, by the parabola through the three."""
    curve = before - 2 * peak + after
    return float(np.clip((before - after) / (2 * curve), -0.5, 0.5)) if curve else 0.0


def _signed(at: float) -> float:
    """A place on the circle of the transform as a shift; one within a cell of none reads as none."""
    shift = at - _SIDE if at > _SIDE / 2 else at
    return shift if abs(shift) > 1.25 else 0.0


def _grey(pixels: Rgb, side: int) -> NDArray[np.float64]:
    small = resize(pixels, side, side).astype(np.float64)
    return np.asarray(small @ np.array([0.299, 0.587, 0.114]))


def _edges(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    down, right = np.gradient(grey)
    return np.asarray(np.hypot(down, right))


def _blurred(grey: NDArray[np.float64], radius: int = 4) -> NDArray[np.float64]:
    """A box blur with mirrored borders, by running sums."""
    for axis in (0, 1):
        width = [(radius + 1, radius) if a == axis else (0, 0) for a in (0, 1)]
        total = np.cumsum(np.pad(grey, width, mode="symmetric"), axis=axis)
        ahead, behind = (np.take(total, range(start, total.shape[axis]), axis=axis) for start in (2 * radius + 1, 0))
        grey = (ahead - np.take(behind, range(ahead.shape[axis]), axis=axis)) / (2 * radius + 1)
    return grey
