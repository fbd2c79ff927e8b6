"""What a target means in photographs."""

from hypothesis import given
from hypothesis import strategies as st

from app.domain.shortfall import SoFar, shortfall


def test_rates_so_far_say_how_many_photographs_are_needed() -> None:
    so_far = SoFar(
        photographs=100, patches=300, screened=200, fit=50, decided=40, pairs=30, waiting=100, ready=10
    )  # fmt: skip
    found = shortfall(1000, so_far)
    assert (found.missing, found.accepted, found.kept) == (970, 0.75, 0.25)
    assert found.coming == 26, "10 and a quarter of 100 are on their way, and three in four of those are accepted"
    assert found.images == 1259, "(970 - 26) / 0.75"
    assert found.photographs == 1679, "each photograph gives 3 patches, of which a quarter passes"


def test_nothing_is_made_up() -> None:
    found = shortfall(1000, SoFar(0, 0, 0, 0, 0, 0, 0, 0))
    assert (found.missing, found.accepted, found.coming, found.images, found.photographs) == (1000, None, None, None, None)
    none_accepted = shortfall(1000, SoFar(10, 10, 10, 10, 10, 0, 0, 0))
    assert (none_accepted.accepted, none_accepted.photographs) == (0.0, None)


def test_a_target_that_is_reached_needs_nothing() -> None:
    found = shortfall(20, SoFar(100, 300, 200, 50, 40, 30, 100, 10))
    assert (found.missing, found.images, found.photographs) == (0, 0, 0)


def test_what_is_on_its_way_can_be_enough() -> None:
    found = shortfall(40, SoFar(100, 300, 200, 50, 40, 30, 0, 100))
    assert (found.missing, found.coming, found.images, found.photographs) == (10, 10, 0, 0)


counts = st.integers(0, 10**6)


@given(counts, st.tuples(*[counts] * 8))
def test_it_holds_for_all_numbers(target: int, numbers: tuple[int, ...]) -> None:
    photographs, patches, screened, fit, decided, pairs, waiting, ready = numbers
    so_far = SoFar(photographs, patches, screened, min(fit, screened), decided, min(pairs, decided), waiting, ready)
    found = shortfall(target, so_far)
    assert found.missing == max(0, target - so_far.pairs)
    for value in (found.coming, found.images, found.photographs):
        assert value is None or value >= 0
    if found.coming is not None and found.images is not None and found.accepted:
        assert found.coming + found.images * found.accepted >= found.missing - 1e-6
