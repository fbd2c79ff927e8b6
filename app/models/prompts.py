"""Prompts: versions of the texts that people edit, and the prompts that VLMs wrote for single images."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.base import JsonColumn, UtcDateTime, utcnow


class PromptVersion(SQLModel, table=True):
    """One version of a prompt: never changed, only followed by others.

    ``kind`` is fix, fix-nc, meta or evaluator. The catalogue's text is copied in as its first version when somebody edits
    it for the first time. The version with the latest ``chosen_at`` is in use.
    """

    __tablename__ = "prompt_version"
    __table_args__ = (UniqueConstraint("kind", "category", "version"),)

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=20)
    category: str = Field(max_length=20)
    version: int
    system: str = ""
    user: str
    source: str = Field(default="", max_length=300)
    note: str = Field(default="", max_length=500)
    created_by: int | None = Field(default=None, foreign_key="user.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    chosen_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class WrittenPrompt(SQLModel, table=True):
    """A prompt that a VLM wrote for one image (edition 1), or a person's edit of it (later editions).

    Made once per image, VLM and version of the meta-prompt; the newest edition is used. ``stand_in``: no real VLM wrote it.
    """

    __tablename__ = "written_prompt"
    __table_args__ = (UniqueConstraint("image_id", "vlm", "meta_version", "stand_in", "edition"),)

    id: int | None = Field(default=None, primary_key=True)
    image_id: int = Field(foreign_key="image.id")
    vlm: str = Field(max_length=20)
    meta_version: int
    stand_in: bool = False
    edition: int = 1
    text: str
    author_id: int | None = Field(default=None, foreign_key="user.id")
    call_id: int | None = Field(default=None, foreign_key="api_call.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class FilterSetting(SQLModel, table=True):
    """One version of the metric filter's thresholds for a category, as an admin applied it; the newest is in force."""

    __tablename__ = "filter_setting"

    id: int | None = Field(default=None, primary_key=True)
    category: str = Field(max_length=20, index=True)
    min_improvement: dict[str, float] = Field(default_factory=dict, sa_type=JsonColumn)
    min_passing: int
    created_by: int | None = Field(default=None, foreign_key="user.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
