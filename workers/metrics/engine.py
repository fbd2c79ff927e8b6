"""The scoring engine: one per worker process, metrics loaded at their first use and kept."""

import hashlib
import importlib
import importlib.metadata
import logging
import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch

from app.catalog.metrics import KNOWN, MetricSpec
from app.errors import GgtError, NotFound, WeightsMissing
from app.services.weights import version_key, weight_hash
from workers.metrics.base import Comparing, Metric
from workers.metrics.features import FeatureCache
from workers.metrics.loading import use_weights_folder

log = logging.getLogger("ggt.worker")

Rgb = npt.NDArray[np.uint8]

FEATURE_BYTES = 1 << 30
"""How much may be kept of references: at 1024x1024 DISTS makes 0.51 GB of one, LPIPS 0.05, SSIM 0.03."""


class Scored(NamedTuple):
    """One value; None where the metric is not defined for the image, and then ``reason`` says why."""

    value: float | None
    reason: str = ""


def metric_version(key: str, weights_dir: Path) -> str:
    """Everything that decides a value besides the pixels: implementation, version, parameters, hash of the weights.

    Raises WeightsMissing for a metric whose weights only say who they are when they are here.
    """
    return version_key(weights_dir, _spec(key))


@lru_cache
def left_out(key: str, why: str) -> None:
    """Tell the log that a metric is left out: once, not for every image."""
    log.warning("%s is left out: %s", key, why)


class ScoringEngine:
    """Scores images by catalogue key. Loading a metric takes about a second, and ten more for the first (pyiqa itself).

    ``weights_dir`` is the installation's weights folder, ``device`` a torch device ("cpu", "cuda:0"), ``threads`` how many
    CPU threads torch uses in this process (workers that share a machine should share its cores). ``feature_bytes`` bounds
    what is kept of references, on the device. Not for several threads.
    """

    def __init__(self, weights_dir: Path, device: str = "cpu", threads: int = 1, feature_bytes: int = FEATURE_BYTES) -> None:
        use_weights_folder(weights_dir)
        torch.set_num_threads(threads)
        self.weights_dir = weights_dir
        self.device = torch.device(device)
        self._metrics: dict[str, Metric] = {}
        self._features = FeatureCache(feature_bytes)

    def load(self, key: str) -> Metric:
        """The metric ``key``. Raises NotFound for an unknown one, WeightsMissing without its weights."""
        spec = _spec(key)
        if key not in self._metrics:
            _check_implementation(spec)
            module, name = spec.target.split(":")
            self._metrics[key] = cast(Metric, getattr(importlib.import_module(module), name)(self.weights_dir, self.device))
        elif (
            spec.weights and not spec.weight_hash and self._metrics[key].weight_hash() != weight_hash(self.weights_dir, spec)
        ):
            raise GgtError(f"the weights of {spec.title} have been exchanged: restart this worker")
        return self._metrics[key]

    def score(self, key: str, images: Sequence[Rgb], references: Sequence[Rgb] | None = None) -> list[Scored]:
        """Score ``images``, each (H, W, 3) uint8 RGB and all of one size, against as many references if full-reference.

        Raises ValueError where sizes, types or the presence of references do not fit the metric.
        """
        if references is not None and len(references) != len(images):
            raise ValueError(f"{len(images)} images but {len(references)} references")
        if (references is not None) != _spec(key).reference:
            raise ValueError(f"{key} {'needs' if _spec(key).reference else 'takes no'} references")
        self._check([*images, *(references or ())])
        self.load(key)
        found = []
        for image, reference in zip(images, references if references is not None else [None] * len(images), strict=True):
            found += self.score_group([key], [image], reference)[key]
        return found

    def score_group(
        self, keys: Sequence[str], images: Sequence[Rgb], reference: Rgb | None = None
    ) -> dict[str, list[Scored]]:
        """Score the candidates of one image by several metrics: what a metric makes of the reference is made once.

        Images and reference are (H, W, 3) uint8 RGB of one size. A metric without weights here is left out of the answer,
        and the log says so. Raises ValueError where sizes or types do not fit or a reference is missing.
        """
        self._check(images if reference is None else [*images, reference])
        if reference is None and (needy := [key for key in keys if _spec(key).reference]):
            raise ValueError(f"{needy[0]} needs references")
        tensors = [self._tensor(image) for image in images]
        other = None if reference is None else _Reference(self._tensor(reference), _name(reference))
        metrics = self._loaded(keys)
        found: dict[str, list[Scored]] = {}
        # Full float32 and fixed algorithms, so that a GPU gives the same value every time, close to a CPU's.
        flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), flags:
            for key, metric in metrics.items():
                spec = _spec(key)
                if images and (reason := _unfit(spec, *images[0].shape[:2])):
                    found[key] = [Scored(None, reason)] * len(images)
                    continue
                values = [self._value(key, metric, tensor, other if spec.reference else None) for tensor in tensors]
                undefined = Scored(None, f"{spec.title} is not defined for this image: it has no or hardly any texture")
                found[key] = [Scored(value) if math.isfinite(value) else undefined for value in values]
        return found

    def _loaded(self, keys: Sequence[str]) -> dict[str, Metric]:
        """The metrics that can be had."""
        metrics = {}
        for key in keys:
            try:
                metrics[key] = self.load(key)
            except WeightsMissing as error:
                left_out(key, str(error))
        return metrics

    def _value(self, key: str, metric: Metric, image: torch.Tensor, reference: "_Reference | None") -> float:
        if reference is None:
            return metric(image, None)[0]
        if not isinstance(metric, Comparing):
            return metric(image, reference.tensor)[0]
        features = self._features.get(key, reference.name, lambda: metric.features(reference.tensor))
        return metric.against(image, features)

    def _tensor(self, image: Rgb) -> torch.Tensor:
        """(1, 3, H, W) float32 in 0..1 on the device; bytes travel, and to a GPU while it computes."""
        pixels = torch.from_numpy(np.array(image))  # a copy: stored pixels are read-only
        if self.device.type == "cuda":
            pixels = pixels.pin_memory().to(self.device, non_blocking=True)
        return pixels.permute(2, 0, 1)[None].contiguous().to(torch.float32) / 255

    @staticmethod
    def _check(images: Sequence[Rgb]) -> None:
        shapes = {image.shape for image in images}
        if len(shapes) > 1 or any(image.dtype != np.uint8 for image in images):
            raise ValueError(f"images and references must be uint8 and of one size, not {sorted(shapes)}")
        if shapes and (shape := shapes.pop())[2:] != (3,):
            raise ValueError(f"images must have three channels, not {shape}")


