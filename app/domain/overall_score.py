"""Eq. 1 of the paper (Sec. 3.2): one overall score for each setting from metrics of unlike units and directions.

Each metric is min-max normalised over the settings, turned so that higher is better; the normalised metrics of an aspect
(fidelity, perceptual quality, VLM) are averaged, and then the aspects. An Avg only means something among the settings it was
normalised with: another setting in the table changes the others' values.

What Eq. 1 leaves open, and what holds here:

- **A missing value stays missing.** It is never 0, and an aspect is not averaged over what happens to be there, since
  metrics differ in how generous they are: the setting has no score in that aspect, and no Avg if the aspect is chosen. Its
  other values still count in the minimum and maximum of their columns. Each column says how many settings it has (``n``).
- **A column in which all settings are equal** (0/0 in Eq. 1; also one with a single value) tells none apart and is left out
  of its aspect, for every setting: aspects, Avg and ranking are what they would be in a table without the column. A fixed
  0.5 for everybody would keep it in the denominator and shrink the aspect's spread beside the other aspects', so that a
  column without information could turn the ranking of two settings that trade one aspect against another.
- **An aspect of which no column is left** is left out of Avg in the same way and for the same reason; the weights of the
  others share its place. Where nothing at all tells the settings apart, or there is but one, there is no Avg.
- **Equal up to rounding is equal**: means over the same images in another order differ in the last bit, which min-max would
  blow up to 0 and 1. See :data:`EQUAL`.
- **Infinite values and NaN are refused**; they would make every other setting 0 or nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Better = Literal["higher", "lower"]
State = Literal["used", "equal", "single", "empty"]

EQUAL = 1e-12
"""A column whose spread is at most this share of its largest absolute value counts as equal throughout."""
LARGEST = 1e100
"""Absolute values from here on are refused, since differences and means of them overflow."""


@dataclass(frozen=True)
class Column:
    """A metric of the table. ``digits`` are the decimals it is published with; values that print alike share a place."""

    key: str
    better: Better
    aspect: str
    digits: int = 4


MFM_COLUMNS: tuple[Column, ...] = (
    Column("psnr", "higher", "fid"),
    Column("ssim", "higher", "fid"),
    Column("lpips", "lower", "fid"),
    Column("dists", "lower", "fid"),
    Column("niqe", "lower", "per"),
    Column("musiq", "higher", "per"),
    Column("maniqa", "higher", "per"),
    Column("topiq_nr", "higher", "per"),
    Column("afine_nr", "lower", "per"),
    Column("vlm_r", "higher", "vlm", digits=3),
)
"""Table 1: four fidelity metrics, five perceptual ones, and VLM-R as a share (printed as percent with one decimal)."""

AVG_DIGITS = 4


@dataclass(frozen=True)
class Scale:
    """What a column was normalised by. ``n`` settings have a value; ``low`` and ``high`` are in the metric's own unit.

    ``state``: ``used``, or why it is left out: all ``equal``, a ``single`` value, ``empty``. An empty column is not left out
    but missing for every setting, and so is its aspect.
    """

    column: Column
    n: int
    low: float | None
    high: float | None
    state: State

    @property
    def note(self) -> str:
        """What a reader must know of the column, ``""`` if nothing."""
        if self.state == "equal":
            same = f"{self.column.key} is {self.low:g} in all {self.n} settings that have it"
            return f"{same}: it tells none apart and is left out."
        if self.state == "single":
            return f"{self.column.key} is there for one setting only: with nothing to compare, it is left out."
        if self.state == "empty":
            return (
                f"{self.column.key} is missing for every setting, and so is the score of its aspect ({self.column.aspect})."
            )
        return ""


@dataclass(frozen=True)
class Scored:
    """One setting, in the order given. ``normalised`` by column, ``aspects`` by aspect: 0 to 1, None where there is none.

    ``marks`` has 1, 2 or 3 for best, second and third, by column and for ``avg`` (see :func:`marks`). ``missing`` are the
    columns of chosen aspects for lack of which the setting has no Avg.
    """

    normalised: Mapping[str, float | None]
    aspects: Mapping[str, float | None]
    avg: float | None
    marks: Mapping[str, int | None]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Overall:
    """Eq. 1 over a table. ``shares`` are the weights Avg was made with, summing to 1, or to nothing where no Avg can be;
    ``left_out`` are chosen aspects without a column that tells settings apart. ``n`` settings have an Avg.
    """

    scales: tuple[Scale, ...]
    rows: tuple[Scored, ...]
    shares: Mapping[str, float]
    left_out: tuple[str, ...]

    @property
    def n(self) -> int:
        return sum(row.avg is not None for row in self.rows)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know, in sentences to stand under the table."""
        if len(self.rows) == 1:
            return ("There is one setting only: Eq. 1 compares settings, so it has no Avg.",)
        found = [scale.note for scale in self.scales if scale.note]
        found += [f"The aspect {aspect} tells no settings apart and is left out of Avg." for aspect in self.left_out]
        lacking = len(self.rows) - self.n
        if lacking and self.shares:
            columns = [
                scale.column.key for scale in self.scales if any(scale.column.key in row.missing for row in self.rows)
            ]
            found.append(f"{lacking} of {len(self.rows)} settings have no Avg for lack of {', '.join(columns)}.")
        return tuple(found)


