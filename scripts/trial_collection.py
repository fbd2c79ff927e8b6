"""The collection of a trial installation: rendered photographs that come in, are looked at, screened, graded and drawn.

Only photographs that may be shown are rendered on. Some of everything is left to do, so that each page has something on it.
"""

import csv
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page
from trial import ROOT, ggt, start, wait

from workers.degradations import photos
from workers.degradations.aging import old_photo
from workers.degradations.camera import general_mixed, low_light
from workers.degradations.photos import Photo, installed_file
from workers.degradations.weather import haze, outdoor_depth, rain, snow

Image = NDArray[np.float32]
SENT = "Object.keys(localStorage).every((k) => !k.startsWith('ggt-sift/'))"
LOOKED_AT, LEVELLED, UNSCREENED = ("old_photo", "general_mixed", "low_light", "rain"), ("old_photo", "general_mixed"), "rain"
"""Categories whose photographs are looked at, whose levels people give, and the one of the first that is left waiting."""
SOURCES: dict[str, tuple[str, tuple[Photo, ...]]] = {
    "scikit-image, rendered": ("synthetic", (photos.CAMERA, photos.CHELSEA, photos.COFFEE)),
    "scikit-learn, rendered": ("synthetic", (photos.CHINA, photos.FLOWER)),
    "Space flight, rendered": ("synthetic", (photos.ASTRONAUT, photos.ROCKET)),
    "Brooklyn Museum": ("dataset", (photos.COINS,)),
}
"""Their kind, and the photographs: of a data set as they are, else rendered."""


@dataclass(frozen=True)
class Variant:
    """A rendering of a photograph, or of one ``half`` of it (left, right, lower), at a width in pixels."""

    category: str
    name: str
    width: int
    half: str
    render: Callable[[Image, np.random.Generator], Image]


VARIANTS = (
    Variant("old_photo", "sepia", 560, "", lambda i, g: old_photo(i, g, 0.9, 1.0, sepia=True)),
    Variant("old_photo", "faded", 420, "right", lambda i, g: old_photo(i, g, 0.8, 0.5, sepia=False)),
    Variant("general_mixed", "mixed", 2100, "", lambda i, g: general_mixed(i, g, 2.5, 0.02, 60)),
    Variant("rain", "rain", 1100, "", lambda i, g: rain(i, g, 1.0, 80)),
    Variant("snow", "snow", 720, "left", lambda i, g: snow(i, g, 1.2, 80)),
    Variant("haze", "mist", 900, "", lambda i, _: haze(i, outdoor_depth(i, 0.4), 1.2, (0.86, 0.87, 0.88))),
    Variant("haze", "fog", 640, "right", lambda i, _: haze(i, outdoor_depth(i, 0.5), 2.2, (0.84, 0.85, 0.86))),
    Variant("low_light", "dusk", 400, "", lambda i, g: low_light(i, g, 0.09, 900)),
    Variant("low_light", "night", 280, "left", lambda i, g: low_light(i, g, 0.06, 1400)),
)
NEW = Variant("old_photo", "attic", 480, "lower", lambda i, g: old_photo(i, g, 0.7, 0.8, sepia=True))
"""What is uploaded for a picture of the ingest page."""


def album(folder: Path) -> list[tuple[str, str, str, Path]]:
    """Write the photographs, and a manifest for each source and category; returns (source, kind, category, manifest)."""
    found = []
    for source, (kind, shown) in SOURCES.items():
        rows: dict[str, list[tuple[str, Photo]]] = {}
        for photo in shown:
            original = installed_file(photo.package, photo.file)
            if kind == "dataset":
                (folder / original.name).write_bytes(original.read_bytes())
                rows.setdefault("old_photo", []).append((original.name, photo))
                continue
            for variant in VARIANTS:
                name = f"{original.stem}-{variant.name}.png"
                cv2.imwrite(str(folder / name), rendered(cv2.imread(str(original)), variant, name))
                rows.setdefault(variant.category, []).append((name, photo))
        for category, named in rows.items():
            manifest = folder / f"{category}-{zlib.crc32(source.encode()):08x}.csv"
            with manifest.open("w", newline="") as file:
                lines = [(name, photo.licence, photo.author, photo.url) for name, photo in named]
                csv.writer(file).writerows([("path", "licence", "author", "url"), *lines])
            found.append((source, kind, category, manifest))
    return found


