"""The local judge stands between a generator and the annotator: it must let right restorations through and stop wrong ones.

Clean photographs play the right HQ of their own degraded version; each adversary spoils that HQ in one way and must fail
in the aspect that names it.
"""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data
from skimage.io import imread

from app.catalog.quality import ACCEPT_RULE
from app.domain.aspects import ASPECTS, Aspect
from app.domain.verdict import failed_aspects
from workers.judges.measure import MeasureJudge

Image = NDArray[np.uint8]
PAIRS = Path(__file__).resolve().parents[2].parent / "shared" / "photos" / "pairs"
JUDGE = MeasureJudge()
ASTRONAUT: Image = data.astronaut()  # type: ignore[no-untyped-call]
CHELSEA: Image = data.chelsea()  # type: ignore[no-untyped-call]
COFFEE: Image = data.coffee()  # type: ignore[no-untyped-call]


def _8bit(image: NDArray[np.floating]) -> Image:
    return np.asarray(np.clip(np.rint(image), 0, 255), dtype=np.uint8)


def blurred(image: Image, sigma: float = 2) -> Image:
    return cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8)


def noisy(image: Image) -> Image:
    return _8bit(image + np.random.default_rng(0).normal(0, 20, image.shape))


def hazy(image: Image) -> Image:
    return _8bit(0.45 * image + 0.55 * 210)


def dark(image: Image) -> Image:
    return _8bit(0.2 * image + np.random.default_rng(0).normal(0, 2, image.shape))


def snowy(image: Image) -> Image:
    random, mask = np.random.default_rng(0), np.zeros(image.shape[:2], np.float32)
    height, width = image.shape[:2]
    for _ in range(mask.size // 900):
        cv2.circle(mask, (int(random.integers(width)), int(random.integers(height))), int(random.integers(1, 3)), (1.0,), -1)
    veil = cv2.GaussianBlur(mask, (0, 0), 0.7)[..., None] * 0.8
    return _8bit(image * (1 - veil) + 245 * veil)


def shifted(image: Image) -> Image:
    return np.pad(image, ((0, 0), (4, 0), (0, 0)), "reflect")[:, : image.shape[1]]


def hue_turned(image: Image) -> Image:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0].astype(np.int32) + 10) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB).astype(np.uint8)


def with_object(image: Image) -> Image:
    side = image.shape[0] // 6
    copy = image.copy()
    copy[side : 2 * side, 3 * side : 4 * side] = cv2.resize(COFFEE[60:260, 150:350], (side, side))
    return copy


def without_object(image: Image) -> Image:
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    mask[int(0.3 * height) : int(0.48 * height), int(0.38 * width) : int(0.56 * width)] = 255
    return cv2.inpaint(image, mask, 5, cv2.INPAINT_TELEA).astype(np.uint8)


def warped(image: Image) -> Image:
    rows, columns = np.indices(image.shape[:2], dtype=np.float32)
    height, width = image.shape[:2]
    bump = 6 * np.exp(-((rows - 0.4 * height) ** 2 + (columns - 0.45 * width) ** 2) / (2 * (0.12 * height) ** 2))
    bump = bump.astype(np.float32)
    return cv2.remap(image, columns + bump, rows + 0.6 * bump, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT).astype(
        np.uint8
    )


TRUTHS: list[tuple[Callable[[Image], Image], str]] = [
    (noisy, "general_mixed"),
    (blurred, "general_mixed"),
    (hazy, "haze"),
    (dark, "low_light"),
    (snowy, "snow"),
]


@pytest.mark.parametrize(("degrade", "category"), TRUTHS)
@pytest.mark.parametrize("clean", [ASTRONAUT, COFFEE], ids=["astronaut", "coffee"])
def test_the_clean_original_is_accepted(clean: Image, degrade: Callable[[Image], Image], category: str) -> None:
    judgement = JUDGE.judge(degrade(clean), clean, category)
    assert judgement.decision == "accept", judgement.reasons
    assert judgement.scores["object_consistency"] >= 94
    assert judgement.scores["restoration_quality"] >= 68


@pytest.mark.parametrize(("degrade", "category"), TRUTHS[:4])
@pytest.mark.parametrize(
    ("spoil", "aspect", "at_most"),
    [
        (shifted, "geometry_alignment", 50),
        (hue_turned, "color_consistency", 45),
        (with_object, "object_consistency", 75),
        (without_object, "object_consistency", 87),
        (warped, "geometry_alignment", 50),
        (lambda image: blurred(image, 5), "restoration_quality", 52),
    ],
    ids=["shifted", "hue", "added", "removed", "warped", "oversmoothed"],
)
def test_a_spoilt_original_fails_in_the_aspect_that_names_it(
    degrade: Callable[[Image], Image], category: str, spoil: Callable[[Image], Image], aspect: Aspect, at_most: int
) -> None:
    clean = ASTRONAUT
    judgement = JUDGE.judge(degrade(clean), spoil(clean), category)
    assert judgement.decision == "reject"
    assert judgement.scores[aspect] <= at_most, judgement.reasons[aspect]
    assert aspect in failed_aspects(judgement.scores, ACCEPT_RULE)


