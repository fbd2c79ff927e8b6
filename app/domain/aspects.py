"""The five aspects a judge scores, each 0 to 100 (Sec. 3.3, Fig. C.1)."""

from typing import Literal

Aspect = Literal[
    "restoration_quality", "object_consistency", "geometry_alignment", "content_reasonableness", "color_consistency"
]
ASPECTS: tuple[Aspect, ...] = (
    "restoration_quality",
    "object_consistency",
    "geometry_alignment",
    "content_reasonableness",
    "color_consistency",
)
Decision = Literal["accept", "reject"]
