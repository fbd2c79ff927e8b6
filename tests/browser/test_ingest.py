"""Archives and lists in the browser. If these fail, whoever sends a box of photographs does not see what became of it."""

import time
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlmodel import func, select

from app import db
from app.imaging import encode_png
from app.models import Role, SourceFile
from app.services import people
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    with db.unit_of_work() as session:
        token = people.sign_in(session, factories.make_user(session, Role.RESEARCHER), "test")
    made, _ = open_page(token)
    made.goto("/ingest")
    return made


def archive(folder: Path, photographs: int, side: int = 96) -> Path:
    """A zip of so many photographs, each of its own, and a letter."""
    with zipfile.ZipFile(folder / "attic.zip", "w") as made:
        for number in range(photographs):
            made.writestr(f"box/{number:03}.png", encode_png(factories.picture(900 + number, side)))
        made.writestr("box/letter.txt", b"Dear Sir or Madam")
    return folder / "attic.zip"


def choose(page: Page, *files: Path) -> None:
    page.get_by_label("Category").select_option("old_photo")
    page.get_by_label("Source name").fill("attic")
    page.locator("#files").set_input_files(files)
    page.get_by_role("button", name="Upload").click()


def stored() -> int:
    with db.reading() as session:
        return session.exec(select(func.count()).select_from(SourceFile)).one()


def test_each_photograph_of_an_archive_is_told_and_so_is_what_is_no_archive(page: Page, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(encode_png(factories.picture(899, 96)))
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 and no more")
    (tmp_path / "list.csv").write_text("url,licence\nhttp://127.0.0.1:9/a.png,cc0\n")
    choose(page, *(tmp_path / name for name in ("one.png", "broken.zip", "list.csv")), archive(tmp_path, 3))
    expect(page.locator("#headline")).to_have_text("4 patches added, 3 rejected", timeout=30_000)
    rows = page.locator("#outcomes li")
    expect(rows).to_have_count(7)
    expect(rows.filter(has_text="box/letter.txt")).to_contain_text("rejected: not a JPEG, PNG, WebP, TIFF or BMP image")
    expect(rows.filter(has_text="broken.zip")).to_contain_text("broken.zip cannot be opened")
    expect(rows.filter(has_text="http://127.0.0.1:9/a.png")).to_contain_text("line 2: ")
    page.get_by_role("link", name="Report").click()
    expect(page.get_by_text("box/letter.txt").first).to_be_visible()


def test_closing_the_tab_stops_the_work_and_sending_it_again_goes_on(page: Page, tmp_path: Path) -> None:
    photographs = 60
    choose(page, archive(tmp_path, photographs, side=400))
    expect(page.locator("#headline")).to_contain_text("files so far", timeout=30_000)
    expect(page.locator("#outcomes li").first).to_be_visible()
    token = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == "ggt_session")
    address = page.url
    browser = page.context.browser
    page.context.close()
    assert browser is not None
    now, before = stored(), -1
    while before != now:
        time.sleep(1)
        now, before = stored(), now
    assert 0 < now < photographs, "the rest was not taken in for nobody"
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    context.add_cookies([{"name": "ggt_session", "value": token, "url": address}])
    again = context.new_page()
    again.goto(address)
    choose(again, tmp_path / "attic.zip")
    expect(again.get_by_role("link", name="Report")).to_be_visible(timeout=60_000)
    assert stored() == photographs
    expect(again.locator("#headline")).to_contain_text(f"{photographs - now} patches added, {now} known already, 1 rejected")
    context.close()
