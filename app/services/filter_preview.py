"""What other thresholds of the metric filter would do to the candidates there are, before an admin applies them."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Integer, Select, func, literal, literal_column, or_, select, type_coerce, union_all
from sqlmodel import Session, col

from app.catalog.categories import CATEGORIES
from app.catalog.metrics import METRICS
from app.catalog.quality import filter_rule
from app.domain.metric_filter import FilterRule, apply_filter
from app.errors import Conflict, GgtError
from app.models import Candidate, CandidateSummary, FilterSetting, Image, Method, User
from app.services import filter_rules
from app.services.metric_value import metric_value

SAMPLE_CAP = 20_000
"""Candidates looked at; where a category has more, as many of them, spread evenly over their ids."""
HISTORY_SHOWN = 20
SIDE_SHOWN = 6
"""Examples per group: just excluded, just passed, newly excluded, newly passed."""
FILTER_METRICS = {key: spec for key, spec in METRICS.items() if spec.filters}


@dataclass(frozen=True)
class Sample:
    """Improvements of HQ over LQ, positive is better, of chosen candidates that have one: a column per metric.

    ``total`` is how many such candidates the category has; ``ids`` are those that are here, in ascending order.
    ``stand_in``: a stand-in for a provider made them, since nothing else has made any.
    """

    total: int
    ids: Sequence[int]
    gains: Mapping[str, Sequence[float | None]]
    stand_in: bool = False


@dataclass(frozen=True)
class Comparison:
    """How many of ``n`` candidates the proposed rule excludes and the rule in force (``now``) does.

    ``more`` are excluded only by the proposed one, ``fewer`` only by the one in force; ``undecided`` pass the proposed one
    because a value is missing.
    """

    n: int
    excluded: int
    now: int
    more: int
    fewer: int
    undecided: int


@dataclass(frozen=True)
class Example:
    """A pair with its values (metric, LQ, HQ) and what both rules make of it."""

    image_id: int
    image_thumbnail: str
    candidate_id: int
    candidate_thumbnail: str
    values: tuple[tuple[str, float | None, float | None], ...]
    excluded: bool
    excluded_now: bool


@dataclass(frozen=True)
class Examples:
    changed: tuple[Example, ...] = ()
    nearest: tuple[Example, ...] = ()


@dataclass(frozen=True)
class Applied:
    """A rule as somebody applied it."""

    id: int
    rule: FilterRule
    who: str
    at: datetime


def categories_with_candidates(session: Session) -> list[str]:
    """Categories that have any candidate, in the catalogue's order: one index probe each, in one statement."""
    probes = [
        select(literal(key)).where(
            select(1).where(col(CandidateSummary.category) == key, col(CandidateSummary.chosen).is_(True)).exists()
        )
        for key in CATEGORIES
    ]
    found = set(session.execute(union_all(*probes)).scalars())
    return [key for key in CATEGORIES if key in found]


def sample(session: Session, category: str, cap: int = SAMPLE_CAP) -> Sample:
    """The improvements of ``category``'s chosen candidates, in one statement; at most ``cap`` of them.

    What a stand-in for a provider made is left out, since thresholds are not to be fitted to it, unless there is nothing
    else: then it is there to try the page with.
    """
    stand_in = False
    rows = session.execute(_sampled(category, cap, stand_in=False)).all()
    if not rows:
        rows = session.execute(_sampled(category, cap, stand_in=True)).all()
        stand_in = bool(rows)
    columns = list(zip(*rows, strict=True)) or [()] * (2 + len(FILTER_METRICS))
    gains = dict(zip(FILTER_METRICS, columns[2:], strict=True))
    return Sample(rows[0][1] if rows else 0, columns[0], gains, stand_in)


