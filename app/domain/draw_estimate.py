"""What a draw would take of each level, from their numbers alone: what people see before they start one."""

import math
from collections.abc import Mapping

from app.domain.sampling import DrawRule, furthest_behind
from app.domain.screening import LEVELS


def expected(kept: Mapping[str, int], left: Mapping[str, int], rule: DrawRule) -> dict[str, int]:
    """New patches by level, as a draw takes them where no limit per photograph stands against it.

    ``kept`` were drawn before, ``left`` may be drawn. All but the last few are reckoned, however many there are.
    """
    before = {level: kept.get(level, 0) for level in LEVELS}
    most = {level: before[level] + (left.get(level, 0) if rule.ratio[level] else 0) for level in LEVELS}
    share = max(0.0, _share(before, most, rule) - 2)
    taken = {level: min(most[level], max(before[level], math.ceil(rule.ratio[level] * share - 0.5))) for level in LEVELS}
    levels = [level for level in LEVELS if rule.ratio[level]]
    while levels and (rule.most is None or sum(taken.values()) < rule.most):
        level = furthest_behind(levels, taken, rule)
        if taken[level] < most[level]:
            taken[level] += 1
        elif rule.fill:
            levels.remove(level)
        else:
            break
    return {level: taken[level] - before[level] for level in LEVELS}


def _share(before: Mapping[str, int], most: Mapping[str, int], rule: DrawRule) -> float:
    """How often each level's part of the ratio is taken, to within one."""
    ends = [most[level] / rule.ratio[level] for level in LEVELS if rule.ratio[level]]

    def drawn(share: float) -> float:
        return sum(min(most[level], max(before[level], rule.ratio[level] * share)) for level in LEVELS)

    low, high = 0.0, max(ends) if rule.fill else min(ends)
    if rule.most is not None and drawn(high) > rule.most:
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if drawn(middle) < rule.most else (low, middle)
    return high
