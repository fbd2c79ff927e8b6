"""From a file a person gave us to pixels we can trust, or to a plain reason why not."""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray
from PIL.BmpImagePlugin import BmpImageFile

from app.errors import BadImage
from app.imaging.colour import to_srgb
from app.imaging.source import Format, is_animated_png, is_cut_short, read_bytes, sniff

_EXIF_FIELDS = {
    "make": "exif-ifd0-Make",
    "model": "exif-ifd0-Model",
    "datetime": "exif-ifd2-DateTimeOriginal",
}


@dataclass(frozen=True)
class Limits:
    """What a photograph may be. Size in bytes and pixels is checked before anything is decoded."""

    max_bytes: int = 256 * 2**20
    max_pixels: int = 120_000_000
    min_side: int = 64


@dataclass(frozen=True)
class Decoded:
    """A photograph as it is meant to be seen.

    ``pixels``: (H, W, 3) uint8 RGB, sRGB, upright, reduced where that was asked for. ``width`` and ``height``: the whole
    photograph's, upright. ``original_width`` and ``original_height``: as stored in the file, before EXIF orientation.
    ``notes``: what was done beyond plain decoding, for people. ``exif``: at most ``make``, ``model`` and ``datetime``;
    never a position.
    """

    pixels: NDArray[np.uint8]
    format: Format
    width: int
    height: int
    original_width: int
    original_height: int
    notes: tuple[str, ...]
    exif: dict[str, str]


Size = tuple[int, int]
"""Width and height in pixels."""


def at_most(side: int) -> Callable[[int, int], Size]:
    """For ``reduce_to``: no side longer than that, and none enlarged."""

    def size(width: int, height: int) -> Size:
        longer = max(width, height, side)
        return max(round(width * side / longer), 1), max(round(height * side / longer), 1)

    return size


def decode(
    source: Path | bytes, limits: Limits = Limits(), reduce_to: Callable[[int, int], Size | None] | None = None
) -> Decoded:
    """Decode a JPEG, PNG, WebP, TIFF or BMP, known by its content, from a path or from its bytes.

    ``reduce_to`` says from the upright width and height to which size the pixels are reduced on their way (Lanczos), None
    for not at all; the photograph is then never held whole. The first frame of an animation and the first page of a TIFF
    are taken, and noted. Raises BadImage with the reason: unreadable, empty, too large, too small, of another type, cut
    short, corrupt.
    """
    data = source if isinstance(source, bytes) else read_bytes(source, limits.max_bytes)
    if not data:
        raise BadImage("empty file (0 bytes)")
    if len(data) > limits.max_bytes:
        raise BadImage(f"larger than {limits.max_bytes / 2**20:.0f} MiB")
    fmt = sniff(data)
    try:
        image = _open_bmp(data, limits) if fmt == "BMP" else _open(data, fmt)
        _check_size(image.width, image.height, limits)
        original = image.width, image.height
        turn = image.get("orientation") if image.get_typeof("orientation") else 1
        width, height = original[::-1] if turn > 4 else original
        wanted = reduce_to(width, height) if reduce_to else None
        notes = _frame_notes(image, data, fmt)
        exif = _camera(image)
        if fmt == "JPEG" and wanted and (shrink := _jpeg_shrink(width, height, wanted)) > 1:
            image = pyvips.Image.jpegload_buffer(data, access="sequential", fail_on="warning", shrink=shrink)
        image, colour_notes = to_srgb(image)
        if turn > 1:
            # Turning reads out of order, which a sequential decoder cannot.
            image = image.copy_memory().autorot()
            notes += ("turned upright as its EXIF orientation says",)
        if wanted and wanted != (image.width, image.height):
            image = image.thumbnail_image(wanted[0], height=wanted[1], size="force", no_rotate=True)
        pixels = np.frombuffer(image.write_to_memory(), np.uint8).reshape(image.height, image.width, 3)
    except (pyvips.Error, OSError, ValueError, SyntaxError, EOFError, struct.error) as error:
        # libvips keeps one error text for all threads, so the reason comes from the bytes and not from that text.
        if is_cut_short(data, fmt):
            raise BadImage(f"truncated: the {fmt} ends before the image does") from error
        raise BadImage(f"{'corrupt or truncated' if fmt == 'TIFF' else 'corrupt'} {fmt} data") from error
    return Decoded(pixels, fmt, width, height, *original, notes + colour_notes, exif)


def _jpeg_shrink(width: int, height: int, wanted: Size) -> int:
    """By how much libjpeg may reduce while it decodes, so that at least half of the reduction is left to Lanczos.

    It averages blocks, which alone would leave aliases; libvips' own thumbnails keep to the same rule.
    """
    factor = min(width / wanted[0], height / wanted[1])
    return next((shrink for shrink in (8, 4, 2) if factor >= 2 * shrink), 1)


def _open(data: bytes, fmt: Format) -> Any:
    """The image with its header read; pixels follow on demand, from the top down."""
    if fmt == "JPEG":
        # libjpeg reports damaged entropy data as a warning and paints grey: only "warning" refuses that.
        return pyvips.Image.jpegload_buffer(data, access="sequential", fail_on="warning")
    if fmt == "PNG":
        return pyvips.Image.pngload_buffer(data, access="sequential", fail_on="error")
    if fmt == "WebP":
        return pyvips.Image.webpload_buffer(data, access="sequential", fail_on="error")
    return pyvips.Image.tiffload_buffer(data, access="sequential", fail_on="error")


def _open_bmp(data: bytes, limits: Limits) -> Any:
    """BMP by Pillow: libvips has no loader of its own for it. Pillow decodes all of it, so the size is checked first."""
    with BmpImageFile(BytesIO(data)) as bmp:
        _check_size(bmp.width, bmp.height, limits)
        array = np.asarray(bmp if bmp.mode == "RGBA" else bmp.convert("RGB"))
    image = pyvips.Image.new_from_memory(array, array.shape[1], array.shape[0], array.shape[2], "uchar")
    return image.copy(interpretation="srgb")


def _check_size(width: int, height: int, limits: Limits) -> None:
    if width * height > limits.max_pixels:
        million = width * height / 1e6
        raise BadImage(f"too large: {width}x{height} is {million:.0f} megapixels, {limits.max_pixels / 1e6:.0f} allowed")
    if min(width, height) < limits.min_side:
        raise BadImage(f"too small: {width}x{height}, both sides must be at least {limits.min_side} pixels")


def _frame_notes(image: Any, data: bytes, fmt: Format) -> tuple[str, ...]:
    pages = image.get("n-pages") if image.get_typeof("n-pages") else 1
    if fmt == "TIFF" and pages > 1:
        return (f"first of {pages} pages taken",)
    if pages > 1 or (fmt == "PNG" and is_animated_png(data)):
        return ("first frame of an animation taken",)
    return ()


def _camera(image: Any) -> dict[str, str]:
    found = {}
    for name, field in _EXIF_FIELDS.items():
        if image.get_typeof(field):
            # libvips gives "VALUE (VALUE, TYPE, n components, n bytes)".
            match = re.fullmatch(r"(.*) \(\1, .*\)", image.get(field), flags=re.DOTALL)
            text = match[1].strip() if match else ""
            if text:
                found[name] = text
    return found