class _Reference(NamedTuple):
    """A reference on the device, and the name of its pixels: features are kept under it."""

    tensor: torch.Tensor
    name: str


def _name(pixels: Rgb) -> str:
    return f"{pixels.shape} {hashlib.sha256(pixels.tobytes()).hexdigest()}"


def _unfit(spec: MetricSpec, height: int, width: int) -> str:
    """Why an image of this size has no value, "" if it has."""
    if min(height, width) < spec.min_side:
        return f"{width}x{height} is too small: {spec.title} needs {spec.min_side} pixels on each side"
    if height % spec.side_multiple or width % spec.side_multiple:
        return f"{width}x{height} does not fit: {spec.title} needs sides divisible by {spec.side_multiple}"
    return ""


def _spec(key: str) -> MetricSpec:
    try:
        return KNOWN[key]
    except KeyError:
        raise NotFound(f"there is no metric {key!r}; known are {', '.join(KNOWN)}") from None


def _check_implementation(spec: MetricSpec) -> None:
    """Refuse another release than the one the scores would be recorded under."""
    try:
        installed = importlib.metadata.version(spec.implementation)
    except importlib.metadata.PackageNotFoundError:
        raise GgtError(f"{spec.title} needs {spec.implementation}. Type: pip install 'ggt-studio[iqa]'") from None
    if installed != spec.version:
        raise GgtError(f"{spec.title} is recorded as {spec.implementation} {spec.version}, but {installed} is installed")
