"""Work: runs that people start and the items they are made of."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow


class RunState(StrEnum):
    RUNNING = "running"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    FINISHED = "finished"


class ItemState(StrEnum):
    WAITING = "waiting"
    LEASED = "leased"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"
    REMOTE = "remote"
    """Handed to a provider as part of a batch, to be collected later; no worker holds it."""


class Run(SQLModel, table=True):
    """An admin's piece of work. The counters move in the same transaction as the items they count."""

    id: int | None = Field(default=None, primary_key=True)
    kind: str = Field(max_length=20)
    title: str = Field(max_length=200)
    params: Json = Field(default_factory=dict, sa_type=JsonColumn)
    state: str = Field(default=RunState.RUNNING, max_length=20, index=True)
    total: int = 0
    done: int = 0
    failed: int = 0
    cancelled: int = 0
    unknown: int = 0
    spent_micros: int = Field(default=0, sa_type=BigInteger)
    created_by: int | None = Field(default=None, foreign_key="user.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class WorkItem(SQLModel, table=True):
    """One unit of a run. ``token`` grows with every lease: only the holder of the newest may finish the item.

    ``shape`` groups items that are worked on together (one method, one image size). While ``paid`` is set a call that may
    cost money is under way: when its worker dies the item becomes unknown, for a person to decide, and is not given back to
    the queue. ``lane`` is the provider that the item needs, so that one that is paused holds up nothing else; before
    ``ready_at`` it is not claimed.
    """

    __tablename__ = "work_item"
    __table_args__ = (
        UniqueConstraint("run_id", "key"),
        Index(None, "state", "queue", "priority", "id"),
        Index(None, "state", "lease_until"),
        Index(None, "run_id", "state", "finished_at"),
        Index(None, "run_id", "kind", "state", "seconds"),
    )

    id: int | None = Field(default=None, primary_key=True)
    run_id: int = Field(foreign_key="run.id")
    key: str = Field(max_length=200)
    kind: str = Field(max_length=20)
    queue: str = Field(max_length=10)
    shape: str = Field(default="", max_length=80)
    priority: int = 100
    lane: str = Field(default="", max_length=20)
    ready_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    payload: Json = Field(default_factory=dict, sa_type=JsonColumn)
    paid: bool = False
    state: str = Field(default=ItemState.WAITING, max_length=20)
    attempts: int = 0
    token: int = 0
    owner: str = Field(default="", max_length=100)
    lease_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    error: str = Field(default="", max_length=2000)
    seconds: float | None = None
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
