"""SSIM (Wang et al., IEEE TIP 2004), 11x11 Gaussian window of sigma 1.5, no downsampling, in float64 on 0..255.

Colour and crop are the catalogue's settings. The structure term is cut off at 0, as pyiqa does. A reference's mean and
variance are kept for the other candidates of its image.
"""

from pathlib import Path

import torch

from workers.metrics.base import Features
from workers.metrics.colour import colour_options
from workers.metrics.gaussian import filtered, window
from workers.metrics.pyiqa_metric import ComparingMetric

WINDOW = window(11, 1.5)
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


class Ssim(ComparingMetric):
    key = "ssim"

    def __init__(self, weights: Path, device: torch.device) -> None:
        from pyiqa.archs.func_util import preprocess_rgb
        from pyiqa.archs.ssim_arch import SSIM

        super().__init__(SSIM(downsample=False, **colour_options(self.params())), device, weights)
        self._preprocess = preprocess_rgb

    def _channels(self, image: torch.Tensor) -> torch.Tensor:
        """(1, C, H, W) in 0..255, float64, whole numbers."""
        if crop := self.net.crop_border:
            image = image[..., crop:-crop, crop:-crop]
        channels: torch.Tensor = self._preprocess(image, self.net.test_y_channel, 255, self.net.color_space)
        return channels.double()

    def features(self, reference: torch.Tensor) -> Features:
        y = self._channels(reference)
        mean, square = filtered(torch.stack((y, y * y)), WINDOW)
        return y, mean, square - mean * mean

    def against(self, image: torch.Tensor, features: Features) -> float:
        x, (y, mean_y, variance_y) = self._channels(image), features
        mean_x, square, product = filtered(torch.stack((x, x * x, x * y)), WINDOW)
        means = mean_x * mean_y
        structure = (2 * (product - means) + C2) / (square - mean_x * mean_x + variance_y + C2)
        luminance = (2 * means + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
        return float((luminance * structure.clamp_(min=0)).mean())


class SsimRgb(Ssim):
    key = "ssim_rgb"
