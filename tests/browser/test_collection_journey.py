"""From a folder of photographs to images, by one person: if it breaks, what a lab publishes of its data is not what it did.

A real installation (``ggt up``: web server, workers, clock, Redis) is used through its pages alone. The photographs are
parts of those that come inside scikit-image and scikit-learn.
"""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np
from playwright.sync_api import Browser, Page, expect

from tests.browser.review_page import until
from workers.degradations import photos
from workers.degradations.photos import installed_file

ROOT = Path(__file__).resolve().parents[2]
HALVED = (photos.ASTRONAUT, photos.CAMERA, photos.CHELSEA, photos.CHINA, photos.COFFEE, photos.FLOWER, photos.ROCKET)
"""Each gives two photographs of an album; two of these are discarded at the look."""
LOOKS = {"rocket-left.png": "1", "rocket-right.png": "3"}
GRADES = "1" * 2 + "2" * 5 + "3" * 6 + "x"
"""Keys in the order of the grid. One high to two medium to three low: all high and low ones, and four of the medium ones."""
SENT = "Object.keys(localStorage).every((k) => !k.startsWith('ggt-sift/'))"
SLOW = 30_000


def make_album(folder: Path) -> None:
    """14 halves, one photograph of two patches, a page that shows nothing and one that noise covers; three wrong files."""
    folder.mkdir()
    whole = {}
    for photo in HALVED:
        path = installed_file(photo.package, photo.file)
        pixels = cv2.imread(str(path))
        assert pixels is not None
        whole[path.stem] = pixels
        middle = pixels.shape[1] // 2
        for side, half in (("left", pixels[:, :middle]), ("right", pixels[:, middle:])):
            cv2.imwrite(str(folder / f"{path.stem}-{side}.png"), half)
    wide = [cv2.resize(whole[name], (1024, 1024)) for name in ("astronaut", "camera")]
    cv2.imwrite(str(folder / "wide.png"), np.hstack(wide))
    cv2.imwrite(str(folder / "blank.png"), np.full((600, 800, 3), 235, np.uint8))
    noise = np.random.default_rng(1).normal(0, 120, (600, 800, 3))
    noisy = cv2.resize(whole["china"][:, ::-1], (800, 600)) + noise
    cv2.imwrite(str(folder / "noisy.png"), np.clip(noisy, 0, 255).astype(np.uint8))
    shutil.copyfile(folder / "wide.png", folder / "wide again.png")
    (folder / "cut.png").write_bytes((folder / "wide.png").read_bytes()[:5000])
    (folder / "letter.txt").write_text("Dear Sir or Madam")


@contextmanager
def installation(data: Path, weights: Path) -> Iterator[str]:
    """``ggt up`` on a data folder; yields the one-time link of its first admin."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data.mkdir()
    (data / "weights").symlink_to(weights)  # nothing to download
    command = [sys.executable, "-c", "from app.cli import main; main()", "up"]
    environment = {**os.environ, "GGT_DATA_DIR": str(data), "GGT_PORT": str(port), "GGT_WORKERS": "2"}
    log = data / "up.log"
    with log.open("wb") as told:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=told, stderr=told)
    try:
        for _ in range(300):
            assert process.poll() is None, log.read_text()
            if answers(f"http://127.0.0.1:{port}/health"):
                break
            time.sleep(0.2)
        [link] = re.findall(r"http://\S+/invite/\S+", log.read_text())
        yield link
    finally:
        process.terminate()
        process.wait(30)


def answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=2, trust_env=False).is_success
    except httpx.TransportError:
        return False


def researcher(browser: Browser, link: str) -> Page:
    """Sign in by the link, invite a researcher, and be one: an own browser, signed in at its dashboard."""
    base = link.partition("/invite")[0]
    admin = browser.new_page(base_url=base)
    admin.goto(link)
    admin.locator("main button").first.click()
    admin.wait_for_url("**/")
    admin.goto("/people")
    admin.locator('form[action="/people/invitations"] [name="role"]').select_option("researcher")
    admin.locator('form[action="/people/invitations"] button.p').click()
    invitation = admin.locator("#new-link").input_value()
    admin.close()
    page = browser.new_page(base_url=base, viewport={"width": 1366, "height": 768})
    page.set_default_timeout(10_000)
    page.goto(invitation)
    for name, text in (("name", "Ada"), ("email", "ada@example.org"), ("password", "correct horse battery staple")):
        page.locator(f'[name="{name}"]').fill(text)
    page.locator("main button.p").click()
    page.wait_for_url("**/")
    return page


def finished(page: Page) -> None:
    """Wait for the end of the run that the page shows."""
    page.wait_for_url(re.compile(r"/runs/\d+$"))
    expect(page.locator(".badge.run-finished")).to_be_visible(timeout=SLOW)


def states(page: Page) -> dict[str, int]:
    """Patches by state, from the chips above them."""
    page.goto("/patches")
    told = page.locator(".states .chip").all_inner_texts()
    return {name: int(number) for name, _, number in (text.rpartition(" ") for text in told) if number != "0"}


def rows(page: Page, table: str) -> list[list[str]]:
    """A table's cells as they are read, head and body."""
    texts = page.locator(f"{table} tr").all()
    return [[cell.strip() for cell in row.locator("th, td").all_inner_texts()] for row in texts]


