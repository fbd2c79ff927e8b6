"""Photographs as researchers have them: in archives, beside lists; and what an importer makes of them."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from app.errors import BadImage
from app.services.photograph import Entry, Provenance
from tests.factories import picture
from tests.integration.photographs import png

ONE, TWO, THREE = (png(picture(300 + number, 64)) for number in range(3))
NO_IMAGE = "not a JPEG, PNG, WebP, TIFF or BMP image"


def read(entries: Iterator[Entry]) -> dict[str, bytes | str]:
    """What each entry gives, by name and in order: its bytes, or the reason why not."""
    found: dict[str, bytes | str] = {}
    for entry in entries:
        assert entry.name not in found
        try:
            found[entry.name] = entry.read()
        except BadImage as error:
            found[entry.name] = str(error)
    return found


def told(entries: Iterator[Entry]) -> dict[str, Provenance]:
    return {entry.name: entry.provenance for entry in entries}


Mode = Literal["w", "w:gz", "w:xz", "w:bz2"]


def tar(path: Path, files: dict[str, bytes], mode: Mode = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path
