"""Takes the pictures of docs/screenshots: a real installation, real work, a real browser, and no key of any provider.

    .venv/bin/python scripts/screenshots.py FOLDER [--port 8140] [--minutes 30]

FOLDER is a data folder of its own. The script ingests the demo photographs that may be shown, starts the scripted stand-in
for all providers (tests/providers) and ``ggt up`` against it, runs what is to be seen, and writes the pictures in the order
of :func:`shots`. Every key of the environment is left out, so nothing can be paid for. Given the same FOLDER again, it takes
the pictures again without doing the work again.
Needs the packages of the tests (Playwright) and a Chromium on the PATH.
"""

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from app.catalog.providers import PROVIDERS

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "docs" / "screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
DESKTOP, PHONE = (1366, 768), (390, 844)
LARGEST_BYTES = 240_000
SHOWABLE = ("public domain", "CC0-1.0", "CC-BY-2.0", "no known copyright restrictions")
"""Licences under which a photograph may stand in this repository's pictures; the rest of the demo set stays out."""
PREFERRED = ("low_light", "old_photo")
"""Categories in the order in which the review page is asked for a pair: those of the local methods, for the README."""


LOCAL = "category=low_light&category=old_photo"
"""What the local methods make candidates of. The rest of the photographs goes to stand-ins, in two runs:"""
ADAPTIVE = "category=general_mixed&method=nano-banana-2&strategy=vlm-gemini&judge=gemini-3.1-pro&compare=0"
SETTINGS = (
    "category=rain&category=haze&method=gpt-image-2&strategy=fix-nc&judge=gemini-3.1-pro&compare=0"
    "&also=nano-banana-pro/fix&also=seedream-5.0/fix&also=kling-image-o1/fix-nc"
)


def ggt(*arguments: str) -> list[str]:
    """A ``ggt`` command of this environment."""
    return [str(Path(sys.executable).with_name("ggt")), *arguments]


