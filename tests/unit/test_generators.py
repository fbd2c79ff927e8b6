"""The nine local methods: if these fail, people verify pairs that are shifted, discoloured or not reproducible."""

import importlib
import subprocess
import sys
from functools import cache

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from app.catalog.categories import CATEGORIES
from app.catalog.local_methods import LOCAL_METHODS
from workers.generators.base import Generator, Request, Rgb
from workers.generators.filters import noise_sigma
from workers.generators.finish import finish

GENERATORS = {spec.key: spec for spec in LOCAL_METHODS}

CLASSICAL = [key for key in GENERATORS if key not in ("local-realesrgan", "local-srmd")]
KNOBS = {"strength", "keep_color", "keep_detail"}
Float = NDArray[np.float32]


@cache
def generator(key: str) -> Generator:
    module, name = GENERATORS[key].target.split(":")
    loaded: Generator = getattr(importlib.import_module(module), name)()
    return loaded


def restore(key: str, lq: Rgb, category: str, changed: dict[str, float] | None = None) -> Rgb:
    params = {**GENERATORS[key].params_for(category), **(changed or {})}
    pixels = generator(key).generate(Request(lq, category, "", params, seed=0)).pixels
    assert pixels is not None
    return pixels


def to_rgb(image: NDArray[np.floating]) -> Rgb:
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255), np.uint8)


@cache
def photo(name: str) -> Float:
    image = getattr(skimage.data, name)()[..., :3].astype(np.float32) / 255
    image.setflags(write=False)
    return np.asarray(image, np.float32)


def blur(image: Rgb, sigma: float) -> Rgb:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def psnr(a: Rgb, b: Rgb) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def sharpness(image: Rgb) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_32F).var())


def hue_distance(a: Rgb, b: Rgb) -> float:
    """Mean angle in degrees between the colours of two images of the same scene, free of brightness."""
    x, y = a.reshape(-1, 3).astype(np.float64).mean(0), b.reshape(-1, 3).astype(np.float64).mean(0)
    return float(np.degrees(np.arccos(min(1.0, x @ y / (np.linalg.norm(x) * np.linalg.norm(y))))))


def shift(a: Rgb, b: Rgb) -> float:
    grey = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in (a, b)]
    window = cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_32F)
    return float(np.linalg.norm(cv2.phaseCorrelate(grey[0], grey[1], window)[0]))


def with_flakes(image: Float) -> Float:
    rng = np.random.default_rng(1)
    layer = np.zeros(image.shape[:2], np.float32)
    for x, y, r in zip(
        rng.integers(image.shape[1], size=150),
        rng.integers(image.shape[0], size=150),
        rng.integers(1, 3, size=150),
        strict=True,
    ):
        cv2.circle(layer, (int(x), int(y)), int(r), 0.9, -1, cv2.LINE_AA)
    return np.asarray(image * (1 - layer[..., None]) + layer[..., None], np.float32)


def with_rain(image: Float) -> Float:
    rng = np.random.default_rng(2)
    layer = np.zeros(image.shape[:2], np.float32)
    for x, y in zip(rng.integers(image.shape[1], size=150), rng.integers(image.shape[0], size=150), strict=True):
        cv2.line(layer, (int(x), int(y)), (int(x) + 4, int(y) + 20), float(rng.uniform(0.15, 0.35)), 1, cv2.LINE_AA)
    return np.asarray(np.clip(image + layer[..., None], 0, 1), np.float32)


def test_nine_methods_with_the_three_knobs_cover_every_category() -> None:
    assert len(GENERATORS) == 9
    for spec in GENERATORS.values():
        assert spec.local
        assert not spec.stochastic
        assert spec.params.keys() >= KNOBS, f"{spec.key}: quality control could not strengthen it"
        for category, params in spec.category_params.items():
            assert category in CATEGORIES
            assert params.keys() <= spec.params.keys(), f"{spec.key}: misspelt parameter for {category}"
    assert {category.default_method for category in CATEGORIES.values()} <= GENERATORS.keys()


@pytest.mark.parametrize("key", GENERATORS)
def test_same_input_gives_the_same_bytes_and_leaves_the_lq_alone(key: str) -> None:
    lq = to_rgb(photo("chelsea")[60:157, 100:211])
    before = lq.copy()
    first = restore(key, lq, "general_mixed")
    assert first.shape == lq.shape
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, restore(key, lq, "general_mixed"))
    np.testing.assert_array_equal(lq, before)


def nasty() -> dict[str, Rgb]:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (33, 47, 3), dtype=np.uint8)
    return {
        "smallest": noise[:8, :8],
        "16x16": noise[:16, :16],
        "narrow": np.tile(noise[:8], (1, 4, 1)),
        "tall": np.tile(noise[:, :9], (5, 1, 1)),
        "black": np.zeros((40, 56, 3), np.uint8),
        "white": np.full((40, 56, 3), 255, np.uint8),
        "flat colour": np.full((41, 57, 3), (200, 30, 90), np.uint8),
        "grey": np.repeat(noise[..., :1], 3, axis=2),
        "view": noise[::-1, ::2],
    }


