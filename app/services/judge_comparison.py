"""Judges beside each other and beside people: on the same candidates, how often do they decide alike?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, case, func, literal, literal_column, null, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.catalog.judges import JUDGES
from app.catalog.quality import ACCEPT_RULE
from app.domain.agreement import Moments, Table
from app.domain.aspects import ASPECTS, Aspect
from app.errors import GgtError
from app.models import Candidate, CandidateSummary, Image, Json, Review, Verdict
from app.services.metric_value import metric_value

PAGE_SIZE = 24
LOWEST_SHOWN = 2
"""Aspects told per verdict of a listed candidate."""
Cell = Literal["", "accept-accept", "accept-reject", "reject-accept", "reject-reject"]
CELLS: tuple[Cell, ...] = ("accept-accept", "accept-reject", "reject-accept", "reject-reject")


@dataclass(frozen=True)
class Rater:
    """One side of a comparison: a judge's own decisions, the accept rule on its scores, or (without a judge) people.

    A stand-in's verdicts, given by no real model, are a rater of their own.
    """

    judge: str = ""
    rule: bool = False
    stand_in: bool = False

    @property
    def key(self) -> str:
        """As it stands in a URL: "gpt-5.4-pro", "rule:gpt-5.4-pro", "stand-in:gpt-5.4-pro", "people"."""
        if not self.judge:
            return "people"
        return ("rule:" if self.rule else "") + ("stand-in:" if self.stand_in else "") + self.judge

    @property
    def title(self) -> str:
        if not self.judge:
            return "People"
        spec = JUDGES.get(self.judge)
        name = spec.title if spec else self.judge
        if spec and spec.local:
            name = f"{name.removesuffix('(not VLM-R)').strip()} (measurement, not VLM-R)"
        name += " (stand-in, no real model)" if self.stand_in else ""
        return f"Accept rule on the scores of {name}" if self.rule else name


@dataclass(frozen=True)
class Judged:
    """How many candidates a judge has judged, and on how many of them its decision is not the accept rule's."""

    judge: str
    stand_in: bool
    n: int
    against_rule: int


@dataclass(frozen=True)
class Comparison:
    """Counts of the candidates that both raters judged: per category, and per aspect where both have scores."""

    categories: Mapping[str, Table]
    aspects: Mapping[Aspect, Moments]

    @property
    def table(self) -> Table:
        return sum(self.categories.values(), Table())


@dataclass(frozen=True)
class Opinion:
    """One rater's decision on a listed candidate, with its lowest aspects as (aspect, score, below the minimum)."""

    decision: str
    lowest: tuple[tuple[Aspect, float, bool], ...]


@dataclass(frozen=True)
class Listed:
    image_id: int
    image_thumbnail: str
    candidate_id: int
    candidate_thumbnail: str
    category: str
    first: Opinion
    second: Opinion


@dataclass(frozen=True)
class Page:
    """Some candidates, newest first, and the id after which the next ones come; None at the end."""

    rows: tuple[Listed, ...]
    after: int | None


def parse_rater(key: str) -> Rater:
    """The rater of :attr:`Rater.key`. Raises GgtError for what names none."""
    if key == "people":
        return Rater()
    rest = key.removeprefix("rule:")
    judge = rest.removeprefix("stand-in:")
    if not judge or ":" in judge:
        raise GgtError(f"There is no judge {key[:60]!r}. Choose one from the list.")
    return Rater(judge, rule=rest != key, stand_in=judge != rest)


def judged(session: Session) -> tuple[Judged, ...]:
    """Every judge that has verdicts, by its latest verdict on each candidate. Real models first, then local, stand-ins."""
    rows = session.execute(
        select(
            col(Verdict.judge), col(Verdict.stand_in), func.count(),
            func.sum(case((col(Verdict.decision) != col(Verdict.rule_decision), 1), else_=0)),
        )
        .where(_newest(Verdict))
        .group_by(col(Verdict.judge), col(Verdict.stand_in))
    ).all()  # fmt: skip
    order = list(JUDGES)

    def place(row: Judged) -> tuple[bool, bool, int, str]:
        spec = JUDGES.get(row.judge)
        return row.stand_in, bool(spec and spec.local), order.index(row.judge) if spec else len(order), row.judge

    return tuple(sorted((Judged(*row) for row in rows), key=place))


def reviewed(session: Session) -> int:
    """How many candidates people have decided on."""
    number: int = session.execute(
        select(func.count(func.distinct(col(Review.candidate_id)))).where(col(Review.undone_at).is_(None))
    ).scalar_one()
    return number


