"""Rain removal: streaks are detected and inpainted.

Filling is A. Telea: An Image Inpainting Technique Based on the Fast Marching Method, Journal of Graphics Tools 2004;
bright narrow structure is found by the white top-hat of mathematical morphology (F. Meyer; J. Serra: Image Analysis and
Mathematical Morphology, 1982). The rest of the detector is ours and from no paper: the least colour channel, means along
line elements, one common direction, and the limits that tell streaks from cloth, bars and foliage.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.filters import Kernel, inpaint, line_contrast, luma, nlm, noise_sigma, tophat
from workers.generators.finish import Image
from workers.generators.local import LocalMethod

ANGLES = tuple(range(40, 141, 10))
"""Directions of streaks in degrees; rain falls, so lines nearer to the horizontal are the scene's."""

TEXTURE = 1.5
"""How many times stronger than the thin structures around it a streak must be."""

GRID = 1.0
"""The same for narrow dark structures."""


class Derain(LocalMethod):
    """Finds the streaks and fills in what lies behind them (Telea 2004).

    ``width`` and ``length`` are the widest streak and the least length, ``longest`` the length above which a line is an
    object (a pole, a wire), in pixels of a 1024 px image; ``margin`` (0..1) divided by strength is how far a streak
    stands out. ``denoise`` times the measured noise is the strength of a final non-local means.
    """

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        scale = max(image.shape[:2]) / 1024
        width = max(3, round(params["width"] * scale))
        length = max(5, round(params["length"] * scale))
        mask = streak_mask(image, width, length, params["longest"] * scale, params["margin"] / strength)
        level = 255 * noise_sigma(luma(image)) * params["denoise"] * strength
        return nlm(inpaint(image, mask, 3), level, level)


def streak_mask(image: Image, width: int, length: int, longest: float, margin: float) -> Kernel:
    """Where rain streaks are, shape (H, W), 0 or 255."""
    # The least of the three channels: a drop is colourless and lifts all of them.
    thin = tophat(np.asarray(image.min(axis=2), np.float32), width)
    # Rain brightens only. Where narrow dark things abound too, the lines are bars, cloth or foliage.
    grid = tophat(1 - luma(image), 3 * width)
    side = 4 * length + 1
    grid = GRID * cv2.boxFilter(grid, -1, (side, side), borderType=cv2.BORDER_REFLECT)
    lines = line_contrast(thin, length, ANGLES, TEXTURE) - grid
    energy = np.maximum(lines - margin, 0).mean(axis=(1, 2))
    best = int(energy.argmax())
    line = np.max(lines[max(0, best - 2) : best + 3], axis=0)
    found = np.asarray((line > margin / 2) & (thin > margin / 2), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=8)
    strong = np.bincount(labels[(found > 0) & (line > margin)], minlength=count) > 0
    tall = stats[:, cv2.CC_STAT_HEIGHT]
    keep = strong & (tall >= length / 2) & (tall <= longest)
    keep[0] = False
    mask = np.asarray(keep[labels], np.uint8) * np.uint8(255)
    return np.asarray(cv2.dilate(mask, np.ones((3, 3), np.uint8)), np.uint8)
