"""A file's bytes and what they are, judged by content alone: names and extensions are never trusted."""

import os
import stat
import struct
from pathlib import Path
from typing import Literal

from app.errors import BadImage

Format = Literal["JPEG", "PNG", "WebP", "TIFF", "BMP"]

_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NEW_SUBFILE_TYPE, _DNG_VERSION = 254, 50706


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """The file's content in one go, so that what is checked is what is decoded.

    Reads at most ``max_bytes + 1`` bytes. Raises BadImage when the file is missing, unreadable or not a regular file.
    """
    try:
        # Not blocking: opening a named pipe must not hang an import.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            mode = os.fstat(handle).st_mode
            if stat.S_ISDIR(mode):
                raise BadImage("is a folder")
            if not stat.S_ISREG(mode):
                raise BadImage("not a regular file")
            with os.fdopen(handle, "rb", closefd=False) as file:
                return file.read(max_bytes + 1)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise BadImage(f"unreadable: {reason}") from error


def sniff(data: bytes) -> Format:
    """The image format by its first bytes. Raises BadImage for anything but the five formats taken."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[:4] in _TIFF_MAGIC:
        if _is_camera_raw(data):
            raise BadImage("a camera raw file: develop it to JPEG, PNG or TIFF first")
        return "TIFF"
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    raise BadImage("not a JPEG, PNG, WebP, TIFF or BMP image")


def is_cut_short(data: bytes, fmt: Format) -> bool:
    """Whether a file that would not decode ends before its image does (as opposed to being damaged inside)."""
    match fmt:
        case "JPEG":  # Entropy-coded data holds no EOI, so one must follow the last scan's start.
            return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
        case "PNG":
            return b"IEND" not in data[-64:]
        case "WebP":
            return len(data) < int.from_bytes(data[4:8], "little") + 8
        case "BMP":
            return len(data) < int.from_bytes(data[2:6], "little")
        case "TIFF":  # Its parts may lie in any order: only a directory beyond the end is certain.
            return _tiff_tags(data) is None


def is_animated_png(data: bytes) -> bool:
    """Whether a PNG carries more frames than the one an ordinary decoder shows (an ``acTL`` chunk before the data)."""
    return b"acTL" in data[: max(data.find(b"IDAT"), 0)]


def _is_camera_raw(data: bytes) -> bool:
    """DNG, NEF, CR2 and their kin are TIFFs whose first image is a small preview: taken as TIFF, that would be the photo."""
    tags = _tiff_tags(data) or {}
    return data[8:10] == b"CR" or _DNG_VERSION in tags or bool(tags.get(_NEW_SUBFILE_TYPE, 0) & 1)


def _tiff_tags(data: bytes) -> dict[int, int] | None:
    """Tag to raw 32-bit value of the first directory of a classic TIFF; {} for BigTIFF, None when it lies beyond the end."""
    order = "<" if data[:2] == b"II" else ">"
    if data[2:4] not in (b"*\0", b"\0*"):
        return {}
    try:
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        entries = (struct.unpack_from(order + "HHII", data, start + 2 + 12 * i) for i in range(count))
        return {tag: value for tag, _kind, _count, value in entries}
    except struct.error:
        return None
