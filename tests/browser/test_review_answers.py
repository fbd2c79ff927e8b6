"""Answers of more than one key on the review page: if these fail, scores, marks or instructions are lost on the way."""

import pytest
from playwright.sync_api import Page, expect
from sqlmodel import col, select

from app import db
from app.models import Image, Review, Stage
from tests.browser.review_page import saved, shows

pytestmark = [
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
]


def stored() -> list[Review]:
    with db.reading() as session:
        return list(session.exec(select(Review).order_by(col(Review.id))))


def test_the_fullest_answer_takes_seven_keys(page: Page, pairs: list[tuple[int, int]]) -> None:
    for key in ("Shift+X", "8", "4", "0", "6", "9", "Enter"):
        page.keyboard.press(key)
    shows(page, pairs[1])
    saved(page)
    [row] = stored()
    assert (row.decision, row.reasons) == ("reject", ["artifact"])
    assert list(row.scores.values()) == [80, 40, 100, 60, 90]


def test_a_marked_spot_goes_with_the_decision_and_not_to_the_next_pair(
    page: Page,
    pairs: list[tuple[int, int]],
) -> None:
    page.keyboard.press("m")
    box = page.locator("#viewer").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.45
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 30, steps=4)
    page.mouse.up()
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("c")
    shows(page, pairs[1])
    page.keyboard.press("a")
    shows(page, pairs[2])
    saved(page)
    first, second = stored()
    assert len(first.marks) == 2
    assert all(x >= 0 and x + w <= 1.00001 and w > 0 for x, _, w, _ in first.marks)
    assert second.marks == []


def test_another_try_needs_an_instruction_and_waits_for_an_admin(
    page: Page,
    pairs: list[tuple[int, int]],
) -> None:
    page.keyboard.press("g")
    page.keyboard.press("Enter")
    assert stored() == []
    page.keyboard.type("Keep the wet asphalt")
    page.keyboard.press("Enter")
    shows(page, pairs[1])
    saved(page)
    [row] = stored()
    assert (row.decision, row.note, row.reasons) == ("regenerate", "Keep the wet asphalt", [])
    with db.reading() as session:
        assert session.get_one(Image, pairs[0][0]).stage == Stage.REQUESTED


def test_a_changed_key_decides_and_is_remembered(page: Page, pairs: list[tuple[int, int]]) -> None:
    page.keyboard.press("?")
    page.locator('#keys [data-action="accept"] button').click()
    page.keyboard.press("p")
    page.keyboard.press("Escape")
    page.reload()
    shows(page, pairs[0])
    page.keyboard.press("a")
    shows(page, pairs[0])
    page.keyboard.press("p")
    shows(page, pairs[1])
    saved(page)
    assert [row.decision for row in stored()] == ["accept"]


def test_what_was_written_is_there_again_after_a_closed_tab(page: Page, pairs: list[tuple[int, int]]) -> None:
    page.keyboard.press("r")
    page.keyboard.press("2")
    page.locator("#answer [name=note]").fill("the roof bends")
    page.reload()
    shows(page, pairs[0])
    page.keyboard.press("r")
    expect(page.locator("#answer [name=note]")).to_have_value("the roof bends")
    page.keyboard.press("Enter")
    shows(page, pairs[1])
    saved(page)
    [row] = stored()
    assert (row.reasons, row.note) == (["structure"], "the roof bends")
