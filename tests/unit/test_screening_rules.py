"""The rules of the screening: if one is wrong, good photographs are lost unseen, or blank ones reach the dataset."""

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.categories import CATEGORIES
from app.catalog.screening import DEFAULTS, MEASURES, RULED, STEPS, default_rule
from app.catalog.vlms import VLMS
from app.domain.screening import Outcome, StepRule, funnel_of, screen
from app.errors import GgtError
from app.services.screening import Choice, rules_for

GOOD: Mapping[str, Any] = {
    "structure": 0.7, "contrast": 180, "outlines": 2, "grain": 2, "blocks": 0.2, "clipped": 0, "quality": 90, "artifact": 80,
}  # fmt: skip
ANSWERED: Mapping[str, Any] = {
    "asked_by": "gemini/1", "content_poor": False, "overly_degraded": False, "artifact_visible": 80.0,
    "unsafe_or_private": False, "level_asked": "low", "why": {"content_poor": "only a wall"},
}  # fmt: skip
BY_VLM = {step: Choice("gemini") for step in ("content", "degraded", "artifact", "unsafe", "level")}


def measured(category: str = "general_mixed", **changed: Any) -> Outcome:
    return screen(rules_for(category, {}), {**GOOD, **changed})


def asked(known: Mapping[str, Any] = ANSWERED, **changed: Any) -> Outcome:
    return screen(rules_for("rain", BY_VLM), {**GOOD, **known, **changed})


def test_a_good_patch_passes_with_its_level() -> None:
    assert measured() == Outcome("passed", level="high")
    assert measured(quality=84).level == "medium"
    assert measured(quality=10).level == "low"
    assert measured("rain") == Outcome("passed"), "rain is not sampled by level"


@pytest.mark.parametrize(
    ("number", "value", "step"),
    [("structure", 0.05, "content"), ("contrast", 8, "degraded"), ("outlines", 1.0, "degraded"), ("grain", 40, "degraded")],
)
def test_what_is_out_says_at_which_step_and_by_which_number(number: str, value: float, step: str) -> None:
    outcome = screen(rules_for("general_mixed", {}), {**GOOD, number: value})
    assert (outcome.to, outcome.step) == ("out", step)
    assert number in outcome.reason
    assert f"{value:.3g}" in outcome.reason
    assert "measured" in outcome.reason, "it is no VLM's word"


def test_the_first_step_that_a_patch_misses_is_the_one_that_is_told() -> None:
    assert measured(structure=0, contrast=4).step == "content"


@pytest.mark.parametrize("gone", [None, math.nan])
def test_a_number_that_is_missing_puts_nothing_out(gone: float | None) -> None:
    assert measured(structure=gone).to == "passed"


def test_without_a_quality_nobody_makes_up_a_level() -> None:
    assert measured(quality=None).to == "grading"


def test_a_vlm_is_asked_once_and_answers_all_its_steps() -> None:
    assert screen(rules_for("rain", BY_VLM), GOOD) == Outcome("ask", "content")
    assert asked() == Outcome("passed", level="low")
    assert asked(content_poor=True).reason == "content poor, says gemini/1: only a wall"
    assert asked(overly_degraded=True).step == "degraded"
    assert asked(artifact_visible=49).step == "artifact"
    assert asked(unsafe_or_private=True).to == "flagged", "a person decides, not the VLM"


def test_what_is_measured_decides_before_a_vlm_is_paid_or_shown_what_may_be_private() -> None:
    rules = rules_for("rain", {"content": Choice("gemini"), "unsafe": Choice("measure")})
    assert screen(rules, {**GOOD, "artifact": 0}).to == "out"
    assert screen(rules, {**GOOD, "faces": 1}).to == "flagged"
    assert screen(rules, {**GOOD, "faces": 0}).to == "ask"
    assert screen(rules, {**GOOD, "faces": 1, "unsafe_by": "person 3"}).to == "ask", "a person said that it is safe"


def test_a_patch_that_a_vlm_refused_goes_to_a_person_and_no_vlm_is_asked_again() -> None:
    refused = {"refused_by": "gemini/1", "why": {"refused": "SAFETY"}}
    assert asked(refused) == Outcome("flagged", "unsafe", "gemini/1 would not look at it: SAFETY")
    assert asked({**refused, "unsafe_by": "person 3"}).to == "grading"


