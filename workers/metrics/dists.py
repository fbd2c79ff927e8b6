"""DISTS (Ding et al., IEEE TPAMI 2022) on VGG-16 features, at the images' own size.

Two VGG-16 passes are nearly all of its time. Running both images as one batch, or in channels-last layout, was measured
and is not faster on a CPU.
"""

from pathlib import Path

import torch

from app.catalog.metrics import DISTS_WEIGHTS, VGG16
from app.services.weights import weight_path
from workers.metrics.loading import PyiqaMetric, given_backbone, load_state


class Dists(PyiqaMetric):
    key = "dists"

    def __init__(self, weights: Path, device: torch.device) -> None:
        backbone, alpha_beta = weight_path(weights, VGG16), weight_path(weights, DISTS_WEIGHTS)
        from pyiqa.archs import dists_arch

        with given_backbone(dists_arch, "vgg16", backbone):
            net = dists_arch.DISTS(pretrained=False)
        load_state(net, alpha_beta)
        super().__init__(net, device)