def steps(page: Page) -> dict[str, tuple[int, int, int]]:
    """Screening as the composition reports it: at each step how many came, how many went, how many are still there."""
    page.goto("/composition")
    titles, _, line = rows(page, "table.steps")
    assert (line[0], titles[0], titles[-1]) == ("Old photo", "Category", "After all")
    found = {}
    for at, title in enumerate(titles[1:-1]):
        out, _, here = line[2 + 2 * at].partition("\n")
        found[title] = (int(line[1 + 2 * at]), int(out), int(here.split()[0]) if here.strip() else 0)
    return {**found, titles[-1]: (int(line[-1]), 0, 0)}


def test_a_folder_becomes_images_and_every_count_agrees(browser: Browser, weights: Path, tmp_path: Path) -> None:
    album = tmp_path / "album"
    make_album(album)
    with installation(tmp_path / "data", weights) as link:
        page = researcher(browser, link)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        ingest(page, album)
        look(page)
        screen(page)
        grade(page)
        draw(page)
        account(page)
        page.close()
    assert problems == []


def ingest(page: Page, album: Path) -> None:
    page.goto("/ingest")
    page.get_by_label("Category").select_option("old_photo")
    page.get_by_label("Source name").fill("album")
    page.locator('[name="licence"]').select_option("CC0-1.0")
    page.get_by_label("Look at whole photographs first").check()
    page.locator("#folder").set_input_files(album)
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#headline")).to_have_text("18 patches added, 1 duplicate, 2 rejected", timeout=SLOW)
    page.get_by_role("link", name="Report").click()
    expect(page.locator("#failed")).to_contain_text("album/letter.txt")
    expect(page.locator("#failed")).to_contain_text("album/cut.png")
    assert states(page) == {"Held": 18}


def look(page: Page) -> None:
    page.goto("/looks")
    page.keyboard.press("ArrowRight")
    focused = page.locator(".cell:has(.tile:focus)")
    seen = set()
    for number in range(17):
        expect(page.locator(".progress [data-here]")).to_have_text(f"{number} here")
        name = (focused.get_attribute("data-name") or "").rpartition("/")[2]
        seen.add(name)
        page.keyboard.press(LOOKS.get(name, "k"))
    assert len(seen) == 17
    page.keyboard.press("z")
    expect(page.locator(".progress [data-here]")).to_have_text("16 here")
    page.keyboard.press(LOOKS.get(name, "k"))
    expect(page.locator("#done")).to_be_in_viewport()
    until(page, SENT)
    page.goto("/looks?state=discarded")
    assert page.locator(".states .chip").all_inner_texts() == ["Wait for a look 0", "Kept 15", "Discarded 2"]
    assert sorted(page.locator(".cell .mark").all_inner_texts()) == ["No visible artifact, Ada", "Not a photograph, Ada"]
    assert states(page) == {"Waiting": 16, "Out": 2}
    assert steps(page) == {"Look": (18, 2, 0), "Metrics": (16, 0, 16), "After all": (0, 0, 0)}


