"""If these fail, half a photograph, a bomb or a disguised file gets in, or one bad file stops an ingest."""

import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.errors import BadImage
from app.imaging import Limits, decode
from tests.unit.imaging_samples import CUT, photo, save


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_header(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


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