def overall(
    rows: Sequence[Mapping[str, float | None]],
    columns: Sequence[Column] = MFM_COLUMNS,
    weights: Mapping[str, float] | None = None,
) -> Overall:
    """Eq. 1 over ``rows``, each a setting's values by column key; a key that is None or not there is missing.

    ``weights`` chooses aspects and weighs them; an aspect that is not named, or has weight 0, does not count. By default all
    count alike. Raises ValueError for NaN and infinite values, and for weights that are negative, all 0, or of an aspect
    that has no column.
    """
    asked = asked_shares(columns, weights)
    values = np.array(
        [[_number(at, row, column.key) for column in columns] for at, row in enumerate(rows)], dtype=np.float64
    )
    values = values.reshape(len(rows), len(columns))
    found = eq1(values, columns, asked)
    aspects = list(dict.fromkeys(column.aspect for column in columns))
    keys = [column.key for column in columns]
    counts = np.isfinite(values).sum(axis=0)
    places = {c.key: marks([_none(v) for v in values[:, k]], c.better, c.digits) for k, c in enumerate(columns)}
    places["avg"] = marks([_none(v) for v in found.avg], "higher", AVG_DIGITS)
    scales = tuple(
        Scale(column, int(n), _none(low), _none(high), _state(int(n), bool(told)))
        for column, n, low, high, told in zip(columns, counts, found.low, found.high, found.tells, strict=True)
    )
    scored = tuple(
        Scored(
            normalised={key: _none(v) for key, v in zip(keys, found.normalised[at], strict=True)},
            aspects={aspect: _none(v) for aspect, v in zip(aspects, found.aspects[at], strict=True)},
            avg=_none(found.avg[at]),
            marks={key: column[at] for key, column in places.items()},
            missing=tuple(c.key for k, c in enumerate(columns) if c.aspect in asked and np.isnan(values[at, k])),
        )
        for at in range(len(rows))
    )
    there = {aspect for aspect in asked if any(s.column.aspect == aspect and s.state == "used" for s in scales)}
    # An aspect with an empty column is missing, which is more than not telling settings apart.
    lacking = {s.column.aspect for s in scales if s.state == "empty"}
    total = sum(share for aspect, share in asked.items() if aspect in there)
    shares = {aspect: share / total for aspect, share in asked.items() if aspect in there}
    return Overall(scales, scored, shares, tuple(a for a in asked if a not in there and a not in lacking))


def marks(values: Sequence[float | None], better: Better, digits: int) -> list[int | None]:
    """1, 2, 3 for best, second and third of a column, None for all others, and for every one where nothing differs.

    Values that print alike with ``digits`` decimals share the place, and those behind them count them: two best, then a
    third. So a place always says how many are better.
    """
    known = [None if value is None else float(f"{value:.{digits}f}") for value in values]
    order = sorted((value for value in known if value is not None), reverse=better == "higher")
    if not order or order[0] == order[-1]:
        return [None] * len(values)
    first: dict[float, int] = {}
    for place, value in enumerate(order, 1):
        first.setdefault(value, place)
    return [None if value is None or first[value] > 3 else first[value] for value in known]


