"""What time does to a print: fading, yellowing, grain, stains, scratches and dust."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Plane = NDArray[np.float32]


def old_photo(image: Image, rng: np.random.Generator, fade: float, wear: float, sepia: bool) -> Image:
    """A faded, grainy and scratched print of ``image``.

    The structured (scratches, dust, stains) and unstructured (blur, grain, fading) parts of Wan et al.: Bringing Old
    Photos Back to Life, CVPR 2020. ``fade`` is 0 to 1, ``wear`` 1 has about eight scratches; with ``sepia`` the print is
    monochrome, else a colour print whose cyan dye has faded most.
    """
    soft = cv2.GaussianBlur(image, (0, 0), 0.9)
    shape = (image.shape[0], image.shape[1])
    uneven = 1 + 0.18 * _blotches(rng, shape, 3)
    if sepia:
        grey = cv2.cvtColor(soft, cv2.COLOR_RGB2GRAY)[..., None]
        print_ = grey ** np.array([0.85, 1.0, 1.25], np.float32)
        low, high = np.array([0.24, 0.17, 0.10]) * fade, 1 - np.array([0.10, 0.16, 0.30]) * fade
    else:
        print_ = soft
        low, high = np.array([0.34, 0.17, 0.16]) * fade, 1 - np.array([0.06, 0.20, 0.32]) * fade
    faded = low + (high - low) * print_
    faded = 0.5 + (faded - 0.5) * np.clip(1.05 - 0.25 * fade * uneven, 0.5, 1)[..., None]
    grain = cv2.GaussianBlur(rng.normal(0, 1, shape).astype(np.float32), (0, 0), 0.8)
    faded += 0.055 * grain[..., None]
    stains = np.clip(_blotches(rng, shape, 6) - 1.3, 0, 1)[..., None] * wear
    faded *= 1 - stains * np.array([0.12, 0.22, 0.35])
    damage = _scratches(rng, shape, wear)
    worn = faded * (1 - damage[..., None]) + damage[..., None] * np.array([0.95, 0.92, 0.84])
    return np.asarray(worn, np.float32)


def _blotches(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> Plane:
    """Smooth noise of mean 0 and deviation about 1, with about ``cells`` blotches across the picture."""
    small = rng.normal(0, 1, (cells + 1, cells + 1)).astype(np.float32)
    smooth = cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray((smooth - smooth.mean()) / smooth.std(), np.float32)


def _scratches(rng: np.random.Generator, shape: tuple[int, int], wear: float) -> Plane:
    """Where the emulsion is gone, shape (H, W), 0 to 1: thin wandering lines, one crease, dust."""
    height, width = shape
    damage = np.zeros(shape, np.uint8)
    for number in range(round(8 * wear)):
        steps = int(rng.integers(12, 40))
        heading = rng.uniform(-0.35, 0.35) + (np.pi / 2 if number % 3 else 0)
        turns = heading + np.cumsum(rng.normal(0, 0.05, steps))
        stride = max(height, width) * rng.uniform(0.006, 0.02)
        start = rng.uniform((0, 0), (width, height))
        line = start + stride * np.cumsum(np.stack([np.cos(turns), np.sin(turns)], axis=1), axis=0)
        points = np.rint(line * 16).astype(np.int32)
        shade = int(rng.integers(130, 255))
        cv2.polylines(damage, [points], False, shade, 2 if number == 0 else 1, cv2.LINE_AA, 4)
    for _ in range(round(60 * wear)):
        x, y = rng.uniform((0, 0), (width, height))
        radius = rng.uniform(0.5, 1.6)
        shade = int(rng.integers(120, 255))
        cv2.circle(damage, (round(x * 16), round(y * 16)), round(radius * 16), shade, -1, cv2.LINE_AA, 4)
    return np.asarray(cv2.GaussianBlur(damage, (0, 0), 0.5) / np.float32(255), np.float32)