def _sampled(category: str, cap: int, *, stand_in: bool) -> Select[tuple[int, int]]:
    summary = CandidateSummary
    numbered = (
        select(
            col(summary.candidate_id).label("id"),
            func.row_number().over(order_by=col(summary.candidate_id)).label("place"),
            func.count().over().label("total"),
        )
        .where(
            col(summary.category) == category,
            col(summary.chosen).is_(True),
            col(summary.method_id).in_(select(col(Method.id)).where(col(Method.stand_in).is_(stand_in))),
            or_(*(_gain(key).is_not(None) for key in FILTER_METRICS)),
        )
        .subquery()
    )
    place, total = type_coerce(numbered.c.place, Integer), type_coerce(numbered.c.total, Integer)
    return (
        select(numbered.c.id, total, *(_gain(key) for key in FILTER_METRICS))
        .join(summary, col(summary.candidate_id) == numbered.c.id)
        # Integer division: of total rows exactly cap cross a multiple of total/cap.
        .where(or_(total <= cap, (place * cap) // total > ((place - 1) * cap) // total))
        .order_by(numbered.c.id)
    )


def _gain(key: str) -> ColumnElement[float]:
    """:func:`app.domain.metric_filter.improvement` in SQL; the same double, since both subtract the same two."""
    hq, lq = (metric_value(col(CandidateSummary.metrics), literal_column(f"'{name}'")) for name in (key, f"{key}_lq"))
    return hq - lq if FILTER_METRICS[key].better == "higher" else lq - hq


def parse_rule(query: Mapping[str, str], in_force: FilterRule) -> FilterRule:
    """The rule a URL asks for: the metrics it gives a threshold, or the rule in force where it gives none.

    Raises GgtError for a threshold that is no number and for a rule that no image could pass.
    """
    thresholds = {key: _threshold(key, text) for key in FILTER_METRICS if (text := query.get(key, "").strip())}
    if not thresholds:
        if any(name in query for name in (*FILTER_METRICS, "min_passing")):
            raise GgtError("A filter needs at least one metric: give one of them a threshold.")
        return in_force
    wanted = query.get("min_passing", "").strip() or str(min(in_force.min_passing, len(thresholds)))
    if not (wanted.isdecimal() and 1 <= int(wanted) <= len(thresholds)):
        raise GgtError(f"Of {len(thresholds)} metrics {wanted[:20]} cannot pass: choose from 1 to {len(thresholds)}.")
    try:
        return FilterRule(thresholds, int(wanted))
    except ValueError as error:
        raise GgtError(f"These thresholds make no filter: {error}.") from None


def _threshold(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise GgtError(f"The threshold of {METRICS[key].title} must be a number, not {text[:40]!r}.") from None


def rule_query(rule: FilterRule) -> dict[str, str]:
    """The URL query that :func:`parse_rule` reads as ``rule``."""
    return {key: plain(value) for key, value in rule.min_improvement.items()} | {"min_passing": str(rule.min_passing)}


def plain(value: float) -> str:
    """The shortest text that reads as the same number: 2.0 -> "2"."""
    return repr(float(value)).removesuffix(".0")


def compare(found: Sample, proposed: FilterRule, in_force: FilterRule) -> Comparison:
    """Count what both rules exclude."""
    new, old = _outcomes(found, proposed), _outcomes(found, in_force)
    pairs = list(zip(new, old, strict=True))
    return Comparison(
        n=len(pairs),
        excluded=sum(out for out, _ in new),
        now=sum(out for out, _ in old),
        more=sum(out and not before for (out, _), (before, _) in pairs),
        fewer=sum(before and not out for (out, _), (before, _) in pairs),
        undecided=sum(not decided for _, decided in new),
    )


def _outcomes(found: Sample, rule: FilterRule) -> list[tuple[bool, bool]]:
    """Per candidate, whether ``rule`` excludes it and whether it could decide.

    Only which metrics fall short and which have no value matters, so apply_filter is asked once per such pattern.
    """
    directions, nothing = dict.fromkeys(rule.min_improvement, "higher"), dict.fromkeys(rule.min_improvement, 0.0)
    limits = list(rule.min_improvement.values())
    columns = [found.gains.get(key) or [None] * len(found.ids) for key in rule.min_improvement]
    known: dict[tuple[bool | None, ...], tuple[bool, bool]] = {}
    outcomes = []
    for gains in zip(*columns, strict=True):
        pattern = tuple(None if g is None else g < limit for g, limit in zip(gains, limits, strict=True))
        if pattern not in known:
            result = apply_filter(nothing, dict(zip(rule.min_improvement, gains, strict=True)), rule, directions)  # type: ignore[arg-type]
            known[pattern] = (not result.passed, result.decided)
        outcomes.append(known[pattern])
    return outcomes


def examples(session: Session, found: Sample, proposed: FilterRule, in_force: FilterRule) -> Examples:
    """Pairs nearest the proposed boundary on either side, and of those whose outcome changes; one statement."""
    new, old = _outcomes(found, proposed), _outcomes(found, in_force)
    groups: dict[str, list[tuple[float, int]]] = {name: [] for name in ("more", "fewer", "excluded", "passed")}
    for place, ((out, _), (before, _)) in enumerate(zip(new, old, strict=True)):
        distance = abs(_margin([found.gains[key][place] for key in proposed.min_improvement], proposed))
        side = "excluded" if out else "passed"
        name = side if out == before else "more" if out else "fewer"
        if name in ("more", "fewer") or distance < math.inf:
            groups[name].append((distance, place))
    nearest = {name: [place for _, place in heapq.nsmallest(SIDE_SHOWN, group)] for name, group in groups.items()}
    shown = {found.ids[p]: (new[p][0], old[p][0]) for places in nearest.values() for p in places}
    tiles = _tiles(session, shown)

    def of(*names: str) -> tuple[Example, ...]:
        ids = [found.ids[place] for name in names for place in nearest[name]]
        return tuple(tiles[i] for i in ids if i in tiles)

    return Examples(changed=of("more", "fewer"), nearest=of("excluded", "passed"))


def _margin(gains: Sequence[float | None], rule: FilterRule) -> float:
    """How far a pair is from the boundary, in thresholds: negative is excluded, infinite cannot be.

    Each gain counts in multiples of its threshold, and that of the metric which tips the scale is taken: the
    ``min_passing``-th best. A missing value could be any.
    """
    limits = rule.min_improvement.values()
    ratios = [math.inf if gain is None else gain / limit for gain, limit in zip(gains, limits, strict=True)]
    return sorted(ratios, reverse=True)[rule.min_passing - 1] - 1


def _tiles(session: Session, shown: Mapping[int, tuple[bool, bool]]) -> dict[int, Example]:
    rows = session.execute(
        select(
            col(Image.id), col(Image.thumbnail_sha256), col(Candidate.id), col(Candidate.thumbnail_sha256),
            col(CandidateSummary.metrics),
        )
        .join(Candidate, col(Candidate.image_id) == col(Image.id))
        .join(CandidateSummary, col(CandidateSummary.candidate_id) == col(Candidate.id))
        .where(col(Candidate.id).in_(shown))
    ).all()  # fmt: skip
    found = {}
    for image_id, image_thumbnail, candidate_id, thumbnail, metrics in rows:
        values = tuple((key, metrics.get(f"{key}_lq"), metrics.get(key)) for key in FILTER_METRICS)
        out, before = shown[candidate_id]
        found[candidate_id] = Example(image_id, image_thumbnail, candidate_id, thumbnail, values, out, before)
    return found


def history(session: Session, category: str, size: int = HISTORY_SHOWN) -> list[Applied]:
    """The rules applied to ``category``, newest first. The first is in force; without any, the catalogue's is."""
    rows = session.execute(
        select(FilterSetting, col(User.name))
        .outerjoin(User, col(User.id) == col(FilterSetting.created_by))
        .where(col(FilterSetting.category) == category)
        .order_by(col(FilterSetting.id).desc())
        .limit(size)
    ).all()
    return [
        Applied(row.id or 0, FilterRule(row.min_improvement, row.min_passing), who or "system", row.created_at)
        for row, who in rows
    ]


def changes(old: FilterRule, new: FilterRule) -> tuple[str, ...]:
    """What differs from ``old`` to ``new``, in words; empty where nothing does."""
    told = []
    for key in METRICS:
        before, after = old.min_improvement.get(key), new.min_improvement.get(key)
        if before != after:
            was = "off" if before is None else plain(before)
            told.append(f"{METRICS[key].title} {was} → {'off' if after is None else plain(after)}")
    counts = [f"{rule.min_passing} of {len(rule.min_improvement)}" for rule in (old, new)]
    if counts[0] != counts[1]:
        told.append(f"metrics that must improve {counts[0]} → {counts[1]}")
    return tuple(told)


def apply(session: Session, user_id: int, category: str, rule: FilterRule, seen: int) -> None:
    """Put ``rule`` in force. ``seen`` is the id of the setting that the person saw in force, 0 for the catalogue's.

    Raises Conflict when another one is in force by now, or ``rule`` is already.
    """
    newest = next(iter(history(session, category, 1)), None)
    if newest and newest.id != seen:
        raise Conflict(f"{newest.who} has applied other thresholds meanwhile. Open the filter again and compare with those.")
    if rule == (newest.rule if newest else filter_rule(category)):
        raise Conflict("These thresholds are in force already.")
    filter_rules.apply(session, user_id, category, dict(rule.min_improvement), rule.min_passing)
