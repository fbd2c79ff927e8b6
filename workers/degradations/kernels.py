"""Blur kernels of Real-ESRGAN (Wang et al., ICCV Workshops 2021, Sec. 3.2 and 3.4), from their formulas.

With C = (x, y) the offset from the centre, R(theta) a rotation and S = R diag(sigma_x^2, sigma_y^2) R^T:

- Gaussian: exp(-q / 2), where q = C^T S^-1 C;
- generalised Gaussian of shape beta: exp(-q^beta / 2); beta 1 is the Gaussian;
- plateau of shape beta: 1 / (1 + q^beta);
- sinc of cutoff w: w J1(w r) / (2 pi r), r = |C|, which is the ideal circular low-pass; w^2 / (4 pi) at its centre.

Each is divided by its sum. Kernels are point-symmetric, so that convolution and correlation are the same.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import j1

from app.domain.degradation_recipe import Kernel

Plane = NDArray[np.float64]


def kernel_values(kernel: Kernel) -> Plane:
    """The kernel as (size, size) float64 that sums to 1; only a sinc has negative values."""
    if kernel.kind == "sinc":
        values = sinc(kernel.size, kernel.cutoff)
    elif kernel.kind.startswith("plateau"):
        values = 1 / (1 + _distance(kernel) ** kernel.beta)
    else:
        values = np.exp(-0.5 * _distance(kernel) ** kernel.beta)
    return np.asarray(values / values.sum(), np.float64)


def sinc(size: int, cutoff: float) -> Plane:
    """The circular low-pass of ``cutoff`` radians per pixel, cut to ``size`` and not normalised."""
    x, y = _offsets(size)
    radius = np.hypot(x, y)
    centre = radius == 0
    radius[centre] = 1
    return np.asarray(np.where(centre, cutoff**2 / (4 * np.pi), cutoff * j1(cutoff * radius) / (2 * np.pi * radius)))


def _distance(kernel: Kernel) -> Plane:
    """q of every place: the squared distance from the centre, in sigmas along the kernel's own axes."""
    x, y = _offsets(kernel.size)
    cos, sin = np.cos(kernel.rotation), np.sin(kernel.rotation)
    along, across = cos * x + sin * y, cos * y - sin * x
    return np.asarray((along / kernel.sigma_x) ** 2 + (across / kernel.sigma_y) ** 2)


def _offsets(size: int) -> tuple[Plane, Plane]:
    """x and y of every place from the centre, shape (size, size); y grows downwards."""
    line = np.arange(size, dtype=np.float64) - size // 2
    x, y = np.meshgrid(line, line)
    return x, y
