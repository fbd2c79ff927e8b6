"""Snow removal: flakes are detected and inpainted.

Filling is A. Telea: An Image Inpainting Technique Based on the Fast Marching Method, Journal of Graphics Tools 2004;
bright small structure is found by the white top-hat of mathematical morphology (F. Meyer; J. Serra: Image Analysis and
Mathematical Morphology, 1982). The rest of the detector is ours and from no paper: the least colour channel, the contrast
to the structures around, and the limits on a flake's size and shape.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.filters import Kernel, inpaint, luma, nlm, noise_sigma, tophat
from workers.generators.finish import Image
from workers.generators.local import LocalMethod

TEXTURE = 2.0
"""How many times stronger than the small bright structures around it a flake must be."""


class Desnow(LocalMethod):
    """Fills flakes up to ``size`` pixels of a 1024 px image that stand out by ``margin`` (0..1) divided by strength.

    ``denoise`` times the measured noise is the strength of a final non-local means.
    """

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        scale = max(image.shape[:2]) / 1024
        size = max(3, round(params["size"] * scale))
        clear = inpaint(image, flake_mask(image, size, params["margin"] / strength), max(2, size // 4))
        level = 255 * noise_sigma(luma(image)) * params["denoise"] * strength
        return nlm(clear, level, level)


def flake_mask(image: Image, size: int, margin: float) -> Kernel:
    """Where flakes are, shape (H, W), 0 or 255."""
    # The least of the three channels: snow is white and lifts all of them, coloured highlights do not.
    high = tophat(np.asarray(image.min(axis=2), np.float32), size)
    side = 6 * size + 1
    contrast = high - TEXTURE * cv2.boxFilter(high, -1, (side, side), borderType=cv2.BORDER_REFLECT)
    found = np.asarray((contrast > margin / 2) & (high > margin / 2), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
    strong = np.bincount(labels[(found > 0) & (contrast > margin)], minlength=count) > 0
    box = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
    # Small and compact; a flake in motion may be three times as long as it is wide.
    compact = stats[:, cv2.CC_STAT_AREA] >= 0.3 * box.max(axis=1) * box.min(axis=1)
    keep = strong & compact & (box.max(axis=1) <= 1.6 * size) & (box.max(axis=1) <= 4 * box.min(axis=1))
    keep[0] = False
    mask = np.asarray(keep[labels], np.uint8) * np.uint8(255)
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)), np.uint8)
