"""What came in: sources, the files they gave, and the LQ images cut from those files."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow

_LOOKED_AT = text("look != ''")


class Source(SQLModel, table=True):
    """Where photographs come from. ``kind`` is dataset, internet, own or synthetic.

    ``licence`` is an SPDX identifier or another name of :mod:`app.catalog.licences`, and ``author`` who is to be named: both
    hold for photographs that say nothing else. ``terms`` is the address of the terms of use. ``held_out``: photographs of a
    test set; whatever looks like one of them must not come in for training.
    """

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=100)
    kind: str = Field(default="own", max_length=20)
    licence: str = Field(default="", max_length=100)
    author: str = Field(default="", max_length=200)
    url: str = Field(default="", max_length=500)
    note: str = Field(default="", max_length=500)
    terms: str = Field(default="", max_length=500)
    held_out: bool = False
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class Look(StrEnum):
    """What came of a person's look at a whole photograph before its patches are screened."""

    WAITING = "waiting"
    KEPT = "kept"
    DISCARDED = "discarded"


class SourceFile(SQLModel, table=True):
    """One photograph as it was handed over: the original bytes, kept by their hash.

    ``category`` is what it was collected for; its patches and images share it. ``width`` and ``height`` as stored in the
    file, before EXIF orientation. ``licence`` and ``author`` are empty where those of the source hold; ``author_url`` is the
    author's page. ``url`` is the photograph's own page or address, ``fetched_at`` when it came from there. ``look`` is empty
    where no person was asked to look.
    """

    __tablename__ = "source_file"
    __table_args__ = (
        Index(None, "source_id", "category"),
        Index(None, "source_id", "licence", "author"),
        Index("ix_source_file_url", "url", sqlite_where=text("url != ''"), postgresql_where=text("url != ''")),
        Index("ix_source_file_look", "look", "id", sqlite_where=_LOOKED_AT, postgresql_where=_LOOKED_AT),
    )

    id: int | None = Field(default=None, primary_key=True)
    source_id: int = Field(foreign_key="source.id", index=True)
    category: str = Field(default="", max_length=20)
    name: str = Field(max_length=500)
    file_sha256: str = Field(unique=True, max_length=64)
    size: int
    format: str = Field(max_length=10)
    width: int
    height: int
    phash: str | None = Field(default=None, max_length=16)
    notes: list[str] = Field(default_factory=list, sa_type=JsonColumn)
    exif: Json = Field(default_factory=dict, sa_type=JsonColumn)
    licence: str = Field(default="", max_length=100)
    author: str = Field(default="", max_length=200)
    author_url: str = Field(default="", max_length=1000)
    url: str = Field(default="", max_length=1000)
    keywords: list[str] = Field(default_factory=list, sa_type=JsonColumn)
    fetched_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    thumbnail_sha256: str = Field(default="", max_length=64)
    look: str = Field(default="", max_length=10)
    look_reason: str = Field(default="", max_length=200)
    looked_by: int | None = Field(default=None, foreign_key="user.id")
    looked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class PhashBand(SQLModel, table=True):
    """One band of a file's perceptual hash: equal bands are the candidates for near-duplicates."""

    __tablename__ = "phash_band"

    band: int = Field(primary_key=True)
    value: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    source_file_id: int = Field(primary_key=True, foreign_key="source_file.id")


class Stage(StrEnum):
    """How far an image has come (Fig. 3). Kept on the image by the services that move it.

    An image that was made for a benchmark is no part of the dataset and stays where it is.
    """

    COLLECTED = "collected"
    GENERATED = "generated"
    SCORED = "scored"
    FILTERED_OUT = "filtered_out"
    REFINING = "refining"
    JUDGED_OUT = "judged_out"
    AWAITING = "awaiting_verification"
    DISPUTED = "disputed"
    REQUESTED = "regeneration_requested"
    VERIFIED = "verified"
    REJECTED = "rejected"
    FAILED = "failed"
    SET_ASIDE = "set_aside"
    BENCHMARK = "benchmark"


class Boxed(SQLModel):
    """A rectangle of a photograph in pixels, after the photograph was reduced to ``resized_*`` where that is set.

    ``undersized``: the photograph is smaller than a patch, and the box is all of it.
    """

    resized_width: int | None = None
    resized_height: int | None = None
    box_x: int
    box_y: int
    box_width: int
    box_height: int
    undersized: bool = False


class Image(Boxed, table=True):
    """One LQ input: a patch of a source file (its box, after an optional resize) with its lossless master.

    Where it was made of a clean photograph, ``reference_*`` is the clean patch, ``degradation`` what was done to it, and
    ``variant`` the hash of that, which tells it from others of the same box. Elsewhere these are empty.
    """

    __table_args__ = (
        UniqueConstraint(
            "source_file_id", "category", "box_x", "box_y", "box_width", "box_height", "variant", name="uq_image_box"
        ),
        Index(None, "category", "stage"),
        Index(None, "source_id", "category", "stage"),
        Index(None, "stage", "id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    source_file_id: int = Field(foreign_key="source_file.id")
    source_id: int = Field(foreign_key="source.id")
    category: str = Field(max_length=20)
    master_sha256: str = Field(max_length=64)
    pixel_sha256: str = Field(max_length=64, index=True)
    thumbnail_sha256: str = Field(max_length=64)
    stage: str = Field(default=Stage.COLLECTED, max_length=30)
    stage_reason: str = Field(default="", max_length=500)
    current_candidate_id: int | None = Field(default=None)
    decisions_wanted: int = 1
    reference_master_sha256: str = Field(default="", max_length=64)
    reference_pixel_sha256: str = Field(default="", max_length=64)
    degradation: Json = Field(default_factory=dict, sa_type=JsonColumn)
    variant: str = Field(default="", max_length=64)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)

    @property
    def width(self) -> int:
        return self.box_width

    @property
    def height(self) -> int:
        return self.box_height
