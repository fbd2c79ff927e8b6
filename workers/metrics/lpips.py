"""LPIPS (Zhang et al., CVPR 2018), release 0.1, on AlexNet features."""

from pathlib import Path

import torch

from app.catalog.metric_weights import ALEXNET, LPIPS_HEADS
from app.services.weights import weight_path
from workers.metrics.base import Features
from workers.metrics.loading import given_backbone, load_state, read_state
from workers.metrics.pyiqa_metric import ComparingMetric


class Lpips(ComparingMetric):
    key = "lpips"

    def __init__(self, weights: Path, device: torch.device) -> None:
        backbone, heads = weight_path(weights, ALEXNET), weight_path(weights, LPIPS_HEADS)
        from pyiqa.archs import lpips_arch

        with given_backbone(lpips_arch, "alexnet", backbone):
            net = lpips_arch.LPIPS(pretrained=False, net="alex", version="0.1")
        # The heads' file names each head once; the net has them as lin0... and again in a list of the same modules.
        state = read_state(heads)
        state |= {name.replace("lin", "lins.", 1): tensor for name, tensor in state.items()}
        load_state(net, state, heads, given=("net.", "scaling_layer."))
        super().__init__(net, device, weights)
        self._normalised = lpips_arch.normalize_tensor

    def features(self, reference: torch.Tensor) -> Features:
        """Unit feature vectors of the five layers; the image is scaled to -1..1 and by ImageNet's statistics."""
        layers = self.net.net(self.net.scaling_layer(2 * reference - 1))
        return [self._normalised(layer) for layer in layers]

    def against(self, image: torch.Tensor, features: Features) -> float:
        pairs = zip(self.net.lins, self.features(image), features, strict=True)
        return float(sum(head((own - other) ** 2).mean((2, 3)) for head, own, other in pairs))