@contextmanager
def stand_in() -> Iterator[str]:
    """The scripted stand-in for all providers; its address."""
    command = [sys.executable, "-m", "tests.providers", "--json", "--port", "0", "--accept-rate", "0.5", "--latency", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield str(json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(10)


def environment(folder: Path, port: int, url: str) -> dict[str, str]:
    """This process's environment, with no setting of GGT Studio but those of a trial with the stand-in."""
    found = {name: value for name, value in os.environ.items() if not name.startswith("GGT_")}
    found |= {"GGT_DATA_DIR": str(folder), "GGT_PORT": str(port)}
    for key, spec in PROVIDERS.items():
        found[f"GGT_{key.upper()}_BASE_URL"] = url + urlsplit(spec.base_url).path
        found[spec.key_setting] = "fake"
        if spec.secret_setting:
            found[spec.secret_setting] = "fake-secret-of-thirty-two-letters-"
    return found


@contextmanager
def installation(given: dict[str, str], base: str) -> Iterator[str]:
    """``ggt up`` until the pictures are taken; a one-time admin link."""
    process = subprocess.Popen(ggt("up"), cwd=ROOT, env=given, stdout=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                httpx.get(f"{base}/health", trust_env=False)
                break
            except httpx.TransportError:
                if process.poll() is not None:
                    raise SystemExit("ggt up has ended; its message is above") from None
                time.sleep(0.5)
        told = subprocess.run(ggt("link"), cwd=ROOT, env=given, capture_output=True, text=True, check=True)
        found = re.search(re.escape(base) + r"/\S+", told.stdout + told.stderr)
        if found is None:
            raise SystemExit("ggt link printed no link")
        yield found[0]
    finally:
        process.terminate()
        process.wait(90)


def prepare(given: dict[str, str]) -> None:
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
            told = [text for name, value in options.items() for text in (f"--{name}", value)]
            subprocess.run(ggt("ingest", part["path"], *told, "--keep-near-duplicates"), env=given, check=True)
    subprocess.run(ggt("weights", "fetch"), env=given, check=True)


def sign_in(page: Page, link: str) -> None:
    """Use the one-time link."""
    page.goto(link)
    page.locator("main form button, form button").first.click()
    page.wait_for_url("**/")


def start(page: Page, address: str) -> int:
    """Start what a form that starts runs has been filled in with by its address, and agree to its price."""
    page.goto(address)
    confirm(page)
    return int(page.url.rsplit("/", 1)[1])


def confirm(page: Page) -> None:
    """Agree to the price, where there is one, and press the button under it."""
    spend = page.locator('#estimate input[name="spend"]')
    if spend.count():
        spend.check()
    page.locator("#estimate button.p").click()
    page.wait_for_url(re.compile(r"/runs/\d+$"))


def work_done(page: Page, base: str, url: str, minutes: float) -> dict[str, int]:
    """Start what has not been started yet, one run after the other, and return the runs' ids by what they show."""

    def settings() -> int:
        # One connection breaks after the request was sent: what becomes of it is for a person to decide.
        httpx.post(f"{url}/script", json={"push": ["RESET"]}, trust_env=False).raise_for_status()
        return start(page, f"{base}/runs/new?{SETTINGS}")

    starts: dict[str, Callable[[], int]] = {
        "adaptive": lambda: start(page, f"{base}/runs/new?{ADAPTIVE}"),
        "settings": settings,
        "local": lambda: start(page, f"{base}/runs/new?{LOCAL}"),
        "opinions": lambda: opinions(page, base),
    }
    listed = page.request.get(f"{base}/api/v1/runs?limit=200").json()["items"]
    ids = sorted(run["id"] for run in listed if run["kind"] in ("pipeline", "judge_again"))
    runs = {}
    for number, (name, begin) in enumerate(starts.items()):
        runs[name] = ids[number] if number < len(ids) else begin()
        wait(page, base, runs[name], minutes)
    if len(ids) < len(starts):
        look_after(page, base)
    return runs


def opinions(page: Page, base: str) -> int:
    """Have every image judged by the other VLM judge as well."""
    page.goto(f"{base}/images/judge")
    page.locator('input[name="everything"]').check()
    page.locator('select[name="judge"]').select_option("gpt-5.4-pro")
    page.wait_for_timeout(3000)  # the estimate is asked for anew
    confirm(page)
    return int(page.url.rsplit("/", 1)[1])


def look_after(page: Page, base: str) -> None:
    """A budget and a check, so that the Providers page has something to show."""
    page.goto(f"{base}/providers")
    page.locator("#provider-gemini details summary").click()
    page.locator('#provider-gemini input[name="daily_budget"]').fill("5")
    page.locator("#provider-gemini form.settle button.p").click()
    page.locator('#provider-gemini form[action*="/check"] button').click()
    page.wait_for_timeout(5000)


def wait(page: Page, base: str, run_id: int, minutes: float) -> None:
    """Wait until a run has finished."""
    give_up = time.monotonic() + 60 * minutes
    while page.request.get(f"{base}/api/v1/runs/{run_id}").json()["progress"]["state"] == "running":
        if time.monotonic() > give_up:
            raise SystemExit(f"run {run_id} has not finished in {minutes:g} minutes")
        time.sleep(2)


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


def scrolled(path: str, selector: str) -> Callable[[Page, str], None]:
    """A picture of one address, from an element on."""

    def show(page: Page, base: str) -> None:
        page.goto(base + path)
        settle(page)
        page.locator(selector).evaluate("e => { e.style.scrollMarginTop = '60px'; e.scrollIntoView({block: 'start'}); }")
        settle(page)

    return show


def most_attempts(page: Page, base: str, method: str) -> tuple[int, int]:
    """The image whose chain by ``method`` has most attempts, or else most verdicts; and the last attempt's candidate."""
    found = []
    for image in page.request.get(f"{base}/api/v1/images").json()["items"]:
        for chain in page.request.get(f"{base}/api/v1/images/{image['id']}").json()["chains"]:
            made = chain["attempts"]
            if chain["name"].startswith(method) and made:
                last = max(made, key=lambda attempt: attempt["attempt"])
                rank = (len(made), sum(len(attempt["verdicts"]) for attempt in made))
                found.append((*rank, image["id"], last["candidate"]["id"]))
    if not found:
        raise SystemExit(f"No image has a candidate of {method}.")
    *_, image_id, candidate_id = max(found)
    return int(image_id), int(candidate_id)


def attempt(page: Page, base: str) -> None:
    """The last attempt of the longest chain: its prompt carries what the judge found wrong."""
    image_id, candidate_id = most_attempts(page, base, "gpt-image-2")
    scrolled(f"/images/{image_id}", f"#candidate-{candidate_id}")(page, base)


def written(page: Page, base: str) -> None:
    """The prompts that were written for an image."""
    scrolled(f"/images/{most_attempts(page, base, 'nano-banana-2')[0]}", "#prompts")(page, base)


def shots(runs: dict[str, int]) -> dict[str, Callable[[Page, str], None]]:
    """What is shown on a desktop, in order."""
    return {
        "review": review("side"),
        "review-slider": review("slider"),
        "dashboard": at("/"),
        "images": at("/images"),
        "image": history,
        "run": at(f"/runs/{runs['local']}"),
        "ingest": at("/ingest"),
        "people": at("/people"),
        "providers": at("/providers"),
        "new-run": at(f"/runs/new?{SETTINGS}"),
        "run-paid": at(f"/runs/{runs['settings']}"),
        "prompts": at("/prompts"),
        "prompt": at("/prompts/meta/haze"),
        "image-prompt": written,
        "image-mfm": attempt,
        "filter": at("/filter?category=old_photo"),
        "judges": at("/judges?a=stand-in:gemini-3.1-pro&b=stand-in:gpt-5.4-pro"),
        "regenerate": at("/images/regenerate?category=rain"),
    }


def context(browser: Browser, size: tuple[int, int]) -> BrowserContext:
    return browser.new_context(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")


def take(base: str, link: str, url: str, minutes: float, only: list[str]) -> None:
    """Take every picture of an installation at ``base``, or ``only`` some."""
    browser_path = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser_path is None:
        raise SystemExit("No Chromium was found: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        desktop = context(browser, DESKTOP)
        page = desktop.new_page()
        sign_in(page, link)
        for name, show in shots(work_done(page, base, url, minutes)).items():
            if not only or name in only:
                show(page, base)
                save(page, name)
        if not only or "review-phone" in only:
            phone = context(browser, PHONE)
            phone.add_cookies(desktop.cookies())  # type: ignore[arg-type]
            page = phone.new_page()
            open_review(page, base)
            save(page, "review-phone")
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a data folder for the pictures alone")
    parser.add_argument("--port", type=int, default=8140, help="where the installation listens meanwhile")
    parser.add_argument("--minutes", type=float, default=30, help="how long to wait for each run")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="take these alone")
    given = parser.parse_args()
    base = f"http://127.0.0.1:{given.port}"
    with stand_in() as url:
        settings = environment(given.folder.resolve(), given.port, url)
        if not (given.folder / "ggt.sqlite3").exists():
            prepare(settings)
        with installation(settings, base) as link:
            take(base, link, url, given.minutes, given.only)


if __name__ == "__main__":
    main()
