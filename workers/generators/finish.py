"""The last step every local method shares: how much of the LQ's colour and detail returns to the restored image."""

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
"""An sRGB image, shape (H, W, 3), 0 to 1."""

STATISTICS_SIDE = 64
"""Colour statistics are taken on a reduced copy, so that grain and noise do not count as colour or contrast."""


GREY = 2.5 / 255
"""Largest difference between the channels of a photograph that counts as black and white."""


def finish(lq: Image, restored: Image, keep_color: float, keep_detail: float, keeps_tone: bool) -> Image:
    """Pull ``restored`` back towards ``lq`` and clip it to 0..1.

    ``keep_color`` (0..1) moves the mean and spread of the chroma channels, and of luma if ``keeps_tone``, to those of
    the LQ (Reinhard et al.: Color Transfer between Images, IEEE CG&A 2001, in BT.601 YCrCb). A method that changes the
    exposure on purpose passes ``keeps_tone=False``: luma is left alone and the LQ's chroma is scaled by the same gain,
    which keeps its hue and saturation. ``keep_detail`` (0..1) is the share of the LQ in the final mix.
    """
    color = min(max(keep_color, 0.0), 1.0)
    detail = min(max(keep_detail, 0.0), 1.0)
    out = np.clip(np.nan_to_num(restored), 0, 1).astype(np.float32)
    if float(np.ptp(lq, axis=2).max()) <= GREY:
        # A black and white photograph stays one, whatever a network dreams up.
        out[:] = _opponent(out)[..., :1]
    if color > 0:
        out += color * (_match_statistics(lq, out, keeps_tone) - out)
    if detail > 0:
        out += detail * (lq - out)
    return np.clip(out, 0, 1)


def _match_statistics(lq: Image, restored: Image, keeps_tone: bool) -> Image:
    # YCrCb by hand of the centred kind: cv2 puts chroma at 0.5, which a gain would move.
    source, target = _opponent(_reduced(restored)), _opponent(_reduced(lq))
    gain = 1.0
    if not keeps_tone:
        gain = float(source[..., 0].mean()) / max(float(target[..., 0].mean()), 1e-3)
    ycc = _opponent(restored)
    for channel in range(0 if keeps_tone else 1, 3):
        have, want = source[..., channel], target[..., channel] * gain
        spread = float(np.clip((want.std() + 1e-3) / (have.std() + 1e-3), 0.5, 2.0))
        ycc[..., channel] = (ycc[..., channel] - have.mean()) * spread + want.mean()
    return _from_opponent(ycc)


def _reduced(image: Image) -> Image:
    height, width = image.shape[:2]
    size = (min(width, STATISTICS_SIDE), min(height, STATISTICS_SIDE))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _opponent(image: Image) -> Image:
    ycc = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), np.float32)
    ycc[..., 1:] -= 0.5
    return ycc


def _from_opponent(ycc: Image) -> Image:
    ycc[..., 1:] += 0.5
    return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.float32)
