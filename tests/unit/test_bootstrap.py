"""Intervals and significance. Too narrow ones would sell noise as a better generator."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import bootstrap
from app.domain.bootstrap import LEAST_IMAGES, Mean, Sheet, avg_intervals, compare, means
from app.domain.overall_score import MFM_COLUMNS, Array, Column, overall

FIDELITY, PERCEPTUAL = MFM_COLUMNS[:4], MFM_COLUMNS[4:]


def mean(values: Array, **options: int) -> Mean:
    [found] = means(values[:, None], **options)
    assert found is not None
    return found


def bounds(found: Mean) -> tuple[float, float]:
    assert found.low is not None
    assert found.high is not None
    return found.low, found.high


def normal(*shape: int, seed: int = 0, about: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(about, 1.0, shape)


def skewed(n: int, seed: int) -> Array:
    return np.random.default_rng(seed).exponential(1.0, n)


def sheets(settings: int, images: int = 40, gap: float = 0.3) -> list[Sheet]:
    """Settings of which each is a little better than the one before, in every metric."""

    def made(columns: tuple[Column, ...], seed: int) -> Sheet:
        up = np.array([1.0 if column.better == "higher" else -1.0 for column in columns])
        values = normal(images, settings, len(columns), seed=seed) + gap * np.arange(settings)[None, :, None]
        return Sheet(columns, up * values)

    return [made(FIDELITY, 1), made(PERCEPTUAL, 2)]


def test_the_interval_of_a_mean_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    for values in (normal(80, about=25.0), skewed(150, 3)):
        low, high = bounds(mean(values, seed=1, resamples=20_000))
        wanted = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2))
        spread = wanted.standard_error
        assert low == pytest.approx(wanted.confidence_interval.low, abs=0.06 * spread)
        assert high == pytest.approx(wanted.confidence_interval.high, abs=0.06 * spread)


def test_resamples_of_three_images_are_the_27_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every draw with replacement, each as often as it must be."""
    values = np.array([1.0, 2.0, 6.0])
    drawn = bootstrap._drawn(values[:, None], np.random.default_rng(0), 54_000)[:, 0]
    every = sorted(sum(three) / 3 for three in itertools.product(values, repeat=3))
    found, counts = np.unique(np.round(drawn, 9), return_counts=True)
    assert found == pytest.approx(sorted(set(np.round(every, 9))))
    expected = [sum(abs(one - v) < 1e-6 for one in every) * 2000 for v in found]
    assert counts == pytest.approx(expected, rel=0.12)
    monkeypatch.setattr(bootstrap, "AT_ONCE", 10)
    assert len(bootstrap._drawn(values[:, None], np.random.default_rng(0), 100)) == 100


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    values = np.stack([skewed(100, seed) for seed in range(400)], axis=1)
    found = [one for one in means(values, seed=5, resamples=1000) if one is not None]
    held = sum(low <= 1.0 <= high for low, high in map(bounds, found))
    assert 0.90 * 400 <= held <= 0.98 * 400


def test_the_same_seed_gives_the_same_numbers() -> None:
    values = normal(50, 3)
    assert means(values, seed=4) == means(values, seed=4)
    assert means(values, seed=4) != means(values, seed=5)


def test_missing_values_are_left_out_and_counted() -> None:
    values = normal(60, about=10.0)
    holes = values.copy()
    holes[::3] = np.nan
    found = mean(holes, seed=1)
    assert found.n == 40
    assert found.value == pytest.approx(np.delete(values, np.s_[::3]).mean())
    low, high = bounds(found)
    one_low, one_high = bounds(mean(np.delete(values, np.s_[::3]), seed=1))
    assert high - low == pytest.approx(one_high - one_low, rel=0.15)


def test_too_few_images_have_a_mean_and_no_interval() -> None:
    assert mean(np.array([1.0, 2.0, 3.0])) == Mean(2.0, 3)
    assert mean(normal(LEAST_IMAGES)).low is not None
    assert means(np.array([[np.nan, 1.0]])) == [None, Mean(1.0, 1)]
    assert means(np.empty((0, 2))) == [None, None]
    rare = np.full(300, np.nan)
    rare[:LEAST_IMAGES] = np.arange(LEAST_IMAGES)
    assert mean(rare).low is not None
    rare[LEAST_IMAGES - 1] = np.nan
    assert mean(rare).low is None


