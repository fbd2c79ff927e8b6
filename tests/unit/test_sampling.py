"""Drawing by level: a wrong ratio is another dataset, and a draw that cannot be repeated or enlarged is none to publish."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.sampling import Candidate, DrawRule, draw, drawn_of
from app.domain.screening import LEVELS

ratios = st.tuples(*[st.integers(0, 4)] * 3).filter(any).map(lambda r: dict(zip(LEVELS, r, strict=True)))
pools = st.lists(st.tuples(st.integers(0, 8), st.sampled_from([*LEVELS, ""])), max_size=60).map(
    lambda rows: [Candidate(number, photo, level) for number, (photo, level) in enumerate(rows)]
)
rules = st.builds(
    DrawRule, ratio=ratios, seed=st.integers(0, 5), most=st.none() | st.integers(0, 70), fill=st.booleans(),
    per_photo=st.none() | st.integers(1, 3),
)  # fmt: skip


def pool(high: int, medium: int, low: int, photos: int = 10**6) -> list[Candidate]:
    levels = ["high"] * high + ["medium"] * medium + ["low"] * low
    return [Candidate(number, number % photos, level) for number, level in enumerate(levels)]


def test_the_papers_ratio() -> None:
    assert draw(pool(100, 100, 100), DrawRule(most=60)).taken == {"high": 10, "medium": 20, "low": 30}


def test_a_level_that_runs_out_ends_the_draw_and_is_named() -> None:
    found = draw(pool(5, 100, 100), DrawRule())
    assert found.short == "high"
    assert found.taken == {"high": 5, "medium": 11, "low": 17}, "1:2:3 of 33, to within one patch"


def test_with_fill_the_other_levels_go_on() -> None:
    found = draw(pool(5, 100, 30), DrawRule(most=60, fill=True))
    assert found.taken == {"high": 5, "medium": 25, "low": 30}
    assert draw(pool(5, 100, 30), DrawRule(fill=True)).taken == {"high": 5, "medium": 100, "low": 30}


def test_another_seed_draws_others() -> None:
    first, second = (set(draw(pool(50, 50, 50), DrawRule(seed=seed, most=30)).ids) for seed in (0, 1))
    assert 0 < len(first & second) < 30


def test_one_photograph_does_not_flood_a_level() -> None:
    candidates = [Candidate(n, 1, "low") for n in range(50)] + [Candidate(100 + n, 2 + n, "low") for n in range(5)]
    found = draw(candidates, DrawRule({"high": 0, "medium": 0, "low": 1}, per_photo=2))
    assert Counter(n < 100 for n in found.ids) == {True: 2, False: 5}


@given(pools, rules)
def test_the_same_draw_is_the_same_in_any_order_and_keeps_its_word(candidates: list[Candidate], rule: DrawRule) -> None:
    found = draw(candidates, rule)
    assert found == draw(reversed(candidates), rule)
    assert len(set(found.ids)) == len(found.ids) == sum(found.taken.values())
    assert rule.most is None or len(found.ids) <= rule.most
    by_id = {c.id: c for c in candidates}
    assert Counter(by_id[i].level for i in found.ids) == Counter({k: v for k, v in found.taken.items() if v})
    if rule.per_photo:
        assert max(Counter((by_id[i].level, by_id[i].photo) for i in found.ids).values(), default=0) <= rule.per_photo
    if not rule.fill:
        total = sum(rule.ratio.values())
        for level, number in found.taken.items():
            assert abs(number - len(found.ids) * rule.ratio[level] / total) <= 1 + 1e-9, "within one patch of the ratio"


@given(pools, rules, st.integers(0, 70))
def test_a_larger_draw_holds_every_smaller_one(candidates: list[Candidate], rule: DrawRule, most: int) -> None:
    small = DrawRule(rule.ratio, rule.seed, most, rule.fill, rule.per_photo)
    large = DrawRule(rule.ratio, rule.seed, most + 7, rule.fill, rule.per_photo)
    first = draw(candidates, small).ids
    assert set(first) <= set(draw(candidates, large).ids)
    kept = [Candidate(c.id, c.photo, c.level, kept=c.id in first) for c in candidates]
    more = draw(kept, large)
    assert not set(first) & set(more.ids)
    assert set(first) | set(more.ids) == set(draw(candidates, large).ids), "in two steps as in one"
    assert draw(kept, small).ids == (), "drawing the same again draws nothing"


@given(pools, rules, st.integers(0, 60))
def test_what_was_kept_stays_whatever_passes_later(candidates: list[Candidate], rule: DrawRule, later: int) -> None:
    first = draw(candidates[: len(candidates) // 2], rule).ids
    now = [Candidate(c.id, c.photo, c.level, kept=c.id in first) for c in candidates]
    found = draw(now, rule)
    assert not set(first) & set(found.ids)
    assert all(found.taken[level] >= sum(c.kept for c in now if c.level == level) for level in LEVELS)


@given(pools, rules)
def test_a_draw_is_told_photograph_by_photograph_from_its_places(candidates: list[Candidate], rule: DrawRule) -> None:
    found = draw(candidates, rule)
    photos = {c.photo: [d for d in candidates if d.photo == c.photo] for c in candidates}
    told = [i for of_photo in photos.values() for i in drawn_of(of_photo, rule, found.cut)]
    assert sorted(told) == sorted(found.ids)
    kept = {p: [Candidate(c.id, c.photo, c.level, kept=c.id in found.ids) for c in of] for p, of in photos.items()}
    assert [i for of_photo in kept.values() for i in drawn_of(of_photo, rule, found.cut)] == [], "and again: nothing more"


@pytest.mark.parametrize(
    "given_", [{"ratio": {"high": 0, "medium": 0, "low": 0}}, {"ratio": {"high": 1}}, {"most": -1}, {"per_photo": 0}]
)
def test_what_cannot_be_drawn_is_refused(given_: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be|needs"):
        DrawRule(**given_)  # type: ignore[arg-type]
