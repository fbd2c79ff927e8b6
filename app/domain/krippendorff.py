"""Krippendorff's alpha: how far any number of raters agree beyond chance, with values missing, for names and for numbers.

- K. Krippendorff: Content Analysis, 4th ed., Sage 2019, chapter 12; Computing Krippendorff's Alpha-Reliability,
  University of Pennsylvania 2011 (the formulas and the worked examples).
- A. F. Hayes, K. Krippendorff: Answering the Call for a Standard Reliability Measure for Coding Data, Communication Methods
  and Measures 1 (2007), 77-89.
- A. Zapf et al.: Measuring inter-rater reliability for nominal data, BMC Medical Research Methodology 16:93 (2016):
  resampling units, as here, keeps its promised coverage, which drawing single disagreements does not.

alpha = 1 - Do / De: disagreement observed within units over that expected if values were dealt out at random. Both come of
sums over units, so units are kept as sums: a database adds them up, and a hundred thousand cost no more than a hundred.

None stands for "not defined": no unit with two values, or one and the same value throughout, where chance alone agrees.
"""

import math
import random
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

BLOCKS = 101
"""Groups that units are dealt into for the bootstrap. A prime: whatever pattern their numbers have, all are used."""
RESAMPLES = 400
LEAST_UNITS = 10
"""Below these, an interval would look like knowledge."""
MOST_UNDEFINED = 0.05
"""Share of resamples without an alpha beyond which there is no interval: too little varies to draw one."""


@dataclass(frozen=True)
class Nominal:
    """Sums over units that at least two raters have named. ``counts`` is how often each name was given, in a fixed order.

    ``within``: sum over units of (m² - sum of squared counts) / (m - 1), m being the unit's number of values.
    """

    units: int = 0
    counts: tuple[int, ...] = ()
    within: float = 0.0

    def __add__(self, other: "Nominal") -> "Nominal":
        if not (self.counts and other.counts):
            return other if not self.counts else self
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        return Nominal(self.units + other.units, counts, self.within + other.within)

    @property
    def n(self) -> int:
        """Pairable values."""
        return sum(self.counts)

    def alpha(self) -> float | None:
        """-1 to 1, lower only in tiny samples; None where it is not defined."""
        n = self.n
        expected = n * n - sum(count * count for count in self.counts)
        return 1 - self.within * (n - 1) / expected if expected else None


@dataclass(frozen=True)
class Interval:
    """Sums over units to which at least two raters gave numbers: ``n`` values x, their sum and sum of squares.

    ``within``: sum over units of 2 (m sum x² - (sum x)²) / (m - 1): squared differences of each value to all others.
    Sums of squares lose digits where the spread is tiny beside the mean; scores from 0 to 100 are far from that.
    """

    units: int = 0
    n: int = 0
    x: float = 0.0
    xx: float = 0.0
    within: float = 0.0

    def __add__(self, other: "Interval") -> "Interval":
        return Interval(
            self.units + other.units, self.n + other.n, self.x + other.x, self.xx + other.xx, self.within + other.within
        )

    def alpha(self) -> float | None:
        """-1 to 1, lower only in tiny samples; None where it is not defined."""
        spread = self.n * self.xx - self.x**2
        if self.n < 2 or spread <= 1e-9 * self.n * self.xx:
            return None
        return 1 - self.within * (self.n - 1) / (2 * spread)


S = TypeVar("S", Nominal, Interval)


@dataclass(frozen=True)
class Alpha:
    """Alpha over ``units`` things rated by two or more. ``low`` and ``high`` are its 95 % interval, None where too few."""

    value: float
    units: int
    low: float | None = None
    high: float | None = None


def nominal(units: Iterable[Sequence[Hashable | None]]) -> list[Nominal]:
    """Each unit's values as sums, None being missing; units with fewer than two values are left out."""
    known = [[value for value in unit if value is not None] for unit in units]
    names: dict[Hashable, int] = {}
    for values in known:
        for value in values:
            names.setdefault(value, len(names))
    found = []
    for values in known:
        if len(values) > 1:
            counts = [0] * len(names)
            for value in values:
                counts[names[value]] += 1
            m = len(values)
            found.append(Nominal(1, tuple(counts), (m * m - sum(c * c for c in counts)) / (m - 1)))
    return found


def interval(units: Iterable[Sequence[float | None]]) -> list[Interval]:
    """As :func:`nominal`, for numbers."""
    found = []
    for unit in units:
        values = [value for value in unit if value is not None]
        m, x, xx = len(values), math.fsum(values), math.fsum(value * value for value in values)
        if m > 1:
            found.append(Interval(1, m, x, xx, max(0.0, 2 * (m * xx - x * x) / (m - 1))))
    return found


def alpha(parts: Sequence[S], seed: int = 0, resamples: int = RESAMPLES) -> Alpha | None:
    """Alpha over all ``parts`` with its bootstrap interval; None where it is not defined.

    ``parts`` are units, or blocks of them dealt out at random: these are drawn with replacement, which tells the same as
    drawing units, since alpha only depends on sums. At most ``resamples`` times :data:`BLOCKS` parts are added up: more
    units than blocks are dealt into blocks first. The same seed gives the same interval. Without an interval are fewer
    than :data:`LEAST_UNITS`, and units of which nearly all have one and the same value (:data:`MOST_UNDEFINED`).
    """
    blocks = _dealt([part for part in parts if part.units])
    value = _total(blocks).alpha() if blocks else None
    if value is None:
        return None
    units = sum(block.units for block in blocks)
    if units < LEAST_UNITS or len(blocks) < LEAST_UNITS or resamples < 1:
        return Alpha(value, units)
    draw = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    columns = [_numbers(block) for block in blocks]
    found = []
    for _ in range(resamples):
        drawn = draw.choices(columns, k=len(columns))
        again = _rebuilt(blocks[0], [sum(column) for column in zip(*drawn, strict=True)]).alpha()
        if again is not None:
            found.append(again)
    if len(found) < (1 - MOST_UNDEFINED) * resamples:
        return Alpha(value, units)
    found.sort()
    low, high = found[int(0.025 * len(found))], found[int(0.975 * len(found))]
    return Alpha(value, units, min(low, value), max(high, value))


def _dealt(parts: list[S]) -> list[S]:
    return parts if len(parts) <= BLOCKS else [_total(parts[place::BLOCKS]) for place in range(BLOCKS)]


def _total(parts: Sequence[S]) -> S:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def _numbers(part: Nominal | Interval) -> tuple[float, ...]:
    if isinstance(part, Nominal):
        return (part.units, part.within, *part.counts)
    return (part.units, part.n, part.x, part.xx, part.within)


def _rebuilt(like: Nominal | Interval, numbers: Sequence[float]) -> Nominal | Interval:
    if isinstance(like, Nominal):
        return Nominal(int(numbers[0]), tuple(int(count) for count in numbers[2:]), numbers[1])
    units, n, x, xx, within = numbers
    return Interval(int(units), int(n), x, xx, within)