def test_images_that_all_agree_leave_no_doubt() -> None:
    assert mean(np.full(30, 0.7)) == Mean(pytest.approx(0.7), 30, pytest.approx(0.7), pytest.approx(0.7))  # type: ignore[arg-type]


def test_a_column_does_not_depend_on_its_neighbours() -> None:
    """An absent value elsewhere takes another path through the arithmetic."""
    values = normal(50, 2)
    values[3, 1] = np.nan
    both, alone = means(values, seed=1)[0], mean(values[:, 0], seed=1)
    assert both is not None
    assert bounds(both) == pytest.approx(bounds(alone))


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_an_infinite_value_is_refused(value: float) -> None:
    broken = np.array([[1.0], [value]])
    with pytest.raises(ValueError, match="infinite"):
        means(broken)
    with pytest.raises(ValueError, match="infinite"):
        compare(broken[:, 0], np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="infinite"):
        avg_intervals([Sheet(FIDELITY[:1], broken[:, :, None])])


def test_a_paired_comparison_by_hand() -> None:
    """Differences 1, 2, 3, 4: only all + and all - reach the sum 10, two of sixteen tosses."""
    found = compare(np.array([2.0, 4.0, 6.0, 8.0]), np.array([1.0, 2.0, 3.0, 4.0]))
    assert found is not None
    assert (found.difference, found.n, found.p, found.exact) == (2.5, 4, 2 / 16, True)
    assert (found.low, found.high) == (None, None)


def test_a_paired_comparison_is_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")

    def statistic(one: Array, other: Array, axis: int = -1) -> Array:
        made: Array = np.mean(one - other, axis=axis)
        return made

    def wanted(one: Array, other: Array, resamples: float) -> float:
        return float(
            stats.permutation_test(
                (one, other), statistic, permutation_type="samples", vectorized=True, n_resamples=resamples,
                rng=np.random.default_rng(9),
            ).pvalue
        )  # fmt: skip

    for seed in range(3):
        one, other = normal(12, seed=seed), normal(12, seed=seed + 50, about=0.6)
        found = compare(one, other)
        assert found is not None
        assert found.exact
        assert found.p == pytest.approx(wanted(one, other, np.inf))
        more, less = normal(120, seed=seed, about=0.2), normal(120, seed=seed + 50)
        found = compare(more, less, seed=seed)
        assert found is not None
        assert not found.exact
        assert found.p == pytest.approx(wanted(more, less, 9999), abs=0.02)
        assert found.difference == pytest.approx((more - less).mean())


def test_of_shares_it_is_mcnemars_exact_test() -> None:
    """VLM-R image by image: 9 images only the first passes, 2 only the second; p is a two-sided binomial test of 9 in 11."""
    stats = pytest.importorskip("scipy.stats")
    first = np.array([1.0] * 9 + [0.0] * 2)
    found = compare(first, 1 - first)
    assert found is not None
    assert found.p == pytest.approx(stats.binomtest(9, 11).pvalue)
    # Images that both pass, or neither does, say nothing.
    more = compare(np.concatenate([first, np.ones(1)]), np.concatenate([1 - first, np.ones(1)]))
    assert more is not None
    assert more.p == pytest.approx(found.p)


def test_only_images_that_both_have_are_compared() -> None:
    first, second = normal(40, about=1.0), normal(40, seed=1)
    first[:5], second[3:9] = np.nan, np.nan
    found, alone = compare(first, second, seed=2), compare(first[9:], second[9:], seed=2)
    assert found == alone
    assert found is not None
    assert found.n == 31
    assert compare(np.array([np.nan, 1.0]), np.array([1.0, np.nan])) is None
    with pytest.raises(ValueError, match="same images"):
        compare(first, second[:-1])


def test_what_is_equal_everywhere_does_not_differ() -> None:
    values = normal(50)
    found = compare(values, values)
    assert found is not None
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_a_clear_difference_is_found_through_the_spread_of_the_images() -> None:
    """Images differ far more than settings do: unpaired intervals overlap, paired ones do not."""
    hard = 10 * normal(100)
    one, other = hard + normal(100, seed=1) * 0.1 + 0.1, hard
    found = compare(one, other)
    assert found is not None
    assert found.low is not None
    assert found.low > 0
    assert found.p == 1 / 10_000
    assert bounds(mean(one))[0] < bounds(mean(other))[1]


def test_chance_is_called_significant_about_as_often_as_it_says() -> None:
    draws = [
        compare(normal(30, seed=2 * seed), normal(30, seed=2 * seed + 1), resamples=1, flips=999) for seed in range(300)
    ]
    called = sum(found is not None and found.p <= 0.05 for found in draws)
    assert 4 <= called <= 28