def screen(page: Page) -> None:
    page.goto("/looks")
    page.get_by_role("link", name="Screen what waits").click()
    page.get_by_role("link", name="Old photo").click()
    expect(page.locator("#estimate")).to_contain_text("16 patches will be screened.")
    with page.expect_response("**/patches/screen/estimate"):
        page.get_by_label("Level: answered by").select_option("person")
    page.get_by_role("button", name="Start screening").click()
    finished(page)
    assert states(page) == {"To grade": 14, "Out": 4}
    assert steps(page) == {
        "Look": (18, 2, 0), "Content": (16, 1, 0), "Too degraded": (15, 1, 0), "Level": (14, 0, 14), "After all": (0, 0, 0),
    }  # fmt: skip
    page.goto("/patches?state=out&step=content")
    expect(page.locator(".cell .why")).to_have_text(["structure 0 is below 0.1, as measured"])
    page.goto("/patches?state=out&step=degraded")
    expect(page.locator(".cell .why")).to_contain_text(["as measured"])


def grade(page: Page) -> None:
    page.goto("/patches")
    expect(page.locator(".meaning")).to_contain_text("14 patches.")
    page.keyboard.press("ArrowRight")
    for number, key in enumerate(GRADES, 1):
        page.keyboard.press(key)
        expect(page.locator(".progress [data-here]")).to_have_text(f"{number} here")
    expect(page.locator("#done")).to_be_in_viewport()
    until(page, SENT)
    assert states(page) == {"Passed": 13, "Out": 5}
    page.goto("/patches?state=passed&level=medium")
    expect(page.locator(".cell")).to_have_count(5)


def draw(page: Page) -> None:
    page.get_by_role("link", name="Draw...").click()
    expect(page.locator("#estimate .sentence")).to_have_text("12 new images")
    assert [line[-1] for line in rows(page, "#estimate")[1:]] == ["2", "4", "6", "0"]
    page.get_by_role("button", name="Draw").click()
    finished(page)
    assert states(page) == {"Out": 5, "Not drawn": 1, "Retained": 12}
    page.goto("/images?category=old_photo")
    pictures = page.locator(".tile img")
    expect(pictures).to_have_count(12)
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        expect(picture).to_have_js_property("complete", True)
        assert picture.evaluate("(image) => image.naturalWidth") > 0
    page.goto("/patches/draw?category=old_photo")
    expect(page.locator("#estimate .sentence")).to_have_text("0 new images")
    expect(page.locator("#estimate")).to_contain_text("has run out")


def account(page: Page) -> None:
    assert steps(page) == {
        "Look": (18, 2, 0), "Content": (16, 1, 0), "Too degraded": (15, 1, 0), "Level": (14, 1, 0), "Sampling": (13, 1, 0),
        "After all": (12, 0, 0),
    }  # fmt: skip
    head, line, *sums = rows(page, "table.composition")
    told = dict(zip(head[2:], map(int, line[2:]), strict=True))
    assert told == {
        "Photographs": 17, "Patches": 18, "Being screened": 0, "Screened": 18, "Out: Look": 2, "Out: Content": 1,
        "Out: Too degraded": 1, "Out: Level": 1, "Passed": 0, "Not drawn": 1, "Retained": 12, "Generated": 0, "Pairs": 0,
    }  # fmt: skip
    assert line[:2] == ["album", "Old photo"]
    assert [row[2:] for row in sums] == [line[2:]] * 2
    flow = [" ".join(text.split()) for text in page.locator(".sankey.desk text").all_text_contents()]
    assert {"album 18", "Old photo 18", "Retained 12", "Not drawn 1", "Out: Look 2", "Out: Level 1"} <= set(flow)

    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    [exported] = csv.DictReader(download.value.path().read_text().splitlines())
    assert [exported.pop(name) for name in ("source", "category")] == ["album", "old_photo"]
    assert [int(number) for number in exported.values()] == list(told.values())
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    given = json.loads(download.value.path().read_text())
    assert list(given["total"].values()) == list(told.values())
    page.goto("/sources")
    expect(page.locator(".sources-table tbody tr")).to_have_count(1)
    [source] = rows(page, ".sources-table tbody")
    assert source[-6:] == ["17", "0", "13", "5", "12", "0"]  # passed, drawn or not
