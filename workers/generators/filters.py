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
    """Non-local means (Buades et al. 2005) on luma and chroma; ``*_h`` are filter strengths in 8-bit levels."""
    ycc = np.rint(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb) * 255).clip(0, 255).astype(np.uint8)
    out = ycc.astype(np.float32)
    for channel, h in enumerate((luma_h, chroma_h, chroma_h)):
        if h > 0:
            out[..., channel] = cv2.fastNlMeansDenoising(ycc[..., channel], None, h, 5, 15)
    return np.asarray(cv2.cvtColor(out / np.float32(255), cv2.COLOR_YCrCb2RGB), np.float32)


def tophat(plane: Plane, width: int) -> Plane:
    """How much brighter than its surroundings each pixel is, for structures up to ``width`` pixels wide."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width + 2, width + 2))
    return np.asarray(cv2.morphologyEx(plane, cv2.MORPH_TOPHAT, disc, borderType=cv2.BORDER_REPLICATE), np.float32)


def line_contrast(thin: Plane, length: int, angles: tuple[int, ...], texture_gain: float) -> Plane:
    """Means of ``thin`` along line elements of each angle (degrees), above the texture around; (angles, H, W).

    ``thin`` is a top-hat: what is bright and narrow. A mean along the line bears gaps and wandering that an opening
    would not. Cloth, hair and foliage are full of narrow bright things: ``texture_gain`` times their local mean is
    taken off, so that only lines which stand out from their surroundings remain.
    """
    side = 4 * length + 1
    texture = texture_gain * cv2.boxFilter(thin, -1, (side, side), borderType=cv2.BORDER_REFLECT)
    lines = np.empty((len(angles), *thin.shape), np.float32)
    for index, angle in enumerate(angles):
        kernel = line_kernel(length, angle).astype(np.float32)
        lines[index] = cv2.filter2D(thin, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REFLECT) - texture
    return lines


def inpaint(image: Image, mask: Kernel, radius: int) -> Image:
    """Fill where ``mask`` (H, W) is 255, with a soft seam.

    A. Telea: An Image Inpainting Technique Based on the Fast Marching Method, Journal of Graphics Tools 2004.
    """
    if not mask.any():
        return image
    pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    filled = cv2.inpaint(pixels, mask, radius, cv2.INPAINT_TELEA).astype(np.float32) / 255
    weight = np.maximum(mask, cv2.GaussianBlur(mask, (0, 0), 0.8)).astype(np.float32)[..., None] / 255
    return np.asarray(image + weight * (filled - image), np.float32)
