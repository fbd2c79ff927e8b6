"""Takes the pictures of docs/screenshots: a real installation, real work, a real browser, and no key of any provider.

    .venv/bin/python scripts/screenshots.py FOLDER [--port 8140] [--minutes 30]

FOLDER is a data folder of its own. The script ingests the demo photographs that may be shown, starts the scripted stand-in
for all providers (tests/providers) and ``ggt up`` against it, runs what is to be seen, and writes the pictures in the order
of ``shots.py``. Every key of the environment is left out, so nothing can be paid for. Given the same FOLDER again, it takes
the pictures again without doing the work again.
Needs the packages of the tests (Playwright) and a Chromium on the PATH.
"""

import argparse
import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from shots import INVENTED, collection, open_review, shots
from trial import environment, installation, prepare, prepare_invented, sign_in, stand_in, work_done
from trial_collection import collected, platforms, prepare_collection
from trial_reviews import second_opinions

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESKTOP, PHONE = (1366, 768), (390, 844)
LARGEST_BYTES = 240_000


def interface_colours() -> list[int]:
    """The colours of app.css, as R, G, B, R, G, B..."""
    named = re.findall(r"--\w+: #([0-9a-f]{6}|[0-9a-f]{3});", (ROOT / "static" / "css" / "app.css").read_text())
    full = [name if len(name) == 6 else "".join(2 * digit for digit in name) for name in named]
    return [value for name in full for value in bytes.fromhex(name)]


def reduced(shot: Image.Image, colours: int) -> Image.Image:
    """The picture in a palette of at most ``colours``: the interface's own, which median cut would drop, and the rest."""
    own = interface_colours()
    photographs = shot.quantize(colours - len(own) // 3).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette(own + photographs[: 3 * colours - len(own)])
    return shot.quantize(palette=palette, dither=Image.Dither.NONE)


def save(page: Page, name: str) -> None:
    """Write the visible page as a PNG of as many palette colours as fit into LARGEST_BYTES."""
    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for colours in range(256, 32, -16):
        buffer = io.BytesIO()
        reduced(shot, colours).save(buffer, "PNG", optimize=True)
        if buffer.tell() <= LARGEST_BYTES:
            break
    TARGET.mkdir(parents=True, exist_ok=True)
    (TARGET / f"{name}.png").write_bytes(buffer.getvalue())
    print(f"{name}.png: {buffer.tell():,} bytes, {colours} colours")  # noqa: T201


def context(browser: Browser, size: tuple[int, int]) -> BrowserContext:
    return browser.new_context(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")


@contextmanager
def chromium() -> Iterator[Browser]:
    browser_path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None:
        raise SystemExit("No Chromium was found: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        yield browser
        browser.close()


def take_invented(base: str, link: str, only: list[str]) -> None:
    """Take the pictures of an installation that holds invented decisions."""
    with chromium() as browser:
        page = context(browser, DESKTOP).new_page()
        sign_in(page, link)
        for name, show in INVENTED.items():
            if not only or name in only:
                show(page, base)
                save(page, name)


def take(base: str, link: str, url: str, minutes: float, only: list[str]) -> None:
    """Take every picture of an installation at ``base``, or ``only`` some."""
    with chromium() as browser:
        desktop = context(browser, DESKTOP)
        page = desktop.new_page()
        sign_in(page, link)
        runs = work_done(page, base, url, minutes)
        second_opinions(page, base)
        for name, show in shots(runs).items():
            if not only or name in only:
                show(page, base)
                save(page, name)
        if not only or "review-phone" in only:
            phone = context(browser, PHONE)
            phone.add_cookies(desktop.cookies())  # type: ignore[arg-type]
            page = phone.new_page()
            open_review(page, base)
            save(page, "review-phone")


def take_collection(base: str, link: str, upload: Path, minutes: float, only: list[str]) -> None:
    """Take the pictures of an installation that collects."""
    with chromium() as browser:
        page = context(browser, DESKTOP).new_page()
        sign_in(page, link)
        collected(page, base, minutes)
        for name, show in collection(upload).items():
            if not only or name in only:
                show(page, base)
                save(page, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a data folder for the pictures alone")
    parser.add_argument("--port", type=int, default=8140, help="where the installation listens meanwhile")
    parser.add_argument("--minutes", type=float, default=30, help="how long to wait for each run")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="take these alone")
    given = parser.parse_args()
    base = f"http://127.0.0.1:{given.port}"
    folder, only = given.folder.resolve(), set(given.only)
    upload = folder / "album" / "box"
    with stand_in() as url:
        if not only or only - INVENTED.keys() - collection(upload).keys():
            settings = environment(folder, given.port, url)
            if not (folder / "ggt.sqlite3").exists():
                prepare(settings)
            with installation(settings, base) as link:
                take(base, link, url, given.minutes, given.only)
        if not only or only & INVENTED.keys():
            settings = environment(folder / "invented", given.port, url)
            if not (folder / "invented").exists():
                prepare_invented(settings)
            with installation(settings, base, "serve") as link:
                take_invented(base, link, given.only)
        if not only or only & collection(upload).keys():
            with platforms() as found:
                settings = environment(folder / "collection", given.port, url) | found
                if not (folder / "collection").exists():
                    prepare_collection(settings, upload.parent)
                with installation(settings, base) as link:
                    take_collection(base, link, upload, given.minutes, given.only)


if __name__ == "__main__":
    main()
