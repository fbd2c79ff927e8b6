"""Wavelet denoising with BayesShrink.

S. G. Chang, B. Yu, M. Vetterli: Adaptive wavelet thresholding for image denoising and compression, IEEE TIP 2000,
averaged over circular shifts: R. Coifman, D. Donoho: Translation-invariant de-noising, 1995.
"""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.generators.filters import noise_sigma
from workers.generators.finish import Image
from workers.generators.local import LocalMethod

SHIFTS = ((0, 0), (1, 2), (2, 1), (3, 3))


class BayesShrink(LocalMethod):
    """Soft thresholds per subband from the measured noise; ``gain`` scales them (chroma takes ``chroma_gain`` more)."""

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        ycc = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb), np.float32)
        for channel in range(3):
            plane = ycc[..., channel]
            gain = strength * params["gain"] * (params["chroma_gain"] if channel else 1.0)
            sigma = max(noise_sigma(plane), params["floor"] / 255)
            shifted = [np.roll(_shrink(np.roll(plane, s, (0, 1)), sigma, gain), (-s[0], -s[1]), (0, 1)) for s in SHIFTS]
            ycc[..., channel] = np.mean(shifted, axis=0)
        return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.float32)


def _shrink(plane: NDArray[np.float32], sigma: float, gain: float) -> NDArray[np.float32]:
    import pywt

    levels = min(4, pywt.dwtn_max_level(plane.shape, "db2"))
    if levels < 1:
        return plane
    coarse, *bands = pywt.wavedec2(plane, "db2", "symmetric", levels)
    shrunk = [tuple(_soft(band, sigma, gain) for band in level) for level in bands]
    height, width = plane.shape
    return np.asarray(pywt.waverec2([coarse, *shrunk], "db2", "symmetric")[:height, :width], np.float32)


def _soft(band: NDArray[np.float32], sigma: float, gain: float) -> NDArray[np.float32]:
    signal = float(np.sqrt(max(float(np.mean(band**2)) - sigma**2, 0.0)))
    # A band of nothing but noise would have an infinite threshold; four deviations remove it just as well.
    threshold = gain * min(sigma**2 / max(signal, 1e-6), 4 * sigma)
    return np.asarray(np.sign(band) * np.maximum(np.abs(band) - threshold, 0), np.float32)
