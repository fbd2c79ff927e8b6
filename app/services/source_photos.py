"""The photographs of a source, from the newest on, with what is on record of each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from app.catalog.licences import LICENCES
from app.models import Source, SourceFile
from app.services.unindexed import unindexed

PAGE_SIZE = 40
AS_SOURCE = "-"
"""In addresses: photographs without a licence of their own, for which that of the source holds."""


def licence_title(key: str) -> str:
    """A licence's name; a text that the catalogue does not know as it stands."""
    return LICENCES[key].title if key in LICENCES else key or "No licence on record"


@dataclass(frozen=True)
class Photo:
    """A photograph as a source's list shows it. ``licence`` and ``author`` are those that hold; ``author_url`` is the
    author's page."""

    id: int
    name: str
    licence: str
    author: str
    url: str
    keywords: tuple[str, ...]
    exif: Mapping[str, str]
    width: int
    height: int
    size: int
    look: str
    fetched_at: datetime | None
    created_at: datetime
    author_url: str = ""

    @property
    def licence_title(self) -> str:
        return licence_title(self.licence)

    @property
    def camera(self) -> str:
        """Maker and model, without saying the maker twice."""
        make, model = self.exif.get("make", "").strip(), self.exif.get("model", "").strip()
        return model if model.lower().startswith(make.lower().partition(" ")[0]) else f"{make} {model}".strip()

    @property
    def taken(self) -> str:
        """When it was taken, as the camera wrote it: "2019-01-31"."""
        return self.exif.get("datetime", "")[:10].replace(":", "-")


@dataclass(frozen=True)
class Photos:
    photos: tuple[Photo, ...]
    next_after: int | None


def photographs(
    session: Session, source: Source, *, licence: str = "", author: str = "", after: int | None = None, size: int = PAGE_SIZE
) -> Photos:
    """A source's photographs, newest first, with ids below ``after``; of one licence (AS_SOURCE: that of the source) or
    author, if given."""
    columns: tuple[Any, ...] = (
        SourceFile.id, SourceFile.name, SourceFile.licence, SourceFile.author, SourceFile.url, SourceFile.keywords,
        SourceFile.exif, SourceFile.width, SourceFile.height, SourceFile.size, SourceFile.look, SourceFile.fetched_at,
        SourceFile.created_at, SourceFile.author_url,
    )  # fmt: skip
    # Filtered, an index has all that is asked for: its entries are sorted, and only then are photographs read.
    file_id = unindexed(col(SourceFile.id)) if licence or author else col(SourceFile.id)
    keys = select(col(SourceFile.id)).where(col(SourceFile.source_id) == source.id)
    if licence:
        keys = keys.where(col(SourceFile.licence) == ("" if licence == AS_SOURCE else licence))
    if author:
        keys = keys.where(col(SourceFile.author).in_(("", author) if author == source.author else (author,)))
    if after is not None:
        keys = keys.where(file_id < after)
    page = keys.order_by(file_id.desc()).limit(size + 1).subquery()
    query = select(*columns).join(page, page.c.id == col(SourceFile.id))
    rows = session.execute(query.order_by(col(SourceFile.id).desc())).all()
    found = (Photo(row[0], row[1], row[2] or source.licence, row[3] or source.author, row[4], tuple(row[5]), *row[6:])
             for row in rows[:size])  # fmt: skip
    return Photos(tuple(found), rows[size - 1][0] if len(rows) > size else None)
