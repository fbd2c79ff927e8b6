"""Eq. 1. A wrong one names the wrong generator best, and a whole dataset is made with it."""

import csv
import math
import random
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import app.catalog
from app.domain.overall_score import MFM_COLUMNS, Column, Overall, asked_shares, eq1, marks, overall

PUBLISHED = Path(app.catalog.__file__).parent / "published" / "table1_mfm_evaluation.csv"
THREE = (Column("sharp", "higher", "fid"), Column("noise", "lower", "fid"), Column("passed", "higher", "vlm"))
VALUES = st.integers(-1000, 1000).map(lambda n: n / 8)
"""Eighths are exact in floating point, so that equal stays equal whatever is computed."""
ROWS = st.lists(st.fixed_dictionaries({column.key: VALUES for column in THREE}), min_size=2, max_size=8)


def published() -> list[dict[str, str]]:
    return list(csv.DictReader(PUBLISHED.read_text(encoding="utf-8").splitlines()))


def numbers(rows: list[dict[str, str]]) -> list[Mapping[str, float | None]]:
    return [{column.key: float(row[column.key]) for column in MFM_COLUMNS} for row in rows]


def avgs(found: Overall) -> list[float | None]:
    return [row.avg for row in found.rows]


def near(found: list[float | None], wanted: list[float | None]) -> bool:
    return all(
        a is b is None or (a is not None and b is not None and math.isclose(a, b, abs_tol=1e-9))
        for a, b in zip(found, wanted, strict=True)
    )


def test_all_36_published_averages_come_out() -> None:
    rows = published()
    found = overall(numbers(rows))
    assert len(rows) == 36
    assert [f"{row.avg:.4f}" for row in found.rows] == [row["avg"] for row in rows]
    assert (found.n, found.notes, found.left_out) == (36, (), ())
    assert all(scale.n == 36 and scale.state == "used" for scale in found.scales)


def test_it_is_eq_1_in_whole_numbers() -> None:
    """The same by fractions, straight from the paper, on numbers without rounding."""
    rows = published()
    exact = {c.key: [Fraction(row[c.key]) * (1 if c.better == "higher" else -1) for row in rows] for c in MFM_COLUMNS}
    scaled = {key: [(v - min(col)) / (max(col) - min(col)) for v in col] for key, col in exact.items()}
    for at, row in enumerate(overall(numbers(rows)).rows):
        aspects = {
            name: sum(scaled[c.key][at] for c in own) / len(own)
            for name in ("fid", "per", "vlm")
            for own in [[c for c in MFM_COLUMNS if c.aspect == name]]
        }
        assert row.avg == pytest.approx(float(sum(aspects.values()) / 3), abs=1e-12)
        assert row.aspects == pytest.approx({name: float(score) for name, score in aspects.items()}, abs=1e-12)


def test_the_published_table_is_marked_as_papers_mark() -> None:
    rows = published()
    found = overall(numbers(rows))
    marked = {
        key: sorted(
            (mark, f"{row['model']} {row['prompt']}")
            for row, s in zip(rows, found.rows, strict=True)
            if (mark := s.marks[key])
        )
        for key in ("avg", "niqe", "vlm_r")
    }
    assert marked["avg"] == [(1, "Nano-Banana-2 Gemini"), (2, "Nano-Banana-2 Fix-NC"), (3, "Nano-Banana-2 GPT")]
    assert marked["niqe"] == [(1, "FireRed-1.1 GPT"), (2, "Nano-Banana-2 Fix"), (3, "Nano-Banana-2 Fix-NC")]
    assert marked["vlm_r"] == [
        (1, "GPT-Image-2 GPT"), (2, "Nano-Banana-Pro GPT"), (3, "Nano-Banana-2 Gemini"), (3, "Nano-Banana-Pro Gemini")
    ]  # fmt: skip


def test_by_hand() -> None:
    found = overall(
        [
            {"sharp": 10.0, "noise": 4.0, "passed": 0.5},
            {"sharp": 20.0, "noise": 2.0, "passed": 0.25},
            {"sharp": 15.0, "noise": 0.0, "passed": 0.25},
        ],
        THREE,
    )
    assert [dict(row.normalised) for row in found.rows] == [
        {"sharp": 0, "noise": 0, "passed": 1},
        {"sharp": 1, "noise": 0.5, "passed": 0},
        {"sharp": 0.5, "noise": 1, "passed": 0},
    ]
    assert [dict(row.aspects) for row in found.rows] == [
        {"fid": 0, "vlm": 1},
        {"fid": 0.75, "vlm": 0},
        {"fid": 0.75, "vlm": 0},
    ]
    assert avgs(found) == [0.5, 0.375, 0.375]
    assert [(s.low, s.high, s.n) for s in found.scales] == [(10, 20, 3), (0, 4, 3), (0.25, 0.5, 3)]
    assert [row.marks["avg"] for row in found.rows] == [1, 2, 2]
    assert [row.marks["noise"] for row in found.rows] == [3, 2, 1]


