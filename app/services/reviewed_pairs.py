"""Pairs that people decided on, each as one row: their independent decisions counted, what these came to, what a judge said.

The pages on agreement and calibration read this; whatever they add up, they add up over these rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import CTE, Integer, case, func, literal_column, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import Session, col

from app.catalog.categories import CATEGORIES
from app.catalog.judges import JUDGES
from app.domain.aspects import ASPECTS
from app.errors import GgtError
from app.models import Candidate, Image, Review, ReviewQueue, Verdict
from app.services.judge_comparison import Judged, Rater, parse_rater
from app.services.metric_value import metric_value

WEEK = 604_800
MONDAY = 345_600
"""Seconds from the epoch to the first Monday after it."""

DECISIONS = ("accept", "reject", "regenerate")


@dataclass(frozen=True)
class Shown:
    """A pair as lists show it, whatever else they say of it; its first columns are :data:`SHOWN`."""

    image_id: int
    image_thumbnail: str
    candidate_id: int
    candidate_thumbnail: str
    category: str


SHOWN: tuple[Any, ...] = (
    col(Image.id), col(Image.thumbnail_sha256), col(Candidate.id), col(Candidate.thumbnail_sha256), col(Image.category)
)  # fmt: skip


@dataclass(frozen=True)
class Tallied(Shown):
    """A pair with how many people said what of it, as :func:`tallies` counts."""

    accepts: int
    rejects: int
    regenerates: int


def tallies(decision: Any) -> list[Any]:
    """Sums of each decision, as columns ``accepts``, ``rejects``, ``regenerates``."""
    return [func.sum(case((decision == one, 1), else_=0)).label(f"{one}s") for one in DECISIONS]


@dataclass(frozen=True)
class Wanted:
    """What the URL asks for; empty leaves nothing out.

    A pair belongs to ``queue`` when one of its decisions was made there, and to the days from ``since`` to ``until``, both
    included and in UTC, when the first was; all its decisions then count.
    """

    judge: str = ""
    queue: int | None = None
    category: str = ""
    since: date | None = None
    until: date | None = None

    @property
    def rater(self) -> Rater | None:
        return parse_rater(self.judge) if self.judge else None

    def query(self) -> dict[str, str]:
        """The shortest URL query that parses to this."""
        pairs = {
            "judge": self.judge,
            "queue": str(self.queue or ""),
            "category": self.category,
            "from": self.since.isoformat() if self.since else "",
            "to": self.until.isoformat() if self.until else "",
        }
        return {name: value for name, value in pairs.items() if value}

    def url(self, path: str, **more: str) -> str:
        """``path`` with this as its query; ``more`` adds to it, empty values take away from it."""
        query = {name: value for name, value in {**self.query(), **more}.items() if value}
        return f"{path}?{urlencode(query)}" if query else path


def parse(query: Mapping[str, str], judges: tuple[Judged, ...]) -> Wanted:
    """What a URL asks for. Without a judge the first real VLM that has judged anything, else whatever has.

    Raises GgtError for a wrong value.
    """
    category, queue = query.get("category", ""), query.get("queue", "")
    if category and category not in CATEGORIES:
        raise GgtError(f"There is no category {category[:40]!r}. Choose one of: {', '.join(CATEGORIES)}.")
    if queue and not (queue.isascii() and queue.isdigit() and len(queue) < 10):
        raise GgtError(f"There is no queue {queue[:40]!r}.")
    judge = query.get("judge", "")
    if judge:
        rater = parse_rater(judge)
        if rater.rule or not rater.judge:
            raise GgtError(f"{judge[:60]!r} is no judge. Choose one from the list.")
    else:
        usual = sorted(judges, key=lambda j: not is_vlm_r(Rater(j.judge, stand_in=j.stand_in)))
        judge = Rater(usual[0].judge, stand_in=usual[0].stand_in).key if usual else ""
    since, until = _day(query, "from"), _day(query, "to")
    if since and until and since > until:
        raise GgtError(f"From {since} to {until} is no time: the first day must not come after the last.")
    return Wanted(judge, int(queue) if queue else None, category, since, until)


def queue_names(session: Session) -> list[tuple[int, str]]:
    """All queues, closed ones too, by name."""
    rows = session.execute(select(col(ReviewQueue.id), col(ReviewQueue.name)).order_by(col(ReviewQueue.name)))
    return [(int(row[0]), str(row[1])) for row in rows]


def is_vlm_r(rater: Rater) -> bool:
    """Whether a judge is a real VLM: neither one that measures pixels here nor a stand-in."""
    spec = JUDGES.get(rater.judge)
    return not rater.stand_in and spec is not None and not spec.local


def _day(query: Mapping[str, str], name: str) -> date | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise GgtError(f'"{name}" is a day as 2026-11-30, not {text[:40]!r}.') from None


class epoch_seconds(FunctionElement[int]):
    """Whole seconds since 1970 of a moment."""

    name = "epoch_seconds"
    inherit_cache = True
    type = Integer()


@compiles(epoch_seconds, "sqlite")
def _sqlite(element: epoch_seconds, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(strftime('%s', {compiler.process(*element.clauses, **options)}) AS INTEGER)"


@compiles(epoch_seconds, "postgresql")
def _postgresql(element: epoch_seconds, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(floor(extract(epoch FROM {compiler.process(*element.clauses, **options)})) AS BIGINT)"


def monday(week: int) -> date:
    """The first day of a week as :func:`pairs` counts them."""
    return datetime.fromtimestamp(MONDAY + week * WEEK, UTC).date()


def pairs(wanted: Wanted, *, aspects: bool = False) -> CTE:
    """Every pair with a decision that stands, as a common table expression. Columns:

    - candidate_id, image_id, category, ``week`` (of the first decision, counted from the first Monday of 1970);
    - ``n`` independent decisions: ``accepts``, ``rejects``, ``regenerates``;
    - ``outcome``: the final decision where somebody settled it, else the common one where all that are wanted are there
      and agree, else "disputed" or "open";
    - ``judged``: the judge's own latest decision, NULL without any, and ``verdict_id``;
    - with ``aspects``, per aspect ``n_``, ``x_`` and ``xx_``: number, sum and sum of squares of people's scores.
    """
    decided = _decided(wanted, aspects)
    final = (
        select(col(Review.decision))
        .where(
            col(Review.candidate_id) == decided.c.candidate_id,
            col(Review.kind) == "final",
            col(Review.undone_at).is_(None),
        )
        .order_by(col(Review.id).desc())
        .limit(1)
        .scalar_subquery()
    )
    rater = wanted.rater or Rater("no judge")
    verdict = (
        select(func.max(col(Verdict.id)))
        .where(
            col(Verdict.judge) == rater.judge,
            col(Verdict.stand_in).is_(rater.stand_in),
            col(Verdict.candidate_id) == decided.c.candidate_id,
        )
        .scalar_subquery()
    )
    known = select(decided, final.label("final"), verdict.label("verdict_id")).cte("known").prefix_with("MATERIALIZED")
    c = known.c
    outcome = case(
        (c.final.is_not(None), c.final),
        (c.n < c.wanted, "open"),
        (c.accepts == c.n, "accept"),
        (c.rejects == c.n, "reject"),
        (c.regenerates == c.n, "regenerate"),
        else_="disputed",
    )
    return (
        select(known, outcome.label("outcome"), col(Verdict.decision).label("judged"))
        .outerjoin(Verdict, col(Verdict.id) == c.verdict_id)
        .cte("pairs")
        .prefix_with("MATERIALIZED")  # several sums read it
    )


def _decided(wanted: Wanted, aspects: bool) -> CTE:
    read = [col(Review.candidate_id), col(Review.image_id), col(Review.decision), col(Review.created_at)]
    scores = {a: metric_value(col(Review.scores), literal_column(f"'{a}'")).label(f"score_{a}") for a in ASPECTS}
    own = select(*read, *(scores.values() if aspects else ())).where(*standing("own"))
    if wanted.queue is not None:
        there = select(col(Review.candidate_id)).where(col(Review.queue_id) == wanted.queue, *standing("own"))
        own = own.where(col(Review.candidate_id).in_(there))
    each = own.cte("each").prefix_with("MATERIALIZED")  # a score is read from its JSON once, not once for every sum
    c = each.c
    sums: list[Any] = []
    for aspect in ASPECTS if aspects else ():
        score = c[f"score_{aspect}"]
        sums += [
            func.count(score).label(f"n_{aspect}"),
            func.sum(score).label(f"x_{aspect}"),
            func.sum(score * score).label(f"xx_{aspect}"),
        ]
    first = func.min(c.created_at)
    query = (
        select(
            c.candidate_id,
            func.min(c.image_id).label("image_id"),
            func.min(col(Image.category)).label("category"),
            func.min(col(Image.decisions_wanted)).label("wanted"),
            ((epoch_seconds(first) - MONDAY) // WEEK).label("week"),
            func.count().label("n"),
            *tallies(c.decision),
            *sums,
        )
        .join(Image, col(Image.id) == c.image_id)
        .group_by(c.candidate_id)
    )
    if wanted.category:
        query = query.where(col(Image.category) == wanted.category)
    if wanted.since:
        query = query.having(first >= midnight(wanted.since))
    if wanted.until:
        query = query.having(first < midnight(wanted.until + timedelta(days=1)))
    return query.cte("decided")


def standing(kind: str) -> tuple[Any, ...]:
    """What makes a review one of ``kind`` that was not taken back."""
    return col(Review.kind) == kind, col(Review.undone_at).is_(None)


def midnight(day: date) -> datetime:
    """The moment at which a day begins in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
