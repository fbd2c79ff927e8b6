"""If these fail, a photograph enters the dataset in wrong colours, clipped, or as a negative.

Expected values come from Pillow, LittleCMS through Pillow, or arithmetic; the code under test uses libvips.
"""

import io
import struct

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image, ImageCms

from app.imaging import decode
from tests.unit.imaging_samples import Pixels, farthest, photo, save

# --- 16 bits a channel


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_over_the_whole_range(fmt: str) -> None:
    deep = np.linspace(0, 65535, 100 * 120).round().astype(np.uint16).reshape(100, 120)
    decoded = decode(save(deep, fmt))
    expected = np.rint(deep / 257).astype(np.uint8)
    assert np.array_equal(decoded.pixels, np.stack([expected] * 3, -1))
    assert decoded.notes == ("16 bits a channel reduced to 8",)


@pytest.mark.parametrize("fmt", ["png", "tiff"])
def test_16_bit_rgb_is_scaled_and_keeps_its_channels(fmt: str) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (90, 100, 3), dtype=np.uint16)
    image = pyvips.Image.new_from_array(deep).copy(interpretation="rgb16")
    data = image.pngsave_buffer() if fmt == "png" else image.tiffsave_buffer()
    assert np.array_equal(decode(data).pixels, np.rint(deep / 257).astype(np.uint8))


# --- transparency


def test_opaque_alpha_is_dropped_without_touching_a_pixel() -> None:
    rgba = np.dstack([photo(), np.full((120, 160), 255, np.uint8)])
    for fmt, options in (("PNG", {}), ("TIFF", {}), ("WEBP", {"lossless": True})):
        decoded = decode(save(rgba, fmt, **options))
        assert np.array_equal(decoded.pixels, photo())
        assert decoded.notes == ()


@pytest.mark.parametrize("fmt", ["PNG", "TIFF"])
def test_transparent_parts_are_laid_on_white(fmt: str) -> None:
    alpha = np.zeros((120, 160), np.uint8)
    alpha[:, 80:120], alpha[:, 120:] = 128, 255
    decoded = decode(save(np.dstack([photo(), alpha]), fmt))
    weight = alpha[..., None] / 255
    assert farthest(decoded.pixels, photo() * weight + 255 * (1 - weight)) <= 1
    assert decoded.notes == ("transparent parts laid on white",)


def test_grey_with_alpha() -> None:
    la = photo()[..., :2]
    data = save(Image.merge("LA", [Image.fromarray(la[..., i].copy()) for i in (0, 1)]), "PNG")
    grey, weight = la[..., 0], la[..., 1] / 255
    assert farthest(decode(data).pixels[..., 1], grey * weight + 255 * (1 - weight)) <= 1


def test_palette_with_a_transparent_entry() -> None:
    palette = Image.fromarray(photo()).quantize(16)
    data = save(palette, "PNG", transparency=5)
    colours = np.asarray(palette.convert("RGB")).copy()
    colours[np.asarray(palette) == 5] = 255
    assert np.array_equal(decode(data).pixels, colours)


def test_a_bitmap_with_an_unused_fourth_byte_is_not_a_white_sheet() -> None:
    rgba = np.dstack([photo(), np.zeros((120, 160), np.uint8)])
    header = struct.pack("<IiiHHIIiiIIIIII", 108, 160, -120, 1, 32, 3, 0, 0, 0, 0, 0, *(0xFF, 0xFF00, 0xFF0000, 0xFF000000))
    body = header.ljust(108, b"\0") + rgba.tobytes()
    data = b"BM" + struct.pack("<IHHI", 14 + len(body), 0, 0, 14 + 108) + body
    assert np.array_equal(decode(data).pixels, photo())


# --- colour profiles


def p3_to_srgb(pixels: Pixels) -> NDArray[np.float64]:
    """Display P3 to sRGB by the published primaries; both share the sRGB curve and the white D65."""
    value = pixels / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    matrix = [[1.2249401, -0.2249404, 0.0], [-0.0420569, 1.0420571, 0.0], [-0.0196376, -0.0786361, 1.0982735]]
    linear = np.clip(linear @ np.array(matrix).T, 0, 1)
    return np.asarray(np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255)


def profile(name: str) -> bytes:
    return bytes(pyvips.Image.profile_load(name))


