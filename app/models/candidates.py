"""What methods made of images: candidates, their scores and verdicts, and the summary that lists read."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow


class Method(SQLModel, table=True):
    """Anything that maps an LQ image to an HQ image. ``kind``: generator, checkpoint or external.

    ``stand_in``: its provider was a local server of ours, so what it made is no MFM's and enters no table.
    """

    __table_args__ = (UniqueConstraint("generator", "strategy", "stand_in"),)

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=100)
    kind: str = Field(default="generator", max_length=20)
    generator: str = Field(max_length=100)
    strategy: str = Field(default="none", max_length=20)
    stand_in: bool = False


class Candidate(SQLModel, table=True):
    """The output of one method for one image. The recipe (prompt, parameters, versions) is part of its identity.

    ``file_sha256`` holds the pixels that are scored and shown, at the LQ's size. ``raw_sha256`` are the provider's bytes as
    they came, which are the same file unless the size had to be changed. ``checks`` tells what was found on arrival:
    the size as it came, whether it was resized or cropped, and its displacement against the LQ in pixels.
    """

    __table_args__ = (UniqueConstraint("image_id", "method_id", "recipe_hash", "sample"),)

    id: int | None = Field(default=None, primary_key=True)
    image_id: int = Field(foreign_key="image.id")
    method_id: int = Field(foreign_key="method.id", index=True)
    recipe_hash: str = Field(max_length=64)
    recipe: Json = Field(default_factory=dict, sa_type=JsonColumn)
    sample: int = 0
    parent_id: int | None = Field(default=None, foreign_key="candidate.id")
    run_id: int | None = Field(default=None, foreign_key="run.id", index=True)
    file_sha256: str = Field(max_length=64)
    media_type: str = Field(max_length=40)
    pixel_sha256: str = Field(max_length=64, index=True)
    thumbnail_sha256: str = Field(max_length=64)
    width: int
    height: int
    raw_sha256: str = Field(default="", max_length=64)
    checks: Json = Field(default_factory=dict, sa_type=JsonColumn)
    seconds: float = 0.0
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class Refusal(SQLModel, table=True):
    """A generation that ended without a usable image, and counts as a failure of its method.

    ``reason`` is the provider's code (IMAGE_SAFETY) or ours (WRONG_ASPECT, NOT_AN_IMAGE). ``raw_sha256`` are the bytes that
    came, if any did.
    """

    __table_args__ = (UniqueConstraint("image_id", "method_id", "recipe_hash", "sample"),)

    id: int | None = Field(default=None, primary_key=True)
    image_id: int = Field(foreign_key="image.id")
    method_id: int = Field(foreign_key="method.id", index=True)
    recipe_hash: str = Field(max_length=64)
    recipe: Json = Field(default_factory=dict, sa_type=JsonColumn)
    sample: int = 0
    run_id: int | None = Field(default=None, foreign_key="run.id", index=True)
    reason: str = Field(max_length=80)
    message: str = Field(default="", max_length=1000)
    raw_sha256: str = Field(default="", max_length=64)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


def _of(flag: str, name: str, *columns: str) -> Index:
    """An index of the rows that have a flag, as either engine writes that."""
    return Index(name, *columns, sqlite_where=text(f"{flag} = 1"), postgresql_where=text(flag))


class CandidateSummary(SQLModel, table=True):
    """One row per candidate with what lists filter and sort by; written by the services that change any of it.

    ``metrics`` holds the latest value per metric of the HQ (full-reference ones against the LQ) and, as ``<metric>_lq``,
    no-reference values of the LQ. ``chosen`` marks the chain that may reach review, ``attempt`` its length so far.
    ``is_current``: it is its image's current candidate; ``is_latest``: its method made nothing newer of the image. Lists
    show one candidate of each image, so their indexes hold those rows alone; the indexes on metrics are in ``migrate.py``.
    """

    __tablename__ = "candidate_summary"
    __table_args__ = (
        Index(None, "category", "stage"),
        Index(None, "method_id", "stage"),
        # one per image, newest first, narrowed by what judges said; and one per image of a method
        _of("is_current", "ix_candidate_summary_current", "decision", "image_id"),
        _of("is_current", "ix_candidate_summary_current_image", "image_id"),
        _of("is_latest", "ix_candidate_summary_latest", "method_id", "image_id"),
        Index(None, "attempt", "stage", "chosen"),
        Index(None, "stage", "candidate_id"),
    )

    candidate_id: int = Field(primary_key=True, foreign_key="candidate.id", sa_column_kwargs={"autoincrement": False})
    image_id: int = Field(foreign_key="image.id", index=True)
    method_id: int = Field(foreign_key="method.id")
    source_id: int = Field(foreign_key="source.id")
    category: str = Field(max_length=20)
    chosen: bool = False
    is_current: bool = False
    is_latest: bool = False
    attempt: int = 1
    stage: str = Field(max_length=30)
    metrics: Json = Field(default_factory=dict, sa_type=JsonColumn)
    filter_passed: bool | None = None
    filter_reason: str = Field(default="", max_length=500)
    decision: str | None = Field(default=None, max_length=10)
    rule_decision: str | None = Field(default=None, max_length=10)
    review: str | None = Field(default=None, max_length=10)


class Score(SQLModel, table=True):
    """One metric value of one image's pixels, against a reference's pixels where the metric has one.

    ``value`` is missing where the metric is not defined for those pixels; ``note`` then says why. It is never 0 for that.
    """

    __table_args__ = (UniqueConstraint("pixel_sha256", "reference_sha256", "metric", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    pixel_sha256: str = Field(max_length=64)
    reference_sha256: str = Field(default="", max_length=64)
    metric: str = Field(max_length=40)
    version: str = Field(max_length=200)
    value: float | None = None
    note: str = Field(default="", max_length=200)
    device: str = Field(default="cpu", max_length=40)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class Verdict(SQLModel, table=True):
    """A judge's answer about one candidate, with its own decision and what the accept rule makes of its scores.

    ``stand_in``: no real model answered, so it never counts as VLM-R.
    """

    __table_args__ = (
        UniqueConstraint("candidate_id", "judge", "version", "stand_in"),
        Index(None, "judge", "stand_in", "candidate_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    candidate_id: int = Field(foreign_key="candidate.id")
    judge: str = Field(max_length=40)
    version: str = Field(max_length=40)
    scores: Json = Field(default_factory=dict, sa_type=JsonColumn)
    reasons: Json = Field(default_factory=dict, sa_type=JsonColumn)
    decision: str = Field(max_length=10)
    rule_decision: str = Field(max_length=10)
    raw: str
    stand_in: bool = False
    seconds: float = 0.0
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
