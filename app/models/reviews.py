"""What people decided: reviews, the pairs that came of them, and the append-only record of events."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow


class Review(SQLModel, table=True):
    """One person's decision on one candidate. An undone review stays, with the moment it was taken back."""

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True, max_length=64, description="Made by the browser, so a click sent twice counts once.")
    candidate_id: int = Field(foreign_key="candidate.id", index=True)
    image_id: int = Field(foreign_key="image.id", index=True)
    user_id: int = Field(foreign_key="user.id", index=True)
    decision: str = Field(max_length=10)
    reasons: list[str] = Field(default_factory=list, sa_type=JsonColumn)
    note: str = Field(default="", max_length=2000)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ReviewLease(SQLModel, table=True):
    """An image that is on somebody's screen, so that no two people get the same one."""

    __tablename__ = "review_lease"

    image_id: int = Field(primary_key=True, foreign_key="image.id", sa_column_kwargs={"autoincrement": False})
    user_id: int = Field(foreign_key="user.id", index=True)
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)


class Pair(SQLModel, table=True):
    """A verified LQ-HQ pair: an image with its accepted candidate."""

    image_id: int = Field(primary_key=True, foreign_key="image.id", sa_column_kwargs={"autoincrement": False})
    candidate_id: int = Field(foreign_key="candidate.id")
    review_id: int = Field(foreign_key="review.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class Event(SQLModel, table=True):
    """What a person did, or what was done in their name. Rows are only ever added."""

    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime, index=True)
    user_id: int | None = Field(default=None, foreign_key="user.id", index=True)
    action: str = Field(max_length=60)
    subject: str = Field(max_length=60, index=True, description='What it was done to, as "image:12".')
    why: str = Field(default="", max_length=500)
    details: Json = Field(default_factory=dict, sa_type=JsonColumn)
