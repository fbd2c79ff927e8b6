"""The review page in a real browser: what the hand does must be what the dataset gets."""

from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from sqlmodel import col, select

from app import db
from app.models import Image, Pair, Review, ReviewLease
from app.services import people
from tests import factories
from tests.browser.review_page import LOADED, SHOWN, saved, shows, until

pytestmark = [
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
]


def decisions() -> list[tuple[int, str, bool]]:
    """(image, decision, undone) of every stored review, oldest first."""
    with db.reading() as session:
        rows = session.exec(select(Review).order_by(col(Review.id)))
        return [(r.image_id, r.decision, r.undone_at is not None) for r in rows]


def stage(image_id: int) -> str:
    with db.reading() as session:
        image = session.get(Image, image_id)
        assert image is not None
        return image.stage


def test_accept_reject_and_undo_by_keys(page: Page, pairs: list[tuple[int, int]]) -> None:
    page.keyboard.press("a")
    shows(page, pairs[1])
    page.keyboard.press("r")
    page.keyboard.press("1")
    page.keyboard.press("4")
    page.keyboard.press("Enter")
    shows(page, pairs[2])
    page.keyboard.press("x")
    shows(page, pairs[3])
    saved(page)
    assert decisions() == [
        (pairs[0][0], "accept", False), (pairs[1][0], "reject", False), (pairs[2][0], "reject", False)
    ]  # fmt: skip
    with db.reading() as session:
        assert [p.candidate_id for p in session.exec(select(Pair))] == [pairs[0][1]]
        assert [r.reasons for r in session.exec(select(Review).order_by(col(Review.id)))][1:] == [
            ["artifact", "color"], ["artifact"]
        ]  # fmt: skip
    page.keyboard.press("z")
    shows(page, pairs[2])
    page.keyboard.press("z")
    shows(page, pairs[1])
    saved(page)
    assert stage(pairs[1][0]) == stage(pairs[2][0]) == "awaiting_verification"
    expect(page.locator("[data-today]")).to_have_text("1 today")


def test_a_rejection_without_reason_is_not_sent(page: Page, pairs: list[tuple[int, int]]) -> None:
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    page.keyboard.press("5")
    page.keyboard.press("Enter")
    assert decisions() == []
    page.keyboard.type("halo A")
    page.keyboard.press("Enter")
    shows(page, pairs[1])
    saved(page)
    with db.reading() as session:
        [row] = session.exec(select(Review))
        assert (row.reasons, row.note) == (["other"], "halo A")


def test_keys_held_down_decide_once(page: Page, pairs: list[tuple[int, int]]) -> None:
    """A key that repeats would accept pairs nobody has looked at."""
    for _ in range(4):
        page.keyboard.down("a")
    page.keyboard.up("a")
    shows(page, pairs[1])
    saved(page)
    assert len(decisions()) == 1


def test_lost_network_loses_nothing_and_sends_once(
    page: Page, context: BrowserContext, pairs: list[tuple[int, int]]
) -> None:
    until(page, LOADED)
    context.set_offline(True)
    for n in (1, 2, 3):
        page.keyboard.press("a")
        shows(page, pairs[n])
    page.keyboard.press("z")
    shows(page, pairs[2])
    expect(page.locator("#saved")).to_contain_text("4 waiting")
    assert decisions() == []
    context.set_offline(False)
    saved(page)
    assert decisions() == [(pairs[0][0], "accept", False), (pairs[1][0], "accept", False), (pairs[2][0], "accept", True)]


def test_an_answer_that_got_lost_counts_once(page: Page, pairs: list[tuple[int, int]]) -> None:
    lost: list[Any] = []

    def swallow(route: Route) -> None:
        if lost:
            return route.continue_()
        lost.append(route.fetch())
        return route.abort()

    page.route("**/review/decide", swallow)
    page.keyboard.press("a")
    shows(page, pairs[1])
    saved(page)
    assert decisions() == [(pairs[0][0], "accept", False)]


def test_a_closed_tab_sends_when_it_is_opened_again(
    page: Page, context: BrowserContext, pairs: list[tuple[int, int]]
) -> None:
    page.route("**/review/decide", lambda route: route.abort())
    page.keyboard.press("a")
    shows(page, pairs[1])
    page.close()
    again = context.new_page()
    again.goto("/review")
    saved(again)
    assert decisions() == [(pairs[0][0], "accept", False)]
    shows(again, pairs[1])


