"""A judge's decisions against those of people: precision and recall of accept, and kappa with its interval.

- J. L. Fleiss, J. Cohen, B. S. Everitt: Large Sample Standard Errors of Kappa and Weighted Kappa, Psychological Bulletin 72
  (1969), 323-327: the standard error when kappa is not 0.

In every :class:`~app.domain.agreement.Table` here people come first and the judge second.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.agreement import Z95, Share, Table, agreement, wilson


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa with its 95 % interval, each within -1 to 1; without one where all agree, which the formula takes for
    certainty however few they are."""

    value: float
    low: float | None
    high: float | None


def precision(table: Table) -> Share | None:
    """Of what the judge accepts, the share that people accept; None where it accepts nothing."""
    return wilson(table.both_accept, table.accepted[1])


def recall(table: Table) -> Share | None:
    """Of what people accept, the share that the judge accepts; None where they accept nothing."""
    return wilson(table.both_accept, table.accepted[0])


def accuracy(table: Table) -> Share | None:
    """The share of pairs on which both decide alike."""
    return agreement(table)


def kappa_of(table: Table) -> Kappa | None:
    """Kappa of a table; None where it is not defined."""
    return kappa_interval(((table.both_accept, table.accept_reject), (table.reject_accept, table.both_reject)))


def kappa_interval(counts: Sequence[Sequence[int]]) -> Kappa | None:
    """Cohen's kappa of a square table of counts, 95 % by its large-sample standard error; None where it is not defined.

    A normal interval: rough below some 50 pairs.
    """
    n = sum(map(sum, counts))
    if n == 0:
        return None
    names = range(len(counts))
    rows = [sum(counts[i]) / n for i in names]
    columns = [sum(counts[i][j] for i in names) / n for j in names]
    chance = sum(r * c for r, c in zip(rows, columns, strict=True))
    if chance >= 1 - 1e-12:
        return None
    agreed = sum(counts[i][i] for i in names) / n
    value = (agreed - chance) / (1 - chance)
    same = sum(counts[i][i] / n * (1 - (rows[i] + columns[i]) * (1 - value)) ** 2 for i in names)
    other = sum(counts[i][j] / n * (columns[i] + rows[j]) ** 2 for i in names for j in names if i != j)
    variance = same + (1 - value) ** 2 * other - (value - chance * (1 - value)) ** 2
    if variance <= 1e-12:
        return Kappa(value, None, None)
    half = Z95 * math.sqrt(variance / n) / (1 - chance)
    return Kappa(value, max(-1.0, value - half), min(1.0, value + half))