def test_aspects_are_chosen_and_weighed() -> None:
    rows = [{"sharp": 0.0, "noise": 1.0, "passed": 1.0}, {"sharp": 1.0, "noise": 0.0, "passed": 0.0}]
    assert avgs(overall(rows, THREE, {"fid": 3, "vlm": 1})) == [0.25, 0.75]
    assert avgs(overall(rows, THREE, {"vlm": 2})) == [1, 0]
    alone = overall(rows, THREE, {"fid": 1, "vlm": 0})
    assert avgs(alone) == [0, 1]
    assert alone.rows[0].aspects["vlm"] == 1
    assert alone.shares == {"fid": 1}


def test_a_missing_value_is_never_a_zero() -> None:
    """The setting has no score in the aspect and no Avg; the others keep theirs, and its values stay in the scales."""
    rows: list[Mapping[str, float | None]] = [
        {"sharp": 0.0, "noise": 4.0, "passed": 0.5},
        {"sharp": 5.0, "noise": 0.0, "passed": 1.0},
        {"sharp": 10.0, "noise": None, "passed": 0.0},
    ]
    found = overall(rows, THREE)
    assert avgs(found) == [0.25, 0.875, None]
    assert found.rows[2].aspects == {"fid": None, "vlm": 0}
    assert found.rows[2].normalised == {"sharp": 1, "noise": None, "passed": 0}
    assert found.rows[2].missing == ("noise",)
    assert found.rows[2].marks == {"sharp": 1, "noise": None, "passed": 3, "avg": None}
    assert [scale.n for scale in found.scales] == [3, 2, 3]
    assert found.notes == ("1 of 3 settings have no Avg for lack of noise.",)
    assert avgs(overall(rows, THREE, {"vlm": 1})) == [0.5, 1, 0]
    assert avgs(overall([{k: v for k, v in row.items() if v is not None} for row in rows], THREE)) == avgs(found)


def test_a_column_in_which_all_are_equal_changes_nothing() -> None:
    rows = [{"sharp": 0.0, "noise": 3.0, "passed": 1.0}, {"sharp": 1.0, "noise": 3.0, "passed": 0.4}]
    found = overall(rows, THREE)
    assert avgs(found) == avgs(overall(rows, (THREE[0], THREE[2])))
    assert [row.normalised["noise"] for row in found.rows] == [None, None]
    assert found.scales[1].state == "equal"
    assert found.notes == ("noise is 3 in all 2 settings that have it: it tells none apart and is left out.",)
    assert [row.marks["noise"] for row in found.rows] == [None, None]


def test_an_aspect_that_tells_none_apart_leaves_its_weight_to_the_others() -> None:
    rows = [{"sharp": 0.0, "noise": 3.0, "passed": 0.6}, {"sharp": 1.0, "noise": 1.0, "passed": 0.6}]
    found = overall(rows, THREE)
    assert avgs(found) == [0, 1]
    assert (found.left_out, found.shares) == (("vlm",), {"fid": 1})
    assert "The aspect vlm tells no settings apart and is left out of Avg." in found.notes


def test_means_that_differ_by_rounding_are_equal() -> None:
    """Min-max would make 0 and 1 of the last bit."""
    found = overall([{"sharp": 0.1 + 0.2, "noise": 1.0, "passed": 0.0}, {"sharp": 0.3, "noise": 2.0, "passed": 1.0}], THREE)
    assert found.scales[0].state == "equal"


def test_one_setting_has_nothing_to_be_compared_with() -> None:
    found = overall([{"sharp": 1.0, "noise": 1.0, "passed": 1.0}], THREE)
    assert avgs(found) == [None]
    assert [scale.state for scale in found.scales] == ["single"] * 3
    assert found.notes == ("There is one setting only: Eq. 1 compares settings, so it has no Avg.",)
    assert [*found.rows[0].marks.values()] == [None] * 4


def test_no_setting_at_all() -> None:
    found = overall([], THREE)
    assert (found.rows, found.n, [scale.state for scale in found.scales]) == ((), 0, ["empty"] * 3)


def test_all_settings_alike_have_no_avg() -> None:
    found = overall([{"sharp": 1.0, "noise": 1.0, "passed": 1.0}] * 3, THREE)
    assert (avgs(found), found.shares, found.left_out) == ([None] * 3, {}, ("fid", "vlm"))


def test_a_column_nobody_has_takes_its_aspect_with_it() -> None:
    """It is not left out quietly: the metric was asked for, and its weights may just not be installed."""
    found = overall([{"sharp": 0.0, "noise": 1.0}, {"sharp": 1.0, "noise": 0.0}], THREE)
    assert avgs(found) == [None, None]
    assert found.left_out == ()
    assert found.notes[0] == "passed is missing for every setting, and so is the score of its aspect (vlm)."
    assert avgs(overall([{"sharp": 0.0, "noise": 1.0}, {"sharp": 1.0, "noise": 0.0}], THREE, {"fid": 1})) == [0, 1]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_what_is_no_number_is_refused_with_its_place(value: float) -> None:
    with pytest.raises(ValueError, match="noise of setting 2"):
        overall([{"noise": 1.0}, {"noise": value}], THREE)


