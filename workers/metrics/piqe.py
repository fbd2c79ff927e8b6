"""PIQE (Venkatanath et al., NCC 2015). 100, the worst, for an image without a single active block, flat ones among them."""

from pathlib import Path

import torch

from workers.metrics.loading import PyiqaMetric


class Piqe(PyiqaMetric):
    key = "piqe"

    def __init__(self, weights: Path, device: torch.device) -> None:
        from pyiqa.archs.piqe_arch import PIQE

        super().__init__(PIQE(), device)
