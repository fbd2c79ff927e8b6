"""Which reply of a batch is whose: a mistake here stores one photograph's restoration as another's ground truth."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.domain.batch_matching import MARGIN, match
from app.imaging.alignment import likeness, structure
from tests.factories import picture

LIKE, UNLIKE = 0.8, 0.05


def table(*looks: int, lqs: int | None = None) -> list[list[float]]:
    """Replies of which the i-th looks like LQ ``looks[i]`` and like no other."""
    return [[LIKE if j == look else UNLIKE for j in range(lqs or len(looks))] for look in looks]


def test_replies_with_the_right_keys_stay_with_them() -> None:
    assert match([0, 1, 2], table(0, 1, 2)) == [0, 1, 2]
    assert match([2, 0, 1], table(2, 0, 1)) == [2, 0, 1], "the order of replies says nothing"
    assert match([0], [[UNLIKE]]) == [0]
    assert match([], []) == []


def test_two_swapped_replies_are_told_by_their_looks() -> None:
    assert match([0, 1, 2], table(1, 0, 2)) == [1, 0, 2]


def test_a_cycle_of_three_is_untangled() -> None:
    assert match([0, 1, 2, 3], table(1, 2, 0, 3)) == [1, 2, 0, 3]


def test_a_reply_without_a_key_is_told_by_its_looks() -> None:
    assert match([None, None, None], table(2, 0, 1)) == [2, 0, 1]
    assert match([0, None], table(0, 1)) == [0, 1]


def test_a_reply_without_a_key_that_looks_like_nothing_in_particular_is_nobodys() -> None:
    assert match([0, None], [[LIKE, UNLIKE], [0.3, 0.3 + MARGIN / 2]]) == [0, None]
    assert match([None], [[0.0, 0.0, 0.0]]) == [None]


def test_a_reply_that_came_twice_is_taken_once() -> None:
    assert match([0, 0, 1], table(0, 0, 1)) == [0, None, 1]


def test_the_key_decides_between_two_that_look_alike() -> None:
    """Reply 0 has LQ 1's key and LQ 0's look; so has reply 1, with the right key."""
    assert match([1, 0], table(0, 0)) == [None, 0]
    assert match([None, 1], table(1, 1)) == [None, 1]


def test_a_reply_that_shows_nothing_keeps_its_key_and_harms_no_other() -> None:
    """A grey card of a safety filter is like no LQ: it goes where its key says, to be refused there."""
    assert match([0, 1, 2], [[LIKE, UNLIKE, UNLIKE], [0.0, 0.0, 0.0], [UNLIKE, UNLIKE, LIKE]]) == [0, 1, 2]
    swapped = [[UNLIKE, UNLIKE, LIKE], [0.0, 0.0, 0.0], [LIKE, UNLIKE, UNLIKE]]
    assert match([0, 1, 2], swapped) == [2, 1, 0]


def test_a_place_that_an_unreadable_reply_holds_by_its_key_is_not_given_away() -> None:
    assert match([0, 1], [[UNLIKE, LIKE], [0.0, 0.0]]) == [None, 1]


@pytest.mark.parametrize("second", [0.7, 0.7 + MARGIN - 0.01])
def test_near_identical_lqs_keep_their_keys(second: float) -> None:
    """Two frames of one scene look alike; the key is then the better witness."""
    assert match([0, 1], [[0.7, second], [second, 0.7]]) == [0, 1]


def test_a_key_is_disbelieved_just_above_the_margin() -> None:
    assert match([0, 1], [[0.5, 0.5 + MARGIN + 0.01], [0.5 + MARGIN + 0.01, 0.5]]) == [1, 0]


def test_missing_replies_and_more_replies_than_lqs() -> None:
    assert match([3, 1], table(3, 1, lqs=5)) == [3, 1]
    assert match([0, 0, 0, None], [[LIKE]] * 4) == [0, None, None, None]


def test_lengths_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        match([0, 1], [[LIKE, UNLIKE]])


@st.composite
def batches(draw: st.DrawFn) -> tuple[list[int | None], list[list[float]]]:
    """Anything that may come: any keys, any likeness, more or fewer replies than LQs."""
    lqs = draw(st.integers(1, 6))
    replies = draw(st.integers(0, 8))
    keys = draw(st.lists(st.none() | st.integers(0, lqs - 1), min_size=replies, max_size=replies))
    value = st.sampled_from([-1.0, 0.0, 0.2, 0.5, 0.5 + MARGIN, 0.9, 1.0]) | st.floats(-1, 1)
    rows = draw(st.lists(st.lists(value, min_size=lqs, max_size=lqs), min_size=replies, max_size=replies))
    return keys, rows


@given(batches())
def test_no_lq_ever_gets_two_replies_and_every_answer_is_supported(
    batch: tuple[list[int | None], list[list[float]]],
) -> None:
    keyed, rows = batch
    found = match(keyed, rows)
    assert len(found) == len(keyed)
    assert max(Counter(f for f in found if f is not None).values(), default=1) == 1
    for own, row, index in zip(keyed, rows, found, strict=True):
        if index is None:
            continue
        assert 0 <= index < len(row)
        if index != own:
            others = [value for j, value in enumerate(row) if j != index]
            against = max(others, default=-1.0) if own is None else row[own]
            assert row[index] == max(row)
            assert row[index] - against > MARGIN, "only a clear look outweighs or replaces a key"


@given(batches())
def test_what_a_key_and_a_look_both_say_is_never_taken_away_by_another(
    batch: tuple[list[int | None], list[list[float]]],
) -> None:
    keyed, rows = batch
    found = match(keyed, rows)
    for own, row in zip(keyed, rows, strict=True):
        if own is not None and row[own] == max(row):
            holders = [k for k, f in zip(keyed, found, strict=True) if f == own]
            assert holders == [own]


@given(st.permutations(range(6)), st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_whatever_the_keys_clear_looks_give_every_reply_its_lq(looks: list[int], keys: list[int], without: set[int]) -> None:
    keyed = [None if i in without else key for i, key in enumerate(keys)]
    assert match(keyed, table(*looks)) == looks


@given(batches().filter(lambda b: len(b[0]) > 0), st.randoms(use_true_random=False))
def test_the_order_of_replies_decides_only_between_equals(
    batch: tuple[list[int | None], list[list[float]]], luck: object
) -> None:
    """A provider gives no order: it must not change which LQs get a reply."""
    keyed, rows = batch
    order = list(range(len(keyed)))
    luck.shuffle(order)  # type: ignore[attr-defined]
    mixed = match([keyed[i] for i in order], [rows[i] for i in order])
    assert {f for f in mixed if f is not None} == {f for f in match(keyed, rows) if f is not None}


def test_real_pictures_are_told_apart_by_their_thumbnails() -> None:
    """With the likeness that is used: degraded LQs, restorations of another size and brightness, all keys wrong."""
    rng = np.random.default_rng(2)
    scenes = [picture(number, 128) for number in range(40, 52)]

    def degraded(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        noisy = 0.45 * pixels[::2, ::2] + rng.normal(0, 12, (64, 64, 3))
        return np.clip(noisy, 0, 255).astype(np.uint8)

    lqs = [structure(degraded(scene)) for scene in scenes]
    rows = [[likeness(structure(scene), lq) for lq in lqs] for scene in scenes]
    wrong = [(number + 5) % len(scenes) for number in range(len(scenes))]
    assert match(wrong, rows) == list(range(len(scenes)))
