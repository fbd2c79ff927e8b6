"""What follows a paid call that gave no answer: if it fails, money is spent twice, or a provider in trouble is hammered."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.retrying import LONGEST_WAIT, MOST_TRIES, Next, what_next

RETRIED = ("busy", "broken", "unsent")
TROUBLES = (*RETRIED, "refused", "bad_request", "account", "lost")
"""As in ``workers.providers.base.Trouble``; the domain does not know that enumeration."""

tries_of = st.integers(1, 50)
asked_for = st.none() | st.floats(0, 3600)
seeds = st.integers(0, 2**32)


class Drawn(random.Random):
    """Luck that always draws the same share."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def random(self) -> float:
        return self.share


def after(trouble: str, tries: int = 1, retry_after: float | None = None, on_lost: str = "ask", luck: float = 0.5) -> Next:
    return what_next(trouble, tries, retry_after, on_lost, Drawn(luck))


@pytest.mark.parametrize(("trouble", "calls"), [("busy", 10), ("broken", 4), ("unsent", 6)])
def test_a_request_in_trouble_ends_after_so_many_calls(trouble: str, calls: int) -> None:
    """One bad image among 120,000 must not be asked for without end, and a passing trouble must not cost the image."""
    steps = [after(trouble, tries).step for tries in range(1, calls + 2)]
    assert steps == ["again"] * (calls - 1) + ["give_up"] * 2


@pytest.mark.parametrize("trouble", RETRIED)
def test_waits_double_from_a_second_to_two_minutes(trouble: str) -> None:
    longest = [after(trouble, tries, luck=1.0).wait for tries in range(1, MOST_TRIES[trouble])]
    assert longest == [1, 2, 4, 8, 16, 32, 64, 120, 120][: len(longest)]
    shortest = [after(trouble, tries, luck=0.0).wait for tries in range(1, MOST_TRIES[trouble])]
    assert shortest == [wait / 2 for wait in longest]


@given(st.sampled_from(RETRIED), st.integers(1, 3), seeds)
def test_workers_do_not_come_back_all_at_once(trouble: str, tries: int, seed: int) -> None:
    rng = random.Random(seed)
    waits = [what_next(trouble, tries, None, "ask", rng).wait for _ in range(32)]
    assert len(set(waits)) == len(waits)
    ceiling = 2.0 ** (tries - 1)
    assert ceiling / 2 <= min(waits)
    assert max(waits) <= ceiling
    assert max(waits) - min(waits) > ceiling / 8


@given(st.sampled_from(RETRIED), st.integers(1, 3), st.floats(0, 86_400), seeds)
def test_the_wait_a_provider_asked_for_is_a_minimum(trouble: str, tries: int, asked: float, seed: int) -> None:
    """Coming back earlier gets an account blocked; all of them coming back at that very moment is the next rush."""
    with_it = what_next(trouble, tries, asked, "ask", random.Random(seed))
    without = what_next(trouble, tries, None, "ask", random.Random(seed))
    assert with_it.step == "again"
    assert with_it.wait >= max(asked, without.wait)
    assert with_it.wait <= asked + without.wait


def test_workers_told_the_same_wait_still_come_back_apart() -> None:
    assert len({after("busy", 3, retry_after=60, luck=luck / 8).wait for luck in range(8)}) == 8


def test_a_wait_of_nothing_is_not_asking_at_once() -> None:
    """Some servers send Retry-After: 0 with a 429."""
    assert after("busy", retry_after=0.0).wait >= 0.5


def test_the_wait_a_provider_asked_for_does_not_buy_another_try() -> None:
    assert after("broken", 4, retry_after=1.0) == Next("give_up")


@given(st.sampled_from(TROUBLES), tries_of, asked_for, st.sampled_from(["ask", "", "RETRY", "never"]), seeds)
def test_a_call_that_may_have_been_paid_is_asked_again_by_a_person_only(
    trouble: str, tries: int, asked: float | None, on_lost: str, seed: int
) -> None:
    """Anything but the one word for it leaves the decision with a person; and nothing else is ever called unknown."""
    following = what_next(trouble, tries, asked, on_lost, random.Random(seed))
    assert (following.step == "unknown") == (trouble == "lost")


def test_where_an_admin_allows_it_a_lost_call_is_asked_again_up_to_four_calls() -> None:
    steps = [after("lost", tries, on_lost="retry").step for tries in range(1, 7)]
    assert steps == ["again"] * 3 + ["unknown"] * 3
    assert after("lost", on_lost="retry").wait > 0


@pytest.mark.parametrize("trouble", [t for t in TROUBLES if t != "lost"])
def test_the_setting_for_lost_calls_changes_nothing_else(trouble: str) -> None:
    for tries in (1, 3, 4, 6, 10):
        assert after(trouble, tries, on_lost="retry") == after(trouble, tries, on_lost="ask")


@given(tries_of, asked_for, st.sampled_from(["ask", "retry"]), seeds)
def test_what_asking_again_cannot_change_is_not_asked_again(
    tries: int, asked: float | None, on_lost: str, seed: int
) -> None:
    """A refusal is an outcome, a bad request stays bad; a bad key is one admin's work and not 120,000 failed images."""
    for trouble, step in (("refused", "refused"), ("bad_request", "give_up"), ("account", "pause")):
        assert what_next(trouble, tries, asked, on_lost, random.Random(seed)).step == step


@given(st.sampled_from(TROUBLES), tries_of, st.none(), st.sampled_from(["ask", "retry"]), seeds)
def test_every_request_ends_and_none_waits_longer_than_it_must(
    trouble: str, tries: int, asked: None, on_lost: str, seed: int
) -> None:
    following = what_next(trouble, tries, asked, on_lost, random.Random(seed))
    if following.step == "again":
        assert tries < max(MOST_TRIES.values())
        assert 0 < following.wait <= LONGEST_WAIT
    else:
        assert following.wait == 0


def test_a_trouble_nobody_thought_of_is_an_error_and_not_a_loop() -> None:
    with pytest.raises(KeyError, match="melted"):
        after("melted")