@pytest.mark.parametrize("name", nasty())
@pytest.mark.parametrize("key", GENERATORS)
def test_odd_small_flat_and_black_images_come_back_whole(key: str, name: str) -> None:
    lq = nasty()[name]
    with np.errstate(all="raise", under="ignore"):
        hq = restore(key, lq, "old_photo")
    assert hq.shape == lq.shape
    if name == "grey":
        assert int(np.ptp(hq, axis=2).max()) <= 3, "a grey photograph got colour"
    if name in ("black", "white", "flat colour"):
        assert int(np.ptp(hq, axis=(0, 1)).max()) <= 4, "structure was invented in a flat image"


@pytest.mark.parametrize("key", GENERATORS)
def test_strength_runs_from_nothing_upwards(key: str) -> None:
    category = next((c.key for c in CATEGORIES.values() if c.default_method == key), "general_mixed")
    rng = np.random.default_rng(3)
    lq = to_rgb(with_flakes(photo("astronaut")[:136, 130:266]) * 0.6 + rng.normal(0, 0.02, (136, 136, 1)).astype(np.float32))
    np.testing.assert_array_equal(restore(key, lq, category, {"strength": 0.0}), lq)
    effect = [np.abs(restore(key, lq, category, {"strength": s}).astype(int) - lq).mean() for s in (0.05, 0.5, 1.0)]
    assert effect[0] < effect[1] < effect[2], effect


@pytest.mark.parametrize("key", ["local-nlm", "local-srmd"])
def test_denoisers_come_nearer_to_the_clean_photograph(key: str) -> None:
    clean = photo("astronaut")[:256, 100:356]
    noisy = to_rgb(clean + np.random.default_rng(4).normal(0, 0.06, clean.shape).astype(np.float32))
    assert psnr(restore(key, noisy, "general_mixed"), to_rgb(clean)) > psnr(noisy, to_rgb(clean)) + 3


@pytest.mark.parametrize(("name", "air"), [("coffee", 0.9), ("chelsea", 0.8)])
def test_dark_channel_prior_removes_known_haze(name: str, air: float) -> None:
    clean = photo(name)
    depth = np.linspace(1, 0.2, clean.shape[0], dtype=np.float32)[:, None, None]
    t = np.exp(-depth)
    hazy = to_rgb(clean * t + air * (1 - t))
    restored = restore("local-dcp", hazy, "haze")
    assert psnr(restored, to_rgb(clean)) > psnr(hazy, to_rgb(clean)) + 5
    assert shift(hazy, restored) < 0.5


def test_lime_brightens_a_darkened_photograph_and_keeps_its_hue() -> None:
    clean = to_rgb(photo("coffee"))
    dark = to_rgb((photo("coffee") * 0.2) ** 1.2)
    restored = restore("local-lime", dark, "low_light")
    assert restored.mean() > 2.5 * dark.mean()
    assert psnr(restored, clean) > psnr(dark, clean) + 4
    assert hue_distance(dark, restored) < 4


def test_scratches_are_filled_and_a_clean_print_is_left_alone() -> None:
    grey = cv2.cvtColor(to_rgb(photo("coffee")[:384, 100:484]), cv2.COLOR_RGB2GRAY)
    print_ = np.stack([grey, (grey * 0.9).astype(np.uint8), (grey * 0.75).astype(np.uint8)], axis=2)
    scratched = print_.copy()
    line = np.zeros(grey.shape, np.uint8)
    cv2.polylines(line, [np.array([[60, 0], [80, 120], [70, 250], [90, 383]])], False, 255, 2)
    cv2.line(line, (200, 20), (380, 90), 255, 2)
    scratched[line > 0] = (250, 245, 235)
    restored = restore("local-scratch", scratched, "old_photo", {"denoise": 0.0})
    before, after = (np.abs(image.astype(int) - print_)[line > 0].mean() for image in (scratched, restored))
    assert after < 0.35 * before
    untouched = restore("local-scratch", print_, "old_photo", {"denoise": 0.0})
    assert np.mean(np.abs(untouched.astype(int) - print_).max(axis=2) > 8) < 0.03


@pytest.mark.parametrize(
    ("key", "category", "degrade"), [("local-desnow", "snow", with_flakes), ("local-derain", "rain", with_rain)]
)
def test_weather_is_taken_off_and_the_scene_stays(key, category, degrade) -> None:  # type: ignore[no-untyped-def]
    clean = photo("chelsea")
    lq = to_rgb(degrade(clean))
    restored = restore(key, lq, category)
    assert psnr(restored, to_rgb(clean)) > psnr(lq, to_rgb(clean)) + 2
    assert psnr(restore(key, to_rgb(clean), category), to_rgb(clean)) > 30, "a scene without weather was harmed"


def test_richardson_lucy_sharpens_towards_the_truth() -> None:
    clean = to_rgb(photo("astronaut")[:256, 100:356])
    blurred = blur(clean, 1.4)
    restored = restore("local-rl", blurred, "general_mixed")
    assert sharpness(restored) > 2 * sharpness(blurred)
    assert psnr(restored, clean) > psnr(blurred, clean) + 1
    assert shift(blurred, restored) < 0.2


