"""Small filters that several local methods share. Planes are float32 of shape (H, W), 0 to 1 unless said otherwise."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.generators.finish import Image

Plane = NDArray[np.float32]
Kernel = NDArray[np.uint8]


def luma(image: Image) -> Plane:
    """BT.601 luma."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)


def with_luma(image: Image, new: Plane) -> Image:
    """``image`` with its luma replaced and its chroma kept."""
    ycc = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    ycc[..., 0] = new
    return np.asarray(cv2.cvtColor(ycc, cv2.COLOR_YCrCb2RGB), np.float32)


def guided_filter(guide: Plane, plane: Plane, radius: int, eps: float) -> Plane:
    """He, Sun, Tang: Guided Image Filtering, TPAMI 2013, grey guide. ``eps`` is in squared intensity."""
    size = (2 * radius + 1, 2 * radius + 1)

    def mean(x: Plane) -> Plane:
        return np.asarray(cv2.boxFilter(x, -1, size, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_plane = mean(guide), mean(plane)
    slope = (mean(guide * plane) - mean_guide * mean_plane) / (mean(guide * guide) - mean_guide**2 + eps)
    offset = mean_plane - slope * mean_guide
    return mean(slope) * guide + mean(offset)


def noise_sigma(plane: Plane) -> float:
    """Standard deviation of the noise. Immerkaer: Fast Noise Variance Estimation, CVIU 1996, with a median.

    The median of the absolute response instead of its mean keeps edges and texture out of the estimate.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    response = cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REFLECT)
    return float(np.median(np.abs(response))) / (0.6745 * 6)


def line_kernel(length: int, degrees: float) -> Kernel:
    """A one pixel wide line of odd ``length`` through the centre; 0 degrees is horizontal, 90 vertical."""
    half = length // 2
    kernel = np.zeros((2 * half + 1, 2 * half + 1), np.uint8)
    dx = round(half * math.cos(math.radians(degrees)))
    dy = round(half * math.sin(math.radians(degrees)))
    cv2.line(kernel, (half - dx, half + dy), (half + dx, half - dy), 1)
    return kernel


def nlm(image: Image, luma_h: float, chroma_h: float) -> Image:
    """Non-local means on luma and on chroma at half size; ``*_h`` are filter strengths in 8-bit levels.

    The eye resolves chroma coarsely and its noise is blotchy: half size costs a quarter and reaches twice as far.
    """
    height, width = image.shape[:2]
    ycc = np.rint(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb) * 255).clip(0, 255).astype(np.uint8)
    out = ycc.astype(np.float32)
    if luma_h > 0:
        clean = cv2.fastNlMeansDenoising(ycc[..., 0], None, luma_h, 5, 15)
        out[..., 0] = clean
    if chroma_h > 0:
        size = (max(1, width // 2), max(1, height // 2))
        for channel in (1, 2):
            small = cv2.resize(ycc[..., channel], size, interpolation=cv2.INTER_AREA)
            clean = cv2.fastNlMeansDenoising(small, None, chroma_h, 5, 11)
            # Only what was removed is scaled up, so that sharp colour edges stay sharp.
            removed = cv2.resize(small.astype(np.float32) - clean, (width, height), interpolation=cv2.INTER_LINEAR)
            out[..., channel] -= removed
    return np.asarray(cv2.cvtColor(out / 255, cv2.COLOR_YCrCb2RGB), np.float32)
