"""PSNR over RGB, in dB. pyiqa adds 1e-8 to the mean squared error (of values in 0..1), so identical images give 80."""

from pathlib import Path

import torch

from workers.metrics.loading import PyiqaMetric


class Psnr(PyiqaMetric):
    key = "psnr"

    def __init__(self, weights: Path, device: torch.device) -> None:
        from pyiqa.archs.psnr_arch import PSNR

        super().__init__(PSNR(test_y_channel=False, crop_border=0), device)
