"""Pixels of stored images for tasks, decoded once per process while they are in use."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from app.imaging import Limits, decode
from app.storage import storage

ANY_SIZE = Limits(min_side=1)


@lru_cache(maxsize=12)
def stored_pixels(file_sha256: str) -> NDArray[np.uint8]:
    """The sRGB pixels, shape (H, W, 3), of a stored file. Read-only: they are shared between tasks."""
    pixels = decode(storage().get(file_sha256), ANY_SIZE).pixels
    pixels.setflags(write=False)
    return pixels
