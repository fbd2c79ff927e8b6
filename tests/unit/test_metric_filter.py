"""The metric filter throws candidates away unseen: a sign error or a missing value read as 0 would cost good pairs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.categories import CATEGORIES
from app.catalog.quality import FILTER_RULE, filter_rule
from app.domain.metric_filter import Direction, FilterRule, apply_filter, improvement

LOWER: dict[str, Direction] = {"niqe": "lower", "piqe": "lower", "brisque": "lower"}
LQ: dict[str, float | None] = {"niqe": 6.0, "piqe": 50.0, "brisque": 40.0}
BETTER: dict[str, float | None] = {"niqe": 4.0, "piqe": 30.0, "brisque": 20.0}


def test_gain_points_the_way_of_the_metric() -> None:
    assert improvement(6.0, 4.0, "lower") == 2.0
    assert improvement(6.0, 4.0, "higher") == -2.0


def test_better_scores_pass_and_swapped_images_do_not() -> None:
    assert apply_filter(LQ, BETTER, FILTER_RULE, LOWER).passed
    worse = apply_filter(BETTER, LQ, FILTER_RULE, LOWER)
    assert not worse.passed
    assert worse.failed == ("niqe", "piqe", "brisque")


@pytest.mark.parametrize("category", CATEGORIES)
def test_an_unchanged_image_is_excluded_in_every_category(category: str) -> None:
    assert not apply_filter(LQ, LQ, filter_rule(category), LOWER).passed


def test_reason_holds_the_numbers_that_did_it() -> None:
    result = apply_filter(LQ, {"niqe": 5.99, "piqe": 61.0, "brisque": 30.0}, FILTER_RULE, LOWER)
    assert not result.passed
    for part in ("1 of 3", "2 needed", "niqe +0.01", "piqe -11", "brisque +10"):
        assert part in result.reason


def test_brisque_below_zero_is_an_improvement_like_any_other() -> None:
    rule = FilterRule({"brisque": 1.0}, 1)
    assert apply_filter({"brisque": 0.0}, {"brisque": -5.0}, rule, LOWER).passed


@pytest.mark.parametrize("gone", [None, math.nan, math.inf])
def test_missing_value_is_neither_zero_nor_a_pass(gone: float | None) -> None:
    two_pass = apply_filter(LQ, {**BETTER, "niqe": gone}, FILTER_RULE, LOWER)
    assert two_pass.passed
    assert two_pass.decided
    assert two_pass.undefined == ("niqe",)
    assert "niqe" not in two_pass.improvements
    two_fail = apply_filter(LQ, {**LQ, "niqe": gone}, FILTER_RULE, LOWER)
    assert not two_fail.passed
    assert two_fail.decided


def test_too_many_missing_values_leave_it_to_the_judge_and_say_so() -> None:
    nothing = apply_filter({}, {}, FILTER_RULE, LOWER)
    assert nothing.passed
    assert not nothing.decided
    assert "cannot decide" in nothing.reason


def test_a_metric_without_direction_is_an_error() -> None:
    with pytest.raises(ValueError, match="brisque"):
        apply_filter(LQ, BETTER, FILTER_RULE, {"niqe": "lower", "piqe": "lower"})


@pytest.mark.parametrize(("gains", "needed"), [({"niqe": 0.0}, 1), ({"niqe": -1.0}, 1), ({"niqe": 1.0}, 2), ({}, 1)])
def test_rules_that_would_pass_everything_or_nothing_are_refused(gains: dict[str, float], needed: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        FilterRule(gains, needed)


values = st.none() | st.floats(-50, 150)


@given(st.tuples(values, values, values), st.tuples(values, values, values), st.floats(0, 50), st.sampled_from(list(LOWER)))
def test_a_better_hq_never_turns_a_pass_into_a_failure(
    lq: tuple[float | None, ...], hq: tuple[float | None, ...], gain: float, metric: str
) -> None:
    before = dict(zip(LOWER, lq, strict=True))
    after = dict(zip(LOWER, hq, strict=True))
    value = after[metric]
    better = {**after, metric: None if value is None else value - gain}
    if apply_filter(before, after, FILTER_RULE, LOWER).passed:
        assert apply_filter(before, better, FILTER_RULE, LOWER).passed
