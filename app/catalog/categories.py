"""The six degradation categories of the paper (Sec. 3.1, Appendix A) and how photographs of each become patches."""

from dataclasses import dataclass
from typing import Literal

from app.domain.patching import PatchPolicy

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
    ``default_method`` names the local generator a run uses for this category when none is chosen. ``keywords`` are what
    photographs are searched by on platforms: the paper's for rain and snow (Appendix A), ours elsewhere.
    """

    key: str
    title: str
    patching: Literal["crop", "resize_crop"]
    default_method: str
    keywords: tuple[str, ...]

    @property
    def policy(self) -> PatchPolicy:
        """The paper's way to patches. An ingest may take another stride or maximum, which its run keeps on record."""
        return PatchPolicy(self.patching, PATCH_SIZE)


CATEGORIES: dict[str, Category] = {
    c.key: c
    for c in (
        Category(
            "general_mixed", "General mixed", "crop", "local-realesrgan",
            ("blurry photo", "noisy photo", "motion blur", "out of focus", "grainy photo", "compression artifacts"),
        ),
        Category("rain", "Rain", "resize_crop", "local-derain", ("rain", "rain streak", "heavy rain")),
        Category("haze", "Haze", "resize_crop", "local-dcp", ("haze", "fog", "mist", "smog")),
        Category("snow", "Snow", "resize_crop", "local-desnow", ("snow", "snowstorm")),
        Category(
            "low_light", "Low-light", "resize_crop", "local-lime",
            ("low light", "night street", "dark scene", "underexposed"),
        ),
        Category(
            "old_photo", "Old photo", "crop", "local-srmd",
            ("old photo", "historical photograph", "vintage photograph", "damaged photograph"),
        ),
    )
}  # fmt: skip
