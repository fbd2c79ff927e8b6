"""What metrics made of references, kept for the other candidates of the same image, within a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch

from workers.metrics.base import Features


class FeatureCache:
    """Features by metric and reference; the least recently used go when all would take more than ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.size = 0
        self._kept: OrderedDict[tuple[str, str], Features] = OrderedDict()

    def get(self, metric: str, reference: str, make: Callable[[], Features]) -> Features:
        """The features of ``reference``, made if they are not here. What is larger than the limit is not kept."""
        if (key := (metric, reference)) in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        features = make()
        if (size := _bytes(features)) <= self.limit:
            while self.size + size > self.limit:
                self.size -= _bytes(self._kept.popitem(last=False)[1])
            self._kept[key] = features
            self.size += size
        return features

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()
        self.size = 0


def _bytes(features: Sequence[torch.Tensor]) -> int:
    return sum(tensor.nbytes for tensor in features)
