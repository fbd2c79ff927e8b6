"""Metric-based filtering: an HQ whose no-reference scores hardly improve on its LQ is excluded (Sec. 3.3)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower"]


@dataclass(frozen=True)
class FilterRule:
    """How much better HQ must be.

    ``min_improvement`` gives per metric the smallest gain that counts, in the metric's own units and positive whichever
    way the metric points. Gains are absolute, because BRISQUE may be zero or negative, where ratios mean nothing.
    ``min_passing`` is how many of these metrics must show such a gain. Raises ValueError for a gain that is not
    positive ("little improvement" is a failure, so no gain can never pass) or a count no image could reach.
    """

    min_improvement: Mapping[str, float]
    min_passing: int

    def __post_init__(self) -> None:
        for metric, gain in self.min_improvement.items():
            if not (math.isfinite(gain) and gain > 0):
                raise ValueError(f"the smallest gain in {metric} must be above 0, not {gain}")
        if not 1 <= self.min_passing <= len(self.min_improvement):
            raise ValueError(f"min_passing must be within 1 and {len(self.min_improvement)}, not {self.min_passing}")


@dataclass(frozen=True)
class FilterResult:
    """What the filter found.

    ``improvements`` holds HQ over LQ per metric, positive is better, only where both values exist. ``failed`` are the
    metrics that gained too little, ``undefined`` those without a value. ``decided`` is False when the undefined ones
    could have turned the outcome: the candidate is then passed on to the judge (``passed`` is True) and must be shown
    as unfiltered.
    """

    passed: bool
    decided: bool
    improvements: Mapping[str, float]
    failed: tuple[str, ...]
    undefined: tuple[str, ...]
    reason: str


def improvement(lq: float | None, hq: float | None, better: Direction) -> float | None:
    """Gain of HQ over LQ, positive is better; None where a value is missing or not finite."""
    if lq is None or hq is None or not (math.isfinite(lq) and math.isfinite(hq)):
        return None
    return hq - lq if better == "higher" else lq - hq


def apply_filter(
    lq_scores: Mapping[str, float | None],
    hq_scores: Mapping[str, float | None],
    rule: FilterRule,
    directions: Mapping[str, Direction],
) -> FilterResult:
    """Apply ``rule`` to the no-reference scores of one LQ-HQ pair.

    A metric without a value counts neither as a gain of 0 nor as a pass. Where enough metrics pass without it, or too
    many fail even if it had passed, the outcome stands; otherwise the filter cannot decide and leaves it to the judge.
    Raises ValueError when ``directions`` lacks a metric of the rule.
    """
    unknown = [m for m in rule.min_improvement if directions.get(m) not in ("higher", "lower")]
    if unknown:
        raise ValueError(f"no direction for {', '.join(unknown)}")
    gains: dict[str, float] = {}
    for metric in rule.min_improvement:
        gain = improvement(lq_scores.get(metric), hq_scores.get(metric), directions[metric])
        if gain is not None:
            gains[metric] = gain
    failed = tuple(m for m, g in gains.items() if g < rule.min_improvement[m])
    undefined = tuple(m for m in rule.min_improvement if m not in gains)
    passing = len(gains) - len(failed)
    decided = passing >= rule.min_passing or passing + len(undefined) < rule.min_passing
    return FilterResult(
        passed=passing >= rule.min_passing or not decided,
        decided=decided,
        improvements=gains,
        failed=failed,
        undefined=undefined,
        reason=_reason(rule, gains, failed, undefined, decided),
    )


def _reason(
    rule: FilterRule, gains: Mapping[str, float], failed: tuple[str, ...], undefined: tuple[str, ...], decided: bool
) -> str:
    total, passing = len(rule.min_improvement), len(gains) - len(failed)
    told = [f"{m} {g:+.3g} (needs {rule.min_improvement[m]:+.3g})" for m, g in gains.items()]
    told += [f"{m} has no value" for m in undefined]
    verb = "improved" if decided else "improved for certain, so the filter cannot decide and the judge must"
    return f"{passing} of {total} metrics {verb}; {rule.min_passing} needed: {', '.join(told)}."
