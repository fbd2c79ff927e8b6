"""Which threshold on a score would have agreed best with people who accepted and rejected.

- W. J. Youden: Index for Rating Diagnostic Tests, Cancer 3 (1950), 32-35: J = share of accepted pairs that pass + share of
  rejected ones that are stopped - 1. Balanced accuracy is (J + 1) / 2: right as often on either kind, however many there
  are of each, so that a threshold which accepts everything gains nothing by people mostly accepting.
- B. Efron, R. J. Tibshirani: An Introduction to the Bootstrap, Chapman & Hall 1993, chapter 13 (percentile intervals); with
  Poisson counts in place of drawing each pair, as N. Chamandy et al., Estimating Uncertainty for Massive Data Streams,
  Google 2012, so that work is bounded.

The best agreement is told on the very pairs it was chosen by, so it is a little too good, the more so the fewer they are.
"""

import math
import random
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Literal, NamedTuple

LEAST_OF_EACH = 10
"""Accepted and rejected pairs that an interval needs at least."""
MOST_BINS = 64
"""Points of the curve, and bins of the bootstrap."""
RESAMPLES = 200
LARGE_COUNT = 400
"""From here a Poisson count is drawn as a rounded normal one."""


class Step(NamedTuple):
    """Pairs with nearly the same score: the lowest of them, and how many people accepted and rejected."""

    value: float
    accepts: int
    rejects: int


@dataclass(frozen=True)
class Point:
    """A threshold, the share of accepted pairs that pass it (``kept``), and of rejected ones that do not (``stopped``)."""

    threshold: float
    kept: float
    stopped: float

    @property
    def balanced(self) -> float:
        return (self.kept + self.stopped) / 2

    @property
    def youden(self) -> float:
        return self.kept + self.stopped - 1


@dataclass(frozen=True)
class Calibration:
    """``n`` pairs with a score, ``accepted`` of them by people; ``missing`` had none.

    ``curve`` are at most :data:`MOST_BINS` thresholds in ascending order. ``best`` agrees best, and any threshold above
    ``above`` up to ``upto`` does so ("from ... to below" where lower is better); the present one is taken where it does too,
    since nothing then speaks for another. ``low`` and ``high`` are the best one's 95 % interval, None where too few were
    accepted or rejected. ``present`` is the threshold in force, if one is.
    """

    n: int
    accepted: int
    missing: int
    curve: tuple[Point, ...]
    best: Point
    above: float
    upto: float
    present: Point | None
    low: float | None
    high: float | None

    @property
    def rejected(self) -> int:
        return self.n - self.accepted


