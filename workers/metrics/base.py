"""What a metric backend is: one class, loaded once per worker process, called on images of equal shape."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch

Features = Sequence[torch.Tensor]


class Metric(Protocol):
    """A loaded metric, constructed with the weights folder and a torch device.

    The constructor raises :class:`app.errors.WeightsMissing` when it cannot load.
    """

    def __call__(self, images: torch.Tensor, references: torch.Tensor | None) -> list[float]:
        """Score ``images`` (N, 3, H, W), float32 RGB in 0..1, against ``references`` of the same shape if full-reference.

        The images are shared with other metrics: they must not be changed. Returns N values. NaN means the metric is not
        defined for that image (flat, too small); it is stored as missing.
        """
        ...

    def weight_hash(self) -> str:
        """SHA-256 over the weight files in use, or ``""`` when the metric has none."""
        ...


@runtime_checkable
class Comparing(Protocol):
    """A full-reference metric that can keep what it makes of a reference, for the other candidates of one image."""

    def features(self, reference: torch.Tensor) -> Features:
        """What the metric needs of a reference (1, 3, H, W)."""
        ...

    def against(self, image: torch.Tensor, features: Features) -> float:
        """The value of one image (1, 3, H, W) against a reference's features; NaN as above."""
        ...
