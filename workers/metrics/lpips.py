"""LPIPS (Zhang et al., CVPR 2018), release 0.1, on AlexNet features."""

from pathlib import Path

import torch

from app.catalog.metrics import ALEXNET, LPIPS_HEADS
from app.services.weights import weight_path
from workers.metrics.loading import PyiqaMetric, given_backbone, load_state


class Lpips(PyiqaMetric):
    key = "lpips"

    def __init__(self, weights: Path, device: torch.device) -> None:
        backbone, heads = weight_path(weights, ALEXNET), weight_path(weights, LPIPS_HEADS)
        from pyiqa.archs import lpips_arch

        with given_backbone(lpips_arch, "alexnet", backbone):
            net = lpips_arch.LPIPS(pretrained=False, net="alex", version="0.1")
        load_state(net, heads)
        super().__init__(net, device)
