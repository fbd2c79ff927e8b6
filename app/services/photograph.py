"""One photograph on its way in: what is known of it, its pixels checked and stored, its patches cut or only laid out.

CPU work without a database, safe in threads. What it makes is named in the database by ``ingest.py``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app import imaging
from app.catalog.categories import CATEGORIES
from app.config import settings
from app.domain.patching import Box, PatchPolicy
from app.errors import BadImage
from app.storage import storage

THUMBNAIL_SIDE = 320
PHOTO_SIDE = 640
"""Longer side in pixels of the picture of a whole photograph that a person looks at before its patches are screened."""
MAX_NAME = 500
"""Longest name of a source file in characters."""


Then = Literal["images", "screen", "look", "clean"]
"""What becomes of the photographs of an ingest: images at once, patches that are screened first, patches that are screened
after a person has looked at the whole photograph, or nothing: clean photographs, of which benchmark images are made."""


@dataclass(frozen=True)
class Provenance:
    """What is known of one photograph beside its bytes; whatever is empty is as the source says.

    ``url`` is the photograph's own page or address, ``fetched_at`` when it was had from there, ``author_url`` the author's
    page, ``note`` what else is to be noted with it.
    """

    licence: str = ""
    author: str = ""
    url: str = ""
    keywords: tuple[str, ...] = ()
    fetched_at: datetime | None = None
    author_url: str = ""
    note: str = ""


NOTHING_KNOWN = Provenance()


@dataclass(frozen=True)
class Entry:
    """A photograph that an importer found. ``read`` gives its bytes, in any thread; it raises BadImage with the reason.

    ``name`` is what it is known by within its source: ingesting the same source again finds it by that and its bytes.
    ``held``: how many bytes of it are in memory already, where files can only be read in their order. ``remote``: reading
    it asks another machine, so one that is here under this name and address is not read again.
    """

    name: str
    read: Callable[[], bytes]
    provenance: Provenance = NOTHING_KNOWN
    held: int = 0
    remote: bool = False

    @classmethod
    def refused(cls, name: str, reason: str) -> "Entry":
        """Something found that is no photograph we can use: it is listed with the reason."""

        def read() -> bytes:
            raise BadImage(reason)

        return cls(name, read)


@dataclass(frozen=True)
class Cut:
    """One patch of a photograph, its master and thumbnail already stored. Without them it is only a box."""

    box: Box
    master_sha256: str = ""
    pixel_sha256: str = ""
    thumbnail_sha256: str = ""


@dataclass(frozen=True)
class Prepared:
    """A decoded photograph, ready to be named in the database."""

    name: str
    file_sha256: str
    size: int
    format: str
    width: int
    height: int
    phash: str | None
    notes: tuple[str, ...]
    exif: Mapping[str, str]
    resized: tuple[int, int] | None
    undersized: bool
    patches: tuple[Cut, ...]
    thumbnail_sha256: str = ""
    provenance: Provenance = NOTHING_KNOWN


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file. ``of`` names the file it repeats, ``distance`` in bits of the perceptual hash."""

    name: str
    status: Literal["added", "known", "duplicate", "near_duplicate", "rejected"]
    images: int = 0
    reason: str = ""
    of: str = ""
    distance: int = 0


@dataclass(frozen=True)
class How:
    """How photographs of an ingest become patches: which, and what then."""

    policy: PatchPolicy
    then: Then = "images"


def how(run_params: Mapping[str, Any]) -> How:
    """How an ingest run cuts, from its parameters."""
    policy = CATEGORIES[run_params["category"]].policy
    return How(replace(policy, **run_params.get("policy", {})), run_params.get("then", "images"))


def prepare(data: bytes, name: str, how: How, provenance: Provenance = NOTHING_KNOWN) -> Prepared:
    """Decode, hash and store one photograph; its patches too where they become images at once. Safe in threads.

    Raises BadImage with the reason.
    """
    limits = imaging.Limits(max_bytes=settings().max_upload_mb * 2**20, min_side=settings().min_side)
    whole = how.then != "images"
    size = imaging.at_most(PHOTO_SIDE) if whole else lambda width, height: how.policy.plan(width, height).resized
    decoded = imaging.decode(data, limits, size)
    plan = how.policy.plan(decoded.width, decoded.height)
    if not plan.boxes:
        raise BadImage(f"smaller than a patch: {decoded.width}x{decoded.height}, and such photographs are dropped")
    if whole:
        patches = [Cut(box) for box in plan.boxes if how.then != "clean"]
    else:
        patches = [stored(box, pixels) for box, pixels in imaging.cut(decoded.pixels, plan)]
    return Prepared(
        name=name,
        file_sha256=storage().put(data),
        size=len(data),
        format=decoded.format,
        width=decoded.original_width,
        height=decoded.original_height,
        phash=imaging.phash(decoded.pixels),
        notes=decoded.notes,
        exif=decoded.exif,
        resized=plan.resized,
        undersized=plan.undersized,
        patches=tuple(patches),
        thumbnail_sha256=storage().put(imaging.thumbnail_webp(decoded.pixels, PHOTO_SIDE)) if whole else "",
        provenance=provenance,
    )


def stored(box: Box, pixels: NDArray[np.uint8]) -> Cut:
    """Store a patch (H, W, 3): its lossless master and its thumbnail. Storing it again changes nothing."""
    master = storage().put(imaging.encode_png(pixels))
    thumbnail = storage().put(imaging.thumbnail_webp(pixels, THUMBNAIL_SIDE))
    return Cut(box, master, imaging.pixel_hash(pixels), thumbnail)
