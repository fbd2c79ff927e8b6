"""How many patches a draw would take of each level, from their numbers alone: what people see before they start one."""

from collections.abc import Mapping

from app.domain.sampling import DrawRule
from app.domain.screening import LEVELS


def expected(kept: Mapping[str, int], left: Mapping[str, int], rule: DrawRule) -> dict[str, int]:
    """New patches by level, exact to one of each, where no limit per photograph stands against it.

    ``kept`` were drawn before, ``left`` may be drawn.
    """
    most = {level: kept.get(level, 0) + (left.get(level, 0) if rule.ratio[level] else 0) for level in LEVELS}
    ends = [most[level] / rule.ratio[level] for level in LEVELS if rule.ratio[level]]

    def drawn(share: float) -> dict[str, float]:
        """Levels when each has ``share`` times its part of the ratio, as far as it can and never less than is kept."""
        return {level: min(most[level], max(kept.get(level, 0), rule.ratio[level] * share)) for level in LEVELS}

    low, high = 0.0, max(ends) if rule.fill else min(ends)
    if rule.most is not None and sum(drawn(high).values()) > rule.most:
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if sum(drawn(middle).values()) < rule.most else (low, middle)
    return {level: max(0, round(number) - kept.get(level, 0)) for level, number in drawn(high).items()}
