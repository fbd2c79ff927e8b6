"""If these fail, a photograph enters the dataset turned, in wrong colours, half grey, or takes the service down.

Expected values come from Pillow, LittleCMS through Pillow, or arithmetic; the code under test uses libvips.
"""

import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
import pyvips
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from app.errors import BadImage
from app.imaging import Limits, decode, encode_png, phash, pixel_hash, sha256, thumbnail_webp

Pixels = NDArray[np.uint8]
PHOTOS = Path(__file__).resolve().parents[2].parent / "shared" / "photos"


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


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


LOSSLESS: dict[str, tuple[str, dict[str, object]]] = {
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"lossless": True}),
    "BMP": ("BMP", {}),
    "TIFF": ("TIFF", {}),
    "TIFF LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF deflate": ("TIFF", {"compression": "tiff_deflate"}),
}


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


# --- orientation, metadata, frames


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


# --- what must be refused


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


@pytest.mark.parametrize("share", [0.0005, 0.02, 0.25, 0.5, 0.9, 0.995])
@pytest.mark.parametrize("name", CUT)
def test_a_file_cut_short_is_refused_wherever_it_was_cut(name: str, share: float) -> None:
    data = CUT[name]
    decode(data)
    with pytest.raises(BadImage, match=r"truncated|corrupt|not a JPEG"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "PNG", "lossy WebP", "lossless WebP", "BMP"])
def test_a_cut_in_the_middle_is_called_truncated(name: str) -> None:
    with pytest.raises(BadImage, match="truncated"):
        decode(CUT[name][: len(CUT[name]) // 2])


@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "PNG", "TIFF LZW"])
def test_damage_in_the_middle_is_called_corrupt(name: str) -> None:
    data = bytearray(CUT[name])
    middle = len(data) // 2
    data[middle : middle + 64] = b"\xff\xd9" * 32
    with pytest.raises(BadImage, match="corrupt"):
        decode(bytes(data))


GIF = save(Image.fromarray(photo()).quantize(8), "GIF")


@pytest.mark.parametrize(
    "data",
    [
        GIF,
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="100" height="100"/>',
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"\x7fELF\x02\x01\x01" + b"\0" * 200,
        b"BMW is a make of car, and this is a text",
        b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 40,
        b"\xff",
        b"P6 100 100 255\n" + b"\0" * 30000,
    ],
)
def test_anything_else_is_refused_by_content_whatever_its_name(data: bytes, tmp_path: Path) -> None:
    disguised = tmp_path / "holiday.jpg"
    disguised.write_bytes(data)
    with pytest.raises(BadImage, match="not a JPEG, PNG, WebP, TIFF or BMP image"):
        decode(disguised)


def test_a_wrong_or_strange_name_does_not_matter(tmp_path: Path) -> None:
    for name in ("scan.gif", "фото 写真 🌧.jpg", "noextension", "a\nb.png"):
        (tmp_path / name).write_bytes(save(photo(), "PNG"))
        assert decode(tmp_path / name).format == "PNG"


def test_nothing_folder_pipe_missing_and_nul_say_what_they_are(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    for path, reason in [
        (tmp_path / "empty.jpg", "empty file"),
        (tmp_path, "is a folder"),
        (tmp_path / "pipe.jpg", "not a regular file"),
        (tmp_path / "gone.jpg", "unreadable: No such file"),
        (tmp_path / "a\0b.jpg", "unreadable"),
    ]:
        with pytest.raises(BadImage, match=reason):
            decode(path)


def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:  # chmod does not stop root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(BadImage, match="unreadable: Permission denied"):
        decode(tmp_path / "a.jpg")


def bomb_webp() -> bytes:
    canvas = (16383).to_bytes(3, "little") * 2
    body = (
        b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + canvas + b"VP8L" + struct.pack("<I", 6) + b"\x2f" + b"\xff" * 5
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bomb_bmp() -> bytes:
    return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0)


def bomb_tiff() -> bytes:
    entries = [(256, 60000), (257, 60000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, 60000), (279, 36)]
    ifd = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", tag, 4, 1, v) for tag, v in entries)
    return b"II*\0" + struct.pack("<I", 8) + ifd + b"\0" * 4


def bomb_jpeg() -> bytes:
    data = save(photo(), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", 60000, 60000) + data[at + 4 :]


BOMBS = {
    "PNG": png_header(60000, 60000) + png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + png_chunk(b"IEND", b""),
    "BMP": bomb_bmp(),
    "TIFF": bomb_tiff(),
    "JPEG": bomb_jpeg(),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_is_refused_by_its_header(name: str) -> None:
    with pytest.raises(BadImage, match=r"too large: 60000x60000 is 3600 megapixels, 120 allowed"):
        decode(BOMBS[name])


def test_size_limits_are_the_callers(tmp_path: Path) -> None:
    data = save(photo(), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    for source in (data, tmp_path / "a.png"):
        decode(source, Limits(max_bytes=len(data), max_pixels=160 * 120, min_side=120))
        with pytest.raises(BadImage, match="larger than"):
            decode(source, Limits(max_bytes=len(data) - 1))
        with pytest.raises(BadImage, match="too large: 160x120"):
            decode(source, Limits(max_pixels=160 * 120 - 1))
        with pytest.raises(BadImage, match="too small: 160x120, both sides must be at least 121"):
            decode(source, Limits(min_side=121))
    with pytest.raises(BadImage, match="too small: 63x500"):
        decode(save(photo(500, 63), "JPEG"))


def test_a_camera_raw_file_is_not_taken_for_its_small_preview() -> None:
    preview = save(photo(), "TIFF", tiffinfo={254: 1})
    dng = save(photo(), "TIFF", tiffinfo={50706: b"\x01\x04\x00\x00"})
    for data in (preview, dng):
        with pytest.raises(BadImage, match="camera raw"):
            decode(data)


def test_floating_point_samples_are_refused_rather_than_guessed() -> None:
    with pytest.raises(BadImage, match="samples of type float"):
        decode(save(photo()[..., 0].astype(np.float32), "TIFF"))


@pytest.mark.parametrize("name", CUT)
def test_damaged_bytes_never_escape_as_anything_but_bad_image(name: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(25):
        data = bytearray(CUT[name])
        for at in rng.integers(0, min(len(data), 400), 4):
            data[at] = rng.integers(0, 256)
        try:
            decoded = decode(bytes(data), Limits(max_pixels=2_000_000))
        except BadImage:
            continue
        assert decoded.pixels.ndim == 3


# --- encoding and identity


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


def test_threads_do_not_disturb_each_other() -> None:
    good = {seed: save(photo(seed=seed), "PNG") for seed in range(4)}
    wrong: list[object] = []

    def work(seed: int) -> None:
        for _ in range(10):
            if not np.array_equal(decode(good[seed]).pixels, photo(seed=seed)):
                wrong.append(seed)
            try:
                decode(CUT["PNG"][: 5000 + seed])
                wrong.append("accepted")
            except BadImage as error:
                if "truncated" not in str(error):
                    wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in good]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="no real photographs beside the checkout")
def test_real_photographs_agree_with_another_decoder() -> None:
    files = sorted(path for path in PHOTOS.rglob("*") if path.suffix in (".png", ".jpg"))[:12]
    assert files
    for path in files:
        decoded = decode(path)
        expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
        assert np.abs(decoded.pixels.astype(int) - expected).mean() < 1, path.name
        assert phash(decoded.pixels)
