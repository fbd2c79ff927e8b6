"""Fine film grain for restored images.

Denoise, then synthesise grain anew: A. Norkin, N. Birkbeck: Film Grain Synthesis for AV1 Video Codec, DCC 2018. Their
autoregressive grain, fitted to the source, is here Gaussian noise of one fixed fineness. An area a network has wiped
quite smooth looks like wax to people, and like a defect to metrics of natural scene statistics.
"""

import zlib

import cv2
import numpy as np

from workers.generators.filters import luma
from workers.generators.finish import Image

FINENESS = 0.6
"""Gaussian blur of the grain in pixels: finer than this is sensor noise, not grain."""


def add_grain(restored: Image, lq: Image, level: float) -> Image:
    """``restored`` with colourless grain of standard deviation ``level`` (8-bit levels) in the mid-tones.

    None at black and white, as on film, and none where ``lq`` is perfectly flat. The pattern is fixed by the pixels of
    ``lq``: the same image always gets the same, two images never do (a network trained on one pattern would learn it).
    """
    if level <= 0:
        return restored
    rng = np.random.default_rng(zlib.crc32(lq.tobytes()))
    pattern = np.asarray(cv2.GaussianBlur(rng.standard_normal(lq.shape[:2], np.float32), (0, 0), FINENESS), np.float32)
    pattern = pattern * np.float32(level / 255 / max(float(pattern.std()), 1e-6))
    tone = np.clip(luma(restored), 0, 1)
    grey = luma(lq)
    local = cv2.absdiff(grey, cv2.GaussianBlur(grey, (0, 0), 2.0, borderType=cv2.BORDER_REFLECT))
    textured = np.minimum(cv2.GaussianBlur(local, (0, 0), 4.0, borderType=cv2.BORDER_REFLECT) * (4 * 255), 1)
    weight = np.sqrt(np.maximum(4 * tone * (1 - tone), 0)) * textured
    return np.asarray(restored + (pattern * weight)[..., None], np.float32)
