"""How far people agree with each other and with a judge: per category, per person and week by week.

One statement adds everything up in the database, into at most :data:`~app.domain.krippendorff.BLOCKS` blocks per category
(enough for the bootstrap), one row per week and one per person: what is read does not grow with the reviews.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    Integer,
    String,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
)
from sqlmodel import Session, col

from app.domain import krippendorff
from app.domain.agreement import Share, Table, wilson
from app.domain.aspects import ASPECTS, Aspect
from app.domain.krippendorff import BLOCKS, Alpha, Interval, Nominal
from app.models import Review, User
from app.services import gold
from app.services.gold import Accuracy
from app.services.reviewed_pairs import Wanted, epoch_seconds, midnight, monday, pairs, standing

LONGEST_LOOK = 300
"""Seconds between two decisions of a person beyond which they are taken to have done something else meanwhile."""
SEED = 20_260_101
CATEGORY_RESAMPLES = 200
OF_DECISIONS = 15
"""Of the columns of sums, so many are of decisions; those of aspects follow."""

ONE: ColumnElement[int] = literal_column("1", Integer)

Part = TypeVar("Part", Nominal, Interval)


@dataclass(frozen=True)
class Figures:
    """Some pairs added up. ``overlapping`` have two decisions or more, ``split`` are those of them that differ.

    ``table``: people's outcome first, the judge's decision second, on pairs where both are known. ``disputed`` wait for
    somebody to settle them, ``open`` for more decisions; neither has an outcome.
    """

    pairs: int = 0
    decisions: int = 0
    overlapping: int = 0
    split: int = 0
    disputed: int = 0
    open: int = 0
    table: Table = field(default_factory=Table)
    alpha: Alpha | None = None
    aspects: Mapping[Aspect, Alpha | None] | None = None


@dataclass(frozen=True)
class Week:
    """The pairs first decided on in the week that begins at ``start``, a Monday. No aspects, and no intervals of alpha."""

    number: int
    start: date
    figures: Figures


@dataclass(frozen=True)
class Person:
    """One annotator. ``agreeing`` of ``others``: comparisons with another person's decision on the same pair.

    ``table``: their own decisions first, the judge's second. ``seconds`` is the median from one decision to the next within
    :data:`LONGEST_LOOK`, None where there is none.
    """

    user_id: int
    name: str
    decisions: int
    accepted: int
    others: int
    agreeing: int
    table: Table
    gold: Accuracy | None = None
    seconds: int | None = None

    @property
    def with_others(self) -> Share | None:
        return wilson(self.agreeing, self.others)


@dataclass(frozen=True)
class Agreement:
    """All of it; ``everything`` is the whole that ``categories`` and ``weeks`` divide."""

    everything: Figures
    categories: Mapping[str, Figures]
    weeks: tuple[Week, ...]
    people: tuple[Person, ...]


def agreement(session: Session, wanted: Wanted) -> Agreement:
    """Agreement as ``wanted`` narrows it, in four statements."""
    blocks: dict[str, list[_Sums]] = {}
    weeks: list[Week] = []
    people: dict[int, Sequence[float]] = {}
    for part, key, number, *values in session.execute(_everything(pairs(wanted, aspects=True))):
        sums = [float(value or 0) for value in values]
        if part == "category":
            blocks.setdefault(key, []).append(_Sums(sums))
        elif part == "week":
            weeks.append(Week(int(number), monday(int(number)), _figures([_Sums(sums)], resamples=0, aspects=False)))
        else:
            people[int(number)] = sums
    every = [block for found in blocks.values() for block in found]
    # Blocks of the same number from several categories are one block of the whole.
    merged: dict[int, _Sums] = {}
    for block in every:
        number = block.block
        merged[number] = merged[number] + block if number in merged else block
    return Agreement(
        everything=_figures(list(merged.values())),
        categories={
            key: _figures(found, resamples=CATEGORY_RESAMPLES, aspects=False) for key, found in sorted(blocks.items())
        },
        weeks=tuple(sorted(weeks, key=lambda week: week.number)),
        people=_people(session, wanted, people),
    )


class _Sums:
    """One row of sums, in the order of :func:`_columns`."""

    def __init__(self, values: Sequence[float]) -> None:
        self.values = values

    def __add__(self, other: "_Sums") -> "_Sums":
        # the last is the block's number, which is the same on both sides
        return _Sums([*(a + b for a, b in zip(self.values[:-1], other.values[:-1], strict=True)), self.values[-1]])

    @property
    def block(self) -> int:
        return int(self.values[-1])

    @property
    def counts(self) -> list[int]:
        return [int(value) for value in self.values[:10]]

    @property
    def decisions(self) -> Nominal:
        units, accepts, rejects, regenerates = (int(value) for value in self.values[10:14])
        return Nominal(units, (accepts, rejects, regenerates), self.values[14])

    def aspect(self, place: int) -> Interval:
        units, n, x, xx, within = self.values[OF_DECISIONS + 5 * place : OF_DECISIONS + 5 * place + 5]
        return Interval(int(units), int(n), x, xx, within)


def _figures(blocks: Sequence[_Sums], resamples: int = krippendorff.RESAMPLES, *, aspects: bool = True) -> Figures:
    if not blocks:
        return Figures(aspects=dict.fromkeys(ASPECTS) if aspects else None)
    total = [sum(column) for column in zip(*(block.counts for block in blocks), strict=True)]
    number, decisions, overlapping, split, disputed, waiting, *table = total

    def alpha(parts: Iterator[Part]) -> Alpha | None:
        return krippendorff.alpha(list(parts), SEED, resamples)

    return Figures(
        number, decisions, overlapping, split, disputed, waiting, Table(*table),
        alpha=alpha(block.decisions for block in blocks),
        aspects={a: alpha(block.aspect(place) for block in blocks) for place, a in enumerate(ASPECTS)} if aspects else None,
    )  # fmt: skip


def _everything(found: CTE) -> Any:
    c = found.c
    block = c.candidate_id % BLOCKS
    columns = _columns(found)
    by_category = select(
        literal("category"), c.category, cast(null(), Float), *columns, cast(block, Float)
    ).group_by(c.category, block)  # fmt: skip
    nothing = cast(null(), Float)
    of_decisions = columns[:OF_DECISIONS]
    by_week = select(
        literal("week"), cast(null(), String), cast(c.week, Float), *of_decisions,
        *[nothing] * (len(columns) - OF_DECISIONS), nothing,
    ).group_by(c.week)  # fmt: skip
    mine = _personal(found)
    padding = [nothing] * (len(columns) + 1 - len(mine))
    by_person = (
        select(literal("person"), cast(null(), String), cast(col(Review.user_id), Float), *mine, *padding)
        .select_from(found)
        .join(Review, col(Review.candidate_id) == c.candidate_id)
        .where(*standing("own"))
        .group_by(col(Review.user_id))
    )
    return union_all(by_category, by_week, by_person)


def _columns(found: CTE) -> list[Any]:
    """What is added up over pairs: ten counts, five sums for the decisions' alpha, five for that of each aspect."""
    c = found.c
    several = c.n > 1
    split = several & (c.accepts < c.n) & (c.rejects < c.n) & (c.regenerates < c.n)
    squares = c.accepts * c.accepts + c.rejects * c.rejects + c.regenerates * c.regenerates
    sums = [
        _sum(ONE), _sum(c.n), _sum(ONE, several), _sum(ONE, split),
        _sum(ONE, c.outcome == "disputed"), _sum(ONE, c.outcome == "open"),
        *(_sum(ONE, which) for which in cells(c.outcome, c.judged)),
        _sum(ONE, several), *(_sum(c[f"{one}s"], several) for one in ("accept", "reject", "regenerate")),
        _sum((c.n * c.n - squares) / cast(c.n - 1, Float), several),
    ]  # fmt: skip
    for aspect in ASPECTS:
        n, x, xx = (c[f"{name}_{aspect}"] for name in ("n", "x", "xx"))
        within = 2 * (n * xx - x * x) / cast(n - 1, Float)
        # rounding may leave a little less than nothing where all gave the same
        sums += [
            _sum(ONE, n > 1), _sum(n, n > 1), _sum(x, n > 1), _sum(xx, n > 1),
            _sum(case((within > 0, within), else_=0.0), n > 1),
        ]  # fmt: skip
    return sums