def test_a_persons_word_stands_above_what_is_measured_and_answered() -> None:
    assert asked(unsafe_or_private=True, unsafe_by="person 3").to == "passed"
    assert asked(level_by="person 3", level="high").level == "high"
    assert screen(rules_for("rain", {"unsafe": Choice("person")}), GOOD).to == "flagged"
    assert screen(rules_for("rain", {"level": Choice("person")}), GOOD) == Outcome("grading", "level")


@given(st.dictionaries(st.sampled_from(sorted(MEASURES)), st.floats(allow_nan=True, allow_infinity=True), max_size=20))
@pytest.mark.parametrize("category", CATEGORIES)
def test_any_numbers_lead_somewhere_with_a_reason_that_fits_its_column(category: str, found: dict[str, float]) -> None:
    outcome = screen(rules_for(category, {}), found)
    assert outcome.to in ("passed", "out", "grading")
    assert len(outcome.reason) <= 200
    assert bool(outcome.reason) == (outcome.to == "out")


@pytest.mark.parametrize(
    ("choices", "told"),
    [
        ({"contents": Choice("off")}, "no step contents"),
        ({"content": Choice("person")}, "not by 'person'"),
        ({"metric": Choice("gemini")}, "answered by measure, off"),
        ({"content": Choice("gemini"), "degraded": Choice("gpt")}, "One VLM"),
        ({"content": Choice(least={"sharpnes": 1})}, "no limit 'sharpnes'"),
        ({"content": Choice("gemini", least={"structure": 1})}, "no limit 'structure'"),
        ({"level": Choice(most={"high": 90})}, "no limit 'high'"),
        ({"content": Choice(least={"structure": math.nan})}, "must be a number"),
        ({"artifact": Choice("measure")}, "no artifact that is measured"),
        ({"artifact": Choice(least={"artifact": 20})}, "a limit needs somebody"),
    ],
)
def test_a_choice_that_cannot_be_is_refused_with_what_can(choices: dict[str, Choice], told: str) -> None:
    with pytest.raises(GgtError, match=told):
        rules_for("general_mixed", choices)


def test_limits_are_changed_one_by_one_and_taken_away() -> None:
    rules = rules_for("rain", {"degraded": Choice(least={"contrast": 50}, most={"grain": None})})
    rule = rules[RULED.index("degraded")]
    assert rule.least == {"contrast": 50, "outlines": 1.15}
    assert rule.most == {"blocks": 8, "clipped": 0.9}


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_step_has_a_rule_for_whoever_may_answer_it(category: str) -> None:
    assert list(DEFAULTS[category]) == list(RULED)
    for step in RULED:
        for who in STEPS[step].answers:
            for name in VLMS if who == "vlm" else [who]:
                rule = default_rule(category, step, name)
                assert (rule.step, rule.who) == (step, name)


def test_the_funnel_adds_up_at_every_step() -> None:
    rows = [
        ("held", "", 5), ("waiting", "", 7), ("waiting", "content", 2), ("out", "look", 3), ("out", "content", 10),
        ("out", "artifact", 4), ("flagged", "unsafe", 1), ("grading", "level", 6), ("passed", "", 8),
        ("not_drawn", "sampling", 9), ("retained", "sampling", 11), ("out", "level", 1),
    ]  # fmt: skip
    steps = funnel_of(list(STEPS), rows)
    assert steps[0].before == sum(row[2] for row in rows)
    for one, following in zip(steps, [*steps[1:], None], strict=True):
        assert one.before == one.out + one.flagged + one.waiting + one.after
        assert following is None or following.before == one.after
    found = {one.step: one for one in steps}
    assert (found["look"].waiting, found["look"].out, found["metric"].waiting) == (5, 3, 7)
    assert (found["unsafe"].flagged, found["level"].waiting, found["level"].out) == (1, 6, 1)
    assert (found["sampling"].waiting, found["sampling"].out, found["sampling"].after) == (8, 9, 11)


def test_a_rule_of_a_run_is_read_as_it_was_written() -> None:
    rule = StepRule("content", "measure", {"structure": 0.1})
    assert not rule.vlm
    assert StepRule("content", "gemini").vlm
