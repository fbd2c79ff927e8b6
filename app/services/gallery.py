"""The gallery's reading side: pages by keyset, capped counts, neighbours of an image."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, literal, select, union_all
from sqlmodel import Session, col

from app.errors import GgtError, NotFound
from app.models import Candidate, Image, Source
from app.services.gallery_filter import GalleryFilter
from app.services.gallery_query import COUNT_CAP, IMAGES, METHODS, SOURCES, Order, counted, matching, tiles

PAGE_SIZE = 60
FEW = {"newest": 4_000, "metric": 1_000}
"""Up to so many matches are sorted; more are met often enough when the order is walked. Metrics are dearer to sort by."""


@dataclass(frozen=True)
class Tile:
    """One image of the gallery with the candidate shown beside it, if it has one."""

    id: int
    category: str
    stage: str
    undersized: bool
    width: int
    height: int
    source: str
    thumbnail_sha256: str
    candidate_id: int | None
    candidate_thumbnail_sha256: str | None
    method: str | None
    attempt: int | None
    decision: str | None
    metrics: Mapping[str, float | None]


@dataclass(frozen=True)
class Page:
    """Some tiles, and the cursor of the next ones; None at the end."""

    tiles: tuple[Tile, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Choices:
    """What can be chosen in the filter form beyond the catalogue: names of sources and of methods."""

    sources: tuple[str, ...]
    methods: tuple[str, ...]


def page(
    session: Session, wanted: GalleryFilter, cursor: str = "", size: int = PAGE_SIZE, matched: int | None = None
) -> Page:
    """Up to ``size`` tiles after ``cursor``. Raises GgtError for a cursor that was not made here.

    ``matched``, where it was counted, decides whether the images found are sorted, or the order is walked.
    """
    place: dict[str, float] = {}
    few = matched is not None and matched <= FEW["metric" if wanted.sort_metric else "newest"]
    if cursor:
        place["value"], place["tie"], few = _decode(cursor)
    rows = session.execute(tiles(wanted, few=few, further=bool(cursor)), {"size": size + 1, **place}).all()
    last = rows[size - 1] if len(rows) > size else None
    return Page(tuple(Tile(*row[:-2]) for row in rows[:size]), _encode(last[-2], last[-1], few=few) if last else None)


def count(session: Session, wanted: GalleryFilter) -> int:
    """How many images match, at most ``COUNT_CAP + 1``."""
    number: int = session.execute(counted(wanted), {"cap": COUNT_CAP + 1}).scalar_one()
    return number


def matching_ids(wanted: GalleryFilter) -> Select[Any]:
    """The statement that selects the ids of all images that match, in no order."""
    return matching(wanted, IMAGES.c.id)


def stage_counts(session: Session, wanted: GalleryFilter) -> Sequence[tuple[str, str, int]]:
    """How many images match, by category and stage."""
    by = IMAGES.c.category, IMAGES.c.stage
    rows = session.execute(matching(wanted, *by, func.count()).group_by(*by).order_by(*by)).all()
    return [(row[0], row[1], row[2]) for row in rows]


_NAMES = union_all(select(literal("source"), SOURCES.c.name), select(literal("method"), METHODS.c.name))


def choices(session: Session) -> Choices:
    """Names for the filter form, in one statement."""
    rows = sorted((kind, name) for kind, name in session.execute(_NAMES))
    return Choices(tuple(n for kind, n in rows if kind == "source"), tuple(n for kind, n in rows if kind == "method"))


def sources(session: Session) -> Sequence[Source]:
    """All sources by name."""
    return session.execute(select(Source).order_by(col(Source.name))).scalars().all()


@dataclass(frozen=True)
class Files:
    """What the storage holds of an image or a candidate: its full-size file, and its thumbnail (WebP)."""

    file_sha256: str
    media_type: str
    thumbnail_sha256: str


def image_files(session: Session, image_id: int) -> Files:
    """An image's lossless master and thumbnail. Raises NotFound."""
    columns = (col(Image.master_sha256), literal("image/png"), col(Image.thumbnail_sha256))
    row = session.execute(select(*columns).where(col(Image.id) == image_id)).first()
    if row is None:
        raise NotFound(f"There is no image {image_id}.")
    return Files(*row)


def reference_file(session: Session, image_id: int) -> str:
    """The hash of the file of the clean image (PNG) that an image was made of. Raises NotFound where there is none."""
    found = session.execute(select(col(Image.reference_master_sha256)).where(col(Image.id) == image_id)).scalar()
    if not found:
        raise NotFound(f"There is no clean image of image {image_id}.")
    return str(found)


def candidate_files(session: Session, candidate_id: int) -> Files:
    """A candidate's bytes as its method gave them, and its thumbnail. Raises NotFound."""
    columns = (col(Candidate.file_sha256), col(Candidate.media_type), col(Candidate.thumbnail_sha256))
    row = session.execute(select(*columns).where(col(Candidate.id) == candidate_id)).first()
    if row is None:
        raise NotFound(f"There is no candidate {candidate_id}.")
    return Files(*row)


def neighbours(session: Session, wanted: GalleryFilter, image_id: int) -> tuple[int | None, int | None]:
    """Ids of the images before and after ``image_id`` in the gallery as filtered; None at either end.

    An image that no longer matches (it was just verified, say) has its neighbours by age; in a gallery sorted by a
    metric it has none, because it has no place there.
    """
    order = Order.of(wanted)
    here: tuple[float, int] = (image_id, image_id)
    if wanted.sort_metric is not None:
        place = matching(wanted, order.value, order.tie).where(IMAGES.c.id == image_id)
        found = session.execute(place).first()
        if found is None:
            return None, None
        here = (found[0], found[1])
    sides = [
        matching(wanted, IMAGES.c.id, walked=True).where(side.beyond(*here)).order_by(*side.by()).limit(1)
        for side in (order.reversed(), order)
    ]
    before, after = session.execute(select(*(side.scalar_subquery() for side in sides))).one()
    return before, after


def _encode(value: float, tie: int, *, few: bool) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, tie, int(few)]).encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[float, int, bool]:
    try:
        value, tie, few = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return float(value), int(tie), bool(few)
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise GgtError("This link to the next page is damaged. Open the list again from its first page.") from None