@given(st.lists(st.integers(-40, 40).map(lambda n: n / 4), min_size=1, max_size=9))
def test_the_sign_flips_are_all_of_them(differences: list[float]) -> None:
    reached = abs(sum(differences))
    tosses = itertools.product((-1, 1), repeat=len(differences))
    every = [abs(sum(s * d for s, d in zip(signs, differences, strict=True))) for signs in tosses]
    found = compare(np.array(differences), np.zeros(len(differences)), resamples=1)
    assert found is not None
    assert found.p == pytest.approx(sum(one >= reached for one in every) / len(every))


def test_avg_and_its_interval() -> None:
    made = sheets(4)
    found = avg_intervals(made, seed=3, resamples=500)
    rows = [
        {c.key: float(sheet.values[:, at, k].mean()) for sheet in made for k, c in enumerate(sheet.columns)}
        for at in range(4)
    ]
    for one, row in zip(found.settings, overall(rows).rows, strict=True):
        assert one is not None
        assert one.value == pytest.approx(row.avg)
        assert one.n == 500
        low, high = bounds(one)
        assert low <= one.value <= high
        assert high - low < 0.5
    assert found.draws.shape == (500, 4)
    assert np.array_equal(found.draws, avg_intervals(made, seed=3, resamples=500).draws)


def test_each_resample_is_eq_1_over_its_images() -> None:
    """Redone with the very draws, image by image."""
    made = sheets(3, images=15)
    found = avg_intervals(made, seed=8, resamples=20)
    rng = np.random.default_rng(8)
    picks = [rng.integers(0, 15, (20, 15)) for _ in made]
    for at in range(20):
        rows = [
            {
                c.key: float(s.values[p[at], row, k].mean())
                for s, p in zip(made, picks, strict=True)
                for k, c in enumerate(s.columns)
            }
            for row in range(3)
        ]
        assert list(found.draws[at]) == pytest.approx([row.avg for row in overall(rows).rows])


def test_how_often_one_beats_the_other() -> None:
    clear = avg_intervals(sheets(3, images=60, gap=2.0), resamples=300)
    assert (clear.beats(2, 0), clear.beats(0, 2)) == (1, 0)
    close = avg_intervals(sheets(3, images=20, gap=0.02), resamples=300)
    share, other = close.beats(1, 0), close.beats(0, 1)
    assert share is not None
    assert other is not None
    assert 0.02 < share < 0.98
    assert share + other == pytest.approx(1)
    assert clear.beats(1, 1) == 0.5


def test_weights_choose_aspects() -> None:
    made = sheets(3)
    alone = avg_intervals(made[:1], resamples=50, seed=1)
    chosen = avg_intervals(made, {"fid": 1.0}, resamples=50, seed=1)
    assert np.array_equal(alone.draws, chosen.draws)


def test_a_setting_without_a_metric_has_no_avg_and_the_others_keep_theirs() -> None:
    made = sheets(4)
    made[1].values[:, 2, 0] = np.nan
    made[0].values[::2, 1, 1] = np.nan
    found = avg_intervals(made, resamples=100)
    assert [one is None for one in found.settings] == [False, False, True, False]
    assert np.isnan(found.draws[:, 2]).all()
    assert found.beats(2, 0) is None
    assert found.settings[1] is not None
    assert found.settings[1].low is not None


def test_few_images_have_an_avg_and_no_interval() -> None:
    found = avg_intervals(sheets(3, images=4), resamples=50)
    assert all(one is not None and one.low is None for one in found.settings)


def test_sheets_must_fit() -> None:
    made = sheets(3)
    with pytest.raises(ValueError, match="same settings"):
        avg_intervals([made[0], Sheet(PERCEPTUAL, made[1].values[:, :2])])
    with pytest.raises(ValueError, match="aspect"):
        avg_intervals(made, {"speed": 1.0})


def test_a_table_of_36_settings_takes_about_a_second() -> None:
    """36 settings, 10 metrics, 100 and 200 images, 2,000 resamples: while a page is waited for. Slack for a busy machine."""
    made = [Sheet(FIDELITY, normal(100, 36, 4)), Sheet(PERCEPTUAL, normal(200, 36, 6, seed=1))]
    started = time.process_time()
    avg_intervals(made)
    for sheet in made:
        means(sheet.values.reshape(len(sheet.values), -1))
    assert time.process_time() - started < 6
