"""To 8-bit sRGB, whatever the file's colour space and depth."""

from functools import lru_cache
from io import BytesIO
from typing import Any, Literal

import numpy as np
import pyvips
from PIL import ImageCms

from app.errors import BadImage

# Colour channels by libvips interpretation; every other (Lab, XYZ, scRGB, multiband...) is refused.
_COLOURS = {"b-w": 1, "grey16": 1, "srgb": 3, "rgb": 3, "rgb16": 3, "cmyk": 4}
_PROFILE_SPACE = {1: "GRAY", 3: "RGB", 4: "CMYK"}
_WHITE = [255.0, 255.0, 255.0]


def to_srgb(image: Any) -> tuple[Any, tuple[str, ...]]:
    """A libvips image as 3-band uchar sRGB without alpha, and notes on what was done beyond the ordinary.

    An embedded ICC profile is honoured (relative colorimetric with black-point compensation, 16-bit input converted in
    16 bits), except one that is sRGB within one level: then the pixels stay untouched. Without a profile, RGB and grey
    are taken as sRGB and CMYK as libvips' built-in press profile. 16-bit values v become round(v / 257), so that
    0..65535 spans 0..255 with neither truncation nor clipping. Alpha that hides nothing (or everything, as in BMPs
    with an unused fourth byte) is dropped; otherwise the image is laid on white, the colour of paper and of viewers.

    Raises BadImage for sample formats and colour spaces that have no one sRGB reading.
    """
    colours = _COLOURS.get(image.interpretation, 0)
    if image.format not in ("uchar", "ushort"):
        raise BadImage(f"samples of type {image.format}: save it with 8 or 16 bits a channel")
    if not colours or image.bands < colours:
        raise BadImage(f"{image.bands} channels of {image.interpretation}: save it as grey, RGB or CMYK")
    notes: list[str] = []
    alpha = None
    if image.bands > colours:
        image = image.copy_memory()  # The alpha channel is read twice; a sequential decoder can be read once.
        alpha = _meaningful_alpha(image[colours])
        image = image.extract_band(0, n=colours)
    image, depth_and_colour = _colours_to_srgb(image, colours)
    notes += depth_and_colour
    if alpha is not None:
        image = image.bandjoin(alpha).flatten(background=_WHITE)
        notes.append("transparent parts laid on white")
    return image, tuple(notes)


def _colours_to_srgb(image: Any, colours: int) -> tuple[Any, list[str]]:
    notes = ["16 bits a channel reduced to 8"] if image.format == "ushort" else []
    profile = bytes(image.get("icc-profile-data")) if image.get_typeof("icc-profile-data") else b""
    effect = _profile_effect(profile, colours) if profile else "none"
    if effect == "unusable":
        notes.append("colour profile unusable, ignored")
        image = image.copy()
        image.remove("icc-profile-data")
    if effect == "converts" or colours == 4:
        notes.append("colour profile converted to sRGB" if effect == "converts" else "CMYK without profile to sRGB")
        image = _icc(image, "cmyk" if colours == 4 else "srgb")
    else:
        image = _to_8_bits(image)
        image = image.bandjoin([image, image]) if colours == 1 else image
    return image.copy(interpretation="srgb"), notes


def _icc(image: Any, fallback: str) -> Any:
    return image.icc_transform(
        "srgb", embedded=True, input_profile=fallback, intent="relative", black_point_compensation=True, depth=8
    )


def _to_8_bits(image: Any) -> Any:
    # Half a level added, then the cast's truncation: round to nearest in one pass.
    return image.linear(1 / 257, 0.5).cast("uchar") if image.format == "ushort" else image


def _meaningful_alpha(alpha: Any) -> Any | None:
    alpha = _to_8_bits(alpha)
    return None if alpha.min() == 255 or alpha.max() == 0 else alpha


@lru_cache(maxsize=64)
def _profile_effect(profile: bytes, colours: int) -> Literal["none", "converts", "unusable"]:
    """What a profile does to colours: nothing beyond rounding, something, or it is no profile for this kind of image."""
    # Asked of LittleCMS here because libvips replaces a profile that does not fit by its own without saying so.
    try:
        space = ImageCms.ImageCmsProfile(BytesIO(profile)).profile.xcolor_space.strip()
    except OSError:
        return "unusable"
    if space != _PROFILE_SPACE[colours]:
        return "unusable"
    if colours == 4:
        return "converts"
    levels = np.linspace(0, 255, 256 if colours == 1 else 17).round().astype(np.uint8)
    grid = np.ascontiguousarray(np.stack(np.meshgrid(*[levels] * colours), axis=-1).reshape(1, -1, colours))
    image = pyvips.Image.new_from_memory(grid, grid.shape[1], 1, colours, "uchar")
    image = image.copy(interpretation="b-w" if colours == 1 else "srgb")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    try:
        converted = np.frombuffer(_icc(image, "srgb").write_to_memory(), np.uint8).reshape(1, -1, 3)
    except pyvips.Error:
        return "unusable"
    return "none" if np.abs(converted.astype(int) - grid).max() <= 1 else "converts"
