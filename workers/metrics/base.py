"""What a metric backend is: one class, loaded once per worker process, called on batches of equal shape."""

from typing import Protocol

import torch


class Metric(Protocol):
    """A loaded metric, constructed with the weights folder and a torch device.

    The constructor raises :class:`app.errors.WeightsMissing` when it cannot load.
    """

    def __call__(self, images: torch.Tensor, references: torch.Tensor | None) -> list[float]:
        """Score ``images`` (N, 3, H, W), float32 RGB in 0..1, against ``references`` of the same shape if full-reference.

        Returns N values. NaN means the metric is not defined for that image (flat, too small); it is stored as missing.
        """
        ...

    def weight_hash(self) -> str:
        """SHA-256 over the weight files in use, or ``""`` when the metric has none."""
        ...
