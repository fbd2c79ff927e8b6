"""What people keep of lists and do to many images at once: saved views, bulk actions, and what those set aside."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow


class SavedView(SQLModel, table=True):
    """A list page with its filter and order, under a name: ``path`` and ``query`` are the page's own address.

    ``shared`` ones stand in everybody's menu; only the person whose it is may change it.
    """

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(foreign_key="user.id")
    name: str = Field(max_length=80)
    path: str = Field(max_length=100)
    query: str = Field(default="", max_length=2000)
    shared: bool = False
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class BulkAction(SQLModel, table=True):
    """Something done to all images of a gallery filter: ``kind`` is set_aside or take_back.

    ``key`` is made with the form, so that one sent twice acts once. ``touched`` images were moved, ``passed_over`` ones were
    not, because they had moved on meanwhile. Long ones go on in ``run_id``, and have no ``finished_at`` before that is done.
    ``undoes_id`` is the action whose images a take_back gives back; without it, it is about the images of ``query``.
    """

    __tablename__ = "bulk_action"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True, max_length=64)
    kind: str = Field(max_length=20)
    why: str = Field(default="", max_length=500)
    query: Json = Field(default_factory=dict, sa_type=JsonColumn)
    undoes_id: int | None = Field(default=None, foreign_key="bulk_action.id", index=True)
    run_id: int | None = Field(default=None, foreign_key="run.id")
    touched: int = 0
    passed_over: int = 0
    user_id: int = Field(foreign_key="user.id", index=True)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


_OPEN = text("taken_back_by IS NULL")


class SetAside(SQLModel, table=True):
    """An image that a bulk action set aside, with the stage it comes back to. Open until ``taken_back_by`` is set.

    The partial index keeps an image from being set aside twice, and finds what holds it.
    """

    __tablename__ = "set_aside"
    __table_args__ = (
        Index("uq_set_aside_open", "image_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index(None, "action_id", "image_id"),
    )

    id: int | None = Field(default=None, primary_key=True)
    action_id: int = Field(foreign_key="bulk_action.id")
    image_id: int = Field(foreign_key="image.id")
    stage: str = Field(max_length=30)
    stage_reason: str = Field(default="", max_length=500)
    taken_back_by: int | None = Field(default=None, foreign_key="bulk_action.id")
