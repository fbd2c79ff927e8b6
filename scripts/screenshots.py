"""Takes the pictures of docs/screenshots: a real installation, real work, a real browser.

    export GGT_DATA_DIR=/tmp/screenshots GGT_PORT=8140
    .venv/bin/python scripts/screenshots.py prepare           # demo photographs that may be shown, ingested
    .venv/bin/ggt up &                                        # prints the one-time link
    .venv/bin/python scripts/screenshots.py take http://127.0.0.1:8140 LINK

``take`` signs in, starts a run when none has been started, waits for it, and writes the pictures in the order of SHOTS.
Needs the packages of the tests (Playwright) and a Chromium on the PATH.
"""

import argparse
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESKTOP, PHONE = (1366, 768), (390, 844)
LARGEST_BYTES = 240_000
SHOWABLE = ("public domain", "CC0-1.0", "CC-BY-2.0", "no known copyright restrictions")
"""Licences under which a photograph may stand in this repository's pictures; the rest of the demo set stays out."""
PREFERRED = ("haze", "low_light", "old_photo", "rain", "general_mixed", "snow")
"""Categories in the order in which the review page is asked for a pair."""


def prepare() -> None:
    """Ingest the demo photographs whose licence lets them be shown, with the ``ggt`` command of this environment."""
    with tempfile.TemporaryDirectory() as folder:
        built = subprocess.run(
            [sys.executable, "-m", "workers.degradations.demo", folder],
            cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        for part in json.loads(built.stdout):
            if part["licence"] not in SHOWABLE:
                continue
            options = {name: part[name] for name in ("category", "source", "licence", "author", "url")}
            options["kind"] = "synthetic" if part["kind"] == "synthetic" else "dataset"
            given = [text for name, value in options.items() for text in (f"--{name}", value)]
            ggt = str(Path(sys.executable).with_name("ggt"))
            subprocess.run([ggt, "ingest", part["path"], *given, "--keep-near-duplicates"], check=True)
    subprocess.run([str(Path(sys.executable).with_name("ggt")), "weights", "fetch"], check=True)


def sign_in(page: Page, link: str) -> None:
    """Use the one-time link."""
    page.goto(link)
    page.locator("main form button, form button").first.click()
    page.wait_for_url("**/")


def work_done(page: Page, base: str, minutes: float) -> int:
    """Start a run over all images if there is none yet, wait until it has finished, and return its id."""
    runs = [run for run in page.request.get(f"{base}/api/v1/runs").json()["items"] if run["kind"] == "pipeline"]
    if not runs:
        page.goto(f"{base}/runs/new")
        page.locator('form[action="/runs"] button.p').click()
        page.wait_for_url(re.compile(r"/runs/\d+$"))
        runs = [{"id": int(page.url.rsplit("/", 1)[1])}]
    run_id = int(runs[0]["id"])
    give_up = time.monotonic() + 60 * minutes
    while page.request.get(f"{base}/api/v1/runs/{run_id}").json()["progress"]["state"] == "running":
        if time.monotonic() > give_up:
            print(f"run {run_id} has not finished in {minutes:g} minutes; taking the pictures now")  # noqa: T201
            break
        time.sleep(2)
    return run_id


def open_review(page: Page, base: str) -> int:
    """Open a pair of the first preferred category that has one; returns its image's id."""
    for category in PREFERRED:
        page.goto(f"{base}/review?category={category}")
        image = page.locator("#accept input[name=image_id]").get_attribute("value")
        if image:
            settle(page)
            return int(image)
    raise SystemExit("No pair waits for verification: let a run finish first.")


def settle(page: Page) -> None:
    """Wait until every visible picture is painted. Live pages never get idle, so not for the network.

    Asked again and again from here: the pages' security policy refuses Playwright's own polling.
    """
    painted = "[...document.images].every(i => i.complete || i.getBoundingClientRect().top > innerHeight)"
    for _ in range(100):
        if page.evaluate(painted):
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(700)


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


def at(path: str) -> Callable[[Page, str], None]:
    """A picture of one address."""

    def show(page: Page, base: str) -> None:
        page.goto(base + path)
        settle(page)

    return show


def review(mode: str) -> Callable[[Page, str], None]:
    """The review page in a view: side, slider or difference."""

    def show(page: Page, base: str) -> None:
        open_review(page, base)
        page.locator(f'[data-mode="{mode}"]').click()
        settle(page)

    return show


def history(page: Page, base: str) -> None:
    """The history of the image that review shows."""
    at(f"/images/{open_review(page, base)}")(page, base)


def shots(run_id: int) -> dict[str, Callable[[Page, str], None]]:
    """What is shown on a desktop, in order."""
    return {
        "review": review("side"),
        "review-slider": review("slider"),
        "dashboard": at("/"),
        "images": at("/images"),
        "image": history,
        "run": at(f"/runs/{run_id}"),
        "ingest": at("/ingest"),
        "people": at("/people"),
    }


def context(browser: Browser, size: tuple[int, int]) -> BrowserContext:
    return browser.new_context(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")


def take(base: str, link: str, minutes: float) -> None:
    """Take every picture of an installation at ``base``."""
    browser_path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None:
        raise SystemExit("No Chromium was found: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        desktop = context(browser, DESKTOP)
        page = desktop.new_page()
        sign_in(page, link)
        for name, show in shots(work_done(page, base, minutes)).items():
            show(page, base)
            save(page, name)
        phone = context(browser, PHONE)
        phone.add_cookies(desktop.cookies())  # type: ignore[arg-type]
        page = phone.new_page()
        open_review(page, base)
        save(page, "review-phone")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("prepare", help="ingest the photographs that may be shown")
    taking = commands.add_parser("take", help="take the pictures")
    taking.add_argument("base", help="the address of the installation, such as http://127.0.0.1:8140")
    taking.add_argument("link", help="a one-time admin link, as `ggt up` or `ggt link` prints it")
    taking.add_argument("--minutes", type=float, default=30, help="how long to wait for the run")
    given = parser.parse_args()
    if given.command == "prepare":
        prepare()
    else:
        take(given.base.rstrip("/"), given.link, given.minutes)


if __name__ == "__main__":
    main()
