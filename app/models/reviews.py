"""What people decided: queues, reviews, the pairs that came of them, and the append-only record of events."""

from datetime import datetime

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from app.models.base import Json, JsonColumn, UtcDateTime, utcnow


class ReviewQueue(SQLModel, table=True):
    """Pairs to decide on: a filter (the gallery's query string), an order, how many independent decisions each gets, who.

    ``people`` are user ids; none means everybody. ``gold_every``: one item in so many is one whose answer is known, 0 none.
    ``filled``: its images have followed what became of it last: it was made, closed, or opened again. What comes to wait
    later joins it then.
    ``hide_answers``: what the judge and others said is shown only after one's own decision.
    """

    __tablename__ = "review_queue"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True, max_length=80)
    filter: str = Field(default="", max_length=1000)
    order: str = Field(default="oldest", max_length=20)
    overlap: int = 1
    people: list[int] = Field(default_factory=list, sa_type=JsonColumn)
    hide_answers: bool = True
    gold_every: int = 0
    filled: bool = False
    active: bool = True
    created_by: int | None = Field(default=None, foreign_key="user.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


class QueueItem(SQLModel, table=True):
    """An image in a queue, at ``rank`` of its order. ``open`` while it may still be handed out."""

    __tablename__ = "queue_item"
    __table_args__ = (Index(None, "queue_id", "open", "rank", "image_id"),)

    image_id: int = Field(primary_key=True, foreign_key="image.id", sa_column_kwargs={"autoincrement": False})
    queue_id: int = Field(primary_key=True, foreign_key="review_queue.id", sa_column_kwargs={"autoincrement": False})
    rank: float = 0.0
    open: bool = True


class Review(SQLModel, table=True):
    """One person's decision on one candidate. An undone review stays, with the moment it was taken back.

    ``kind``: "own" decisions hold one of an image's ``slot``s (as many as decisions are wanted), a "final" one settles a
    disagreement, and a "gold" one answers a question whose answer is known; neither of these holds a slot. ``scores`` are
    the paper's five aspects, 0 to 100; ``marks`` boxes as [x, y, width, height] in shares of the LQ's sides, 0 to 1.
    ``returned_by`` sent it back to its maker, with ``returned_note``.
    """

    __table_args__ = (
        Index(
            "uq_review_slot", "candidate_id", "slot", unique=True,
            sqlite_where=text("undone_at IS NULL AND slot IS NOT NULL"),
            postgresql_where=text("undone_at IS NULL AND slot IS NOT NULL"),
        ),
        Index(
            "ix_review_returned", "user_id", sqlite_where=text("returned_by IS NOT NULL"),
            postgresql_where=text("returned_by IS NOT NULL"),
        ),
        Index(None, "user_id", "created_at"),
        Index(None, "queue_id", "user_id"),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True, max_length=64, description="Made by the browser, so a click sent twice counts once.")
    candidate_id: int = Field(foreign_key="candidate.id", index=True)
    image_id: int = Field(foreign_key="image.id", index=True)
    user_id: int = Field(foreign_key="user.id")
    queue_id: int | None = Field(default=None, foreign_key="review_queue.id")
    kind: str = Field(default="own", max_length=10)
    slot: int | None = None
    decision: str = Field(max_length=10)
    reasons: list[str] = Field(default_factory=list, sa_type=JsonColumn)
    note: str = Field(default="", max_length=2000)
    scores: dict[str, float] = Field(default_factory=dict, sa_type=JsonColumn)
    marks: list[list[float]] = Field(default_factory=list, sa_type=JsonColumn)
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)
    undone_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    returned_by: int | None = Field(default=None, foreign_key="user.id")
    returned_note: str = Field(default="", max_length=2000)


class ReviewLease(SQLModel, table=True):
    """A pair that is on somebody's screen: one slot of an image, so that no two people hold the same one.

    A gold question holds no slot: it may be on several screens at once.
    """

    __tablename__ = "review_lease"
    __table_args__ = (UniqueConstraint("image_id", "slot"), UniqueConstraint("user_id", "image_id"))

    id: int | None = Field(default=None, primary_key=True)
    image_id: int = Field(foreign_key="image.id")
    slot: int | None = 0
    user_id: int = Field(foreign_key="user.id")
    candidate_id: int = Field(foreign_key="candidate.id")
    queue_id: int | None = Field(default=None, foreign_key="review_queue.id")
    expires_at: datetime = Field(sa_type=UtcDateTime, index=True)


class GoldAnswer(SQLModel, table=True):
    """A candidate whose right decision is known, mixed into queues to see how well people look."""

    __tablename__ = "gold_answer"

    candidate_id: int = Field(primary_key=True, foreign_key="candidate.id", sa_column_kwargs={"autoincrement": False})
    image_id: int = Field(foreign_key="image.id", unique=True)
    decision: str = Field(max_length=10)
    note: str = Field(default="", max_length=500)
    active: bool = True
    created_by: int | None = Field(default=None, foreign_key="user.id")
    created_at: datetime = Field(default_factory=utcnow, sa_type=UtcDateTime)


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
