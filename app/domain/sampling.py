"""Drawing patches by level at a ratio, 1:2:3 in the paper (Appendix A), so that more degraded ones are the more.

Deterministic: a patch's place depends on the seed and its id alone, so that a larger draw holds every smaller one, and
patches that come later push none out that were drawn before.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.screening import LEVELS

RATIO = {"high": 1, "medium": 2, "low": 3}
"""Paper, Appendix A: "high-, medium-, and low-quality levels ... sample them with a ratio of 1:2:3"."""


@dataclass(frozen=True)
class Candidate:
    """A patch that may be drawn: its id, the photograph it is of, its level. ``kept``: it was drawn before."""

    id: int
    photo: int
    level: str
    kept: bool = False


@dataclass(frozen=True)
class DrawRule:
    """How to draw. ``ratio`` by level in whole numbers; ``most`` is the number wanted in all, those kept included.

    ``per_photo`` is the most of one photograph in each level. With ``fill`` a level that has run out is left behind and the
    others go on; without it the draw ends there, so that the ratio holds to within one patch of each level.
    """

    ratio: Mapping[str, int] = field(default_factory=lambda: dict(RATIO))
    seed: int = 0
    most: int | None = None
    fill: bool = False
    per_photo: int | None = None

    def __post_init__(self) -> None:
        if set(self.ratio) != set(LEVELS) or min(self.ratio.values()) < 0 or not any(self.ratio.values()):
            raise ValueError(f"the ratio needs a whole number of 0 or more for each of {', '.join(LEVELS)}, not all 0")
        if (self.most is not None and self.most < 0) or (self.per_photo is not None and self.per_photo < 1):
            raise ValueError("most must be at least 0, and per_photo at least 1")


@dataclass(frozen=True)
class Draw:
    """What was drawn: new ids in order, numbers by level with those kept, and for each level the place of the last.

    ``cut``: every eligible patch up to that place is drawn, and no other. ``short`` is the level that ended the draw.
    """

    ids: tuple[int, ...]
    taken: Mapping[str, int]
    cut: Mapping[str, str]
    short: str = ""


def place(seed: int, patch_id: int) -> str:
    """Where a patch stands in the order of a seed: 16 hex digits, as good as random."""
    return hashlib.blake2b(f"{seed}:{patch_id}".encode(), digest_size=8).hexdigest()


def draw(candidates: Iterable[Candidate], rule: DrawRule) -> Draw:
    """As many as the rule allows. The level that is furthest behind its share gives the next patch (Webster's method)."""
    found = list(candidates)
    kept = Counter(c.level for c in found if c.kept)
    taken = {level: kept[level] for level in LEVELS}
    order = {level: [c.id for c in eligible(found, level, rule)] for level in LEVELS}
    new = dict.fromkeys(LEVELS, 0)
    open_levels = [level for level in LEVELS if rule.ratio[level]]
    drawn: list[int] = []
    short = ""
    while open_levels and (rule.most is None or sum(taken.values()) < rule.most):
        level = furthest_behind(open_levels, taken, rule)
        if new[level] == len(order[level]):
            short = short or level
            if not rule.fill:
                break
            open_levels.remove(level)
            continue
        drawn.append(order[level][new[level]])
        new[level] += 1
        taken[level] += 1
    cut = {level: place(rule.seed, order[level][number - 1]) for level, number in new.items() if number}
    return Draw(tuple(drawn), taken, cut, short)


def furthest_behind(levels: Iterable[str], taken: Mapping[str, int], rule: DrawRule) -> str:
    """The level that gives the next patch."""
    return max(levels, key=lambda name: (rule.ratio[name] / (2 * taken[name] + 1), rule.ratio[name]))


def eligible(candidates: Sequence[Candidate], level: str, rule: DrawRule) -> list[Candidate]:
    """The patches of a level that may be drawn, in the seed's order: of each photograph the first, as far as it may."""
    among = [c for c in candidates if c.level == level]
    of_photo = Counter(c.photo for c in among if c.kept)
    found = []
    for candidate in sorted((c for c in among if not c.kept), key=lambda c: (place(rule.seed, c.id), c.id)):
        if rule.per_photo is None or of_photo[candidate.photo] < rule.per_photo:
            of_photo[candidate.photo] += 1
            found.append(candidate)
    return found


def drawn_of(candidates: Sequence[Candidate], rule: DrawRule, cut: Mapping[str, str]) -> list[int]:
    """Which patches of a photograph a draw took, from ``cut`` alone; ``candidates`` are all those of the photograph.

    So a draw over a million patches is kept as three places and carried out photograph by photograph.
    """
    return [
        c.id for level in cut for c in eligible(candidates, level, rule) if place(rule.seed, c.id) <= cut[level]
    ]  # fmt: skip
