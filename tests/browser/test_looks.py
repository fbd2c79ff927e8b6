"""The quick look at whole photographs in a real browser: by keys, undone, offline, and on to the next page."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from sqlmodel import col, select

from app import db
from app.models import Look, Patch, SourceFile
from tests import factories
from tests.browser.review_page import until

pytestmark = [
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
]
SAVED = "Object.keys(localStorage).every((k) => !k.startsWith('ggt-sift/'))"


@pytest.fixture
def photos(database: str) -> list[int]:
    """Ids of 65 photographs that wait for a look: a page and a bit."""
    with db.unit_of_work() as session:
        source = factories.make_source(session)
        return [factories.make_photograph(session, source=source).id or 0 for _ in range(65)]


@pytest.fixture
def page(context: BrowserContext, photos: list[int]) -> Iterator[Page]:
    """The grid; an error in the console fails the test."""
    made = context.new_page()
    problems: list[str] = []
    made.on("pageerror", lambda error: problems.append(str(error)))
    made.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
    made.goto("/looks")
    expect(made.locator("[data-next]")).to_be_visible()
    yield made
    assert problems == []


def said() -> dict[int, tuple[str, str]]:
    """What is on record of photographs that do not wait: (look, reason)."""
    with db.reading() as session:
        rows = session.exec(select(SourceFile).where(col(SourceFile.look) != Look.WAITING))
        return {row.id or 0: (row.look, row.look_reason) for row in rows}


def here(page: Page, photo_id: int) -> None:
    """Wait until a photograph has the focus."""
    expect(page.locator(f"#photo-{photo_id} .tile")).to_be_focused()


def test_photographs_are_kept_and_discarded_by_keys(page: Page, photos: list[int]) -> None:
    page.keyboard.press("ArrowRight")
    here(page, photos[0])
    page.keyboard.press("k")
    here(page, photos[1])
    page.keyboard.press("2")
    here(page, photos[2])
    page.keyboard.press("x")
    expect(page.get_by_role("button", name="No visible artifact").first).to_be_focused()
    page.keyboard.press("Enter")
    here(page, photos[3])
    until(page, SAVED)
    assert said() == {
        photos[0]: ("kept", ""), photos[1]: ("discarded", "duplicate"), photos[2]: ("discarded", "no visible artifact"),
    }  # fmt: skip
    expect(page.locator(f"#photo-{photos[1]} .mark")).to_have_text("Duplicate")
    expect(page.locator("[data-left]")).to_have_text("62 left")
    for _ in range(2):
        page.keyboard.press("z")
    here(page, photos[1])
    until(page, SAVED)
    assert said() == {photos[0]: ("kept", "")}
    expect(page.locator("[data-left]")).to_have_text("64 left")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("4")  # another answer on one that was kept
    until(page, SAVED)
    assert said() == {photos[0]: ("discarded", "private or unsafe")}
    page.keyboard.press("z")
    until(page, SAVED)
    assert said() == {photos[0]: ("kept", "")}


def test_a_lost_network_loses_no_look(page: Page, context: BrowserContext, photos: list[int]) -> None:
    page.keyboard.press("ArrowRight")
    context.set_offline(True)
    for key in ("k", "3", "k"):
        page.keyboard.press(key)
    page.keyboard.press("z")
    expect(page.locator("#saved")).to_contain_text("4 waiting")
    assert said() == {}
    context.set_offline(False)
    until(page, SAVED)
    assert said() == {photos[0]: ("kept", ""), photos[1]: ("discarded", "not a photograph")}


def test_a_closed_tab_sends_when_it_is_opened_again(page: Page, context: BrowserContext, photos: list[int]) -> None:
    page.route("**/looks", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    page.keyboard.press("ArrowRight")
    page.keyboard.press("k")
    expect(page.locator(f"#photo-{photos[0]} .mark")).to_have_text("Kept")
    page.close()
    again = context.new_page()
    again.goto("/looks")
    until(again, SAVED)
    assert said() == {photos[0]: ("kept", "")}


def test_the_rest_of_a_page_is_kept_at_once_and_the_next_is_there(page: Page, photos: list[int]) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press("5")
    page.keyboard.press("Shift+K")
    here(page, photos[60])
    expect(page.locator(".cell")).to_have_count(5)
    expect(page.locator("[data-next]")).to_be_hidden()
    until(page, SAVED)
    assert len(said()) == 60
    assert said()[photos[0]] == ("discarded", "other")
    page.keyboard.press("z")
    here(page, photos[1])  # from the page before, back in the grid
    until(page, SAVED)
    assert said() == {photos[0]: ("discarded", "other")}
    for _ in range(64):
        page.keyboard.press("k")
    expect(page.locator("#done")).to_be_visible()
    until(page, SAVED)
    with db.reading() as session:
        assert {row.state for row in session.exec(select(Patch).where(col(Patch.source_file_id) > photos[0]))} == {"waiting"}


def test_one_is_shown_large_and_decided_on_there(page: Page, photos: list[int]) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    dialog = page.locator("#large")
    expect(dialog).to_be_visible()
    shown = "document.querySelector('#large-viewer').shadowRoot.querySelectorAll('img')"
    loaded = f"[...{shown}].map((i) => new URL(i.src).pathname)"
    until(page, f"{loaded}.includes('/files/photographs/{photos[0]}/large')")
    page.keyboard.press("k")
    until(page, f"{loaded}.includes('/files/photographs/{photos[1]}/large')")
    page.keyboard.press("i")
    expect(page.locator("#large-about")).to_contain_text("CC0 1.0")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#large-mark")).to_have_text("Kept")
    page.keyboard.press("z")
    expect(page.locator("#large-mark")).to_be_hidden()
    page.keyboard.press(" ")
    expect(dialog).to_be_hidden()
    here(page, photos[0])
    until(page, SAVED)
    assert said() == {}


def test_who_comes_second_is_told(page: Page, photos: list[int]) -> None:
    with db.unit_of_work() as session:
        other = factories.make_user(session, name="Ada")
        file = session.get_one(SourceFile, photos[0])
        file.look, file.looked_by = Look.KEPT, other
    page.keyboard.press("ArrowRight")
    page.keyboard.press("1")
    expect(page.locator("#toast")).to_contain_text("Ada was faster")
    expect(page.locator(f"#photo-{photos[0]} .mark")).to_have_text("left alone")
    page.keyboard.press("z")
    expect(page.locator("#toast")).to_contain_text("Nothing here to undo")
    assert said()[photos[0]] == ("kept", "")


def test_patches_are_graded_and_cleared_by_keys(context: BrowserContext) -> None:
    with db.unit_of_work() as session:
        graded = [factories.make_patch(session, "grading").id or 0 for _ in range(4)]
        flagged = [factories.make_patch(session, "flagged", step="unsafe").id or 0 for _ in range(2)]
    page = context.new_page()
    page.goto("/patches?state=grading")
    page.keyboard.press("ArrowRight")
    for key in ("1", "2", "3", "x"):
        page.keyboard.press(key)
    until(page, SAVED)
    with db.reading() as session:
        rows = session.exec(select(Patch).where(col(Patch.id).in_(graded)).order_by(col(Patch.id)))
        assert [(row.state, row.level) for row in rows] == [
            ("passed", "high"), ("passed", "medium"), ("passed", "low"), ("out", "")
        ]  # fmt: skip
    page.keyboard.press("z")
    until(page, SAVED)
    with db.reading() as session:
        assert session.get_one(Patch, graded[3]).state == "grading"
    page.goto("/patches?state=flagged")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("f")
    page.keyboard.press("x")
    until(page, SAVED)
    with db.reading() as session:
        assert [session.get_one(Patch, one).state for one in flagged] == ["passed", "out"]
