"""Names for content: of bytes, of pixels, and of what a picture looks like."""

import hashlib

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.imaging.encode import resize

_HASH_INPUT = 64
# Standard deviation of the 64x64 luminance in levels. Measured: the darkest crop of a real night photograph has 5.4,
# blank frames with strong sensor noise stay below 2.
_LEAST_SPREAD = 2.0


def sha256(data: bytes) -> str:
    """Hex SHA-256 of a file's bytes: the identity of a file."""
    return hashlib.sha256(data).hexdigest()


def pixel_hash(pixels: NDArray[np.uint8]) -> str:
    """Hex SHA-256 over shape and RGB values of an (H, W, 3) array: the identity of an image however it is encoded."""
    digest = hashlib.sha256("x".join(map(str, pixels.shape)).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def phash(pixels: NDArray[np.uint8]) -> str | None:
    """The 64-bit DCT perceptual hash as 16 hex digits, or None for an image without structure to hash.

    ImageHash's ``phash`` on the image reduced to 64x64. A flat image's DCT holds only rounding noise, so that its hash
    says nothing and would make all blank images near-duplicates of each other: it has none.
    """
    small = resize(pixels, _HASH_INPUT, _HASH_INPUT)
    grey = Image.fromarray(small).convert("L")
    if float(np.asarray(grey).std()) < _LEAST_SPREAD:
        return None
    return str(imagehash.phash(grey))
