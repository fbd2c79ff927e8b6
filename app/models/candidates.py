"""What methods made of images: candidates, their scores and verdicts, and the summary that lists read."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow


class Method(SQLModel, table=True):
    """Anything that maps an LQ image to an HQ image. ``kind``: generator, checkpoint or external."""

    __table_args__ = (UniqueConstraint("generator", "strategy"),)

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=100)
    kind: str = Field(default="generator", max_length=20)
    generator: str = Field(max_length=100)
    strategy: str = Field(default="none", max_length=20)


class Candidate(SQLModel, table=True):
    """The output of one method for one image. The recipe (prompt, parameters, versions) is part of its identity."""

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
    seconds: float = 0.0
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class CandidateSummary(SQLModel, table=True):
    """One row per candidate with what lists filter and sort by; written by the services that change any of it.

    ``metrics`` holds the latest value per metric of the HQ (full-reference ones against the LQ) and, as ``<metric>_lq``,
    no-reference values of the LQ. ``chosen`` marks the chain that may reach review, ``attempt`` its length so far.
    """

    __tablename__ = "candidate_summary"
    __table_args__ = (
        Index(None, "category", "stage"),
        Index(None, "method_id", "stage"),
        Index(None, "method_id", "image_id"),
        Index(None, "attempt", "stage", "chosen"),
        Index(None, "stage", "candidate_id"),
    )

    candidate_id: int = Field(primary_key=True, foreign_key="candidate.id", sa_column_kwargs={"autoincrement": False})
    image_id: int = Field(foreign_key="image.id", index=True)
    method_id: int = Field(foreign_key="method.id")
    source_id: int = Field(foreign_key="source.id")
    category: str = Field(max_length=20)
    chosen: bool = False
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
    """A judge's answer about one candidate, with its own decision and what the accept rule makes of its scores."""

    __table_args__ = (UniqueConstraint("candidate_id", "judge", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    candidate_id: int = Field(foreign_key="candidate.id")
    judge: str = Field(max_length=40)
    version: str = Field(max_length=40)
    scores: Json = Field(default_factory=dict, sa_type=JsonColumn)
    reasons: Json = Field(default_factory=dict, sa_type=JsonColumn)
    decision: str = Field(max_length=10)
    rule_decision: str = Field(max_length=10)
    raw: str
    seconds: float = 0.0
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
