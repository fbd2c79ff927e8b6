"""MUSIQ (Ke et al., ICCV 2021) trained on KonIQ-10k: the image at two sizes and at its own, all of its patches."""

from pathlib import Path

import torch

from app.catalog.metric_weights import MUSIQ_KONIQ
from app.services.weights import weight_path
from workers.metrics.loading import load_state, read_state
from workers.metrics.pyiqa_metric import PyiqaMetric


class Musiq(PyiqaMetric):
    key = "musiq"

    def __init__(self, weights: Path, device: torch.device) -> None:
        file = weight_path(weights, MUSIQ_KONIQ)
        net = untrained()
        load_state(net, read_state(file), file)
        super().__init__(net, device, weights)


def untrained() -> torch.nn.Module:
    """pyiqa's network without weights. Three scales and one output: what its koniq10k weights fit."""
    from pyiqa.archs.musiq_arch import MUSIQ

    net: torch.nn.Module = MUSIQ(pretrained=False, num_class=1, longer_side_lengths=[224, 384])
    return net
