"""Regeneration costs money and time: it must end after three attempts, and each must differ from the last."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.quality import MAX_ATTEMPTS, REFINEMENT_RULE
from app.domain.aspects import ASPECTS, Aspect
from app.domain.refinement import FAITHFULNESS, NextAttempt, next_attempt

failures = st.lists(st.sampled_from(ASPECTS), unique=True).map(tuple)
knobs = st.fixed_dictionaries(
    {},
    optional={
        "strength": st.floats(0, 10),
        "keep_color": st.floats(0, 1),
        "keep_detail": st.floats(0, 1),
        "radius": st.floats(1, 60),
    },
)


def after(attempt: int, params: dict[str, float], *failed: Aspect, stochastic: bool = False) -> NextAttempt:
    following = next_attempt(attempt, params, failed, stochastic, REFINEMENT_RULE)
    assert following is not None
    return following


def test_too_weak_a_restoration_is_strengthened() -> None:
    assert after(1, {"radius": 9.0}, "restoration_quality").params == {"radius": 9.0, "strength": 1.6}


@pytest.mark.parametrize("aspect", sorted(FAITHFULNESS))
def test_an_unfaithful_restoration_is_weakened_and_keeps_more_of_the_input(aspect: Aspect) -> None:
    assert after(1, {}, aspect).params == {"strength": 0.6, "keep_detail": 0.25}


def test_faithfulness_wins_over_strength() -> None:
    assert after(1, {}, "restoration_quality", "object_consistency").params["strength"] == 0.6


def test_colour_is_kept_without_touching_strength() -> None:
    assert after(1, {"keep_color": 0.7}, "color_consistency").params == {"keep_color": 1.0}


def test_prompted_generator_gets_sentences_then_another_sample() -> None:
    second = after(1, {}, "geometry_alignment", "color_consistency", stochastic=True)
    wanted = REFINEMENT_RULE.instructions
    assert second.appended_instructions == (wanted["geometry_alignment"], wanted["color_consistency"])
    third = after(2, dict(second.params), "geometry_alignment", stochastic=True)
    assert third.appended_instructions == ()
    assert third.params == second.params
    assert third.sample != second.sample


def test_every_aspect_has_an_instruction_of_its_own() -> None:
    assert set(REFINEMENT_RULE.instructions) == set(ASPECTS)
    assert len(set(REFINEMENT_RULE.instructions.values())) == len(ASPECTS)


def test_a_deterministic_generator_is_not_asked_for_the_same_pixels_again() -> None:
    assert next_attempt(1, {"keep_color": 1.0}, ("color_consistency",), False, REFINEMENT_RULE) is None
    assert next_attempt(1, {}, (), False, REFINEMENT_RULE) is None


def test_attempts_count_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        next_attempt(0, {}, ("restoration_quality",), False, REFINEMENT_RULE)


@given(knobs, st.lists(failures, min_size=5, max_size=5), st.booleans())
def test_a_chain_ends_and_no_recipe_is_asked_twice(
    params: dict[str, float], failed: list[tuple[Aspect, ...]], stochastic: bool
) -> None:
    prompt: tuple[str, ...] = ()
    seen = [(dict(params), prompt, 0)]
    attempt = 1
    while (following := next_attempt(attempt, params, failed[attempt - 1], stochastic, REFINEMENT_RULE)) is not None:
        params, prompt = dict(following.params), prompt + following.appended_instructions
        recipe = (params, prompt, following.sample)
        assert recipe not in seen
        seen.append(recipe)
        attempt += 1
    assert attempt <= MAX_ATTEMPTS


@given(knobs, failures)
def test_parameters_stay_in_range_and_move_one_way(params: dict[str, float], failed: tuple[Aspect, ...]) -> None:
    following = next_attempt(1, params, failed, False, REFINEMENT_RULE)
    if following is None:
        return
    new, old = following.params, {"strength": 1.0, "keep_color": 0.0, "keep_detail": 0.0, **params}
    assert new.get("radius") == params.get("radius")
    for knob in ("keep_color", "keep_detail"):
        assert old[knob] <= new.get(knob, old[knob]) <= 1
    strength = new.get("strength", old["strength"])
    assert 0 <= strength <= max(old["strength"], REFINEMENT_RULE.strength_range[1])
    if FAITHFULNESS & set(failed):
        assert strength <= old["strength"]
    elif "restoration_quality" in failed:
        assert strength >= old["strength"]
    else:
        assert strength == old["strength"]
