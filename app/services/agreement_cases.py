"""The pairs behind the numbers on agreement, newest first."""

from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import and_, select
from sqlmodel import Session, col

from app.errors import GgtError
from app.models import Candidate, Image, Review, User
from app.services.judge_comparison import CELLS
from app.services.review_agreement import cells
from app.services.reviewed_pairs import Wanted, pairs, standing

PAGE_SIZE = 24
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
class Case:
    """One pair. ``decision`` is the person's where one is asked for, else what people came to; ``judged`` the judge's."""

    image_id: int
    image_thumbnail: str
    candidate_id: int
    candidate_thumbnail: str
    category: str
    accepts: int
    rejects: int
    regenerates: int
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
        select(
            c.image_id, col(Image.thumbnail_sha256), c.candidate_id, col(Candidate.thumbnail_sha256), c.category,
            c.accepts, c.rejects, c.regenerates, c.final, c.judged, c.n,
        )
        .join(Candidate, col(Candidate.id) == c.candidate_id)
        .join(Image, col(Image.id) == c.image_id)
        .order_by(c.candidate_id.desc())
        .limit(PAGE_SIZE + 1)
    )  # fmt: skip
    name = ""
    if which.person is not None:
        person = session.get(User, which.person)
        name = person.name if person else f"person {which.person}"
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
    rows = session.execute(query.add_columns(decision)).all()
    listed = tuple(
        Case(image, thumbnail, candidate, hq, category, int(a), int(r), int(g), told, final is not None, judged or "")
        for image, thumbnail, candidate, hq, category, a, r, g, final, judged, _, told in rows[:PAGE_SIZE]
    )
    return Cases(listed, listed[-1].candidate_id if len(rows) > PAGE_SIZE else None, name)


def address(wanted: Wanted, which: Which, path: str = "/agreement/pairs", **more: str) -> str:
    """Where the list stands."""
    query = {**wanted.query(), **which.query(), **{name: value for name, value in more.items() if value}}
    return f"{path}?{urlencode(query)}"