def test_sharpening_beyond_what_lenses_draw_is_rejected() -> None:
    clean = ASTRONAUT.astype(np.float32)
    overshot = _8bit(clean + 4 * (clean - cv2.GaussianBlur(clean, (0, 0), 2)))
    judgement = JUDGE.judge(blurred(ASTRONAUT), overshot, "general_mixed")
    assert min(judgement.scores["restoration_quality"], judgement.scores["content_reasonableness"]) < 55


def test_the_input_handed_back_restores_nothing_and_changes_nothing() -> None:
    image = noisy(CHELSEA)
    judgement = JUDGE.judge(image, image, "general_mixed")
    assert judgement.decision == "reject"
    assert failed_aspects(judgement.scores, ACCEPT_RULE) == ("restoration_quality",)
    assert min(judgement.scores[a] for a in ASPECTS[1:]) >= 98


def test_a_real_denoiser_on_noise_passes() -> None:
    lq = noisy(CHELSEA)
    hq = cv2.fastNlMeansDenoisingColored(lq, None, 8, 10, 5, 15).astype(np.uint8)
    judgement = JUDGE.judge(lq, hq, "general_mixed")
    assert judgement.decision == "accept", judgement.reasons


def test_reasons_name_region_and_number() -> None:
    reasons = JUDGE.judge(noisy(ASTRONAUT), with_object(ASTRONAUT), "general_mixed").reasons
    assert "upper" in reasons["object_consistency"]
    assert " px" in reasons["geometry_alignment"]


def test_same_pair_same_answer_and_raw_is_labelled_json() -> None:
    lq, hq = noisy(CHELSEA), CHELSEA
    first, second = (JUDGE.judge(lq, hq, "general_mixed") for _ in range(2))
    assert first == second
    raw = json.loads(first.raw)
    assert raw["judge"] == "local-measure"
    assert set(raw) == {"judge", *ASPECTS}


@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (64, 16), (1, 1), (5, 300), (333, 257)])
@pytest.mark.parametrize("value", [0, 128, None])
def test_flat_and_tiny_images_get_scores_in_range(shape: tuple[int, int], value: int | None) -> None:
    random = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    lq = random if value is None else np.full((*shape, 3), value, np.uint8)
    for hq in (lq, random, np.zeros_like(lq)):
        for category in ("general_mixed", "low_light", "snow", "old_photo", "haze"):
            judgement = JUDGE.judge(lq, hq, category)
            assert all(0 <= judgement.scores[a] <= 100 for a in ASPECTS)
            assert "nan" not in judgement.raw.lower()
    assert JUDGE.judge(lq, lq, "general_mixed").decision == "reject"


def test_black_hq_of_a_photograph_is_rejected_for_consistency() -> None:
    photograph = CHELSEA
    assert JUDGE.judge(photograph, np.zeros_like(photograph), "general_mixed").scores["object_consistency"] < 60


def test_other_sizes_and_types_are_errors_a_person_can_read() -> None:
    image = CHELSEA
    with pytest.raises(ValueError, match="451x300 but HQ is 450x300"):
        JUDGE.judge(image, image[:, :-1], "rain")
    with pytest.raises(ValueError, match="uint8"):
        JUDGE.judge(image.astype(np.float32), image, "rain")
    with pytest.raises(ValueError, match="LQ must be"):
        JUDGE.judge(image[..., 0], image, "rain")


@pytest.mark.skipif(not PAIRS.is_dir(), reason="the shared photographs are not beside the checkout")
@pytest.mark.parametrize(("name", "category"), [("1006", "rain"), ("1118", "low_light")])
def test_real_ground_truth_is_accepted(name: str, category: str) -> None:
    lq, gt = (imread(PAIRS / side / f"{name}.png") for side in ("lq", "gt"))
    top, left = (lq.shape[0] - 1024) // 2, (lq.shape[1] - 1024) // 2
    crop = slice(top, top + 1024), slice(left, left + 1024)
    judgement = JUDGE.judge(lq[crop], gt[crop], category)
    assert judgement.decision == "accept", judgement.reasons