def compare(session: Session, first: Rater, second: Rater, category: str = "") -> Comparison:
    """Both raters' decisions and scores on the candidates that both judged, in one statement.

    ``category`` narrows the aspects; the tables are of all categories.
    """
    a, b = _side(first), _side(second)
    scored = bool(first.judge and second.judge) and (first.judge, first.stand_in) != (second.judge, second.stand_in)
    aspects_read = ASPECTS if scored else ()
    read = [
        metric_value(side.scores, literal_column(f"'{aspect}'")).label(f"{name}_{aspect}")
        for aspect in aspects_read
        for name, side in (("x", a), ("y", b))
    ]
    both = (
        select(col(CandidateSummary.category), a.decision.label("one"), b.decision.label("other"), *read)
        .select_from(a.table)
        .join(b.table, b.candidate_id == a.candidate_id)
        .join(CandidateSummary, col(CandidateSummary.candidate_id) == a.candidate_id)
        .where(*a.latest, *b.latest)
        .cte("both")
        .prefix_with("MATERIALIZED")  # each score is read from its JSON once, not once for every sum
    )
    sums = [part for aspect in aspects_read for part in _sums(both.c[f"x_{aspect}"], both.c[f"y_{aspect}"])]
    groups = (both.c.category, both.c.one, both.c.other)
    rows = session.execute(select(*groups, func.count(), *sums).group_by(*groups)).all()
    tables: dict[str, Table] = {}
    aspects: dict[Aspect, Moments] = {}
    for key, one, other, number, *values in rows:
        tables[key] = tables.get(key, Table()) + _cell(one, other, number)
        if category in ("", key):
            for place, aspect in enumerate(aspects_read):
                n, *rest = values[6 * place : 6 * place + 6]
                aspects[aspect] = aspects.get(aspect, Moments()) + Moments(n, *(float(value or 0) for value in rest))
    return Comparison(tables, aspects)


def _cell(first: str, second: str, number: int) -> Table:
    counts = [number if (first, second) == tuple(cell.split("-")) else 0 for cell in CELLS]
    return Table(*counts)


def listed(session: Session, first: Rater, second: Rater, cell: Cell, category: str = "", after: int | None = None) -> Page:
    """Candidates on which both decided as ``cell`` says ("accept-reject": only the first accepts), "" where they differ."""
    a, b = _side(first), _side(second)
    query = (
        select(
            col(Image.id), col(Image.thumbnail_sha256), col(Candidate.id), col(Candidate.thumbnail_sha256),
            col(Image.category), a.decision, a.scores, b.decision, b.scores,
        )
        .select_from(a.table)
        # "+ 0": else SQLite looks the second up by "after" instead of by candidate, for every row of the first.
        .join(b.table, b.candidate_id == a.candidate_id + 0)
        .join(Candidate, col(Candidate.id) == a.candidate_id)
        .join(Image, col(Image.id) == col(Candidate.image_id))
        .where(*a.latest, *b.latest)
        .order_by(a.candidate_id.desc())
        .limit(PAGE_SIZE + 1)
    )  # fmt: skip
    if cell:
        one, other = cell.split("-")
        query = query.where(a.decision == one, b.decision == other)
    else:
        query = query.where(a.decision != b.decision)
    if category:
        # Not as a bare column: SQLite would begin with the category's images and sort what it finds among them.
        query = query.where(func.coalesce(col(Image.category), "") == category)
    if after is not None:
        query = query.where(a.candidate_id < after)
    rows = session.execute(query).all()
    found = tuple(
        Listed(image_id, image, candidate_id, candidate, key, _opinion(one, its), _opinion(other, others))
        for image_id, image, candidate_id, candidate, key, one, its, other, others in rows[:PAGE_SIZE]
    )
    return Page(found, found[-1].candidate_id if len(rows) > PAGE_SIZE else None)


def _opinion(decision: str, scores: Json | None) -> Opinion:
    known = sorted((float(scores[a]), place, a) for place, a in enumerate(ASPECTS) if a in scores) if scores else []
    lowest = ((aspect, score, score < ACCEPT_RULE.minimum(aspect)) for score, _, aspect in known[:LOWEST_SHOWN])
    return Opinion(decision, tuple(lowest))


@dataclass(frozen=True)
class _Side:
    """A rater in a statement: its table under a name of its own, and what makes a row its latest decision.

    "No newer row" and not "the largest id of each candidate": the first walks an index, the second is gathered anew.
    """

    table: Any
    latest: tuple[ColumnElement[bool], ...]
    decision: Any
    scores: Any

    @property
    def candidate_id(self) -> Any:
        return col(self.table.candidate_id)


def _side(rater: Rater) -> _Side:
    if not rater.judge:
        review, later = aliased(Review), aliased(Review)
        newer = select(1).where(
            col(later.candidate_id) == col(review.candidate_id),
            col(later.id) > col(review.id),
            col(later.undone_at).is_(None),
        )
        return _Side(review, (col(review.undone_at).is_(None), ~newer.exists()), col(review.decision), null())
    verdict = aliased(Verdict)
    decision = col(verdict.rule_decision) if rater.rule else col(verdict.decision)
    own = (col(verdict.judge) == rater.judge, col(verdict.stand_in).is_(rater.stand_in))
    return _Side(verdict, (*own, _newest(verdict)), decision, col(verdict.scores))


def _newest(verdict: Any) -> ColumnElement[bool]:
    """Its judge, real or stand-in, has given no later verdict on the candidate (by a newer version, say)."""
    later = aliased(Verdict)
    newer = select(1).where(
        col(later.judge) == verdict.judge,
        col(later.candidate_id) == verdict.candidate_id,
        col(later.stand_in) == verdict.stand_in,
        col(later.id) > verdict.id,
    )
    return ~newer.exists()


def _sums(x: ColumnElement[float], y: ColumnElement[float]) -> list[ColumnElement[Any]]:
    """n, x, y, xx, yy, xy over the rows in which both have a score."""
    both = x.is_not(None) & y.is_not(None)
    parts = (literal(1), x, y, x * x, y * y, x * y)
    return [func.sum(case((both, part), else_=literal(0))) for part in parts]
