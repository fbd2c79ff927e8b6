"""PIQE (Venkatanath et al., NCC 2015). An image without one active block, such as flat grey, gets 100,
the worst; a black one has no value, because PIQE scales an image by its brightest pixel.
"""

from pathlib import Path

import torch

from workers.metrics.pyiqa_metric import PyiqaMetric


class Piqe(PyiqaMetric):
    key = "piqe"

    def __init__(self, weights: Path, device: torch.device) -> None:
        from pyiqa.archs.piqe_arch import PIQE

        super().__init__(PIQE(), device, weights)
