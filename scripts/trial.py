"""A trial installation of its own: the demo photographs, the scripted stand-in for all providers, and work that was done."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Page

from app.catalog.providers import PROVIDERS

ROOT = Path(__file__).resolve().parents[1]
SHOWABLE = ("public domain", "CC0-1.0", "CC-BY-2.0", "no known copyright restrictions")
"""Licences under which a photograph may stand in this repository's pictures; the rest of the demo set stays out."""
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
def installation(given: dict[str, str], base: str, command: str = "up") -> Iterator[str]:
    """``ggt up`` until the pictures are taken, or ``serve`` where nothing is to be worked on; a one-time admin link."""
    process = subprocess.Popen(ggt(command), cwd=ROOT, env=given, stdout=subprocess.DEVNULL)
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
    subprocess.run(ggt("weights", "fetch", "--packages"), env=given, check=True)


def prepare_invented(given: dict[str, str]) -> None:
    """Fill a data folder with invented decisions."""
    script = Path(__file__).with_name("invented_reviews.py")
    subprocess.run([sys.executable, str(script)], cwd=ROOT, env=given | {"PYTHONPATH": str(ROOT)}, check=True)


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
