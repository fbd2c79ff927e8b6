"""Patches that are screened before they become images (paper, Sec. 3.1 and Appendix A), and settings people change here."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow
from app.models.collection import Boxed


class PatchState(StrEnum):
    """How far a patch has come.

    HELD: its photograph waits for a person's look. WAITING: screening is not done with it. FLAGGED: perhaps unsafe or
    private, a person decides. GRADING: a person says how degraded it is. PASSED: may be drawn. OUT: screened out at
    ``step``. NOT_DRAWN: passed, but left by the sampling; it can be drawn later. RETAINED: an image.
    """

    HELD = "held"
    WAITING = "waiting"
    FLAGGED = "flagged"
    GRADING = "grading"
    PASSED = "passed"
    OUT = "out"
    NOT_DRAWN = "not_drawn"
    RETAINED = "retained"


class Patch(Boxed, table=True):
    """A crop box of a photograph while it is screened; its pixels are made from the photograph when they are needed.

    ``step`` is where screening ended or stands (:mod:`app.catalog.screening`), ``reason`` says why in words, ``level`` is
    high, medium or low quality, or empty.
    ``measures`` holds each number with its name, and who gave an answer (``"artifact_by": "gemini-3.1-pro"``).
    ``image_id`` is set when it is retained.
    """

    __table_args__ = (
        UniqueConstraint("source_file_id", "category", "box_x", "box_y", "box_width", "box_height"),
        Index(None, "state", "category", "id"),
        Index(None, "source_id", "category", "state", "step", "level"),
    )

    id: int | None = Field(default=None, primary_key=True)
    source_file_id: int = Field(foreign_key="source_file.id")
    source_id: int = Field(foreign_key="source.id")
    category: str = Field(max_length=20)
    state: str = Field(default=PatchState.WAITING, max_length=10)
    step: str = Field(default="", max_length=12)
    reason: str = Field(default="", max_length=200)
    level: str = Field(default="", max_length=6)
    measures: Json = Field(default_factory=dict, sa_type=JsonColumn)
    thumbnail_sha256: str = Field(default="", max_length=64)
    decided_by: int | None = Field(default=None, foreign_key="user.id")
    image_id: int | None = Field(default=None, foreign_key="image.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class Setting(SQLModel, table=True):
    """Something that people set in the application and not in the environment, such as the licence policy."""

    key: str = Field(primary_key=True, max_length=60)
    value: Json = Field(default_factory=dict, sa_type=JsonColumn)
    changed_by: int | None = Field(default=None, foreign_key="user.id")
    changed_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
