"""The six degradation categories of the paper (Sec. 3.1, Appendix A) and how photographs of each become patches."""

from dataclasses import dataclass
from typing import Literal

PATCH_SIZE = 1024
"""Side in pixels of a patch: "we normalize all candidate images to 1024x1024" (Sec. 3.1)."""


SOURCE_KINDS = {
    "own": "Own photographs",
    "dataset": "Dataset",
    "internet": "Internet",
    "synthetic": "Synthetic degradation",
}
"""Where photographs may come from (Sec. 3.1), and those whose degradation was rendered, which must say so."""


@dataclass(frozen=True)
class Category:
    """One degradation category.

    ``patching`` is ``"crop"`` where the original noise must survive (old photo, general mixed are never resized) and
    ``"resize_crop"`` elsewhere: the photograph is first reduced so that its short side is one patch (Appendix A).
    ``default_method`` names the local generator a run uses for this category when none is chosen.
    """

    key: str
    title: str
    patching: Literal["crop", "resize_crop"]
    default_method: str


CATEGORIES: dict[str, Category] = {
    c.key: c
    for c in (
        Category("general_mixed", "General mixed", "crop", "local-realesrgan"),
        Category("rain", "Rain", "resize_crop", "local-derain"),
        Category("haze", "Haze", "resize_crop", "local-dcp"),
        Category("snow", "Snow", "resize_crop", "local-desnow"),
        Category("low_light", "Low-light", "resize_crop", "local-lime"),
        Category("old_photo", "Old photo", "crop", "local-srmd"),
    )
}
