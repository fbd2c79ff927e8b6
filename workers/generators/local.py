"""What the local methods have in common: type conversion, thread count, the three knobs of quality control."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.base import Output, Request, Rgb
from workers.generators.finish import Image, finish


def thread_count() -> int:
    """Threads one worker process may use: ``OMP_NUM_THREADS``, or 1, since worker processes already fill the cores."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(value)) if value.isdigit() else 1


class LocalMethod(ABC):
    """A deterministic restoration method. Subclasses implement ``enhance`` alone.

    Every method understands three parameters that quality control changes from attempt to attempt:
    ``strength`` (0 = nothing, 1 = the default effect, more = stronger), ``keep_color`` and ``keep_detail``
    (see :func:`workers.generators.finish.finish`).
    """

    keeps_tone = True
    """False for methods whose purpose is to change the exposure or the contrast."""

    def __init__(self) -> None:
        cv2.setNumThreads(thread_count())

    @abstractmethod
    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        """Restore ``image``; ``strength`` is above 0. The result may leave 0..1 a little, it is clipped afterwards."""

    def generate(self, request: Request) -> Output:
        """Restore one image; see :class:`workers.generators.base.Generator`."""
        hq = self.restore(request.lq, request.params)
        if hq.shape != request.lq.shape:
            raise ValueError(f"{type(self).__name__} returned {hq.shape} for an LQ of {request.lq.shape}")
        return Output(pixels=hq)

    def restore(self, lq: Rgb, params: Mapping[str, float]) -> Rgb:
        """The restored image, same shape. ``params`` are the catalogue's, already resolved for the category."""
        strength = params["strength"]
        if strength <= 0:
            return lq.copy()
        image = lq.astype(np.float32) / np.float32(255)
        restored = self.enhance(image, strength, params)
        finished = finish(image, restored, params["keep_color"], params["keep_detail"], self.keeps_tone)
        return np.rint(finished * 255).astype(np.uint8)
