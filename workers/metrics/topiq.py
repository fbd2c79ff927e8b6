"""TOPIQ, no-reference (Chen et al., IEEE TIP 2024), ResNet-50 features at the image's own size, trained on KonIQ-10k."""

from pathlib import Path

import torch

from app.catalog.metric_weights import TOPIQ_KONIQ
from app.errors import WeightsMissing
from app.services.weights import weight_path
from workers.metrics.loading import load_state, read_state
from workers.metrics.pyiqa_metric import PyiqaMetric


class TopiqNr(PyiqaMetric):
    key = "topiq_nr"

    def __init__(self, weights: Path, device: torch.device) -> None:
        file = weight_path(weights, TOPIQ_KONIQ)
        net, state = untrained(), read_state(file)
        if "params" not in state:
            raise WeightsMissing(f"{file.name} has no part 'params', which pyiqa's weights of TOPIQ have")
        load_state(net, state["params"], file)  # the backbone is in it as well
        super().__init__(net, device, weights)


def untrained() -> torch.nn.Module:
    """pyiqa's network without weights, nor those of its backbone."""
    from pyiqa.archs.topiq_arch import CFANet

    net: torch.nn.Module = CFANet(
        semantic_model_name="resnet50",
        model_name="cfanet_nr_koniq_res50",
        use_ref=False,
        pretrained=False,
        backbone_pretrain=False,
    )
    return net