def test_an_ended_session_keeps_the_decision(page: Page, context: BrowserContext, pairs: list[tuple[int, int]]) -> None:
    def become(token: str) -> None:
        context.add_cookies([{"name": "ggt_session", "value": token, "url": page.url}])

    context.clear_cookies()
    page.keyboard.press("a")
    expect(page.locator("#saved")).to_contain_text("Sign in again in another tab")
    with db.unit_of_work() as session:
        user = session.exec(select(ReviewLease.user_id)).first() or 0
        token = people.sign_in(session, user, "test")
        stranger = people.sign_in(session, factories.make_user(session), "test")
    become(stranger)
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page.locator("#saved")).to_contain_text("somebody else is signed in")
    assert decisions() == []
    become(token)
    page.evaluate("dispatchEvent(new Event('focus'))")
    saved(page)
    with db.reading() as session:
        assert [(r.image_id, r.user_id) for r in session.exec(select(Review))] == [(pairs[0][0], user)]


def test_a_refusal_is_told(page: Page, pairs: list[tuple[int, int]]) -> None:
    with db.unit_of_work() as session:
        factories.make_candidate(session, session.get(Image, pairs[0][0]), method="local-dcp")
    page.keyboard.press("a")
    expect(page.locator("#toast")).to_contain_text(f"Image {pairs[0][0]} has a newer candidate")
    assert decisions() == []


def test_leaving_gives_the_pairs_back(page: Page) -> None:
    until(page, LOADED)
    page.goto("/review/me")
    for _ in range(50):
        with db.reading() as session:
            if not session.exec(select(ReviewLease)).all():
                return
        page.wait_for_timeout(50)
    pytest.fail("leases are still held")


def test_skipped_pairs_come_last(page: Page, pairs: list[tuple[int, int]]) -> None:
    page.keyboard.press("s")
    shows(page, pairs[1])
    for n in range(2, 8):
        page.keyboard.press("a")
        shows(page, pairs[n])
    page.keyboard.press("a")
    page.get_by_role("button", name="Show the 1 you skipped").click()
    shows(page, pairs[0])


def test_zoom_and_position_are_the_same_pixel_in_both_images(page: Page) -> None:
    """A comparison that is a pixel off shows a shift that is not there."""
    page.mouse.move(300, 300)
    page.mouse.wheel(0, -900)
    page.mouse.down()
    page.mouse.move(340, 320)
    page.mouse.up()
    page.wait_for_timeout(50)
    boxes = """[...document.querySelector('#viewer').shadowRoot.querySelectorAll('.layer:not([hidden]) img')].map((i) => {
        const b = i.getBoundingClientRect(), p = i.closest('.pane').getBoundingClientRect();
        return [b.left - p.left, b.top - p.top, b.width, b.height, getComputedStyle(i).imageRendering] })"""
    lq, hq = page.evaluate(boxes)
    assert lq == hq
    assert lq[2] > 256 * 3
    assert lq[4] == "pixelated"
    kept = page.evaluate("document.querySelector('#viewer').getTransform()")
    page.keyboard.press("a")
    page.wait_for_timeout(100)
    assert page.evaluate("document.querySelector('#viewer').getTransform()") == kept
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.wait_for_timeout(50)
    assert page.evaluate("document.querySelector('#viewer').scale") == 1
    page.keyboard.press("2")
    one, two = page.evaluate(boxes)
    assert one == two


def test_flicker_shows_lq_in_the_place_of_hq(page: Page, pairs: list[tuple[int, int]]) -> None:
    seen = SHOWN.replace("'img'", "'.pane:last-child .layer:not([hidden]) img'")
    page.keyboard.down(" ")
    until(page, f"{seen}[0].includes('/images/{pairs[0][0]}/')")
    page.keyboard.up(" ")
    until(page, f"{seen}[0].includes('/candidates/{pairs[0][1]}/')")


def test_the_next_pair_is_painted_at_once(page: Page, pairs: list[tuple[int, int]]) -> None:
    until(page, LOADED)
    times = []
    for n in range(1, 5):
        page.keyboard.press("a")
        shows(page, pairs[n])
        until(page, "performance.getEntriesByName('ggt:next-pair-painted').length")
        times.append(page.evaluate("performance.getEntriesByName('ggt:next-pair-painted')[0].duration"))
    assert sorted(times)[1] < 100, times
