"""Low-light enhancement through an illumination map.

X. Guo, Y. Li, H. Ling: LIME: Low-Light Image Enhancement via Illumination Map Estimation, IEEE TIP 2017: the sped-up
solver, one sparse linear system. Ours: it is solved at reduced size and brought up by a guided filter, highlights are rolled
off instead of clipped, and non-local means replaces BM3D.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from workers.generators.filters import Plane, guided_filter, luma, nlm, noise_sigma
from workers.generators.finish import Image
from workers.generators.local import LocalMethod

SOLVER_SIDE = 256
"""Long side at which the system is solved: the map is smooth, and the time grows faster than the pixels."""


class Lime(LocalMethod):
    """R = L / T^(``gamma`` x strength), T the refined maximum of the colour channels, never below ``floor``.

    One divisor for all three channels keeps the hue. ``alpha`` weighs smoothness of T. ``denoise`` times the noise
    measured after brightening is the strength of the non-local means that follows, mixed in most where T was dark
    (the paper's recomposition).
    """

    keeps_tone = False

    def enhance(self, image: Image, strength: float, params: Mapping[str, float]) -> Image:
        illumination = illumination_map(image, params["alpha"])
        gain = np.maximum(illumination, params["floor"]) ** (-params["gamma"] * strength)
        # A soft shoulder instead of clipping, by the largest channel, so that lamps keep their colour.
        peak = image.max(axis=2) * gain
        bright = np.asarray(image * (gain * _shoulder(peak))[..., None], np.float32)
        level = 255 * noise_sigma(luma(bright)) * params["denoise"]
        clean = nlm(np.clip(bright, 0, 1), level, 1.5 * level)
        weight = np.clip(1.3 - illumination, 0, 1)[..., None]
        return np.asarray(bright + weight * (clean - bright), np.float32)


def _shoulder(peak: Plane) -> Plane:
    """Factor that maps 0.8..infinity into 0.8..1 and leaves what is below alone."""
    over = np.maximum(peak - 0.8, 0)
    return np.asarray((np.minimum(peak, 0.8) + 0.2 * over / (over + 0.2)) / np.maximum(peak, 1e-6), np.float32)


def illumination_map(image: Image, alpha: float) -> Plane:
    """The refined T of the paper, shape (H, W)."""
    initial = np.asarray(image.max(axis=2), np.float32)
    height, width = initial.shape
    scale = min(1.0, SOLVER_SIDE / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = np.asarray(cv2.resize(initial, size, interpolation=cv2.INTER_AREA), np.float32)
    coarse = np.asarray(cv2.resize(_solve(small, alpha), (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    refined = guided_filter(initial, coarse, max(2, round(8 / scale / 2)), 1e-3)
    return np.asarray(np.clip(refined, 1e-3, 1), np.float32)


def _solve(initial: Plane, alpha: float) -> Plane:
    """min ||T - initial||^2 + alpha sum of w |grad T|^2, w = 1 / |smoothed gradient| (weights II of the paper)."""
    from scipy.sparse import diags
    from scipy.sparse.linalg import spsolve

    height, width = initial.shape
    smooth = cv2.GaussianBlur(initial, (0, 0), 2.0, borderType=cv2.BORDER_REFLECT)
    right = alpha / (np.abs(np.diff(smooth, axis=1, append=smooth[:, -1:])) + 1e-2)
    down = alpha / (np.abs(np.diff(smooth, axis=0, append=smooth[-1:])) + 1e-2)
    right[:, -1] = 0
    down[-1] = 0
    right, down = right.ravel().astype(np.float64), down.ravel().astype(np.float64)
    left, up = np.roll(right, 1), np.roll(down, width)
    bands = [1 + left + right + up + down, -right[:-1], -right[:-1], -down[:-width], -down[:-width]]
    system = diags(bands, [0, 1, -1, width, -width], format="csc")
    solution = spsolve(system, initial.ravel().astype(np.float64))
    return np.asarray(solution.reshape(height, width), np.float32)
