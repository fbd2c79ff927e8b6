"""MANIQA (Yang et al., CVPRW 2022) trained on KonIQ-10k: the mean opinion of 20 crops of 224x224.

pyiqa 0.1.16 takes the crops on a regular grid when it is not training, so nothing is random: the same image has the same
value, whatever was scored before it. Images under 225 pixels are enlarged first, as pyiqa does.
"""

from pathlib import Path
from typing import Any

import torch

from app.catalog.metric_weights import MANIQA_KONIQ
from app.services.weights import weight_path
from workers.metrics.loading import load_state, read_state, untrained_backbone
from workers.metrics.pyiqa_metric import PyiqaMetric

BLOCKS_READ = 10  # of the ViT's twelve: MANIQA takes the outputs of blocks 6 to 9


class Maniqa(PyiqaMetric):
    key = "maniqa"

    def __init__(self, weights: Path, device: torch.device) -> None:
        file = weight_path(weights, MANIQA_KONIQ)
        net = untrained()
        load_state(net, read_state(file), file)  # the backbone is in it as well
        super().__init__(without_unread_blocks(net), device, weights)


def untrained() -> torch.nn.Module:
    """pyiqa's network without weights: its constructor would ask a hub for the backbone's whatever it is told."""
    from pyiqa.archs import maniqa_arch

    with untrained_backbone(maniqa_arch):
        net: torch.nn.Module = maniqa_arch.MANIQA(train_dataset="koniq", scale=0.8, pretrained=False)
    return net


def without_unread_blocks(net: torch.nn.Module) -> torch.nn.Module:
    """``net`` without the last blocks of its ViT and its classifier, of which MANIQA reads nothing. Values stay the same."""
    vit: Any = net.vit
    vit.blocks = vit.blocks[:BLOCKS_READ]
    vit.norm = vit.fc_norm = vit.head = torch.nn.Identity()
    return net
