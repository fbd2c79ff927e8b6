"""A judge against people: a precision read the wrong way round would let bad pairs into the dataset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.agreement import Table, kappa, wilson
from app.domain.human_judge import kappa_interval, kappa_of, precision, recall

COUNTS = st.integers(0, 500)


def test_precision_is_of_what_the_judge_accepts_and_recall_of_what_people_accept() -> None:
    table = Table(both_accept=30, accept_reject=10, reject_accept=5, both_reject=55)
    assert precision(table) == wilson(30, 35)
    assert recall(table) == wilson(30, 40)
    assert precision(Table(accept_reject=3)) is None
    assert recall(Table(reject_accept=3)) is None


def test_kappas_interval_is_the_textbooks() -> None:
    """Fleiss, Levin, Paik: Statistical Methods for Rates and Proportions, 3rd ed., Table 18.1."""
    found = kappa_interval(((75, 1, 4), (5, 4, 1), (0, 0, 10)))
    assert found is not None
    assert found.low is not None
    assert found.value == pytest.approx(0.68, abs=0.005)
    assert (found.value - found.low) / 1.96 == pytest.approx(0.087, abs=0.001)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_kappa_is_the_one_of_the_judges_page(a: int, b: int, c: int, d: int) -> None:
    table = Table(a, b, c, d)
    found, known = kappa_of(table), kappa(table)
    assert (found is None) == (known is None)
    if found is not None:
        assert found.value == pytest.approx(known, abs=1e-9)
        assert (found.low is None) == (found.high is None)
        if found.low is not None and found.high is not None:
            assert -1 <= found.low <= found.value + 1e-9
            assert found.value - 1e-9 <= found.high <= 1


def test_six_pairs_on_which_all_agree_are_no_certainty() -> None:
    """An interval from 1 to 1 would say that the next thousand will agree as well."""
    found = kappa_of(Table(both_accept=4, both_reject=2))
    assert found is not None
    assert (found.value, found.low, found.high) == (1.0, None, None)
