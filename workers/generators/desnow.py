"""Snow removal by separating a layer of bright, colourless, small flakes.

X. Zheng, Y. Liao, W. Guo, X. Fu, X. Ding: Single-Image-Based Rain and Snow Removal Using Multi-guided Filter, ICONIP
2013: flakes stand out as bright high frequencies and the guide is the picture without them.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.filters import guided_filter, luma, nlm, noise_sigma
from workers.generators.finish import Image
from workers.generators.local import LocalMethod


class Desnow(LocalMethod):
    """Takes away flakes up to ``size`` pixels of a 1024 px image that stand out by more than ``margin`` (0..1).

    ``whiteness`` (0..1) is the largest colour saturation a flake may have, ``veil`` (0..1) the share of evenly
    scattered light to take off, ``denoise`` times the measured noise the strength of a final non-local means.
    """

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        scale = max(image.shape[:2]) / 1024
        size = max(3, 2 * round(params["size"] * scale / 2) + 1)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        opened = cv2.morphologyEx(image, cv2.MORPH_OPEN, disc, borderType=cv2.BORDER_REPLICATE)
        behind = cv2.GaussianBlur(opened, (0, 0), size / 4, borderType=cv2.BORDER_REFLECT)
        excess = luma(image) - luma(opened)
        # What a flake adds is colourless: the smallest of the three channels rises as much as the largest.
        rise = image - opened
        grey = np.clip(1 - (rise.max(axis=2) - rise.min(axis=2)) / (rise.max(axis=2) + 1e-3) / params["whiteness"], 0, 1)
        margin = params["margin"]
        flake = np.clip((excess - margin) / margin, 0, 1) * np.minimum(2 * grey, 1)
        flake = np.clip(cv2.GaussianBlur(flake, (0, 0), 0.8 + scale) * 1.5, 0, 1)
        guide = luma(np.asarray(image + flake[..., None] * (behind - image), np.float32))
        filled = np.stack([guided_filter(guide, np.asarray(behind[..., c]), size, 1e-3) for c in range(3)], axis=2)
        mix = np.clip(flake * strength, 0, 1)[..., None]
        clear = np.asarray(image + mix * (filled - image), np.float32)
        level = 255 * noise_sigma(luma(image)) * params["denoise"] * min(strength, 2.0)
        return nlm(np.clip(clear, 0, 1), level, level)