def calibrate(
    pairs: Iterable[tuple[float | None, bool]],
    *,
    present: float | None = None,
    passes: Literal["at least", "at most"] = "at least",
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Calibration | None:
    """The threshold on a score that agrees best with people; None unless they accepted one pair and rejected another.

    ``pairs`` are (score, whether people accepted); None and NaN are missing. A pair passes with a score of ``passes`` the
    threshold. An infinite score is one that no threshold changes. Of several that agree equally well the one nearest to
    ``present`` is taken, without it the most lenient.
    """
    sign = 1.0 if passes == "at least" else -1.0
    known, missing = [], 0
    for score, accepted in pairs:
        if score is None or math.isnan(score):
            missing += 1
        else:
            known.append((sign * score, accepted))
    steps = _steps(known)
    accepts, rejects = sum(s.accepts for s in steps), sum(s.rejects for s in steps)
    if not accepts or not rejects:
        return None
    now = None if present is None else sign * present
    above, upto, best = _best(steps, now)
    coarse = _coarse(steps)
    low, high = _interval(coarse, seed, resamples) if min(accepts, rejects) >= LEAST_OF_EACH else (None, None)

    values = [step.value for step in steps]
    good_below = [0, *accumulate(step.accepts for step in steps)]
    bad_below = [0, *accumulate(step.rejects for step in steps)]

    def point(threshold: float) -> Point:
        place = bisect_left(values, threshold)
        return Point(sign * threshold, 1 - good_below[place] / accepts, bad_below[place] / rejects)

    curve = [point(step.value) for step in coarse if math.isfinite(step.value)]
    ends = None if low is None or high is None else sorted((sign * min(low, best), sign * max(high, best)))
    return Calibration(
        n=accepts + rejects,
        accepted=accepts,
        missing=missing,
        curve=tuple(curve if sign > 0 else reversed(curve)),
        best=point(best),
        above=sign * above,
        upto=sign * upto,
        present=None if now is None else point(now),
        low=ends[0] if ends else None,
        high=ends[1] if ends else None,
    )


def _steps(known: Iterable[tuple[float, bool]]) -> list[Step]:
    """One step per score, ascending."""
    counts: dict[float, list[int]] = {}
    for score, accepted in known:
        counts.setdefault(score, [0, 0])[0 if accepted else 1] += 1
    return [Step(score, *counts[score]) for score in sorted(counts)]


def _coarse(steps: Sequence[Step]) -> list[Step]:
    """At most :data:`MOST_BINS` steps, each with about as many pairs."""
    if len(steps) <= MOST_BINS:
        return list(steps)
    wanted = sum(s.accepts + s.rejects for s in steps) / MOST_BINS
    found: list[Step] = []
    seen = 0
    for step in steps:
        if found and int(seen / wanted) < len(found):
            last = found[-1]
            found[-1] = Step(last.value, last.accepts + step.accepts, last.rejects + step.rejects)
        elif len(found) < MOST_BINS:
            found.append(step)
        seen += step.accepts + step.rejects
    return found


def _best(steps: Sequence[Step], present: float | None) -> tuple[float, float, float]:
    """(above, up to, threshold): what agrees best lies above the one and reaches up to the other."""
    accepts, rejects = sum(s.accepts for s in steps), sum(s.rejects for s in steps)
    kept, stopped, top = accepts, 0, -1
    found: list[tuple[float, float]] = []
    below = -math.inf
    for step in steps:
        # In whole numbers, so that ties are found exactly. A threshold at this score stops all that lie below.
        agreed = kept * rejects + stopped * accepts
        if agreed > top and math.isfinite(step.value):
            top, found = agreed, []
        if agreed == top and math.isfinite(step.value):
            found.append((below, step.value))
        kept, stopped, below = kept - step.accepts, stopped + step.rejects, step.value
    if not found:
        return -math.inf, math.inf, 0.0 if present is None else present
    if present is None:
        above, upto = found[0]
        return above, upto, _inside(above, upto)
    above, upto = min(found, key=lambda one: _distance(present, *one))
    return above, upto, present if above < present <= upto else _inside(above, upto)


def _inside(above: float, upto: float) -> float:
    """Half way between the scores on either side: new pairs may fall anywhere between."""
    return (above + upto) / 2 if math.isfinite(above) else upto


def _distance(value: float, above: float, upto: float) -> float:
    return max(above - value, value - upto, 0.0)


def _interval(steps: Sequence[Step], seed: int, resamples: int) -> tuple[float | None, float | None]:
    # Without the present threshold: one that stays wherever it may would make the interval look narrow.
    draw = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    found = []
    for _ in range(resamples):
        again = [Step(s.value, _poisson(draw, s.accepts), _poisson(draw, s.rejects)) for s in steps]
        there = [step for step in again if step.accepts or step.rejects]
        if any(s.accepts for s in there) and any(s.rejects for s in there):
            found.append(_best(there, None)[2])
    if not found:
        return None, None
    found.sort()
    return found[int(0.025 * len(found))], found[int(0.975 * len(found))]


def _poisson(draw: random.Random, mean: int) -> int:
    """A Poisson count."""
    if mean == 0:
        return 0
    if mean >= LARGE_COUNT:
        return max(0, round(draw.gauss(mean, math.sqrt(mean))))
    return bisect_right(_cumulated(mean), draw.random())


@lru_cache(maxsize=LARGE_COUNT)  # some 2 MB
def _cumulated(mean: int) -> Sequence[float]:
    chances = [math.exp(-mean)]
    for k in range(1, mean + 8 * math.isqrt(mean) + 20):
        chances.append(chances[-1] * mean / k)
    return array("d", accumulate(chances))
