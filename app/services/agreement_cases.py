"""The pairs behind the numbers on agreement, and the answers behind a person's accuracy on gold questions, newest first."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import and_, func, select
from sqlmodel import Session, col

from app.errors import GgtError
from app.models import Candidate, GoldAnswer, Image, Review, User
from app.services.judge_comparison import CELLS
from app.services.review_agreement import cells
from app.services.reviewed_pairs import SHOWN, Shown, Tallied, Wanted, pairs, standing

PAGE_SIZE = 24
GOLD = "/agreement/gold"
"""Where the answers to gold questions are listed."""
SHOWS: tuple[str, ...] = ("overlap", "split", "disputed", "open", "against-others", *CELLS)


@dataclass(frozen=True)
class Which:
    """Which pairs: "" all that people decided on, those of a cell (people's decision first, then the judge's)...

    With ``person`` it is that person's own decision that counts, and "against-others" are pairs on which somebody else
    decided otherwise. ``week`` is a week's number.
    """

    show: str = ""
    person: int | None = None
    week: int | None = None

    def query(self) -> dict[str, str]:
        return {field.name: str(value) for field in fields(self) if (value := getattr(self, field.name))}


@dataclass(frozen=True)
class Case(Tallied):
    """One pair. ``decision`` is the person's where one is asked for, else what people came to; ``judged`` the judge's."""

    decision: str
    final: bool
    judged: str


@dataclass(frozen=True)
class Cases:
    """Some of them, and the candidate id after which the next ones come; None at the end."""

    rows: tuple[Case, ...]
    after: int | None
    person: str = ""


def parse(show: str, person: int | None, week: int | None) -> Which:
    """Raises GgtError for what there is not."""
    if show and show not in SHOWS:
        raise GgtError(f"There is no list {show[:40]!r}. Choose one of: {', '.join(SHOWS)}.")
    return Which(show, person, week)


def cases(session: Session, wanted: Wanted, which: Which, after: int | None = None) -> Cases:
    """Pairs of ``which``, in one statement (two for a person's)."""
    found = pairs(wanted)
    c = found.c
    decision: Any = c.outcome
    query = (
        select(*SHOWN, c.accepts, c.rejects, c.regenerates)
        .select_from(found)
        .join(Candidate, col(Candidate.id) == c.candidate_id)
        .join(Image, col(Image.id) == c.image_id)
        .order_by(c.candidate_id.desc())
        .limit(PAGE_SIZE + 1)
    )
    name = ""
    if which.person is not None:
        name = _name(session, which.person)
        decision = col(Review.decision)
        query = query.join(
            Review, and_(col(Review.candidate_id) == c.candidate_id, col(Review.user_id) == which.person, *standing("own"))
        )
    unanimous = (c.accepts == c.n) | (c.rejects == c.n) | (c.regenerates == c.n)
    if which.show in CELLS:
        query = query.where(dict(zip(CELLS, cells(decision, c.judged), strict=True))[which.show])
    elif which.show == "overlap":
        query = query.where(c.n > 1)
    elif which.show in ("split", "against-others"):
        query = query.where(~unanimous)
    elif which.show:
        query = query.where(c.outcome == which.show)
    if which.week is not None:
        query = query.where(c.week == which.week)
    if after is not None:
        query = query.where(c.candidate_id < after)
    rows = session.execute(query.add_columns(decision, c.final.is_not(None), func.coalesce(c.judged, ""))).all()
    listed = tuple(Case(*row) for row in rows[:PAGE_SIZE])
    return Cases(listed, listed[-1].candidate_id if len(rows) > PAGE_SIZE else None, name)


@dataclass(frozen=True)
class GoldCase(Shown):
    """A person's answer to a question whose answer is ``known``, with the note of whoever made it one."""

    decision: str
    reasons: Sequence[str]
    note: str
    known: str
    known_note: str
    at: datetime

    @property
    def right(self) -> bool:
        return self.decision == self.known


@dataclass(frozen=True)
class GoldCases:
    """Some of them, and the review id after which the next ones come; None at the end."""

    rows: tuple[GoldCase, ...]
    after: int | None
    person: str


def gold_answers(session: Session, person: int, queue_id: int | None = None, after: int | None = None) -> GoldCases:
    """The answers that :func:`app.services.gold.accuracies` counts for a person, in two statements."""
    query = (
        select(
            *SHOWN, col(Review.decision), col(Review.reasons), col(Review.note), col(GoldAnswer.decision),
            col(GoldAnswer.note), col(Review.created_at), col(Review.id),
        )
        .select_from(Review)
        .join(GoldAnswer, col(GoldAnswer.candidate_id) == col(Review.candidate_id))
        .join(Candidate, col(Candidate.id) == col(Review.candidate_id))
        .join(Image, col(Image.id) == col(Review.image_id))
        .where(col(Review.user_id) == person, *standing("gold"))
        .order_by(col(Review.id).desc())
        .limit(PAGE_SIZE + 1)
    )  # fmt: skip
    if queue_id is not None:
        query = query.where(col(Review.queue_id) == queue_id)
    if after is not None:
        query = query.where(col(Review.id) < after)
    rows = session.execute(query).all()
    listed = tuple(GoldCase(*row[:-1]) for row in rows[:PAGE_SIZE])
    return GoldCases(listed, rows[PAGE_SIZE - 1][-1] if len(rows) > PAGE_SIZE else None, _name(session, person))


def _name(session: Session, user_id: int) -> str:
    person = session.get(User, user_id)
    return person.name if person else f"person {user_id}"


def address(wanted: Wanted, which: Which, path: str = "/agreement/pairs", **more: str) -> str:
    """Where the list stands."""
    query = {**wanted.query(), **which.query(), **{name: value for name, value in more.items() if value}}
    return f"{path}?{urlencode(query)}"