def test_real_esrgan_stays_aligned_and_keeps_colour() -> None:
    clean = photo("astronaut")[:136, 140:276]
    noise = np.random.default_rng(5).normal(0, 0.04, clean.shape).astype(np.float32)
    lq = to_rgb(blur(to_rgb(clean), 1.5) / np.float32(255) + noise)
    restored = restore("local-realesrgan", lq, "general_mixed")
    assert shift(lq, restored) < 0.5
    assert hue_distance(lq, restored) < 1
    assert psnr(restored, to_rgb(clean)) > psnr(lq, to_rgb(clean)) + 0.5


def test_real_esrgan_keeps_no_memory_of_earlier_images() -> None:
    a, b = to_rgb(photo("chelsea")[:64, :64]), to_rgb(photo("coffee")[:48, :80])
    first = restore("local-realesrgan", a, "general_mixed")
    restore("local-realesrgan", b, "general_mixed")
    np.testing.assert_array_equal(restore("local-realesrgan", a, "general_mixed"), first)


@pytest.mark.parametrize("key", ["local-srmd", "local-realesrgan"])
def test_a_worker_does_not_grow_with_the_images_it_restores(key: str) -> None:
    """Sizes differ, as a folder's do: the network's own tile must not, or each new size takes memory for good."""
    script = f"""
import resource
import numpy as np
import {GENERATORS[key].target.split(":")[0]} as module
from app.catalog.generators import GENERATORS
def now():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize() / 2**20
base = now()
method = module.{GENERATORS[key].target.split(":")[1]}()
params = GENERATORS["{key}"].params_for("general_mixed")
seen = []
for side in (120, 40, 96, 64) * 2 + (72, 104):
    lq = np.random.default_rng(side).integers(0, 256, (side, side + 8, 3), dtype=np.uint8)
    method.restore(lq, params)
    seen.append(now())
# Not ru_maxrss, which a child inherits from the process that forked it.
with open("/proc/self/status") as f:
    peak = next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 2**10
print(base, max(seen[:4]), max(seen[4:]), peak)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=300)
    base, early, late, peak = (float(value) for value in done.stdout.split())
    # The allocator wavers by some 50 MiB from image to image, so the highest of the first four is compared.
    assert late - early < 60, "memory grows from image to image"
    assert peak - base < 700, "one worker takes too much memory"


def test_tiles_leave_no_seams() -> None:
    lq = to_rgb(photo("chelsea")[40:200, 80:420])
    plain = {"texture": 0.0, "sharpen": 0.0, "detail": 0.0, "keep_color": 0.0}
    whole, part = (
        restore("local-srmd", lq, "general_mixed", plain),
        restore("local-srmd", lq[:, 60:], "general_mixed", plain),
    )
    # The second image's tiles lie 30 network pixels off, so a seam of one falls inside a tile of the other.
    assert np.abs(whole[:, 100:].astype(int) - part[:, 40:]).max() <= 6


def test_keep_detail_of_one_gives_the_lq_back() -> None:
    lq = photo("chelsea")[:64, :64]
    np.testing.assert_allclose(finish(lq, 1 - lq, 0.0, 1.0, True), lq, atol=1e-6)


def test_keep_color_brings_a_tinted_result_back_to_the_tone_of_the_lq() -> None:
    lq = photo("coffee")[:200, :200]
    tinted = np.asarray(np.clip(lq * (0.8, 1.0, 1.2), 0, 1), np.float32)
    distance = [np.abs(finish(lq, tinted, keep, 0.0, True).mean((0, 1)) - lq.mean((0, 1))).max() for keep in (0.0, 0.5, 1.0)]
    assert distance[0] > distance[1] > distance[2]
    assert distance[2] < 0.01


def test_keep_color_does_not_undo_the_brightening_of_an_exposure_method() -> None:
    lq = np.asarray(photo("coffee")[:200, :200] * 0.2, np.float32)
    bright = np.asarray(np.clip(lq * 4, 0, 1), np.float32)
    kept = finish(lq, bright, 1.0, 0.0, keeps_tone=False)
    assert abs(float(kept.mean()) - float(bright.mean())) < 0.03


@pytest.mark.parametrize("sigma", [0.01, 0.04, 0.1])
def test_noise_estimate_is_near_the_true_deviation(sigma: float) -> None:
    plane = np.tile(np.linspace(0.3, 0.6, 256, dtype=np.float32), (256, 1))
    noisy = plane + np.random.default_rng(6).normal(0, sigma, plane.shape).astype(np.float32)
    assert noise_sigma(noisy) == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("key", CLASSICAL)
def test_classical_methods_stay_aligned_with_the_lq(key: str) -> None:
    lq = to_rgb(photo("astronaut")[:200, 120:320])
    category = next((c.key for c in CATEGORIES.values() if c.default_method == key), "general_mixed")
    assert shift(lq, restore(key, lq, category)) < 0.1
