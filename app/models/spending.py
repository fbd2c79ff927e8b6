"""Calls that cost money: what was asked of which provider, what came of it, and what may still be spent."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, Index, text
from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow


class CallState(StrEnum):
    """What is known of a call. A row is written, as ``sent``, before the request leaves."""

    SENT = "sent"
    ANSWERED = "answered"
    """The provider gave what was asked for."""
    REFUSED = "refused"
    """The provider answered that it will not: an outcome, and the end of it."""
    FAILED = "failed"
    """Known to have given nothing: told so by the provider, or never sent."""
    UNKNOWN = "unknown"
    """Sent, and nothing is known of it: the worker died, or no complete answer came. It may have been paid."""


_OPEN = text("state = 'sent'")


class ApiCall(SQLModel, table=True):
    """One request to a provider that may cost money.

    ``request_key`` is the work item's key: of equal keys at most one call is under way, and an answer that is there is
    used instead of asking again. ``answer_sha256`` (an image) or ``answer_text`` is the answer as it came. A call with
    ``retried_at`` no longer stands in the way of asking again. Money is in millionths of a US dollar.
    """

    __tablename__ = "api_call"
    __table_args__ = (
        Index("uq_api_call_under_way", "request_key", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index(None, "request_key", "state"),
        Index(None, "state", "provider"),
        Index(None, "provider", "sent_at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    provider: str = Field(max_length=20)
    model: str = Field(max_length=80)
    purpose: str = Field(max_length=20, description="generate, judge, prompt, screen or check")
    request_key: str = Field(max_length=200)
    item_id: int | None = Field(default=None, foreign_key="work_item.id", index=True)
    run_id: int | None = Field(default=None, foreign_key="run.id", index=True)
    batch_job_id: int | None = Field(default=None, foreign_key="batch_job.id", index=True)
    state: str = Field(default=CallState.SENT, max_length=10)
    reserved_micros: int = Field(default=0, sa_type=BigInteger)
    cost_micros: int = Field(default=0, sa_type=BigInteger)
    input_tokens: int = 0
    output_tokens: int = 0
    remote_id: str = Field(default="", max_length=200)
    reason: str = Field(default="", max_length=80)
    error: str = Field(default="", max_length=1000)
    answer_sha256: str = Field(default="", max_length=64)
    answer_text: str = ""
    sent_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    retried_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class ProviderAccount(SQLModel, table=True):
    """What an admin allows a provider: limits, budgets, prices; and what was spent. Empty limits are the catalogue's.

    ``reserved_micros`` belongs to calls under way. What a call may have cost whose outcome is unknown counts as spent.
    ``spent_today_micros`` is of ``day`` (UTC); on another day it is nothing. ``on_lost`` says what follows when no answer
    comes: "ask" a person, or "retry" (which may pay twice).
    """

    __tablename__ = "provider_account"

    provider: str = Field(primary_key=True, max_length=20)
    requests_per_minute: int | None = None
    images_per_minute: int | None = None
    concurrency: int | None = None
    daily_budget_micros: int | None = Field(default=None, sa_type=BigInteger)
    total_budget_micros: int | None = Field(default=None, sa_type=BigInteger)
    spent_micros: int = Field(default=0, sa_type=BigInteger)
    reserved_micros: int = Field(default=0, sa_type=BigInteger)
    day: date | None = None
    spent_today_micros: int = Field(default=0, sa_type=BigInteger)
    paused: str = Field(default="", max_length=500, description="Why nothing is asked of it at present; empty: it is.")
    on_lost: str = Field(default="ask", max_length=10)
    prices: Json = Field(default_factory=dict, sa_type=JsonColumn)
    updated_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class BatchState(StrEnum):
    SENDING = "sending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class BatchJob(SQLModel, table=True):
    """Many requests handed to a provider as one job at half price, to be collected later.

    ``name`` is ours and is sent along, so that a job whose creation was not confirmed can be found again.
    """

    __tablename__ = "batch_job"

    id: int | None = Field(default=None, primary_key=True)
    provider: str = Field(max_length=20)
    model: str = Field(max_length=80)
    name: str = Field(unique=True, max_length=80)
    remote_id: str = Field(default="", max_length=200)
    run_id: int = Field(foreign_key="run.id", index=True)
    state: str = Field(default=BatchState.SENDING, max_length=10, index=True)
    size: int = 0
    error: str = Field(default="", max_length=1000)
    sent_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
