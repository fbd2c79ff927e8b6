"""A folder of photographs as people have them, good and bad, and one-call ingest."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.db import unit_of_work
from app.services import ingest, ingest_report
from app.services.ingest import SourceInput
from app.services.ingest_folder import ingest_files
from tests.factories import picture

Pixels = NDArray[np.uint8]
ORIENTATION = 0x0112


def jpeg(pixels: Pixels, quality: int = 92, orientation: int | None = None) -> bytes:
    """A JPEG without chroma subsampling, so that two decoders agree to a level or two."""
    exif = Image.Exif()
    if orientation:
        exif[ORIENTATION] = orientation
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=0, exif=exif)
    return buffer.getvalue()


def png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG of 100 bytes that claims 60000x60000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 64)) + chunk(b"IEND", b"")


def wide(number: int, width: int, height: int) -> Pixels:
    """A photograph of any size, by tiling a picture of 256 pixels with a gradient over it."""
    tile = picture(number, 256).astype(float)
    tiled = np.tile(tile, (height // 256 + 1, width // 256 + 1, 1))[:height, :width]
    ramp = np.linspace(0.4, 1, width)[None, :, None] * np.linspace(1, 0.6, height)[:, None, None]
    return (tiled * ramp).astype(np.uint8)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write ``files`` below ``folder``, making folders on the way."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def ingest_folder(
    folder: Path, category: str = "rain", source: str = "archive", licence: str = "CC0-1.0", keep_near: bool = False
) -> dict[str, Any]:
    """Ingest a folder as ``ggt ingest`` does. Returns the full report."""
    with unit_of_work() as session:
        given = SourceInput(source, licence)
        run_id = ingest.start_ingest(session, user_id=None, category=category, source=given, title="test").id or 0
    for _ in ingest_files(run_id, folder, threads=2, keep_near_duplicates=keep_near):
        pass
    with unit_of_work() as session:
        return ingest_report.finish_ingest(session, run_id)
