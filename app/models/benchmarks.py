"""What methods are compared on: sets of images, and the prompt strategy that speaks for a generator afterwards."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow


class ImageSet(SQLModel, table=True):
    """A named, ordered set of images, which changes no more once it is frozen.

    ``kind``: fidelity (LQ images made of clean ones, which are their references) or perceptual (real LQ images). ``recipe``
    says how it came about: seeds, numbers by category, degradation.
    """

    __tablename__ = "image_set"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=100)
    kind: str = Field(max_length=20)
    recipe: Json = Field(default_factory=dict, sa_type=JsonColumn)
    note: str = Field(default="", max_length=500)
    frozen_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_by: int | None = Field(default=None, foreign_key="user.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class ImageSetItem(SQLModel, table=True):
    """An image of a set, at its place."""

    __tablename__ = "image_set_item"
    __table_args__ = (UniqueConstraint("set_id", "position"),)

    set_id: int = Field(primary_key=True, foreign_key="image_set.id")
    image_id: int = Field(primary_key=True, foreign_key="image.id", index=True)
    position: int


class StrategyChoice(SQLModel, table=True):
    """The strategy that somebody chose for a generator where Avg. alone would choose another one."""

    __tablename__ = "strategy_choice"

    generator: str = Field(primary_key=True, max_length=100)
    strategy: str = Field(max_length=20)
    reason: str = Field(max_length=500)
    chosen_by: int | None = Field(default=None, foreign_key="user.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
