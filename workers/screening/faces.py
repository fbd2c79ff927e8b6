"""Faces, as a crude stand-in for a look at what is private: OpenCV's LBP cascade, which scikit-image ships.

It finds faces from the front that take up a tenth of the patch or more, and about half of those.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage import data
from skimage.feature import Cascade

from workers.screening.measure import reduced

SIDE, SMALLEST = 256, 24
"""Longer side in pixels of the copy that is looked at, and the least face in it."""


def faces(patch: NDArray[np.uint8]) -> int:
    """How many faces a patch (H, W, 3) uint8 sRGB shows."""
    small = reduced(patch, SIDE)
    if min(small.shape[:2]) < SMALLEST:
        return 0
    side = min(small.shape[:2])
    found: list[Any] = _detector().detect_multi_scale(
        img=small, scale_factor=1.25, step_ratio=1.5, min_size=(SMALLEST, SMALLEST), max_size=(side, side)
    )
    return len(found)


@lru_cache(maxsize=1)
def _detector() -> Any:
    return Cascade(data.lbp_frontal_face_cascade_filename())  # type: ignore[no-untyped-call]
