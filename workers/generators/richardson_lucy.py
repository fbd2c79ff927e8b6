"""Richardson-Lucy deconvolution with total variation.

W. H. Richardson, JOSA 1972; L. B. Lucy, Astronomical Journal 1974; the regularised multiplicative step of
N. Dey et al.: Richardson-Lucy Algorithm with Total Variation Regularization for 3D Confocal Microscope Deconvolution,
Microscopy Research and Technique 2006. Ours: a Gaussian stands in for the unknown point spread, luma alone is deblurred,
noise is taken off first, and overshoot is limited.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.filters import Plane, luma, nlm, noise_sigma, with_luma
from workers.generators.finish import Image
from workers.generators.local import LocalMethod


class RichardsonLucy(LocalMethod):
    """Deblurs luma for a Gaussian point spread of ``sigma`` pixels in ``iterations`` steps.

    ``regularization`` is the weight of total variation; ``denoise`` times the measured noise is taken off first, since
    deconvolution amplifies it. ``strength`` multiplies the width of the point spread.
    """

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        quiet = nlm(image, params["denoise"] * 255 * noise_sigma(luma(image)), 0)
        before = luma(quiet)
        after = deconvolve(before, params["sigma"] * strength, int(params["iterations"]), params["regularization"])
        # Overshoot beside an edge is a halo: what leaves the local range of the blurred image is held to a margin.
        low, high = cv2.erode(before, np.ones((5, 5), np.uint8)), cv2.dilate(before, np.ones((5, 5), np.uint8))
        return with_luma(quiet, np.clip(after, low - params["overshoot"], high + params["overshoot"]))


def deconvolve(plane: Plane, sigma: float, iterations: int, regularization: float) -> Plane:
    """The estimate after ``iterations`` steps; the Gaussian is its own adjoint."""
    if sigma < 0.1:
        return plane
    observed = np.maximum(plane, 1e-3)
    estimate = observed.copy()
    for _ in range(iterations):
        ratio = np.asarray(observed / np.maximum(_blur(estimate, sigma), 1e-4), np.float32)
        estimate *= _blur(ratio, sigma) / np.maximum(1 - regularization * _curvature(estimate), 0.5)
    return estimate


def _blur(plane: Plane, sigma: float) -> Plane:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)


def _curvature(plane: Plane) -> Plane:
    """Divergence of the unit gradient."""
    right = np.diff(plane, axis=1, append=plane[:, -1:])
    down = np.diff(plane, axis=0, append=plane[-1:])
    norm = np.sqrt(right * right + down * down + 1e-4)
    return np.asarray(np.diff(right / norm, axis=1, prepend=0) + np.diff(down / norm, axis=0, prepend=0), np.float32)
