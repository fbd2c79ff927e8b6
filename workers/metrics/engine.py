"""The scoring engine: one per worker process, metrics loaded at their first use and kept."""

import importlib
import importlib.metadata
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch

from app.catalog.metrics import METRICS, MetricSpec
from app.errors import GgtError, NotFound
from workers.metrics.base import Metric
from workers.metrics.loading import use_weights_folder

Rgb = npt.NDArray[np.uint8]


class Scored(NamedTuple):
    """One value; None where the metric is not defined for the image, and then ``reason`` says why."""

    value: float | None
    reason: str = ""


def metric_version(key: str) -> str:
    """Everything that decides a value besides the pixels: implementation, version, parameters, hash of the weights."""
    return _spec(key).version_key


class ScoringEngine:
    """Scores images by catalogue key. Loading a metric takes about a second, and ten more for the first (pyiqa itself).

    ``weights_dir`` is the installation's weights folder, ``device`` a torch device ("cpu", "cuda:0"), ``threads`` how many
    CPU threads torch uses in this process (workers that share a machine should share its cores). Not for several threads.
    """

    def __init__(self, weights_dir: Path, device: str = "cpu", threads: int = 1) -> None:
        use_weights_folder(weights_dir)
        torch.set_num_threads(threads)
        self.weights_dir = weights_dir
        self.device = torch.device(device)
        self._metrics: dict[str, Metric] = {}

    def load(self, key: str) -> Metric:
        """The metric ``key``. Raises NotFound for an unknown one, WeightsMissing without its weights."""
        if key not in self._metrics:
            spec = _spec(key)
            _check_implementation(spec)
            module, name = spec.target.split(":")
            self._metrics[key] = cast(Metric, getattr(importlib.import_module(module), name)(self.weights_dir, self.device))
        return self._metrics[key]

    def score(self, key: str, images: Sequence[Rgb], references: Sequence[Rgb] | None = None) -> list[Scored]:
        """Score ``images``, each (H, W, 3) uint8 RGB and all of one size, against as many references if full-reference.

        Raises ValueError where sizes, types or the presence of references do not fit the metric.
        """
        spec = _spec(key)
        if (references is not None) != spec.reference:
            raise ValueError(f"{key} {'needs' if spec.reference else 'takes no'} references")
        if references is not None and len(references) != len(images):
            raise ValueError(f"{len(images)} images but {len(references)} references")
        if not images:
            return []
        shapes = {image.shape for image in (*images, *(references or ()))}
        if len(shapes) > 1 or any(image.dtype != np.uint8 for image in (*images, *(references or ()))):
            raise ValueError(f"images and references must be uint8 and of one size, not {sorted(shapes)}")
        height, width, channels = shapes.pop()
        if channels != 3:
            raise ValueError(f"images must have three channels, not {channels}")
        metric = self.load(key)
        if min(height, width) < spec.min_side:
            reason = f"{width}x{height} is too small: {spec.title} needs {spec.min_side} pixels on each side"
            return [Scored(None, reason)] * len(images)
        # Full float32 and fixed algorithms, so that a GPU gives the same value every time, close to a CPU's.
        flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), flags:
            values = metric(_tensor(images), None if references is None else _tensor(references))
        undefined = Scored(None, f"{spec.title} is not defined for this image: it has no or hardly any texture")
        return [Scored(value) if math.isfinite(value) else undefined for value in values]


def _spec(key: str) -> MetricSpec:
    try:
        return METRICS[key]
    except KeyError:
        raise NotFound(f"there is no metric {key!r}; known are {', '.join(METRICS)}") from None


def _check_implementation(spec: MetricSpec) -> None:
    """Refuse another release than the one the scores would be recorded under."""
    try:
        installed = importlib.metadata.version(spec.implementation)
    except importlib.metadata.PackageNotFoundError:
        raise GgtError(f"{spec.title} needs {spec.implementation}. Type: pip install 'ggt-studio[iqa]'") from None
    if installed != spec.version:
        raise GgtError(f"{spec.title} is recorded as {spec.implementation} {spec.version}, but {installed} is installed")


def _tensor(images: Sequence[Rgb]) -> torch.Tensor:
    """(N, 3, H, W) float32 in 0..1."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous().to(torch.float32) / 255
