"""Dehazing with the dark channel prior.

K. He, J. Sun, X. Tang: Single Image Haze Removal Using Dark Channel Prior, CVPR 2009 (TPAMI 2011), transmission refined
by their guided filter (ECCV 2010, TPAMI 2013). Ours: the air light is the mean of the brightest dark-channel pixels instead
of the brightest of them and may be drawn towards grey, and some of the lost brightness is given back.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.filters import Plane, guided_filter, luma
from workers.generators.finish import Image
from workers.generators.local import LocalMethod


class DarkChannel(LocalMethod):
    """J = (I - A) / t + A with t = 1 - ``omega`` x dark channel of I / A.

    ``patch`` and ``radius`` (of the dark channel and of the guided filter) are in pixels of a 1024 px image and scale
    with it. ``floor`` is the least transmission, ``neutral`` (0..1) how far the air light is drawn towards grey, since
    haze is, ``lift`` (0..1) how much of the brightness lost with the haze returns. ``strength`` is an exponent of t.
    """

    keeps_tone = False

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        scale = max(image.shape[:2]) / 1024
        patch = max(3, round(params["patch"] * scale))
        dark = _erode(image.min(axis=2), patch)
        air = _air_light(image, dark, params["neutral"])
        haze = _erode((image / air).min(axis=2), patch)
        radius = max(4, round(params["radius"] * scale))
        refined = guided_filter(luma(image), 1 - params["omega"] * haze, radius, 1e-3)
        transmission = np.clip(refined, params["floor"], 1)[..., None] ** strength
        clear = np.maximum((image - air) / transmission + air, 0)
        # Haze adds light; taking it away leaves the picture dim. A power brings back part of the mean brightness.
        before, after = float(luma(image).mean()), float(luma(np.minimum(clear, 1)).mean())
        if 0.01 < after < before < 0.99:
            clear = clear ** (1 + params["lift"] * (np.log(before) / np.log(after) - 1))
        return np.asarray(clear, np.float32)


def _erode(plane: Plane, size: int) -> Plane:
    return np.asarray(cv2.erode(plane, np.ones((size, size), np.uint8), borderType=cv2.BORDER_REPLICATE), np.float32)


def _air_light(image: Image, dark: Plane, neutral: float) -> Image:
    """The mean colour of the 0.1 % of pixels with the brightest dark channel, shape (3,)."""
    count = max(1, dark.size // 1000)
    chosen = np.argpartition(dark.ravel(), -count)[-count:]
    air = image.reshape(-1, 3)[chosen].mean(axis=0)
    air += neutral * (air.mean() - air)
    return np.asarray(np.maximum(air, 0.1), np.float32)
