"""Agreement between raters. Wrong figures here would have somebody trust a judge that guesses, or drop one that does not."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.agreement import Moments, Table, agreement, kappa, pearson, wilson

COUNTS = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_newcombes(successes: int, n: int, low: float, high: float) -> None:
    """Newcombe 1998, Table I, method 3."""
    found = wilson(successes, n)
    assert found is not None
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)
    assert found.value == successes / n


def test_wilsons_interval_at_the_ends() -> None:
    """Everybody agrees on 10 pairs: that is not certainty, and the bound is 1, not a little less."""
    all_agree, none_agree = wilson(10, 10), wilson(0, 10)
    assert all_agree is not None
    assert none_agree is not None
    assert (all_agree.high, none_agree.low) == (1.0, 0.0)
    assert (round(all_agree.low, 4), round(none_agree.high, 4)) == (0.7225, 0.2775)
    assert wilson(0, 0) is None
    for wrong in ((-1, 5), (6, 5)):
        with pytest.raises(ValueError, match="no share"):
            wilson(*wrong)


@given(COUNTS, COUNTS)
def test_wilsons_interval_holds_its_share(successes: int, failures: int) -> None:
    found = wilson(successes, successes + failures)
    if found is not None:
        assert 0 <= found.low <= found.value <= found.high <= 1


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        (Table(20, 5, 10, 15), 0.4),  # the example of many textbooks: 0.70 observed, 0.50 by chance
        (Table(45, 15, 25, 15), 0.1304),  # the same 60 % agreement twice, with other shares of accept
        (Table(25, 35, 5, 35), 0.2593),
        (Table(118, 5, 2, 0), -0.0234),  # 94 % agreement, and none beyond chance: the paradox of high prevalence
        (Table(7, 0, 0, 3), 1.0),
        (Table(0, 5, 5, 0), -1.0),
        (Table(10, 0, 5, 0), 0.0),  # one accepts everything: never better than chance, but defined
    ],
)
def test_kappa_has_textbook_values(table: Table, expected: float) -> None:
    assert kappa(table) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize("table", [Table(), Table(both_accept=12), Table(both_reject=3)])
def test_kappa_is_not_defined_where_chance_always_agrees(table: Table) -> None:
    """0/0 must be told as such: 0 would read as "no better than guessing", 1 as perfect."""
    assert kappa(table) is None


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_kappa_stays_in_its_range_and_does_not_care_who_is_first(a: int, b: int, c: int, d: int) -> None:
    found = kappa(Table(a, b, c, d))
    assert found == kappa(Table(a, c, b, d))
    assert found is None or -1 <= found <= 1


def test_a_table_adds_up() -> None:
    table = Table(20, 5, 10, 15) + Table(1, 1, 1, 1)
    assert (table.n, table.agreed, table.disagreed, table.accepted) == (54, 37, 17, (27, 32))
    assert agreement(table) == wilson(37, 54)
    assert agreement(Table()) is None
    with pytest.raises(ValueError, match="negative"):
        Table(-1)


def moments(pairs: Sequence[tuple[float, float]]) -> Moments:
    total = Moments()
    for x, y in pairs:
        total += Moments(1, x, y, x * x, y * y, x * y)
    return total


ANSCOMBE = [(10, 8.04), (8, 6.95), (13, 7.58), (9, 8.81), (11, 8.33), (14, 9.96), (6, 7.24), (4, 4.26), (12, 10.84),
            (7, 4.82), (5, 5.68)]  # fmt: skip


def test_pearson_has_the_value_of_anscombes_first_set() -> None:
    """Anscombe, Graphs in Statistical Analysis, The American Statistician 1973: r = 0.816."""
    sums = moments(ANSCOMBE)
    assert pearson(sums) == pytest.approx(0.81642, abs=1e-5)
    assert sums.means is not None
    assert sums.means == pytest.approx((9, 7.5009), abs=1e-4)


def test_pearson_of_degenerate_scores_is_not_defined() -> None:
    assert pearson(Moments()) is None
    assert Moments().means is None
    assert pearson(moments([(50, 60)])) is None
    assert pearson(moments([(50, 60), (50, 70), (50, 80)])) is None
    assert pearson(moments([(70.1, 1), (70.1, 2), (70.1, 5)])) is None, "rounding is no spread"
    assert pearson(moments([(0, 0), (100, 100)])) == 1.0
    assert pearson(moments([(0, 100), (100, 0), (50, 50)])) == pytest.approx(-1.0)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=40))
def test_pearson_agrees_with_the_definition(pairs: list[tuple[int, int]]) -> None:
    found = pearson(moments(pairs))
    if found is None:
        assert len({x for x, _ in pairs}) < 2 or len({y for _, y in pairs}) < 2
        return
    n = len(pairs)
    mx, my = sum(x for x, _ in pairs) / n, sum(y for _, y in pairs) / n
    top = sum((x - mx) * (y - my) for x, y in pairs)
    assert found == pytest.approx(
        top / math.sqrt(sum((x - mx) ** 2 for x, _ in pairs) * sum((y - my) ** 2 for _, y in pairs)), abs=1e-9
    )
