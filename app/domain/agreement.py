"""How far two raters agree: raw agreement with Wilson's interval, Cohen's kappa, and correlation of scores.

- J. Cohen: A Coefficient of Agreement for Nominal Scales, Educational and Psychological Measurement 20 (1960), 37-46.
- E. B. Wilson: Probable Inference, the Law of Succession, and Statistical Inference, JASA 22 (1927), 209-212; recommended
  by R. G. Newcombe: Two-Sided Confidence Intervals for the Single Proportion, Statistics in Medicine 17 (1998), 857-872.
- K. Pearson: Notes on Regression and Inheritance in the Case of Two Parents, Proc. Royal Society 58 (1895), 240-242.

None stands for "not defined", which is neither 0 nor agreement.
"""

import math
from dataclasses import dataclass

Z95 = 1.959963984540054
"""The 97.5 % point of the standard normal distribution: intervals at 95 %."""


@dataclass(frozen=True)
class Table:
    """Counts of two raters' accept and reject decisions on the same things; the first rater's comes first.

    Raises ValueError for a negative count.
    """

    both_accept: int = 0
    accept_reject: int = 0
    reject_accept: int = 0
    both_reject: int = 0

    def __post_init__(self) -> None:
        if min(self.both_accept, self.accept_reject, self.reject_accept, self.both_reject) < 0:
            raise ValueError("a count cannot be negative")

    def __add__(self, other: "Table") -> "Table":
        return Table(
            self.both_accept + other.both_accept,
            self.accept_reject + other.accept_reject,
            self.reject_accept + other.reject_accept,
            self.both_reject + other.both_reject,
        )

    @property
    def n(self) -> int:
        return self.both_accept + self.accept_reject + self.reject_accept + self.both_reject

    @property
    def agreed(self) -> int:
        return self.both_accept + self.both_reject

    @property
    def disagreed(self) -> int:
        return self.accept_reject + self.reject_accept

    @property
    def accepted(self) -> tuple[int, int]:
        """How many each rater accepts."""
        return self.both_accept + self.accept_reject, self.both_accept + self.reject_accept


@dataclass(frozen=True)
class Share:
    """A share of one with its 95 % interval, each within 0 to 1."""

    value: float
    low: float
    high: float


def wilson(successes: int, n: int, z: float = Z95) -> Share | None:
    """The share ``successes / n`` with Wilson's score interval (without continuity correction); None for n = 0.

    Raises ValueError unless 0 <= successes <= n.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n} is no share")
    if n == 0:
        return None
    share, grown = successes / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / grown
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / grown
    # At the ends the bound is exactly 0 or 1, which rounding would miss.
    return Share(share, 0.0 if successes == 0 else centre - half, 1.0 if successes == n else centre + half)


def agreement(table: Table) -> Share | None:
    """The share of things on which both decide alike; None when nothing was rated by both."""
    return wilson(table.agreed, table.n)


def kappa(table: Table) -> float | None:
    """Cohen's kappa, -1 to 1: agreement beyond what the raters' own shares of accept would give by chance.

    None when nothing was rated by both, or both gave everything one and the same decision: chance alone would then agree
    always, and nothing can be said beyond it.
    """
    if table.n == 0:
        return None
    first, second = table.accepted
    # In whole numbers, so that "chance agrees always" is found exactly.
    by_chance = first * second + (table.n - first) * (table.n - second)
    if by_chance == table.n**2:
        return None
    return (table.agreed * table.n - by_chance) / (table.n**2 - by_chance)


@dataclass(frozen=True)
class Moments:
    """Sums over pairs of scores (x, y), as a database adds them up: enough for means and Pearson's correlation."""

    n: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(
            self.n + other.n, self.x + other.x, self.y + other.y, self.xx + other.xx, self.yy + other.yy, self.xy + other.xy
        )

    @property
    def means(self) -> tuple[float, float] | None:
        """Mean x and mean y; None without pairs."""
        return (self.x / self.n, self.y / self.n) if self.n else None


def pearson(sums: Moments) -> float | None:
    """Pearson's correlation, -1 to 1; None below two pairs and where either side always has the same score.

    Sums of squares lose digits where the spread is tiny beside the mean; scores from 0 to 100 are far from that.
    """
    if sums.n < 2:
        return None
    spread_x, spread_y = sums.n * sums.xx - sums.x**2, sums.n * sums.yy - sums.y**2
    if spread_x <= 1e-9 * sums.n * sums.xx or spread_y <= 1e-9 * sums.n * sums.yy:
        return None
    r = (sums.n * sums.xy - sums.x * sums.y) / math.sqrt(spread_x * spread_y)
    return max(-1.0, min(1.0, r))
