"""A metric around a network of pyiqa's."""

from pathlib import Path
from typing import Any, ClassVar

import torch

from app.catalog.metrics import KNOWN, MetricSpec
from app.services.weights import weight_hash
from workers.metrics.base import Features


class PyiqaMetric:
    """Subclasses set ``key`` and build their network in their constructor.

    Images go through one at a time: a score never depends on its neighbours in the batch, one image without a value costs
    the others nothing, and a 1024x1024 image fills a CPU or a GPU by itself.
    """

    key: ClassVar[str]

    def __init__(self, net: torch.nn.Module, device: torch.device, weights: Path) -> None:
        self.net: Any = net.to(device).eval().requires_grad_(False)
        self.device = device
        self._weight_hash = weight_hash(weights, self.spec())

    @classmethod
    def spec(cls) -> MetricSpec:
        return KNOWN[cls.key]

    @classmethod
    def params(cls) -> dict[str, str]:
        """The catalogue's settings of this metric."""
        return dict(cls.spec().params)

    def __call__(self, images: torch.Tensor, references: torch.Tensor | None) -> list[float]:
        """Score (N, 3, H, W) float32 RGB in 0..1; N values, NaN where the metric is not defined."""
        if references is None:
            return [self.value(image[None].to(self.device)) for image in images]
        return [
            self.value(image[None].to(self.device), reference[None].to(self.device))
            for image, reference in zip(images, references, strict=True)
        ]

    def value(self, *image_and_reference: torch.Tensor) -> float:
        """The value of one (1, 3, H, W) image, against its reference if full-reference."""
        return float(self.net(*image_and_reference))

    def weight_hash(self) -> str:
        return self._weight_hash


class ComparingMetric(PyiqaMetric):
    """A full-reference metric whose work on the reference can be kept. Subclasses give ``features`` and ``against``."""

    def features(self, reference: torch.Tensor) -> Features:
        raise NotImplementedError

    def against(self, image: torch.Tensor, features: Features) -> float:
        raise NotImplementedError

    def value(self, *image_and_reference: torch.Tensor) -> float:
        image, reference = image_and_reference
        return self.against(image, self.features(reference))
