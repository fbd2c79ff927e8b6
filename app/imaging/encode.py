"""From pixels to files, and from a photograph to its patches."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

from app.domain.patching import Box, Plan


def encode_png(pixels: NDArray[np.uint8]) -> bytes:
    """A lossless PNG of an (H, W, 3) sRGB array, without metadata; equal pixels give equal bytes.

    Level 1: a master is written once and read often, and higher levels cost several times the time for a few per cent.
    """
    data: bytes = as_vips(pixels).pngsave_buffer(compression=1, keep="none")
    return bytes(data)


def thumbnail_webp(source: NDArray[np.uint8] | bytes, max_side: int, quality: int = 80) -> bytes:
    """A WebP no larger than ``max_side`` on its longer side, never enlarged. For looking at only: least effort, whose
    files are 2 % larger than at effort 2 and take two thirds of the time.

    ``bytes`` must be a PNG of our own (``encode_png``): a person's file goes through ``decode`` first.
    """
    if isinstance(source, bytes):
        image = pyvips.Image.pngload_buffer(source, access="sequential", fail_on="error")
    else:
        image = as_vips(source)
    small = image.thumbnail_image(max_side, height=max_side, size="down")
    return bytes(small.webpsave_buffer(Q=quality, effort=0, keep="none"))


def cut(pixels: NDArray[np.uint8], plan: Plan) -> Iterator[tuple[Box, NDArray[np.uint8]]]:
    """The plan's patches in its order, reduced first (Lanczos) where the plan says so and ``decode`` has not done it.

    Patches are contiguous copies, so that holding one does not hold the photograph.
    """
    if plan.resized and plan.resized != (pixels.shape[1], pixels.shape[0]):
        pixels = resize(pixels, *plan.resized)
    for box in plan.boxes:
        yield box, pixels[box.y : box.y + box.height, box.x : box.x + box.width].copy()


def resize(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The array at exactly ``width`` x ``height``, by Lanczos resampling of the sRGB values.

    Where a side grows Pillow does it: libvips' thumbnail then moves the picture by half a pixel.
    """
    if width > pixels.shape[1] or height > pixels.shape[0]:
        return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))
    image = as_vips(pixels).thumbnail_image(width, height=height, size="force")
    return np.frombuffer(image.write_to_memory(), np.uint8).reshape(height, width, 3)


def as_vips(pixels: NDArray[np.uint8]) -> Any:
    """A libvips view of an (H, W, 3) uint8 array; no copy when the array is contiguous. Raises ValueError otherwise."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"expected (H, W, 3) uint8, got {pixels.shape} {pixels.dtype}")
    height, width, _ = pixels.shape
    image = pyvips.Image.new_from_memory(np.ascontiguousarray(pixels), width, height, 3, "uchar")
    return image.copy(interpretation="srgb")
