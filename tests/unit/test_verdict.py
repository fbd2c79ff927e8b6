"""The accept rule decides what enters the dataset: one wrong comparison would let distorted pairs in, or good ones out."""

import math

import pytest

from app.catalog.quality import ACCEPT_RULE
from app.domain.aspects import ASPECTS, Aspect
from app.domain.verdict import AcceptRule, failed_aspects, rule_decision


def scores(value: float, **changed: float) -> dict[Aspect, float]:
    return {a: changed.get(a, value) for a in ASPECTS}


def test_example_of_figure_c1_is_rejected_for_three_aspects() -> None:
    figure = dict(zip(ASPECTS, (85, 10, 20, 40, 70), strict=True))
    assert rule_decision(figure, ACCEPT_RULE) == "reject"
    assert failed_aspects(figure, ACCEPT_RULE) == ("object_consistency", "geometry_alignment", "content_reasonableness")


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"object_consistency": 90}, "accept"),
        ({"object_consistency": 89.9}, "reject"),
        ({"object_consistency": 90, "color_consistency": 60}, "accept"),
        ({"object_consistency": 90, "color_consistency": 59}, "reject"),
        ({"object_consistency": 100, "restoration_quality": 0}, "reject"),
    ],
)
def test_thresholds_themselves_pass_and_anything_below_fails(changed: dict[str, float], expected: str) -> None:
    assert rule_decision(scores(60, **changed), ACCEPT_RULE) == expected


def test_a_minimum_below_the_common_one_does_not_lower_it() -> None:
    rule = AcceptRule(min_all=60, minimums={"color_consistency": 10})
    assert failed_aspects(scores(60, color_consistency=59), rule) == ("color_consistency",)


@pytest.mark.parametrize("bad", [-1, 101, math.nan, math.inf])
def test_impossible_scores_are_an_error_and_not_a_verdict(bad: float) -> None:
    with pytest.raises(ValueError, match="geometry_alignment"):
        rule_decision(scores(95, geometry_alignment=bad), ACCEPT_RULE)


def test_a_missing_aspect_is_an_error_and_not_a_zero() -> None:
    incomplete = scores(95)
    del incomplete["content_reasonableness"]
    with pytest.raises(ValueError, match="content_reasonableness"):
        rule_decision(incomplete, ACCEPT_RULE)


def test_a_rule_with_a_misspelt_aspect_is_refused() -> None:
    with pytest.raises(ValueError, match="object_integrity"):
        AcceptRule(min_all=60, minimums={"object_integrity": 90})  # type: ignore[dict-item]
    with pytest.raises(ValueError, match="0 to 100"):
        AcceptRule(min_all=600, minimums={})
