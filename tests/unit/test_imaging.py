"""If these fail, a photograph enters the dataset turned, altered, or under another's name.

Expected values come from Pillow, LittleCMS through Pillow, or arithmetic; the code under test uses libvips.
"""

import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image, ImageOps

from app.imaging import decode, encode_png, phash, pixel_hash, sha256, thumbnail_webp
from tests.unit.imaging_samples import LOSSLESS, farthest, photo, save

PHOTOS = Path(__file__).resolve().parents[2].parent / "shared" / "photos"


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_come_through_bit_by_bit(name: str) -> None:
    fmt, options = LOSSLESS[name]
    decoded = decode(save(photo(), fmt, **options))
    assert np.array_equal(decoded.pixels, photo())
    assert decoded.pixels.dtype == np.uint8
    assert decoded.format == name.split()[0]
    assert (decoded.original_width, decoded.original_height) == (160, 120)
    assert decoded.notes == ()


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_jpeg_agrees_with_another_decoder(options: dict[str, object]) -> None:
    data = save(photo(), "JPEG", quality=90, **options)
    assert farthest(decode(data).pixels, np.asarray(Image.open(io.BytesIO(data)))) <= 3


def test_lossy_webp_agrees_with_another_decoder() -> None:
    data = save(photo(), "WEBP", quality=85)
    assert farthest(decode(data).pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))) <= 3


def test_interlaced_png() -> None:
    data = pyvips.Image.new_from_array(photo()).pngsave_buffer(interlace=True)
    assert np.array_equal(decode(data).pixels, photo())


def test_one_bit_and_grey_become_rgb() -> None:
    grey = photo()[..., 0]
    for fmt in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(decode(save(grey, fmt)).pixels, np.stack([grey] * 3, -1)), fmt
        bits = np.where(grey > 127, 255, 0)
        assert np.array_equal(decode(save(Image.fromarray(grey > 127), fmt)).pixels, np.stack([bits] * 3, -1)), fmt


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_every_exif_orientation_is_turned_upright(orientation: int, fmt: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(photo(), fmt, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    decoded = decode(data)
    assert decoded.pixels.shape == expected.shape
    assert farthest(decoded.pixels, expected) <= 3
    assert (decoded.original_width, decoded.original_height) == (160, 120)
    assert bool(decoded.notes) == (orientation > 1)


def test_camera_and_time_are_kept_and_the_place_is_not() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "NIKON CORPORATION", "D850 (x)"
    exif.get_ifd(0x8769)[0x9003] = "2021:05:06 07:08:09"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 24.0)})
    decoded = decode(save(photo(), "JPEG", exif=exif))
    assert decoded.exif == {"make": "NIKON CORPORATION", "model": "D850 (x)", "datetime": "2021:05:06 07:08:09"}


@pytest.mark.parametrize(
    ("fmt", "note"),
    [
        ("WEBP", "first frame of an animation taken"),
        ("PNG", "first frame of an animation taken"),
        ("TIFF", "first of 2 pages taken"),
    ],
)
def test_the_first_frame_or_page_is_taken_and_noted(fmt: str, note: str) -> None:
    options: dict[str, object] = {"lossless": True} if fmt == "WEBP" else {}
    data = save(photo(), fmt, save_all=True, append_images=[Image.fromarray(photo()[::-1])], **options)
    decoded = decode(data)
    assert np.array_equal(decoded.pixels, photo())
    assert decoded.notes == (note,)


def test_png_is_lossless_deterministic_and_bare() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (130, 70, 3), dtype=np.uint8)
    data = encode_png(noise)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), noise)
    assert data == encode_png(np.asfortranarray(noise))
    kinds, at = set(), 8
    while at < len(data):
        kinds.add(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    assert kinds <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_png_of_a_crop_view_is_the_crop() -> None:
    pixels = photo()
    view = pixels[10:90, 20:100]
    assert np.array_equal(decode(encode_png(view)).pixels, view)


def test_thumbnails_fit_keep_proportions_and_look_the_same() -> None:
    pixels = photo(600, 800)
    for source in (pixels, encode_png(pixels)):
        small = Image.open(io.BytesIO(thumbnail_webp(source, 200)))
        assert (small.format, small.size) == ("WEBP", (200, 150))
        reference = Image.fromarray(pixels).resize((200, 150), Image.Resampling.LANCZOS)
        assert np.abs(np.asarray(small.convert("RGB")).astype(int) - np.asarray(reference)).mean() < 4
    assert Image.open(io.BytesIO(thumbnail_webp(photo(100, 150), 512))).size == (150, 100)


def test_the_pixel_hash_is_of_the_pixels_not_of_the_file() -> None:
    pixels = photo()
    same = {pixel_hash(decode(save(pixels, fmt, **options)).pixels) for fmt, options in LOSSLESS.values()}
    assert same == {pixel_hash(pixels)} == {pixel_hash(np.asfortranarray(pixels))}
    changed = pixels.copy()
    changed[0, 0, 0] ^= 1
    assert pixel_hash(changed) != pixel_hash(pixels)
    assert pixel_hash(pixels.reshape(160, 120, 3)) != pixel_hash(pixels)
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no real photographs beside the checkout")
def test_real_photographs_agree_with_another_decoder() -> None:
    files = sorted(path for path in PHOTOS.rglob("*") if path.suffix in (".png", ".jpg"))[:12]
    assert files
    for path in files:
        decoded = decode(path)
        expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        assert np.abs(decoded.pixels.astype(int) - expected).mean() < 1, path.name
        assert phash(decoded.pixels)
