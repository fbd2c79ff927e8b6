"""Pictures of photographs and patches that are made when somebody looks: large ones, and a patch's own pixels.

Nothing of this is stored: a browser keeps what it has, and what was made of a photograph can be made again.
"""

from dataclasses import dataclass
from threading import BoundedSemaphore

import numpy as np
from sqlalchemy import func, select
from sqlmodel import Session, col

from app import imaging
from app.domain.patching import Box, Plan
from app.errors import NotFound
from app.models import Image, Patch, SourceFile
from app.storage import storage

LARGE_SIDE = 2048
"""Longer side in pixels of a photograph that is looked at; larger ones are reduced to it."""
_decoding = BoundedSemaphore(2)
"""A photograph of 120 megapixels takes 360 MB while it is decoded: few at once, whatever people ask for."""
_ANY_SIZE = imaging.Limits(max_bytes=2**31, max_pixels=2**31, min_side=1)
"""What is in the storage was checked when it came in."""


@dataclass(frozen=True)
class PhotoFiles:
    """A photograph's original, and a thumbnail: its own, or that of an image made of it; empty where there is none."""

    file_sha256: str
    thumbnail_sha256: str


@dataclass(frozen=True)
class PatchFiles:
    """A patch's photograph with its thumbnail, and where the patch lies in it.

    ``photo_size`` is what the box is laid in, not yet upright where the photograph was not ``resized``.
    ``thumbnail_sha256`` is empty until screening has looked at it, ``master_sha256`` unless it is an image.
    """

    file_sha256: str
    photo_thumbnail_sha256: str
    photo_size: tuple[int, int]
    resized: tuple[int, int] | None
    box: Box
    thumbnail_sha256: str
    master_sha256: str


def photo_files(session: Session, photo_id: int) -> PhotoFiles:
    """Raises NotFound."""
    of_image = select(col(Image.thumbnail_sha256)).where(col(Image.source_file_id) == col(SourceFile.id)).limit(1)
    thumbnail = func.coalesce(func.nullif(col(SourceFile.thumbnail_sha256), ""), of_image.scalar_subquery(), "")
    row = session.execute(select(col(SourceFile.file_sha256), thumbnail).where(col(SourceFile.id) == photo_id)).first()
    if row is None:
        raise NotFound(f"There is no photograph {photo_id}.")
    return PhotoFiles(row[0], row[1])


def patch_files(session: Session, patch_id: int) -> PatchFiles:
    """Raises NotFound."""
    of_photo = (col(SourceFile.file_sha256), col(SourceFile.thumbnail_sha256), col(SourceFile.width), col(SourceFile.height))
    row = session.execute(
        select(Patch, *of_photo, col(Image.master_sha256))
        .join(SourceFile, col(SourceFile.id) == col(Patch.source_file_id))
        .outerjoin(Image, col(Image.id) == col(Patch.image_id))
        .where(col(Patch.id) == patch_id)
    ).first()
    if row is None:
        raise NotFound(f"There is no patch {patch_id}.")
    patch, file_sha256, thumbnail, width, height, master = row
    resized = (patch.resized_width, patch.resized_height) if patch.resized_width else None
    box = Box(patch.box_x, patch.box_y, patch.box_width, patch.box_height)
    size = resized or (width, height)
    return PatchFiles(file_sha256, thumbnail, size, resized, box, patch.thumbnail_sha256, master or "")


def large(file_sha256: str) -> bytes:
    """A whole photograph as WebP, at most LARGE_SIDE on its longer side."""
    with _decoding:
        found = imaging.decode(storage().get(file_sha256), _ANY_SIZE, imaging.at_most(LARGE_SIDE))
        return imaging.thumbnail_webp(found.pixels, LARGE_SIDE, quality=90)


def smaller(sha256: str, side: int) -> bytes:
    """A stored image as WebP, at most ``side`` on its longer side."""
    with _decoding:
        return imaging.thumbnail_webp(imaging.decode(storage().get(sha256), _ANY_SIZE).pixels, side)


def patch_png(files: PatchFiles) -> bytes:
    """A patch's pixels, cut from its photograph, as a lossless PNG: what its master is made of when it is retained."""
    with _decoding:
        photograph = imaging.decode(storage().get(files.file_sha256), _ANY_SIZE, lambda _w, _h: files.resized)
        [(_, pixels)] = imaging.cut(photograph.pixels, Plan(files.resized, (files.box,)))
        return imaging.encode_png(pixels)


def patch_preview(files: PatchFiles) -> bytes:
    """A small, soft picture of a patch that screening has not looked at yet, cut from its photograph's thumbnail."""
    whole = imaging.decode(storage().get(files.photo_thumbnail_sha256), _ANY_SIZE).pixels
    height, width = whole.shape[:2]
    scale = max(height, width) / max(files.photo_size)
    left, top = (min(round(start * scale), side - 1) for start, side in ((files.box.x, width), (files.box.y, height)))
    right, bottom = (round((files.box.x + files.box.width) * scale), round((files.box.y + files.box.height) * scale))
    part = whole[top : max(bottom, top + 1), left : max(right, left + 1)]
    return imaging.thumbnail_webp(np.ascontiguousarray(part), max(part.shape))