@pytest.mark.parametrize("weights", [{"fid": -1.0}, {"fid": 0.0}, {}, {"speed": 1.0}, {"fid": math.nan}, {"fid": math.inf}])
def test_weights_without_a_meaning_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"aspect|weight"):
        overall([{"sharp": 1.0}, {"sharp": 2.0}], THREE, weights)


@given(ROWS, st.sampled_from([0.25, 2.0, 64.0]), st.integers(-500, 500), st.sampled_from([c.key for c in THREE]))
def test_neither_the_unit_nor_the_zero_of_a_metric_matters(
    rows: list[Mapping[str, float | None]], factor: float, shift: int, key: str
) -> None:
    moved = [{**row, key: factor * (row[key] or 0.0) + shift} for row in rows]
    assert near(avgs(overall(moved, THREE)), avgs(overall(rows, THREE)))


@given(ROWS)
def test_turning_a_metric_round_with_its_direction_changes_nothing(rows: list[Mapping[str, float | None]]) -> None:
    turned = [{**row, "noise": -(row["noise"] or 0.0)} for row in rows]
    columns = (THREE[0], Column("noise", "higher", "fid"), THREE[2])
    assert avgs(overall(turned, columns)) == avgs(overall(rows, THREE))


@given(ROWS, st.randoms())
def test_the_order_of_settings_does_not_matter(rows: list[Mapping[str, float | None]], draw: random.Random) -> None:
    order = list(range(len(rows)))
    draw.shuffle(order)
    straight, mixed = overall(rows, THREE), overall([rows[at] for at in order], THREE)
    assert [straight.rows[at] for at in order] == list(mixed.rows)
    assert straight.scales == mixed.scales


@given(ROWS, st.data())
def test_a_better_value_never_lowers_the_settings_avg_among_the_others(
    rows: list[Mapping[str, float | None]], data: st.DataObject
) -> None:
    """Inside the range of the others, so that scales stay as they are."""
    assume(len(rows) > 2)
    at, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.sampled_from(THREE))
    others = sorted(row[column.key] or 0.0 for n, row in enumerate(rows) if n != at)
    assume(others[0] < others[-1])
    low, high = sorted(data.draw(st.tuples(*[st.floats(others[0], others[-1])] * 2)))
    worse, better = (low, high) if column.better == "higher" else (high, low)

    def with_value(value: float) -> Overall:
        return overall([{**row, column.key: value} if n == at else row for n, row in enumerate(rows)], THREE)

    before, after = with_value(worse), with_value(better)
    was, now = before.rows[at].avg, after.rows[at].avg
    assert was is not None
    assert now is not None
    assert now >= was - 1e-12
    for n in range(len(rows)):
        if n != at:
            assert before.rows[n].avg == after.rows[n].avg


@given(ROWS)
def test_scores_lie_between_0_and_1(rows: list[Mapping[str, float | None]]) -> None:
    found = overall(rows, THREE)
    for row in found.rows:
        for value in (*row.normalised.values(), *row.aspects.values(), row.avg):
            assert value is None or -1e-12 <= value <= 1 + 1e-12


@given(ROWS, VALUES)
def test_a_constant_column_never_changes_an_avg(rows: list[Mapping[str, float | None]], value: float) -> None:
    more = (*THREE, Column("same", "lower", "fid"), Column("flat", "higher", "new"))
    assert near(avgs(overall([{**row, "same": value, "flat": value} for row in rows], more)), avgs(overall(rows, THREE)))


@given(st.lists(ROWS.map(lambda rows: rows[:2]), min_size=1, max_size=5))
def test_many_tables_at_once_are_each_their_own(tables: list[list[dict[str, float]]]) -> None:
    """The bootstrap computes thousands in one go."""
    stacked = np.array([[[row[c.key] for c in THREE] for row in rows] for rows in tables])
    found = eq1(stacked, THREE, asked_shares(THREE, None)).avg
    for rows, avg in zip(tables, found, strict=True):
        assert avgs(overall(rows, THREE)) == [None if math.isnan(v) else v for v in avg]


def test_equal_values_share_a_place_and_those_behind_count_them() -> None:
    assert marks([1.0, 3.0, 3.0, 2.0, None], "higher", 2) == [None, 1, 1, 3, None]
    assert marks([1.0, 1.0, 1.0, 2.0, 3.0], "lower", 2) == [1, 1, 1, None, None]
    assert marks([5.0, 4.0, 3.0, 3.0, 2.0], "higher", 0) == [1, 2, 3, 3, None]


def test_values_that_print_alike_are_marked_alike() -> None:
    assert marks([0.70004, 0.69996, 0.5], "higher", 4) == [1, 1, 3]
    assert marks([0.70006, 0.69996, 0.5], "higher", 4) == [1, 2, 3]


def test_nothing_is_marked_where_nothing_differs() -> None:
    assert marks([2.0, 2.0, None], "higher", 4) == [None, None, None]
    assert marks([], "lower", 4) == []
