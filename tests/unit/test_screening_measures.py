"""What is measured of a patch: a flat sky that passes costs a restoration, a photograph that reads as blank is lost."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("cv2")

import cv2

from app.catalog.categories import CATEGORIES
from app.catalog.screening import DEFAULTS, MEASURES
from app.domain.screening import Outcome, screen
from app.imaging import decode
from workers.degradations import photos
from workers.degradations.aging import old_photo
from workers.degradations.camera import low_light
from workers.degradations.photos import Photo, installed_file
from workers.degradations.weather import haze, outdoor_depth, rain, snow
from workers.screening.faces import faces
from workers.screening.measure import measure

Rgb = NDArray[np.uint8]
SIDE = 1024
CLEAN = (photos.CHINA, photos.COFFEE, photos.ASTRONAUT, photos.MOTORCYCLE)
LEVELS = (np.mgrid[0:SIDE, 0:SIDE] / SIDE).astype(np.float32)


def photograph(photo: Photo) -> Rgb:
    return decode(installed_file(photo.package, photo.file)).pixels


def large(photo: Photo) -> Rgb:
    """A photograph at the size of a patch."""
    return np.asarray(cv2.resize(photograph(photo), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), np.uint8)


def blurred(patch: Rgb, sigma: float) -> Rgb:
    return np.asarray(cv2.GaussianBlur(patch, (0, 0), sigma), np.uint8)


def noisy(value: float, sigma: float) -> Rgb:
    noise = np.random.default_rng(1).normal(value, sigma, (SIDE, SIDE, 3))
    return np.clip(noise, 0, 255).astype(np.uint8)


def rendered(photo: Photo, category: str, strength: float = 1.0) -> Rgb:
    image, luck = np.asarray(photograph(photo) / np.float32(255), np.float32), np.random.default_rng(1)
    made = {
        "rain": lambda: rain(image, luck, strength, 85),
        "snow": lambda: snow(image, luck, strength, 80),
        "haze": lambda: haze(image, outdoor_depth(image, 0.4), 1.5 * strength, (0.86, 0.87, 0.88)),
        "low_light": lambda: low_light(image, luck, 0.08 / strength, 1000),
        "old_photo": lambda: old_photo(image, luck, 0.7 * strength, 0.7 * strength, True),
    }[category]()
    return np.rint(np.clip(made, 0, 1) * 255).astype(np.uint8)


def outcome(patch: Rgb, category: str = "general_mixed") -> Outcome:
    rules = list(DEFAULTS[category].values())
    return screen(rules, measure(patch, category, artifact=True))


SKY = np.clip((150 + 80 * LEVELS[0])[..., None] * np.array([0.7, 0.85, 1.0]), 0, 255).astype(np.uint8)
BLANK = {"sky": SKY, "wall": noisy(128, 6), "white": np.full((SIDE, SIDE, 3), 255, np.uint8), "night": noisy(1, 4)}


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("name", BLANK)
def test_what_shows_nothing_is_out_in_every_category(name: str, category: str) -> None:
    assert (outcome(BLANK[name], category).to, outcome(BLANK[name], category).step) == ("out", "content")


@pytest.mark.parametrize("photo", CLEAN, ids=lambda p: p.file)
def test_a_real_photograph_passes_and_is_of_high_quality(photo: Photo) -> None:
    assert outcome(photograph(photo)) == Outcome("passed", level="high")


@pytest.mark.parametrize("photo", CLEAN, ids=lambda p: p.file)
def test_what_has_lost_its_content_is_out_and_what_is_merely_bad_is_low(photo: Photo) -> None:
    patch = large(photo)
    assert outcome(blurred(patch, 40)).step == "degraded"
    noise = np.random.default_rng(1).normal(0, 1, patch.shape)
    assert outcome(np.clip(patch + 70 * noise, 0, 255).astype(np.uint8)).step == "degraded"
    _, broken = cv2.imencode(".jpg", patch, [cv2.IMWRITE_JPEG_QUALITY, 2])
    assert outcome(np.asarray(cv2.imdecode(broken, cv2.IMREAD_COLOR), np.uint8)).step == "degraded"
    assert outcome(blurred(patch, 8)) == Outcome("passed", level="low")
    assert outcome(np.clip(patch + 22 * noise, 0, 255).astype(np.uint8)) == Outcome("passed", level="low")


def test_stronger_degradation_never_reads_as_better_quality() -> None:
    patch = large(photos.CHINA)
    noise = np.random.default_rng(2).normal(0, 1, (SIDE, SIDE, 3))
    for ladder in (
        [blurred(patch, sigma) for sigma in (1, 3, 6, 12, 24)],
        [np.clip(patch + sigma * noise, 0, 255) for sigma in (3, 8, 16, 32)],
        [rendered(photos.COFFEE, "old_photo", strength) for strength in (0.3, 1.0, 2.0)],
    ):
        found = [measure(np.asarray(step, np.uint8), "old_photo")["quality"] for step in ladder]
        assert found == sorted(found, reverse=True)
        assert found[0] > found[-1] + 10


@pytest.mark.parametrize("category", ["rain", "snow", "haze", "low_light", "old_photo"])
@pytest.mark.parametrize("photo", CLEAN, ids=lambda p: p.file)
def test_an_artifact_is_seen_where_it_was_rendered(photo: Photo, category: str) -> None:
    clean = measure(photograph(photo), category, artifact=True)["artifact"]
    seen = measure(rendered(photo, category), category, artifact=True)["artifact"]
    assert seen > clean
    limit = DEFAULTS[category]["artifact"].least.get("artifact", 20)
    assert seen >= limit


@pytest.mark.parametrize("category", ["rain", "low_light"])
@pytest.mark.parametrize("photo", CLEAN, ids=lambda p: p.file)
def test_a_clear_day_is_neither_rain_nor_night(photo: Photo, category: str) -> None:
    assert outcome(photograph(photo), category).step == "artifact"


def test_scratches_are_counted_in_prints_alone() -> None:
    worn = measure(rendered(photos.ASTRONAUT, "old_photo", 1.5), "old_photo")
    assert worn["scratches"] > 1
    assert measure(photograph(photos.ASTRONAUT), "old_photo")["scratches"] < 0.3
    assert "scratches" not in measure(photograph(photos.ASTRONAUT), "rain")


def test_faces_are_found_and_a_cat_is_none() -> None:
    assert faces(photograph(photos.ASTRONAUT)) == 1
    assert faces(photograph(photos.CHELSEA)) == 0
    assert faces(np.zeros((20, 20, 3), np.uint8)) == 0


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (64, 64), (300, 90), (1024, 1024)])
@pytest.mark.parametrize("category", CATEGORIES)
def test_a_patch_of_any_size_has_finite_numbers_within_their_ranges(shape: tuple[int, int], category: str) -> None:
    patch = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    found = measure(patch, category, artifact=True)
    assert set(found) <= set(MEASURES)
    assert all(np.isfinite(value) for value in found.values())
    assert all(0 <= found[name] <= 1 for name in ("structure", "clipped"))
    assert all(0 <= found[name] <= 100 for name in ("quality", "artifact") if name in found)


@pytest.mark.parametrize("patch", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3))])
def test_what_is_no_patch_is_refused(patch: Rgb) -> None:
    with pytest.raises(ValueError, match="must be uint8"):
        measure(patch, "rain")


def test_fifteen_patches_take_no_more_than_a_second_of_one_core() -> None:
    """A million patches are to be screened in days of one core, and not in weeks. Measured as time on the processor."""
    cv2.setNumThreads(1)
    patch = large(photos.CHINA)
    measure(patch, "rain", artifact=True)
    started = time.process_time()
    for _ in range(5):
        measure(patch, "rain", artifact=True)
    cv2.setNumThreads(-1)
    assert (time.process_time() - started) / 5 < 1 / 15
