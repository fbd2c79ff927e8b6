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
ASPECT_TITLES: dict[Aspect, str] = {
    "restoration_quality": "Restoration quality",
    "object_consistency": "Object consistency",
    "geometry_alignment": "Geometry alignment",
    "content_reasonableness": "Content reasonableness",
    "color_consistency": "Colour consistency",
}
SHORT_TITLES: dict[Aspect, str] = {
    "restoration_quality": "Restoration",
    "object_consistency": "Objects",
    "geometry_alignment": "Geometry",
    "content_reasonableness": "Content",
    "color_consistency": "Colour",
}
"""Where five stand side by side in little room."""
Decision = Literal["accept", "reject"]
