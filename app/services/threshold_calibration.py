"""Which thresholds of the accept rule and of the metric filter would have agreed best with people.

Read from the newest :data:`CAP` pairs that people came to a decision on; nothing is changed here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.catalog.metrics import METRICS
from app.catalog.quality import ACCEPT_RULE
from app.domain.aspects import ASPECTS
from app.domain.calibration import Calibration, calibrate
from app.domain.metric_filter import FilterRule, improvement
from app.domain.verdict import AcceptRule
from app.models import CandidateSummary, Json, Verdict
from app.services import filter_rules
from app.services.filter_preview import FILTER_METRICS
from app.services.reviewed_pairs import Wanted, pairs

CAP = 10_000
"""Pairs looked at, newest first: their scores are read one by one."""
SEED = 20_260_102
Kind = Literal["rule", "aspect", "metric"]


@dataclass(frozen=True)
class Threshold:
    """A threshold with what people say about it; ``found`` is None where they accepted or rejected nothing with a score.

    ``unsettled``: no single one is in force, since categories differ. ``below``: pairs under the present one.
    """

    key: str
    title: str
    kind: Kind
    present: float | None
    found: Calibration | None
    below: int = 0
    unsettled: bool = False


@dataclass(frozen=True)
class Calibrations:
    """``pairs`` were read of ``total`` that people came to a decision on; ``accepted`` of those read."""

    pairs: int
    total: int
    accepted: int
    thresholds: tuple[Threshold, ...]


def calibrations(session: Session, wanted: Wanted) -> Calibrations:
    """Every threshold, in two statements."""
    found = pairs(wanted)
    c = found.c
    rows: Sequence[Any] = session.execute(
        select(c.outcome, col(CandidateSummary.metrics), col(Verdict.scores), func.count().over())
        .join(CandidateSummary, col(CandidateSummary.candidate_id) == c.candidate_id)
        .outerjoin(Verdict, col(Verdict.id) == c.verdict_id)
        .where(c.outcome.in_(("accept", "reject", "regenerate")))
        .order_by(c.candidate_id.desc())
        .limit(CAP)
    ).all()
    accepted = [outcome == "accept" for outcome, *_ in rows]
    metrics: list[Json] = [row[1] or {} for row in rows]
    scores: list[Json] = [row[2] or {} for row in rows]
    thresholds = [
        *(_rule(name, title, value, scores, accepted) for name, title, value in _minimums(ACCEPT_RULE)),
        *(_aspect(aspect, scores, accepted) for aspect in ASPECTS),
        *_filter(filter_rules.all_in_force(session), wanted.category, metrics, accepted),
    ]
    return Calibrations(len(rows), rows[0][3] if rows else 0, sum(accepted), tuple(thresholds))


def _minimums(rule: AcceptRule) -> list[tuple[str, str, int]]:
    found = [("min_all", "Lowest of all aspects", rule.min_all)]
    return found + [(aspect, words(aspect), rule.minimum(aspect)) for aspect in rule.minimums]


def words(aspect: str) -> str:
    """An aspect's name: "Object consistency"."""
    return aspect.replace("_", " ").capitalize()


def _rule(name: str, title: str, present: int, scores: Sequence[Json], accepted: Sequence[bool]) -> Threshold:
    """One minimum of the accept rule while the others stay: whoever fails those is accepted by no value of this one."""
    values = [_within_rule(name, one) for one in scores]
    return _threshold(f"rule_{name}", title, "rule", present, values, accepted)


def _within_rule(name: str, scores: Json) -> float | None:
    if any(not isinstance(scores.get(aspect), int | float) for aspect in ASPECTS):
        return None
    if name == "min_all":
        value = min(float(scores[aspect]) for aspect in ASPECTS)
        fails = any(scores[aspect] < minimum for aspect, minimum in ACCEPT_RULE.minimums.items())
    else:
        value = float(scores[name])
        fails = any(scores[aspect] < ACCEPT_RULE.minimum(aspect) for aspect in ASPECTS if aspect != name)
    return -math.inf if fails else value


def _aspect(aspect: str, scores: Sequence[Json], accepted: Sequence[bool]) -> Threshold:
    values = [one.get(aspect) for one in scores]
    return _threshold(aspect, words(aspect), "aspect", ACCEPT_RULE.minimum(aspect), values, accepted)  # type: ignore[arg-type]


def _filter(
    rules: Mapping[str, FilterRule], category: str, metrics: Sequence[Json], accepted: Sequence[bool]
) -> list[Threshold]:
    """Gains of HQ over LQ in each metric that may filter, in the metric's own units; positive is better."""
    asked = [rules[category]] if category in rules else list(rules.values())
    found = []
    for key in FILTER_METRICS:
        present = {rule.min_improvement.get(key) for rule in asked}
        values = [improvement(one.get(f"{key}_lq"), one.get(key), METRICS[key].better) for one in metrics]
        one = next(iter(present)) if len(present) == 1 else None
        found.append(_threshold(key, METRICS[key].title, "metric", one, values, accepted, unsettled=len(present) > 1))
    return found


def _threshold(
    key: str, title: str, kind: Kind, present: float | None, values: Sequence[float | None], accepted: Sequence[bool],
    *, unsettled: bool = False,
) -> Threshold:  # fmt: skip
    found = calibrate(zip(values, accepted, strict=True), present=present, seed=SEED)
    below = 0 if present is None else sum(value is not None and value < present for value in values)
    return Threshold(key, title, kind, present, found, below, unsettled)
