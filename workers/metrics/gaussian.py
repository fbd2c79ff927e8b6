"""Gaussian windows of SSIM and NIQE, one axis at a time.

pyiqa filters with the whole window in float64, for which torch has no fast convolution on a CPU: that was nearly all of
SSIM's time. The window is a product of two one-dimensional ones, and sums of shifted images are fast everywhere.
"""

import torch


def window(size: int, sigma: float) -> list[float]:
    """The one-dimensional window whose square is pyiqa's, in sum as well: that one is rounded to float32, and NIQE counts
    how many pixels of a flat area lie above or below its mean.
    """
    at = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    line = torch.exp(-(at**2) / (2 * sigma**2))
    line /= line.sum()
    rounded = torch.outer(line, line).float().double().sum()
    return [float(value) for value in line * rounded.sqrt()]


def filtered(images: torch.Tensor, line: list[float]) -> torch.Tensor:
    """``images`` (..., H, W) weighted with ``line`` along both axes; each side is ``len(line) - 1`` shorter."""
    for axis in (-2, -1):
        length = images.shape[axis] - len(line) + 1
        found = images.narrow(axis, 0, length) * line[0]
        for shift, weight in enumerate(line[1:], start=1):
            found.add_(images.narrow(axis, shift, length), alpha=weight)
        images = found
    return images