def _personal(found: CTE) -> list[Any]:
    """What is added up over one person's decisions."""
    c, decision = found.c, col(Review.decision)
    alike = case((decision == "accept", c.accepts), (decision == "reject", c.rejects), else_=c.regenerates)
    return [
        _sum(ONE), _sum(ONE, decision == "accept"), _sum(c.n - 1), _sum(alike - 1),
        *(_sum(ONE, which) for which in cells(decision, c.judged)),
    ]  # fmt: skip


def cells(people: Any, judge: Any) -> tuple[Any, Any, Any, Any]:
    """Conditions for the four cells of a table. Asking for another try is no acceptance, so it counts as a rejection."""
    yes, no = people == "accept", people.in_(("reject", "regenerate"))
    return (
        and_(yes, judge == "accept"), and_(yes, judge == "reject"), and_(no, judge == "accept"), and_(no, judge == "reject")
    )  # fmt: skip


def _sum(value: Any, condition: Any = None) -> Any:
    # A condition inside the case, so that nothing is divided by 0 where it does not hold. One type, for the union.
    counted = value if condition is None else case((condition, value), else_=literal_column("0"))
    return cast(func.sum(counted), Float)


def _people(session: Session, wanted: Wanted, sums: Mapping[int, Sequence[float]]) -> tuple[Person, ...]:
    if not sums:
        return ()
    rows = session.execute(select(col(User.id), col(User.name)).where(col(User.id).in_(sums)))
    names: dict[int, str] = {row[0]: row[1] for row in rows}
    known = {row.user_id: row for row in gold.accuracies(session, wanted.queue)}
    seconds = _seconds(session, wanted)
    found = []
    for user_id, values in sums.items():
        decisions, accepted, others, agreeing, *table = (int(value) for value in values[:8])
        found.append(
            Person(
                user_id, names.get(user_id, f"person {user_id}"), decisions, accepted, others, agreeing, Table(*table),
                known.get(user_id), seconds.get(user_id),
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda person: (person.name, person.user_id)))


