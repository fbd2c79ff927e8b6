"""Krippendorff's alpha. A wrong one would have a lab call guessing reliable, or throw away careful work."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import krippendorff
from app.domain.krippendorff import Interval, Nominal, alpha, interval, nominal

_: Any = None
OBSERVERS = (
    (1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _),
    (1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3),
    (_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _),
    (1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _),
)
"""Krippendorff 2011, example C: four observers, twelve units, some values missing."""
UNITS = list(zip(*OBSERVERS, strict=True))
BINARY = list(zip((0, 1, 0, 0, 0, 0, 0, 0, 1, 0), (1, 1, 1, 0, 0, 1, 0, 0, 0, 0), strict=True))
"""Example A: two observers, ten units, two values."""
TWO_NOMINAL = list(zip("aabbdcccedda", "babbbccceddd", strict=True))
"""Example B: two observers, twelve units, five names."""
VALUES = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 4)), min_size=0, max_size=5), min_size=0, max_size=30)


BOTH: tuple[Callable[..., Any], ...] = (nominal, interval)


def differs(one: int, other: int) -> float:
    return float(one != other)


def square(one: int, other: int) -> float:
    return float((one - other) ** 2)


def value(found: krippendorff.Alpha | None) -> float:
    assert found is not None
    return found.value


def test_it_is_what_krippendorff_publishes() -> None:
    assert round(value(alpha(nominal(UNITS))), 3) == 0.743
    assert round(value(alpha(interval(UNITS))), 3) == 0.849
    assert round(value(alpha(nominal(BINARY))), 3) == 0.095
    assert round(value(alpha(nominal(TWO_NOMINAL))), 3) == 0.692


def test_only_what_two_people_rated_counts() -> None:
    """A unit that one person saw says nothing about agreement, so it must not water it down."""
    found = alpha(nominal(UNITS))
    assert found is not None
    assert found.units == 11
    assert alpha(nominal([*UNITS, (5, _), (_, _), ()])) == found


@pytest.mark.parametrize("units", [[], [(1, _), (_, 2)], [(1, 1), (1, 1, 1)], [()]])
def test_it_is_not_defined_where_nothing_can_be_told(units: list[tuple[int | None, ...]]) -> None:
    """One value throughout is 0/0: neither perfect agreement nor none."""
    assert alpha(nominal(units)) is None
    assert alpha(interval(units)) is None


@given(VALUES)
def test_perfect_agreement_is_one(units: list[list[int | None]]) -> None:
    agreed = [[unit[0] if unit else None] * 3 for unit in units]
    for found in (alpha(nominal(agreed), resamples=0), alpha(interval(agreed), resamples=0)):
        assert found is None or found.value == pytest.approx(1)


@given(VALUES, st.randoms())
def test_neither_the_order_of_raters_nor_that_of_units_matters(units: list[list[int | None]], draw: random.Random) -> None:
    shuffled = [draw.sample(unit, len(unit)) for unit in draw.sample(units, len(units))]
    for sums in BOTH:
        one, other = alpha(sums(units), resamples=0), alpha(sums(shuffled), resamples=0)
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            assert one.value == pytest.approx(other.value)
            assert one.value <= 1 + 1e-9


@given(VALUES)
def test_it_is_the_definitions_pair_by_pair(units: list[list[int | None]]) -> None:
    """The sums are a short cut; the definition goes through every pair of values."""
    cases: tuple[tuple[Callable[[int, int], float], Any], ...] = ((differs, nominal), (square, interval))
    for metric, sums in cases:
        found = alpha(sums(units), resamples=0)
        known = [[v for v in unit if v is not None] for unit in units]
        known = [unit for unit in known if len(unit) > 1]
        every = [v for unit in known for v in unit]
        n = len(every)
        expected = sum(metric(a, b) for a in every for b in every) / (n * (n - 1)) if n > 1 else 0
        if not expected:
            assert found is None
            continue
        observed = sum(metric(a, b) / (len(unit) - 1) for unit in known for a in unit for b in unit) / n
        assert value(found) == pytest.approx(1 - observed / expected)


def raters(n: int, honest: float, seed: int) -> list[tuple[int, int]]:
    """n units of two raters who look with probability ``honest`` each, and else toss a coin: alpha is honest²."""
    draw = random.Random(seed)

    def look(true: int) -> int:
        return true if draw.random() < honest else draw.randint(0, 1)

    return [(look(true), look(true)) for true in (draw.randint(0, 1) for _ in range(n))]


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    held = 0
    for seed in range(60):
        found = alpha(nominal(raters(150, 0.8, seed)), seed=1, resamples=200)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.64 <= found.high
    assert held >= 52


def test_the_interval_is_the_same_each_time_and_narrows_with_more_units() -> None:
    few, many = (alpha(nominal(raters(n, 0.9, 7)), seed=3) for n in (60, 20_000))
    assert few == alpha(nominal(raters(60, 0.9, 7)), seed=3)
    assert few is not None and few.low is not None and few.high is not None  # noqa: PT018
    assert many is not None and many.low is not None and many.high is not None  # noqa: PT018
    assert few.low <= few.value <= few.high
    assert many.high - many.low < 0.3 * (few.high - few.low)


def test_a_handful_of_units_has_no_interval() -> None:
    found = alpha(nominal([(0, 1), (1, 1), (0, 0)]))
    assert found is not None
    assert (found.low, found.high) == (None, None)


def test_sums_add_up() -> None:
    """A database hands over blocks of units; whatever the blocks, alpha is the same."""
    one, two = nominal(UNITS), interval(UNITS)
    names: list[Nominal] = [sum(one[:4], Nominal()), sum(one[4:], Nominal())]
    numbers: list[Interval] = [sum(two[:7], Interval()), sum(two[7:], Interval())]
    assert value(alpha(names)) == pytest.approx(value(alpha(one)))
    assert value(alpha(numbers)) == pytest.approx(value(alpha(two)))


def test_nearly_no_variation_has_no_interval() -> None:
    """One odd value among a hundred: most resamples lack it, and an interval of the rest would pretend to know."""
    found = alpha(nominal([(0, 0)] * 99 + [(0, 1)]))
    assert found is not None
    assert (found.low, found.high) == (None, None)
