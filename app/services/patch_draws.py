"""What there is to draw from: patches that passed, by category and level, and what a draw would take of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.domain import draw_estimate
from app.domain.sampling import DrawRule
from app.models import PatchState
from app.services import collection_counts


@dataclass(frozen=True)
class Levels:
    """Patches of a category by level, empty where they have none: ``passed``, left by an earlier draw, and retained."""

    passed: Mapping[str, int]
    not_drawn: Mapping[str, int]
    retained: Mapping[str, int]

    @property
    def there(self) -> int:
        """Patches that may be drawn."""
        return sum(self.passed.values()) + sum(self.not_drawn.values())

    @property
    def without_level(self) -> int:
        """Patches that passed and have no level: a draw leaves them."""
        return self.passed.get("", 0) + self.not_drawn.get("", 0)

    def left(self, level: str) -> int:
        return self.passed.get(level, 0) + self.not_drawn.get(level, 0)


def levels(session: Session) -> dict[str, Levels]:
    """Of every category. One statement."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for group in collection_counts.patch_groups(session):
        counts.setdefault((group.category, group.state), Counter())[group.level] += group.number
    states = (PatchState.PASSED, PatchState.NOT_DRAWN, PatchState.RETAINED)
    return {key: Levels(*(counts.get((key, state), Counter()) for state in states)) for key in CATEGORIES}


def expected(found: Levels, rule: DrawRule) -> dict[str, int]:
    """New images of each level, where no limit per photograph stands against it."""
    return draw_estimate.expected(found.retained, {level: found.left(level) for level in rule.ratio}, rule)