def _seconds(session: Session, wanted: Wanted) -> dict[int, int]:
    """Median seconds from one decision of a person to their next, by how often each whole number of seconds occurs."""
    at = epoch_seconds(col(Review.created_at))
    before = func.lag(at).over(partition_by=col(Review.user_id), order_by=(col(Review.created_at), col(Review.id)))
    looks = select(col(Review.user_id), (at - before).label("gap"), col(Review.queue_id)).where(
        or_(*(and_(*standing(kind)) for kind in ("own", "gold")))
    )
    if wanted.since:
        looks = looks.where(col(Review.created_at) >= midnight(wanted.since))
    if wanted.until:
        looks = looks.where(col(Review.created_at) < midnight(wanted.until + timedelta(days=1)))
    each = looks.subquery()
    query = (
        select(each.c.user_id, each.c.gap, func.count())
        .where(each.c.gap.between(0, LONGEST_LOOK))
        .group_by(each.c.user_id, each.c.gap)
    )
    if wanted.queue is not None:
        query = query.where(each.c.queue_id == wanted.queue)
    gaps: dict[int, list[tuple[int, int]]] = {}
    for user_id, gap, number in session.execute(query):
        gaps.setdefault(user_id, []).append((int(gap), int(number)))
    return {user_id: _median(counted) for user_id, counted in gaps.items()}


def _median(counted: Sequence[tuple[int, int]]) -> int:
    """The lower median of values with how often each occurs."""
    half, seen = (sum(number for _, number in counted) + 1) // 2, 0
    for value, number in sorted(counted):
        seen += number
        if seen >= half:
            return value
    raise ValueError("a median of nothing")