@dataclass(frozen=True, eq=False)
class Eq1:
    """Eq. 1 as arrays, NaN where there is nothing. ``low``, ``high``, ``tells`` are [..., columns], the last being whether a
    column tells settings apart; ``normalised`` is [..., settings, columns], ``aspects`` [..., settings, aspects in the order
    in which columns name them], ``avg`` [..., settings].
    """

    low: Array
    high: Array
    tells: NDArray[np.bool_]
    normalised: Array
    aspects: Array
    avg: Array


def eq1(values: Array, columns: Sequence[Column], shares: Mapping[str, float]) -> Eq1:
    """Eq. 1 over ``values`` [..., settings, columns], NaN being missing; the leading axes are tables, each on its own.

    ``shares`` are weights by aspect as :func:`asked_shares` gives them. This is all of Eq. 1; :func:`overall` names its
    parts.
    """
    known = ~np.isnan(values)
    low = np.min(values, axis=-2, where=known, initial=np.inf)
    high = np.max(values, axis=-2, where=known, initial=-np.inf)
    some = known.any(axis=-2)
    low, high = np.where(some, low, np.nan), np.where(some, high, np.nan)
    spread = high - low
    tells = some & (spread > EQUAL * np.maximum(np.abs(low), np.abs(high)))
    up = np.array([column.better == "higher" for column in columns])
    gained = np.where(up, values - low[..., None, :], high[..., None, :] - values)
    normalised = np.where(tells[..., None, :], gained / np.where(tells, spread, 1.0)[..., None, :], np.nan)

    names = list(dict.fromkeys(column.aspect for column in columns))
    aspects = np.full((*values.shape[:-1], len(names)), np.nan)
    total, weight = np.zeros(values.shape[:-1]), np.zeros((*values.shape[:-2], 1))
    lacking = np.zeros(values.shape[:-1], dtype=np.bool_)
    for at, name in enumerate(names):
        own = [k for k, column in enumerate(columns) if column.aspect == name]
        count = tells[..., own].sum(axis=-1)[..., None]
        summed = np.where(tells[..., None, own], normalised[..., own], 0.0).sum(axis=-1)
        whole = known[..., own].all(axis=-1)
        score = np.where(whole & (count > 0), summed / np.maximum(count, 1), np.nan)
        aspects[..., at] = score
        if name in shares:
            lacking |= ~whole
            total = total + shares[name] * np.where(count > 0, score, 0.0)
            weight = weight + shares[name] * (count > 0)
    avg = np.where(lacking | (weight <= 0), np.nan, total / np.where(weight > 0, weight, 1.0))
    return Eq1(low, high, tells, normalised, aspects, avg)


def asked_shares(columns: Sequence[Column], weights: Mapping[str, float] | None) -> dict[str, float]:
    """The chosen aspects with their weights, which sum to 1. Raises ValueError as :func:`overall` says."""
    aspects = list(dict.fromkeys(column.aspect for column in columns))
    if weights is None:
        weights = dict.fromkeys(aspects, 1.0)
    for aspect, weight in weights.items():
        if aspect not in aspects:
            raise ValueError(f"there is no aspect {aspect}: {', '.join(aspects)}")
        if not 0 <= weight < LARGEST:
            raise ValueError(f"the weight of {aspect} is {weight}: a number from 0 on is needed")
    total = sum(weights.values())
    if not total > 0:
        raise ValueError("no aspect has a weight above 0")
    return {aspect: weights[aspect] / total for aspect in aspects if weights.get(aspect, 0.0) > 0}


def _number(at: int, row: Mapping[str, float | None], key: str) -> float:
    value = row.get(key)
    if value is None:
        return np.nan
    if not abs(value) < LARGEST:
        raise ValueError(f"{key} of setting {at + 1} is {value}: not a number to compare by")
    return float(value)


def _none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _state(n: int, tells: bool) -> State:
    if tells:
        return "used"
    return "empty" if n == 0 else "single" if n == 1 else "equal"
