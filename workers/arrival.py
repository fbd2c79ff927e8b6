"""An image has come from a provider: what it is, whether it has the LQ's framing, and the pixels that will be scored."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.domain.geometry import ASPECT_TOLERANCE, Canvas, aspect_error, canvas
from app.errors import BadImage
from app.imaging import decode, encode_png
from app.imaging.alignment import align
from app.imaging.encode import resize
from workers.pixels import ANY_SIZE

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Arrived:
    """A usable output at the LQ's size. ``file`` is None where the provider's own bytes have that size already."""

    pixels: Rgb
    media_type: str
    file: bytes | None
    checks: dict[str, Any]


@dataclass(frozen=True)
class Unusable:
    """An output that is none: ``reason`` is NOT_AN_IMAGE or WRONG_ASPECT."""

    reason: str
    message: str


def shown(lq: Rgb, ratios: tuple[str, ...]) -> tuple[Canvas, Rgb | None]:
    """What a model that knows only ``ratios`` is shown: the canvas, and its pixels where the LQ had to be extended."""
    height, width = lq.shape[:2]
    wanted = canvas(width, height, ratios)
    if not wanted.padded:
        return wanted, None
    box = wanted.box
    margins = ((box.y, wanted.height - height - box.y), (box.x, wanted.width - width - box.x), (0, 0))
    return wanted, np.pad(lq, margins, mode="reflect" if min(height, width) > 1 else "edge")


def receive(data: bytes, wanted: Canvas, lq_small: Rgb) -> Arrived | Unusable:
    """Take an output in. ``wanted`` is the canvas the model was shown, ``lq_small`` the LQ's thumbnail, to compare with.

    An output of another aspect ratio is unusable: stretching it would move every contour. One of another size is resampled
    (Lanczos) to the canvas and cut to the LQ's box; ``checks`` says so, with the size as it came and the displacement found.
    """
    try:
        came = decode(data, ANY_SIZE)
    except BadImage as error:
        return Unusable("NOT_AN_IMAGE", f"What came is no image that can be read: {error}")
    height, width = came.pixels.shape[:2]
    off = aspect_error(width, height, wanted)
    if off > ASPECT_TOLERANCE:
        return Unusable(
            "WRONG_ASPECT", f"It is {width} x {height}, another framing than the LQ's {wanted.width} x {wanted.height}."
        )
    box, pixels = wanted.box, came.pixels
    resized = (width, height) != (wanted.width, wanted.height)
    if resized:
        pixels = resize(pixels, wanted.width, wanted.height)
    if wanted.padded:
        pixels = np.ascontiguousarray(pixels[box.y : box.y + box.height, box.x : box.x + box.width])
    found = align(lq_small, pixels)
    checks: dict[str, Any] = {
        "width": width,
        "height": height,
        "resized": resized,
        "padded": wanted.padded,
        "stretch": round(off, 4),
        "shift": list(found.shift),
        "likeness": round(found.likeness, 3),
    }
    # Turned, 16-bit, CMYK, transparent: what every reader does not show alike is kept as the pixels that are scored.
    if resized or wanted.padded or came.notes:
        return Arrived(pixels, "image/png", encode_png(pixels), checks)
    return Arrived(pixels, f"image/{came.format.lower()}", None, checks)
