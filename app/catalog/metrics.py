"""Image quality metrics that can be chosen. One entry here, one file in workers/metrics."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class WeightFile:
    """A file a metric needs: ``path`` below the weights folder, the SHA-256 it must have, and where it comes from."""

    path: str
    sha256: str
    origin: str
    licence: str


@dataclass(frozen=True)
class MetricSpec:
    """One metric. ``reference`` tells a full-reference metric from a no-reference one; ``better`` is its direction."""

    key: str
    title: str
    target: str
    reference: bool
    better: Literal["higher", "lower"]
    paper: str
    implementation: str = "pyiqa"
    version: str = "0.1.16"
    params: tuple[tuple[str, str], ...] = ()
    min_side: int = 1
    weights: tuple[WeightFile, ...] = ()


METRICS: dict[str, MetricSpec] = {}
