"""What people are told of a draw is what the draw then takes."""

from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from app.domain.draw_estimate import expected
from app.domain.sampling import Candidate, DrawRule, draw
from app.domain.screening import LEVELS

numbers = st.fixed_dictionaries({level: st.integers(0, 40) for level in LEVELS})
ratios = st.fixed_dictionaries({level: st.integers(0, 3) for level in LEVELS}).filter(lambda ratio: any(ratio.values()))


@given(numbers, numbers, ratios, st.booleans(), st.none() | st.integers(0, 150))
def test_it_tells_what_is_drawn(
    kept: dict[str, int], left: dict[str, int], ratio: dict[str, int], fill: bool, most: int | None
) -> None:
    rule, ids = DrawRule(ratio, most=most, fill=fill), count(1)
    candidates = [
        Candidate(next(ids), next(ids), level, before)
        for before, some in ((True, kept), (False, left))
        for level in LEVELS
        for _ in range(some[level])
    ]
    taken = draw(candidates, rule).taken
    told = expected(kept, left, rule)
    assert told == {level: taken[level] - kept[level] for level in LEVELS}


def test_the_paper_draws_one_two_three() -> None:
    assert expected({}, {"high": 100, "medium": 100, "low": 90}, DrawRule()) == {"high": 30, "medium": 60, "low": 90}
    assert expected({}, {"high": 100, "medium": 100, "low": 90}, DrawRule(most=60)) == {"high": 10, "medium": 20, "low": 30}
