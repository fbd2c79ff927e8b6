"""Adjudication by keyboard: what is pressed must be what is stored, and what was pressed wrongly must come back."""

import pytest
from playwright.sync_api import expect
from sqlmodel import col, select

from app import db
from app.models import Image, Review, Role, Stage
from app.services import people
from tests import factories
from tests.browser.conftest import OpenPage
from tests.integration.test_agreement_pages import some_disputes

pytestmark = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def stage(image_id: int) -> str:
    with db.reading() as session:
        return session.get_one(Image, image_id).stage


def test_reject_undo_accept_and_on(open_page: OpenPage) -> None:
    (first, _), (second, _) = some_disputes(2)
    with db.unit_of_work() as session:
        token = people.sign_in(session, factories.make_user(session, Role.RESEARCHER), "test")
    page, problems = open_page(token)
    page.goto(f"/adjudicate/{first}")
    page.locator("ggt-viewer").wait_for()
    page.locator("#modes").wait_for()
    page.keyboard.press("r")  # to the reasons; nothing is sent yet
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/adjudicate/{second}")
    with db.reading() as session:
        final = session.exec(select(Review).where(col(Review.kind) == "final")).one()
        assert (final.decision, final.reasons) == ("reject", ["structure"])
    assert stage(first) == Stage.REJECTED
    page.locator("#modes").wait_for()
    page.keyboard.press("z")
    page.wait_for_url(f"**/adjudicate/{first}")
    assert stage(first) == Stage.DISPUTED
    page.locator("#modes").wait_for()
    page.keyboard.press("a")
    page.wait_for_url(f"**/adjudicate/{second}")
    assert stage(first) == Stage.VERIFIED
    page.locator("#modes").wait_for()
    page.keyboard.press("n")
    page.wait_for_url("**/adjudicate")
    assert stage(second) == Stage.DISPUTED, "N decides nothing"
    assert problems == []


def test_the_judge_is_heard_when_asked_for(open_page: OpenPage) -> None:
    """A verdict on the screen from the start would settle what people disagree about."""
    (first, _), (second, _) = some_disputes(2)
    with db.unit_of_work() as session:
        token = people.sign_in(session, factories.make_user(session, Role.RESEARCHER), "test")
    page, problems = open_page(token)
    page.goto(f"/adjudicate/{first}")
    page.locator("#modes").wait_for()
    verdict = page.get_by_role("heading", name="GPT-5.4-Pro")
    expect(verdict).to_be_hidden()
    page.keyboard.press("j")
    expect(verdict).to_be_visible()
    page.keyboard.press("j")
    expect(verdict).to_be_hidden()
    page.keyboard.press("a")
    page.wait_for_url(f"**/adjudicate/{second}")
    page.goto(f"/adjudicate/{first}")
    expect(verdict).to_be_visible()
    assert problems == []


def test_it_works_without_scripts(open_page: OpenPage) -> None:
    [(image, _)] = some_disputes(1)
    with db.unit_of_work() as session:
        token = people.sign_in(session, factories.make_user(session, Role.RESEARCHER), "test")
    page, _ = open_page(token)
    page.route("**/*.js*", lambda route: route.abort())
    page.goto(f"/adjudicate/{image}")
    page.get_by_label("Structure changed").check()
    page.get_by_role("button", name="Reject").click()
    page.wait_for_url("**/adjudicate")
    assert stage(image) == Stage.REJECTED
