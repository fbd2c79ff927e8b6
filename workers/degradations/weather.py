"""Haze, rain and snow on clean photographs."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Plane = NDArray[np.float32]

FINE_BITS = 4
"""Fractional bits of drawing coordinates: without them, flakes smaller than a pixel would all become the same square."""
FINE = 1 << FINE_BITS


def outdoor_depth(image: Image, horizon: float) -> Plane:
    """A plausible depth map of a landscape, shape (H, W), 0 near to 1 far, for photographs that have none.

    The ground recedes as 1/(distance below the horizon), which lies at ``horizon`` times the height; above it, bright
    and colourless pixels are taken for sky (far), others for objects standing in the middle distance.
    """
    height, width = image.shape[:2]
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height
    ground = 0.06 / np.maximum(rows - horizon, 0.06)
    depth = np.repeat(np.where(rows < horizon, 0.75, 0.75 * ground)[:, None], width, axis=1).astype(np.float32)
    saturation = image.max(axis=2) - image.min(axis=2)
    sky = np.clip((image.mean(axis=2) - 0.45) / 0.2, 0, 1) * np.clip((0.35 - saturation) / 0.15, 0, 1)
    sky *= rows[:, None] < horizon
    depth += (1 - depth) * cv2.GaussianBlur(sky.astype(np.float32), (0, 0), 2)
    return np.asarray(cv2.GaussianBlur(depth, (0, 0), 4), np.float32)


def haze(image: Image, depth: Plane, density: float, airlight: tuple[float, float, float]) -> Image:
    """The atmospheric scattering model (Koschmieder 1924; Narasimhan and Nayar, IJCV 2002): I = J t + A (1 - t).

    ``t = exp(-density * depth)`` with ``depth`` of shape (H, W), 0 to 1; ``airlight`` is A in sRGB.
    """
    transmission = np.exp(-density * depth)[..., None]
    return np.asarray(image * transmission + np.array(airlight) * (1 - transmission), np.float32)


def rain(image: Image, rng: np.random.Generator, amount: float, angle: float) -> Image:
    """Streaks in three layers of distance, added as light, and the veil of the drops too far to be seen.

    After Garg and Nayar: Vision and Rain, IJCV 2007 (a streak adds the light of its surroundings), with the streak and
    accumulation layers of Yang et al., CVPR 2017. ``amount`` 1 is a shower; ``angle`` is in degrees, 90 straight down.
    """
    height, width = image.shape[:2]
    scale = min(height, width) / 400
    streaks = np.zeros((height, width), np.float32)
    for drops, length, thickness, brightness in ((0.008, 13, 0.5, 0.35), (0.003, 24, 0.6, 0.5), (0.0007, 42, 0.9, 0.6)):
        points = (rng.random((height, width)) < drops * amount / scale).astype(np.float32)
        points *= rng.uniform(0.4, 1, (height, width)).astype(np.float32)
        kernel = _streak(round(length * scale), angle + rng.uniform(-2, 2))
        layer = cv2.filter2D(points, -1, kernel, borderType=cv2.BORDER_REFLECT)
        streaks += brightness * np.minimum(cv2.GaussianBlur(layer, (0, 0), thickness * max(1.0, scale)), 1)
    surroundings = cv2.GaussianBlur(image, (0, 0), 40 * scale).mean(axis=2, keepdims=True)
    veil = 0.16 * amount
    veiled = image * (0.92 - veil) + surroundings * veil
    light = np.minimum(streaks, 0.85)[..., None]
    return np.asarray(veiled + light * (0.35 + 0.6 * surroundings) * (1 - 0.5 * veiled), np.float32)


def snow(image: Image, rng: np.random.Generator, amount: float, angle: float) -> Image:
    """Falling flakes: many small sharp ones far away, few large ones near and out of focus, and a thin veil.

    The layers follow Liu et al.: DesnowNet, TIP 2018 (opaque and translucent flakes of three sizes); each flake covers
    what is behind it. ``amount`` 1 is steady snowfall; ``angle`` is the direction of the fall in degrees, 90 straight down.
    """
    height, width = image.shape[:2]
    scale = min(height, width) / 400
    result = haze(image, np.ones((height, width), np.float32), 0.18 * amount, (0.86, 0.88, 0.9))
    for flakes, radius, opacity, travel in ((0.0045, 0.75, 0.95, 2), (0.0011, 1.4, 0.85, 3), (0.00013, 4.5, 0.5, 7)):
        flat = np.zeros((height, width), np.uint8)
        for _ in range(round(flakes * amount * height * width / scale**2)):
            size = radius * scale * float(rng.lognormal(0, 0.25)) * FINE
            centre = (round(rng.uniform(0, width) * FINE), round(rng.uniform(0, height) * FINE))
            axes = (round(size), round(size * rng.uniform(0.7, 1)))
            shade = 255 * opacity * rng.uniform(0.6, 1)
            cv2.ellipse(flat, centre, axes, rng.uniform(0, 180), 0, 360, shade, -1, cv2.LINE_AA, FINE_BITS)
        kernel = _streak(max(1, round(travel * scale)), angle)
        cover = cv2.filter2D(flat.astype(np.float32) / 255, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT)
        soft = np.clip(cv2.GaussianBlur(cover, (0, 0), 0.3 * radius * scale + 0.3), 0, 1)[..., None]
        result = np.asarray(result * (1 - soft) + 0.95 * soft, np.float32)
    return result


def _streak(length: int, degrees: float) -> Plane:
    """An anti-aliased line, brightest in the middle, as a filter kernel whose peak is 1."""
    side = 2 * (length // 2) + 3
    centre = side // 2
    y, x = np.mgrid[:side, :side].astype(np.float32) - centre
    dx, dy = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    along, across = x * dx + y * dy, x * dy - y * dx
    fade = np.clip(1 - np.abs(along) / max(1.0, length / 2), 0, 1) ** 0.5
    return np.asarray(fade * np.clip(1 - np.abs(across), 0, 1), np.float32)
