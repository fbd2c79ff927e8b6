"""Rain removal by separating a rain layer from the high frequencies.

J. Xu, W. Zhao, P. Liu, X. Tang: Removing rain and snow in a single image using guided filter, CSAE 2012: a guided filter
splits low from high frequencies and the bright part of the latter is rain. Streaks are told from texture by shape, as in
Y.-T. Kim et al.: Single-image deraining using an adaptive nonlocal means filter, ICIP 2013 (thin, long, near vertical).
"""

from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.filters import Plane, guided_filter, line_kernel, luma, nlm, noise_sigma
from workers.generators.finish import Image
from workers.generators.local import LocalMethod

ANGLES = tuple(range(45, 136, 10))
"""Directions of streaks in degrees; rain falls, so lines nearer to the horizontal are the scene's."""


class Derain(LocalMethod):
    """Subtracts the rain layer, the same amount of light from each channel, since drops are colourless.

    ``length`` and ``width`` of a streak are in pixels of a 1024 px image. ``margin`` (0..1) is the contrast below which
    a line is left alone, ``limit`` the contrast above which it is taken for an object. ``denoise`` times the measured
    noise is the strength of a final non-local means.
    """

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        scale = max(image.shape[:2]) / 1024
        length = max(5, round(params["length"] * scale))
        width = max(3, 2 * round(params["width"] * scale / 2) + 1)
        grey = luma(image)
        rain = rain_layer(grey, length, width)
        margin = params["margin"]
        rain = np.maximum(rain - margin, 0) * (rain / (rain + margin + 1e-6))
        # Very strong thin lines (poles, wires, lettering) belong to the scene.
        rain *= np.clip(2 - rain / params["limit"], 0, 1)
        low = guided_filter(grey, grey, 4 * width, 0.02)
        rain = np.minimum(rain * strength * params["gain"], np.maximum(grey - low + 0.1, 0))
        clear = np.asarray(image - rain[..., None], np.float32)
        level = 255 * noise_sigma(grey) * params["denoise"] * min(strength, 2.0)
        return nlm(np.clip(clear, 0, 1), level, level)


def rain_layer(grey: Plane, length: int, width: int) -> Plane:
    """Brightness above the surroundings of thin lines in the dominant direction of ``ANGLES``, shape (H, W)."""
    layers = []
    for angle in ANGLES:
        across = cv2.getStructuringElement(cv2.MORPH_RECT, (1, 1)) if width < 3 else line_kernel(2 * width + 1, angle + 90)
        thin = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, across, borderType=cv2.BORDER_REPLICATE)
        layers.append(cv2.morphologyEx(thin, cv2.MORPH_OPEN, line_kernel(length, angle), borderType=cv2.BORDER_REPLICATE))
    energy = np.array([float(layer.mean()) for layer in layers])
    best = int(energy.argmax())
    near = layers[max(0, best - 1) : best + 2]
    return np.asarray(np.max(near, axis=0), np.float32)
