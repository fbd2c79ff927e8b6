"""DISTS (Ding et al., IEEE TPAMI 2022) on VGG-16 features, at the images' own size.

VGG-16 passes are nearly all of its time, so the reference's is made once for all candidates of an image. Running two images
as one batch, or in channels-last layout, was measured and is not faster on a CPU.
"""

from pathlib import Path

import torch

from app.catalog.metric_weights import DISTS_WEIGHTS, VGG16
from app.services.weights import weight_path
from workers.metrics.base import Features
from workers.metrics.loading import given_backbone, load_state, read_state
from workers.metrics.pyiqa_metric import ComparingMetric

C = 1e-6
PLANE = (2, 3)


class Dists(ComparingMetric):
    key = "dists"

    def __init__(self, weights: Path, device: torch.device) -> None:
        backbone, alpha_beta = weight_path(weights, VGG16), weight_path(weights, DISTS_WEIGHTS)
        from pyiqa.archs import dists_arch

        with given_backbone(dists_arch, "vgg16", backbone):
            net = dists_arch.DISTS(pretrained=False)
        load_state(net, read_state(alpha_beta), alpha_beta, given=("stage", "mean", "std"))
        super().__init__(net, device, weights)
        whole = self.net.alpha.sum() + self.net.beta.sum()
        self._alpha, self._beta = (torch.split(w / whole, self.net.chns, dim=1) for w in (self.net.alpha, self.net.beta))

    def features(self, reference: torch.Tensor) -> Features:
        """The six layers, then their means, then their variances."""
        layers = self.net.forward_once(reference)
        means = [layer.mean(PLANE, keepdim=True) for layer in layers]
        return [*layers, *means, *(_variance(layer, mean) for layer, mean in zip(layers, means, strict=True))]

    def against(self, image: torch.Tensor, features: Features) -> float:
        count = len(self._alpha)
        alike = torch.zeros((), device=image.device)
        for k, x in enumerate(self.net.forward_once(image)):
            y, mean_y, variance_y = features[k], features[count + k], features[2 * count + k]
            mean_x = x.mean(PLANE, keepdim=True)
            texture = (2 * mean_x * mean_y + C) / (mean_x**2 + mean_y**2 + C)
            covariance = (x * y).mean(PLANE, keepdim=True) - mean_x * mean_y
            structure = (2 * covariance + C) / (_variance(x, mean_x) + variance_y + C)
            alike += (self._alpha[k] * texture + self._beta[k] * structure).sum()
        return float(1 - alike)


def _variance(layer: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    return (layer - mean).square_().mean(PLANE, keepdim=True)
