"""How sure a table's numbers are: intervals of means over images, one setting against another, and Avg itself.

- B. Efron, R. J. Tibshirani: An Introduction to the Bootstrap, Chapman & Hall 1993, chapter 13 (percentile intervals).
- B. Phipson, G. K. Smyth: Permutation P-values Should Never Be Zero, Statistical Applications in Genetics and Molecular
  Biology 9:39 (2010): why 1 is added to both counts.
- T. Berg-Kirkpatrick et al.: An Empirical Investigation of Statistical Significance in NLP, EMNLP 2012 (paired resampling
  over the test items as the usual way to compare two systems).

Images are what is drawn, since another lab would have other photographs; settings and metrics stay as they are. All settings
see the same draw, so that what an image does to all of them cancels in differences. NaN is a missing value: means are over
the images that have one, and ``n`` says how many. The same seed gives the same numbers.

Of a share such as VLM-R the percentile interval is a point where all images agree; ``agreement.wilson`` has no such gap.
Comparing the best with the second best of the same table is a little too sure, since the same images chose the two.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.overall_score import Array, Column, asked_shares, eq1

RESAMPLES = 2000
FLIPS = 9999
LEAST_IMAGES = 10
"""Below these, an interval would look like knowledge."""
MOST_UNDEFINED = 0.05
"""Share of resamples without a value beyond which there is no interval."""
AT_ONCE = 4_000_000
"""Numbers held in one block, whatever the number of images: 32 MB."""
TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Mean:
    """A mean over ``n`` images and its 95 % interval, None where there are too few."""

    value: float
    n: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Paired:
    """First less second, in the metric's unit, over the ``n`` images that both have a value for, with its 95 % interval.

    ``p`` is two-sided: how often a difference at least as large would come of tossing a coin for which of the two is which,
    image by image. ``exact`` when every toss was counted, else it was estimated from random ones.
    """

    difference: float
    n: int
    low: float | None
    high: float | None
    p: float
    exact: bool


@dataclass(frozen=True, eq=False)
class Sheet:
    """Values of one image set, [images, settings, columns], NaN where missing. All its columns are drawn together."""

    columns: tuple[Column, ...]
    values: Array


@dataclass(frozen=True, eq=False)
class AvgBootstrap:
    """Avg of each setting, its interval, and what the resamples gave: ``draws`` [resamples, settings], NaN without an Avg.

    A setting's ``n`` is the number of resamples in which it has an Avg.
    """

    settings: tuple[Mean | None, ...]
    draws: Array

    def beats(self, first: int, second: int) -> float | None:
        """The share of resamples in which ``first`` has the higher Avg, a tie counting half; None where none has both."""
        one, other = self.draws[:, first], self.draws[:, second]
        both = ~(np.isnan(one) | np.isnan(other))
        if not both.any():
            return None
        return float(((one[both] > other[both]) + 0.5 * (one[both] == other[both])).mean())


def means(values: Array, *, seed: int = 0, resamples: int = RESAMPLES) -> list[Mean | None]:
    """The mean of each column of ``values`` [images, columns] with its percentile interval; None for an empty column.

    Raises ValueError for infinite values.
    """
    _refuse_infinite(values)
    draws = _drawn(values, np.random.default_rng(seed), resamples)
    counts = (~np.isnan(values)).sum(axis=0)
    lows, highs = _interval(draws)
    found: list[Mean | None] = []
    for k, n in enumerate(counts):
        if n == 0:
            found.append(None)
            continue
        value = float(np.nanmean(values[:, k]))
        known = n >= LEAST_IMAGES and not np.isnan(lows[k])
        found.append(Mean(value, int(n), *(_around(value, lows[k], highs[k]) if known else ())))
    return found


def compare(first: Array, second: Array, *, seed: int = 0, resamples: int = RESAMPLES, flips: int = FLIPS) -> Paired | None:
    """``first`` against ``second``, values of the same images in the same order; None where they share no image.

    The test is a sign-flip permutation of the differences. Raises ValueError for unlike lengths and infinite values.
    """
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError("first and second must be values of the same images")
    _refuse_infinite(first)
    _refuse_infinite(second)
    shared = ~(np.isnan(first) | np.isnan(second))
    differences = first[shared] - second[shared]
    [mean] = means(differences[:, None], seed=seed, resamples=resamples)
    if mean is None:
        return None
    p, exact = _sign_flip(differences, np.random.default_rng((seed, 1)), flips)
    return Paired(mean.value, mean.n, mean.low, mean.high, p, exact)


def avg_intervals(
    sheets: Sequence[Sheet], weights: Mapping[str, float] | None = None, *, seed: int = 0, resamples: int = RESAMPLES
) -> AvgBootstrap:
    """Eq. 1's Avg of each setting with its interval: each resample draws each sheet's images and computes Eq. 1 for all.

    The sheets are the image sets (fidelity, perceptual), each drawn on its own; their settings are the same, in the same
    order. A setting without an Avg is None; so are bounds where a sheet has fewer than :data:`LEAST_IMAGES` images. Raises
    ValueError for infinite values, unlike settings, and weights as ``overall_score.overall`` does.
    """
    columns = [column for sheet in sheets for column in sheet.columns]
    shares = asked_shares(columns, weights)
    rng = np.random.default_rng(seed)
    estimates, drawn, enough = [], [], True
    for sheet in sheets:
        images, settings, wide = sheet.values.shape
        if wide != len(sheet.columns) or settings != sheets[0].values.shape[1]:
            raise ValueError("sheets must have the same settings, and a value for each of their columns")
        _refuse_infinite(sheet.values)
        flat = sheet.values.reshape(images, settings * wide)
        estimates.append(_weighted(np.ones((1, images)), flat).reshape(settings, wide))
        drawn.append(_drawn(flat, rng, resamples).reshape(resamples, settings, wide))
        enough &= images >= LEAST_IMAGES
    avg = eq1(np.concatenate(estimates, axis=-1), columns, shares).avg
    draws = eq1(np.concatenate(drawn, axis=-1), columns, shares).avg
    lows, highs = _interval(draws)
    counts = (~np.isnan(draws)).sum(axis=0)
    found: list[Mean | None] = []
    for value, n, low, high in zip(avg, counts, lows, highs, strict=True):
        if np.isnan(value):
            found.append(None)
            continue
        known = enough and not np.isnan(low)
        found.append(Mean(float(value), int(n), *(_around(float(value), low, high) if known else ())))
    return AvgBootstrap(tuple(found), draws)


def _drawn(values: Array, rng: np.random.Generator, resamples: int) -> Array:
    """Means of ``resamples`` draws of the rows of ``values`` [images, columns], with replacement: [resamples, columns]."""
    images = values.shape[0]
    if images == 0:
        return np.full((resamples, values.shape[1]), np.nan)
    blocks = []
    for size in _blocks(resamples, images):
        picked = rng.integers(0, images, (size, images)) + images * np.arange(size)[:, None]
        counts = np.bincount(picked.ravel(), minlength=size * images).reshape(size, images)
        blocks.append(_weighted(counts.astype(np.float64), values))
    return np.concatenate(blocks) if blocks else np.empty((0, values.shape[1]))


def _weighted(counts: Array, values: Array) -> Array:
    """Means of the columns of ``values`` [images, columns] with images counted as ``counts`` [draws, images] says.

    Columns are taken about their own mean, so that large values lose no digits; NaN where a draw has none.
    """
    known = ~np.isnan(values)
    have = known.sum(axis=0)
    centre: Array = np.where(known, values, 0.0).sum(axis=0) / np.maximum(have, 1)
    sums: Array = counts @ np.where(known, values - centre, 0.0)
    whole = bool((have == len(values)).all())
    weights: Array = counts.sum(axis=1, keepdims=True) if whole else counts @ known.astype(np.float64)
    made: Array = np.where(weights > 0, sums / np.where(weights > 0, weights, 1.0), np.nan) + centre
    return made


def _interval(draws: Array) -> tuple[Array, Array]:
    """Percentiles of each column of ``draws``; NaN where too many of its draws have no value."""
    bounds = np.full((2, draws.shape[1]), np.nan)
    undefined = np.isnan(draws)
    whole = ~undefined.any(axis=0)
    if len(draws) and whole.any():
        bounds[:, whole] = np.quantile(draws[:, whole], TAILS, axis=0)
    for k in np.flatnonzero(~whole):
        if undefined[:, k].mean() <= MOST_UNDEFINED:
            bounds[:, k] = np.quantile(draws[~undefined[:, k], k], TAILS)
    return bounds[0], bounds[1]


def _around(value: float, low: float, high: float) -> tuple[float, float]:
    """Bounds that hold the value: the best of a column is 1 by definition, and resamples can only fall below that."""
    return min(float(low), value), max(float(high), value)


def _sign_flip(differences: Array, rng: np.random.Generator, flips: int) -> tuple[float, bool]:
    n = len(differences)
    # Rounding must not tell apart sums that are equal.
    reached = abs(differences.sum()) - 1e-12 * np.abs(differences).sum()
    if 2**n <= flips + 1:
        tosses = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return float((np.abs((2.0 * tosses - 1.0) @ differences) >= reached).mean()), True
    hits = 0
    for size in _blocks(flips, n):
        tosses = rng.integers(0, 2, (size, n), dtype=np.int8)
        hits += int((np.abs((2.0 * tosses - 1.0) @ differences) >= reached).sum())
    return (hits + 1) / (flips + 1), False


def _blocks(rows: int, wide: int) -> Iterator[int]:
    """Sizes of blocks that make ``rows`` rows of ``wide`` numbers."""
    size = max(1, AT_ONCE // max(1, wide))
    for start in range(0, rows, size):
        yield min(size, rows - start)


def _refuse_infinite(values: NDArray[np.float64]) -> None:
    if np.isinf(values).any():
        raise ValueError("an infinite value has no mean")
