"""Small generated photographs and their files, for the imaging tests."""

import io

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def photo(height: int = 120, width: int = 160, seed: int = 0) -> Pixels:
    """Smooth colour with some grain, so that JPEG keeps it closely."""
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([x * 255 / width, y * 255 / height, (x + y) * 255 / (width + height)], axis=-1)
    grain = np.random.default_rng(seed).normal(0, 3, base.shape)
    return np.clip(base + grain, 0, 255).astype(np.uint8)


def save(image: Image.Image | NDArray[np.generic], fmt: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, fmt, **options)
    return buffer.getvalue()


def farthest(a: NDArray[np.generic], b: NDArray[np.generic]) -> int:
    return int(np.abs(a.astype(int) - b.astype(int)).max())


LOSSLESS: dict[str, tuple[str, dict[str, object]]] = {
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"lossless": True}),
    "BMP": ("BMP", {}),
    "TIFF": ("TIFF", {}),
    "TIFF LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF deflate": ("TIFF", {"compression": "tiff_deflate"}),
}


CUT = {
    "JPEG": save(photo(400, 500), "JPEG"),
    "progressive JPEG": save(photo(400, 500), "JPEG", progressive=True),
    "PNG": save(photo(400, 500), "PNG"),
    "interlaced PNG": pyvips.Image.new_from_array(photo(400, 500)).pngsave_buffer(interlace=True),
    "lossy WebP": save(photo(400, 500), "WEBP"),
    "lossless WebP": save(photo(400, 500), "WEBP", lossless=True),
    "TIFF": save(photo(400, 500), "TIFF"),
    "TIFF LZW": save(photo(400, 500), "TIFF", compression="tiff_lzw"),
    "TIFF JPEG": save(photo(400, 500), "TIFF", compression="jpeg"),
    "BMP": save(photo(400, 500), "BMP"),
}
