"""PSNR in dB, over RGB or a luma, as the catalogue's settings say.

pyiqa adds 1e-8 to the mean squared error (of values in 0..1), so identical images give 80.
"""

from pathlib import Path

import torch

from workers.metrics.colour import colour_options
from workers.metrics.pyiqa_metric import PyiqaMetric


class Psnr(PyiqaMetric):
    key = "psnr"

    def __init__(self, weights: Path, device: torch.device) -> None:
        from pyiqa.archs.psnr_arch import PSNR

        super().__init__(PSNR(**colour_options(self.params())), device, weights)


class PsnrY(Psnr):
    key = "psnr_y"