def rendered(bgr: NDArray[np.uint8], variant: Variant, name: str) -> NDArray[np.uint8]:
    """The same to the bit for a name."""
    below, middle = bgr.shape[0] // 2, bgr.shape[1] // 2
    halves = {"left": bgr[:, :middle], "right": bgr[:, middle:], "lower": bgr[below:]}
    part = halves.get(variant.half, bgr)
    size = (variant.width, round(part.shape[0] * variant.width / part.shape[1]))
    image = cv2.resize(part, size, interpolation=cv2.INTER_CUBIC)[..., ::-1] / np.float32(255)
    made = variant.render(np.asarray(image, np.float32), np.random.default_rng(zlib.crc32(name.encode())))
    return np.rint(np.clip(made[..., ::-1], 0, 1) * 255).astype(np.uint8)


def prepare_collection(given: dict[str, str], folder: Path) -> None:
    """Ingest the photographs below ``folder``; each waits for a look."""
    folder.mkdir(parents=True)
    for source, kind, category, manifest in album(folder):
        told = ["--category", category, "--source", source, "--kind", kind, "--then", "look", "--keep-near-duplicates"]
        subprocess.run(ggt("ingest", str(manifest), *told), env=given, check=True)
    subprocess.run(ggt("weights", "fetch"), env=given, check=True)
    upload = folder / "box"
    upload.mkdir()
    for photo in (photos.ASTRONAUT, photos.CHINA, photos.COFFEE):
        original = installed_file(photo.package, photo.file)
        name = f"{original.stem}-{NEW.name}.png"
        cv2.imwrite(str(upload / name), rendered(cv2.imread(str(original)), NEW, name))
    (upload / "coins.png").write_bytes((folder / "coins.png").read_bytes())
    (upload / "cut off.png").write_bytes((folder / "rocket-sepia.png").read_bytes()[:20_000])
    (upload / "letter.txt").write_text("Dear Sir or Madam")


@contextmanager
def platforms() -> Iterator[dict[str, str]]:
    """The stand-in for platforms of photographs; yields the settings that lead to it."""
    command = [sys.executable, "-m", "tests.platforms", "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    found = {"GGT_CONTACT": "https://example.org/collecting"}
    try:
        for line in process.stdout:
            if line.startswith("export "):
                found |= dict(part.split("=", 1) for part in line.split()[1:])
            if "GGT_FETCH_PRIVATE_HOSTS" in line:
                break
        yield found
    finally:
        process.terminate()
        process.wait(10)


def collected(page: Page, base: str, minutes: float) -> None:
    """Do a part of all there is to do, unless it has been done."""
    listed = page.request.get(f"{base}/api/v1/runs?limit=200").json()["items"]
    if any(run["kind"] == "retain" for run in listed):
        return
    for category in LOOKED_AT:
        decide(page, f"{base}/looks?category={category}", "kkkkk1kkkkkk2kkkk")
    for category in LOOKED_AT:
        if category != UNSCREENED:
            person = "&who.level=person" if category in LEVELLED else ""
            wait(page, base, start(page, f"{base}/patches/screen?category={category}{person}"), minutes)
    decide(page, f"{base}/patches?state=grading&category=old_photo", "2313231323x332313")
    wait(page, base, start(page, f"{base}/patches/draw?category=old_photo&most=6"), minutes)
    wait(page, base, start(page, f"{base}/patches/draw?category=low_light&everything=1"), minutes)
    wait(page, base, start(page, f"{base}/runs/new?category=low_light&compare=0"), minutes)
    for key in "aatata":
        page.goto(f"{base}/review")
        page.wait_for_timeout(2500)
        page.keyboard.press(key)
        page.wait_for_timeout(1500)


def decide(page: Page, address: str, keys: str) -> None:
    """Answer what is listed with these keys, one after the other."""
    page.goto(address)
    page.keyboard.press("ArrowRight")
    for key in keys[: page.locator(".cell").count()]:
        page.keyboard.press(key)
        page.wait_for_timeout(60)
    while not page.evaluate(SENT):
        page.wait_for_timeout(100)