@pytest.mark.parametrize("fmt", ["PNG", "TIFF", "WEBP"])
def test_a_display_p3_photograph_keeps_its_colours(fmt: str) -> None:
    pixels = photo() // 3 + 90  # inside sRGB's gamut
    options: dict[str, object] = {"lossless": True} if fmt == "WEBP" else {}
    decoded = decode(save(pixels, fmt, icc_profile=profile("p3"), **options))
    assert farthest(decoded.pixels, p3_to_srgb(pixels)) <= 2
    assert farthest(decoded.pixels, pixels) > 8
    assert decoded.notes == ("colour profile converted to sRGB",)


def test_a_profile_that_swaps_red_and_green_is_obeyed() -> None:
    swapped = profile("srgb").replace(b"rXYZ", b"tmp_").replace(b"gXYZ", b"rXYZ").replace(b"tmp_", b"gXYZ")
    assert farthest(decode(save(photo(), "PNG", icc_profile=swapped)).pixels, photo()[..., [1, 0, 2]]) <= 1
    plain = decode(save(photo(), "JPEG")).pixels
    assert farthest(decode(save(photo(), "JPEG", icc_profile=swapped)).pixels, plain[..., [1, 0, 2]]) <= 1


def test_an_srgb_profile_leaves_every_pixel_as_it_is() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    for icc in (profile("srgb"), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        decoded = decode(save(noise, "PNG", icc_profile=icc))
        assert np.array_equal(decoded.pixels, noise)
        assert decoded.notes == ()


@pytest.mark.parametrize("icc", [b"not a profile at all" * 20, "cmyk"])
def test_an_unusable_profile_is_ignored_and_said_so(icc: bytes | str) -> None:
    data = save(photo(), "TIFF", icc_profile=profile(icc) if isinstance(icc, str) else icc)
    decoded = decode(data)
    assert np.array_equal(decoded.pixels, photo())
    assert decoded.notes == ("colour profile unusable, ignored",)


def test_16_bit_with_a_profile_and_alpha_at_once() -> None:
    pixels = photo() // 3 + 90
    alpha = np.full((120, 160, 1), 255, np.uint8)
    alpha[:60] = 0
    deep = np.dstack([pixels, alpha]).astype(np.uint16) * 257
    image = pyvips.Image.new_from_array(deep).copy(interpretation="rgb16")
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile("p3"))
    decoded = decode(image.tiffsave_buffer())
    assert (decoded.pixels[:60] == 255).all()
    assert farthest(decoded.pixels[60:], p3_to_srgb(pixels[60:])) <= 2
    assert len(decoded.notes) == 3


def cmyk_photo() -> Image.Image:
    ink = np.dstack([photo() // 2, np.full((120, 160), 20, np.uint8)])
    return Image.frombytes("CMYK", (160, 120), ink.tobytes())


@pytest.mark.parametrize("fmt", ["JPEG", "TIFF"])
@pytest.mark.parametrize("embedded", [True, False])
def test_cmyk_becomes_the_colour_it_prints(fmt: str, embedded: bool) -> None:
    options: dict[str, object] = {"quality": 100} if fmt == "JPEG" else {}
    if embedded:
        options["icc_profile"] = profile("cmyk")
    press = ImageCms.ImageCmsProfile(io.BytesIO(profile("cmyk")))
    expected = ImageCms.profileToProfile(
        cmyk_photo(),
        press,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    assert expected is not None
    decoded = decode(save(cmyk_photo(), fmt, **options))
    difference = np.abs(decoded.pixels.astype(int) - np.asarray(expected))
    assert difference.mean() < 2
    assert difference.max() <= 12
    assert len(decoded.notes) == 1


def test_inverted_cmyk_as_photoshop_writes_it_is_not_a_negative() -> None:
    # Paper white is stored as 255 in Adobe's JPEGs. Pillow writes that way too, with the Adobe marker.
    white = save(Image.new("CMYK", (80, 80), (0, 0, 0, 0)), "JPEG")
    assert b"Adobe" in white
    assert decode(white).pixels.min() > 250
    assert decode(save(Image.new("CMYK", (80, 80), (255, 255, 255, 255)), "JPEG")).pixels.max() < 40
