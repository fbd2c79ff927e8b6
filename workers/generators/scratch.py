"""Scratch and crack removal.

Filling is A. Telea: An Image Inpainting Technique Based on the Fast Marching Method, Journal of Graphics Tools 2004, then
non-local means against grain. Thin bright lines are found by the white top-hat of mathematical morphology (F. Meyer;
J. Serra: Image Analysis and Mathematical Morphology, 1982) and hysteresis (J. Canny, TPAMI 1986); the means along line
elements and the limits on size, brightness and colour are ours.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.filters import Kernel, Plane, inpaint, line_contrast, luma, nlm, noise_sigma, tophat
from workers.generators.finish import Image
from workers.generators.local import LocalMethod

ANGLES = tuple(range(0, 180, 15))
WIDTH, LENGTH, EXTENT = 5, 17, 70
"""Widest scratch, shortest straight piece, least size of a whole scratch, in pixels of an image with short side 512.
A mouth is smaller than the extent."""

TEXTURE = 1.6
"""How many times stronger than the thin structures around it a line must be."""

MONOCHROME = 0.012
"""Colourfulness up to which a picture is a toned black and white print. In a colour photograph a bright line is more
likely an object (a mast, a stick) than a crack, so the margin grows with it."""

PAPER = 0.6
"""Least brightness of a scratch, as a share of the picture's 99th percentile."""

MOST = 0.15
"""A mask larger than this share of the picture is its texture, not its scratches."""


class ScratchInpainting(LocalMethod):
    """Fills thin bright lines from their surroundings. Dark ones are left: features of faces are dark lines too.

    ``margin`` (0..1) divided by strength is how far a scratch stands out, ``denoise`` times the measured noise the
    strength of non-local means.
    """

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        filled = fill_scratches(image, params["margin"] / strength)
        level = 255 * noise_sigma(luma(filled)) * params["denoise"] * strength
        return nlm(filled, level, level)


def fill_scratches(image: Image, margin: float) -> Image:
    """``image`` with its scratches filled; what is not a scratch comes back as it was."""
    return inpaint(image, scratches_of(image, margin), _width(image))


def scratches_of(image: Image, margin: float) -> Kernel:
    """Where the scratches of a picture are, shape (H, W), 0 or 255; ``margin`` is how far they stand out."""
    scale = _scale(image)
    margin *= 1 + max(0.0, colourfulness(image) - MONOCHROME) / 0.008
    return scratch_mask(luma(image), _width(image), max(5, round(LENGTH * scale)), EXTENT * scale, margin)


def _scale(image: Image) -> float:
    return max(0.5, float(min(image.shape[:2])) / 512)


def _width(image: Image) -> int:
    return max(3, round(WIDTH * _scale(image)))


def colourfulness(image: Image) -> float:
    """Spread of chroma that luma does not explain: near 0 for a black and white print, however toned it is."""
    small = cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA)
    ycc = cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb).reshape(-1, 3).astype(np.float64)
    terms = np.stack([ycc[:, 0] ** 2, ycc[:, 0], np.ones(len(ycc))], axis=1)
    rest = ycc[:, 1:] - terms @ np.linalg.lstsq(terms, ycc[:, 1:], rcond=None)[0]
    return float(np.hypot(*rest.std(axis=0)))


def scratch_mask(grey: Plane, width: int, length: int, extent: float, margin: float) -> Kernel:
    """Where bright lines are, shape (H, W), 0 or 255."""
    thin = tophat(grey, width)
    line = np.max(line_contrast(thin, length, ANGLES, TEXTURE), axis=0)
    # Hysteresis (Canny 1986): a line is certain where it is strong and goes on as far as it is visible at all.
    weak = np.asarray((line > margin / 2) & (thin > margin / 2), np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(weak, connectivity=8)
    strong = np.bincount(labels[(weak > 0) & (line > margin)], minlength=count)
    size = np.hypot(stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT])
    # A scratch is strong for much of its way; texture touches the upper threshold here and there.
    keep = (size >= extent) & (strong >= 0.2 * stats[:, cv2.CC_STAT_AREA])
    # The paper shows through: scratches are about as bright as the brightest parts of the picture.
    total = np.bincount(labels.ravel(), weights=grey.ravel().astype(np.float64), minlength=count)
    keep &= total / stats[:, cv2.CC_STAT_AREA] >= PAPER * float(np.percentile(grey, 99))
    keep[0] = False
    mask = np.asarray(keep[labels], np.uint8)
    if mask.mean() > MOST:
        return np.zeros_like(mask)
    return np.asarray(cv2.dilate(mask * np.uint8(255), np.ones((3, 3), np.uint8)), np.uint8)
