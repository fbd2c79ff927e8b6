"""Photographs in, 8-bit sRGB arrays through, PNG and WebP out (DESIGN 5.6).

Arrays are ``(H, W, 3)`` ``uint8`` RGB in sRGB everywhere. libvips does the work; only loaders named here ever see a
user's bytes, so its SVG, PDF and other loaders stay out of reach. Everything is safe to call from several threads.
"""

import pyvips

from app.imaging.decode import Decoded, Limits, at_most, decode
from app.imaging.encode import cut, encode_png, thumbnail_webp
from app.imaging.hashing import phash, pixel_hash, sha256

__all__ = [
    "Decoded",
    "Limits",
    "at_most",
    "cut",
    "decode",
    "encode_png",
    "phash",
    "pixel_hash",
    "set_concurrency",
    "sha256",
    "thumbnail_webp",
]

# Every photograph is different: libvips' operation cache would only hold finished images in memory.
pyvips.cache_set_max(0)
pyvips.block_untrusted_set(True)


def set_concurrency(threads: int) -> None:
    """Threads libvips uses per image; one per image is best where several images are worked on at once."""
    if threads < 1:
        raise ValueError("threads must be at least 1")
    pyvips.concurrency_set(threads)
