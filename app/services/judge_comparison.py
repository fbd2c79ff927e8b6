"""Judges beside each other and beside people: on the same candidates, how often do they decide alike?"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Subquery, case, func, literal, literal_column, null, select
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
    latest = select(func.max(col(Verdict.id))).group_by(col(Verdict.judge), col(Verdict.stand_in), col(Verdict.candidate_id))
    rows = session.execute(
        select(
            col(Verdict.judge), col(Verdict.stand_in), func.count(),
            func.sum(case((col(Verdict.decision) != col(Verdict.rule_decision), 1), else_=0)),
        )
        .where(col(Verdict.id).in_(latest))
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
    a, b = _opinions(first).subquery(), _opinions(second).subquery()
    scored = bool(first.judge and second.judge) and (first.judge, first.stand_in) != (second.judge, second.stand_in)
    sums = [part for aspect in ASPECTS for part in _sums(_score(a, aspect), _score(b, aspect))] if scored else []
    rows = session.execute(
        select(col(CandidateSummary.category), a.c.decision, b.c.decision, func.count(), *sums)
        .join(a, a.c.candidate_id == col(CandidateSummary.candidate_id))
        .join(b, b.c.candidate_id == col(CandidateSummary.candidate_id))
        .group_by(col(CandidateSummary.category), a.c.decision, b.c.decision)
    ).all()
    tables: dict[str, Table] = {}
    aspects: dict[Aspect, Moments] = {}
    for key, one, other, number, *values in rows:
        tables[key] = tables.get(key, Table()) + _cell(one, other, number)
        if category in ("", key):
            for place, aspect in enumerate(ASPECTS if scored else ()):
                n, *rest = values[6 * place : 6 * place + 6]
                aspects[aspect] = aspects.get(aspect, Moments()) + Moments(n, *(float(value or 0) for value in rest))
    return Comparison(tables, aspects)


def _cell(first: str, second: str, number: int) -> Table:
    counts = [number if (first, second) == tuple(cell.split("-")) else 0 for cell in CELLS]
    return Table(*counts)


def listed(session: Session, first: Rater, second: Rater, cell: Cell, category: str = "", after: int | None = None) -> Page:
    """Candidates on which both decided as ``cell`` says ("accept-reject": only the first accepts), "" where they differ."""
    a, b = _opinions(first).subquery(), _opinions(second).subquery()
    query = (
        select(
            col(Image.id), col(Image.thumbnail_sha256), col(Candidate.id), col(Candidate.thumbnail_sha256),
            col(Image.category), a.c.decision, a.c.scores, b.c.decision, b.c.scores,
        )
        .select_from(Candidate)
        .join(Image, col(Image.id) == col(Candidate.image_id))
        .join(a, a.c.candidate_id == col(Candidate.id))
        .join(b, b.c.candidate_id == col(Candidate.id))
        .order_by(col(Candidate.id).desc())
        .limit(PAGE_SIZE + 1)
    )  # fmt: skip
    if cell:
        one, other = cell.split("-")
        query = query.where(a.c.decision == one, b.c.decision == other)
    else:
        query = query.where(a.c.decision != b.c.decision)
    if category:
        query = query.where(col(Image.category) == category)
    if after is not None:
        query = query.where(col(Candidate.id) < after)
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


def _opinions(rater: Rater) -> Select[Any]:
    """A rater's latest decision per candidate, with the scores behind it where there are any."""
    if not rater.judge:
        newest = select(func.max(col(Review.id))).where(col(Review.undone_at).is_(None)).group_by(col(Review.candidate_id))
        columns: tuple[Any, ...] = (col(Review.candidate_id), col(Review.decision), null().label("scores"))
        return select(*columns).where(col(Review.id).in_(newest))
    verdicts = (col(Verdict.judge) == rater.judge, col(Verdict.stand_in).is_(rater.stand_in))
    newest = select(func.max(col(Verdict.id))).where(*verdicts).group_by(col(Verdict.candidate_id))
    decision = col(Verdict.rule_decision if rater.rule else Verdict.decision).label("decision")
    return select(col(Verdict.candidate_id), decision, col(Verdict.scores).label("scores")).where(
        col(Verdict.id).in_(newest)
    )


def _score(opinions: Subquery, aspect: Aspect) -> ColumnElement[float]:
    return metric_value(opinions.c.scores, literal_column(f"'{aspect}'"))


def _sums(x: ColumnElement[float], y: ColumnElement[float]) -> list[ColumnElement[Any]]:
    """n, x, y, xx, yy, xy over the rows in which both have a score."""
    both = x.is_not(None) & y.is_not(None)
    parts = (literal(1), x, y, x * x, y * y, x * y)
    return [func.sum(case((both, part), else_=literal(0))) for part in parts]
