"""Browsing and uploading in a real browser: keys, filters in the address, endless scrolling, live figures, drag and drop."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app import db
from app.imaging import encode_png
from app.models import Image, Role, Run, Stage
from app.services import people
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
]


@pytest.fixture
def page(open_page: OpenPage) -> Iterator[Page]:
    """A researcher's page; a script error or a blocked file fails the test."""
    with db.unit_of_work() as session:
        token = people.sign_in(session, factories.make_user(session, Role.ADMIN), "test")
    made, problems = open_page(token)
    yield made
    assert problems == []


def test_the_gallery_scrolls_on_and_is_used_by_keys(page: Page) -> None:
    with db.unit_of_work() as session:
        source = factories.make_source(session)
        ids = [factories.make_image(session, category="rain", source=source).id for _ in range(65)]
        factories.make_candidate(session, session.get_one(Image, ids[-1]), metrics={"niqe": 3.0})
    page.goto("/images")
    expect(page.locator(".tile")).to_have_count(60)
    page.keyboard.press("ArrowRight")
    expect(page.locator(f"#image-{ids[-1]}")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator(f"#image-{ids[-2]}")).to_be_focused()
    page.mouse.wheel(0, 20_000)
    expect(page.locator(".tile")).to_have_count(65)
    expect(page.get_by_text("Load more")).to_have_count(0)
    page.keyboard.press("f")
    expect(page.get_by_label("Category")).to_be_focused()
    page.get_by_label("Stage").select_option("awaiting_verification")
    page.wait_for_url("**/images?stage=awaiting_verification")  # nothing in it that was left alone
    page.locator(".tile").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/images/{ids[-1]}?stage=awaiting_verification")
    expect(page.locator("ggt-viewer")).to_be_visible()
    page.keyboard.press("Escape")
    page.wait_for_url("**/images?stage=awaiting_verification#*")


def test_the_dashboard_moves_by_itself(page: Page) -> None:
    with db.unit_of_work() as session:
        image = factories.make_image(session)
        run = Run(kind="pipeline", title="All images", total=4, done=1)
        session.add(run)
    page.goto("/")
    expect(page.get_by_text("1 of 4")).to_be_visible()
    page.wait_for_timeout(1500)  # the poller has looked once
    with db.unit_of_work() as session:
        session.get_one(Run, run.id).done = 3
        session.get_one(Image, image.id).stage = Stage.VERIFIED
    expect(page.get_by_text("3 of 4")).to_be_visible(timeout=10_000)
    expect(page.get_by_text("100.0 % yield")).to_be_visible(timeout=10_000)


def test_photographs_are_uploaded_and_each_outcome_is_told(page: Page, tmp_path: Path) -> None:
    photo = encode_png(factories.picture(7, 200))
    for name, data in (("one.png", photo), ("two.png", photo), ("three.png", photo[:300])):
        (tmp_path / name).write_bytes(data)
    page.goto("/ingest")
    page.get_by_label("Category").select_option("old_photo")
    page.get_by_label("Source name").fill("own-2026")
    page.locator("#files").set_input_files([tmp_path / name for name in ("one.png", "two.png", "three.png")])
    expect(page.get_by_text("3 files")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#headline")).to_have_text("1 patch added, 1 duplicate, 1 rejected", timeout=20_000)
    expect(page.locator("#outcomes li")).to_have_count(3)
    page.get_by_role("link", name="Report").click()
    expect(page.get_by_role("heading", name="Rejected")).to_be_visible()
    expect(page.get_by_text("three.png").first).to_be_visible()
