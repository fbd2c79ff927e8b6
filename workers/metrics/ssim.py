"""SSIM (Wang et al., IEEE TIP 2004) on the luma channel, 11x11 Gaussian window, no downsampling."""

from pathlib import Path

import torch

from workers.metrics.loading import PyiqaMetric


class Ssim(PyiqaMetric):
    key = "ssim"

    def __init__(self, weights: Path, device: torch.device) -> None:
        from pyiqa.archs.ssim_arch import SSIM

        super().__init__(SSIM(downsample=False, test_y_channel=True, color_space="yiq", crop_border=0), device)
