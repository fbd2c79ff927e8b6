"""Thresholds fitted to people: a wrong one would stop good pairs by the thousand, or let bad ones through."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.calibration import MOST_BINS, Calibration, calibrate

SCORES = st.one_of(st.none(), st.integers(-20, 20).map(float), st.just(math.nan))
PAIRS = st.lists(st.tuples(SCORES, st.booleans()), max_size=40)


def found(*args: object, **more: object) -> Calibration:
    made = calibrate(*args, **more)  # type: ignore[arg-type]
    assert made is not None
    return made


def test_a_score_that_tells_good_from_bad_is_cut_between_them() -> None:
    made = found([(90.0, True), (80.0, True), (60.0, False), (50.0, False), (None, True)])
    assert (made.best.threshold, made.above, made.upto) == (70.0, 60.0, 80.0)
    assert (made.best.balanced, made.best.youden) == (1.0, 1.0)
    assert (made.n, made.accepted, made.rejected, made.missing) == (4, 2, 2, 1)


def test_a_present_threshold_that_agrees_as_well_stays() -> None:
    """Nothing speaks for moving it; a page that proposed 70 in place of 75 would make work for nothing."""
    pairs = [(90.0, True), (80.0, True), (60.0, False)]
    assert found(pairs, present=75.0).best.threshold == 75.0
    assert found(pairs, present=80.0).best.threshold == 80.0
    moved = found(pairs, present=60.0)
    assert moved.best.threshold == 70.0
    assert moved.present is not None
    assert (moved.present.kept, moved.present.stopped) == (1.0, 0.0)


def test_lower_may_be_better() -> None:
    made = found([(3.0, True), (4.0, True), (6.0, False)], passes="at most", present=10.0)
    assert (made.best.threshold, made.best.balanced) == (5.0, 1.0)
    assert (made.upto, made.above) == (4.0, 6.0)
    assert [point.threshold for point in made.curve] == [3.0, 4.0, 6.0]


def test_accepting_everything_gains_nothing_by_people_mostly_accepting() -> None:
    """99 accepted and one bad pair: plain accuracy would say "no threshold at all"."""
    made = found([(float(score), True) for score in range(50, 149)] + [(40.0, False)], present=0.0)
    assert made.best.threshold == 45.0
    assert made.present is not None
    assert made.present.balanced == 0.5


def test_ties_go_to_the_nearest_and_else_to_the_most_lenient() -> None:
    """Scores 1 bad, 2 good, 3 bad, 4 good: cutting below 2 or below 4 agrees equally well."""
    pairs = [(1.0, False), (2.0, True), (3.0, False), (4.0, True)]
    assert found(pairs).best.threshold == 1.5
    assert found(pairs, present=3.1).best.threshold == 3.1
    assert found(pairs, present=9.0).best.threshold == 3.5


def test_nothing_is_told_without_both_kinds() -> None:
    assert calibrate([]) is None
    assert calibrate([(1.0, True), (2.0, True), (None, False)]) is None


def test_what_no_threshold_lets_pass_is_stopped_by_all() -> None:
    """A pair that fails another minimum has minus infinity here; it must not become a threshold of its own."""
    made = found([(-math.inf, False), (-math.inf, True), (70.0, True), (65.0, False)])
    assert all(math.isfinite(point.threshold) for point in made.curve)
    assert made.best.threshold == pytest.approx(67.5)
    assert (made.best.kept, made.best.stopped) == (0.5, 1.0)


@given(PAIRS, st.one_of(st.none(), st.integers(-25, 25).map(float)))
def test_no_threshold_agrees_better(pairs: list[tuple[float | None, bool]], present: float | None) -> None:
    made = calibrate(pairs, present=present, resamples=20)
    known = [(s, a) for s, a in pairs if s is not None and not math.isnan(s)]
    if made is None:
        assert len({a for _, a in known}) < 2
        return
    good, bad = [s for s, a in known if a], [s for s, a in known if not a]

    def balanced(threshold: float) -> float:
        return (sum(s >= threshold for s in good) / len(good) + sum(s < threshold for s in bad) / len(bad)) / 2

    assert made.best.balanced == pytest.approx(balanced(made.best.threshold))
    assert made.best.balanced >= max(balanced(s) for s, _ in known) - 1e-9
    for point in made.curve:
        assert point.balanced == pytest.approx(balanced(point.threshold))


@given(PAIRS)
def test_both_directions_are_mirror_images(pairs: list[tuple[float | None, bool]]) -> None:
    one = calibrate(pairs, resamples=0)
    other = calibrate([(None if s is None else -s, a) for s, a in pairs], passes="at most", resamples=0)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.best.threshold == -other.best.threshold
        assert one.best.balanced == other.best.balanced


def noisy(n: int, seed: int) -> list[tuple[float, bool]]:
    """Scores of good pairs around 1, of bad ones around -1: the best threshold is 0."""
    draw = random.Random(seed)
    return [(draw.gauss(1.0 if good else -1.0, 1.0), good) for good in (draw.random() < 0.7 for _ in range(n))]


def test_the_interval_holds_the_true_threshold_most_of_the_time() -> None:
    held = 0
    for seed in range(40):
        made = found(noisy(400, seed), seed=1, resamples=100)
        assert made.low is not None
        assert made.high is not None
        assert made.low <= made.best.threshold <= made.high
        held += made.low <= 0.0 <= made.high
    assert held >= 34


def test_few_of_either_kind_have_no_interval() -> None:
    made = found([(float(s), True) for s in range(100)] + [(-1.0, False)] * 9)
    assert (made.low, made.high) == (None, None)


def test_twenty_thousand_pairs_take_a_moment_and_the_same_result_each_time() -> None:
    pairs = noisy(20_000, 5)
    made = found(pairs, seed=2)
    assert made == found(pairs, seed=2)
    assert len(made.curve) <= MOST_BINS
    assert made.high is not None
    assert made.low is not None
    assert made.high - made.low < 0.5
