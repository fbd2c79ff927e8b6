"""Whether an HQ shows its LQ's scene in its place: if this fails, moved pairs pass unseen or good ones are doubted."""

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from app.imaging import Limits, decode, thumbnail_webp
from app.imaging.alignment import align, likeness, structure
from app.services.photograph import THUMBNAIL_SIDE

Rgb = NDArray[np.uint8]
NAMES = ("astronaut", "coffee", "chelsea", "rocket")
MARGIN = 48
LIGHTS: dict[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "darker": lambda x: 0.35 * x,
    "brighter": lambda x: 0.6 * x + 0.4,
    "flatter": lambda x: 0.3 * x + 0.35,
    "steeper": lambda x: 1.5 * x - 0.25,
    "gamma 0.45": lambda x: x**0.45,
    "gamma 2.2": lambda x: x**2.2,
    "warmer": lambda x: x * np.array([1.0, 0.8, 0.5]),
}
PLAIN = {"black": (0, 0, 0), "white": (255, 255, 255), "red": (250, 10, 20), "grey": (25, 25, 25)}


def photograph(name: str, width: int, height: int) -> Rgb:
    """A packaged photograph at a size, by Pillow: not with the resampling under test."""
    pixels = getattr(skimage.data, name)()[..., :3]
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def thumbnail(pixels: Rgb) -> Rgb:
    """The thumbnail that an LQ is compared by."""
    return decode(thumbnail_webp(pixels, THUMBNAIL_SIDE), Limits(min_side=1)).pixels


def relit(pixels: Rgb, light: str) -> Rgb:
    lit: Rgb = (np.clip(LIGHTS[light](pixels / 255), 0, 1) * 255).round().astype(np.uint8)
    return lit


def moved(name: str, width: int, height: int, x: int, y: int) -> tuple[Rgb, Rgb]:
    """An LQ, and an HQ of the same size in which everything lies ``x`` to the right and ``y`` further down.

    Both are cut from a larger photograph, so what comes in at the border is picture and no copy.
    """
    whole = photograph(name, width + 2 * MARGIN, height + 2 * MARGIN)
    cut = whole[MARGIN : MARGIN + height, MARGIN : MARGIN + width]
    return cut, whole[MARGIN - y : MARGIN - y + height, MARGIN - x : MARGIN - x + width]


@pytest.mark.parametrize(
    ("name", "size", "shift"),
    list(
        product(NAMES, [(256, 256), (512, 512), (640, 427), (701, 1003)], [(0, 0), (16, 0), (0, -16), (-24, 12), (40, 40)])
    ),
)
def test_a_known_shift_is_found_in_both_axes(name: str, size: tuple[int, int], shift: tuple[int, int]) -> None:
    lq, hq = moved(name, *size, *shift)
    assert align(lq, hq).shift == pytest.approx(shift, abs=max(size) / 256)


@pytest.mark.parametrize("name", NAMES)
def test_the_shift_is_in_pixels_of_the_hq_whatever_the_lqs_size(name: str) -> None:
    lq, hq = moved(name, 1024, 1024, 40, -28)
    assert align(thumbnail(lq), hq).shift == pytest.approx((40, -28), abs=4)


@pytest.mark.parametrize(("name", "light"), list(product(NAMES, LIGHTS)))
def test_another_light_is_the_same_picture_in_the_same_place(name: str, light: str) -> None:
    """A low-light LQ and its HQ differ in nothing as much as in brightness."""
    lq = photograph(name, 400, 300)
    found = align(lq, relit(lq, light))
    assert found.shift == (0, 0)
    assert found.likeness > 0.85


@pytest.mark.parametrize("light", LIGHTS)
def test_a_shift_is_found_in_another_light(light: str) -> None:
    lq, hq = moved("astronaut", 512, 512, -20, 14)
    assert align(lq, relit(hq, light)).shift == pytest.approx((-20, 14), abs=2)


@pytest.mark.parametrize("name", NAMES)
def test_rain_noise_and_jpeg_leave_a_pair_alike(name: str) -> None:
    hq = photograph(name, 640, 480)
    noisy = hq + np.random.default_rng(5).normal(0, 25, hq.shape)
    found = align(np.clip(noisy, 0, 255).astype(np.uint8), hq)
    assert found.shift == (0, 0)
    assert found.likeness > 0.8


@pytest.mark.parametrize(("one", "other"), list(combinations(NAMES, 2)))
def test_another_photograph_is_not_alike(one: str, other: str) -> None:
    """A reply that belongs to another LQ must stand out from the worst restoration of the right one."""
    assert abs(align(photograph(one, 512, 512), photograph(other, 512, 512)).likeness) < 0.3


@pytest.mark.parametrize("name", NAMES)
def test_a_negative_and_a_mirrored_picture_are_not_alike(name: str) -> None:
    pixels = photograph(name, 512, 512)
    assert align(pixels, 255 - pixels).likeness < -0.9
    assert align(pixels, np.ascontiguousarray(pixels[:, ::-1])).likeness < 0.6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(512, 512), (320, 320), (500, 333), (321, 777), (1543, 1024)])
def test_an_hq_lies_where_its_lqs_thumbnail_is(name: str, size: tuple[int, int]) -> None:
    """A page that says "shifted by (-6, -4) px" of a perfect pair sends people looking for what is not there."""
    hq = photograph(name, *size)
    found = align(thumbnail(hq), hq)
    assert found.shift == (0, 0)
    assert found.likeness > 0.97


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shift", [(2, 0), (0, -3), (-3, 3)])
def test_a_shift_too_small_to_be_seen_reads_as_none(name: str, shift: tuple[int, int]) -> None:
    assert align(*moved(name, 1024, 1024, *shift)).shift == (0, 0)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 2), (7, 5), (3000, 20)])
def test_no_size_is_too_odd(size: tuple[int, int]) -> None:
    pixels = photograph("coffee", *size)
    found = align(pixels, pixels)
    assert found.shift == (0, 0)
    assert -1 <= found.likeness <= 1.000001


@pytest.mark.parametrize("colour", PLAIN)
def test_a_plain_picture_has_no_place_and_is_not_like_a_photograph(colour: str) -> None:
    """A safety filter's grey card must not be matched with anybody's LQ."""
    plain = np.full((320, 480, 3), PLAIN[colour], np.uint8)
    photo = photograph("coffee", 480, 320)
    for one, other in ((plain, photo), (photo, plain), (plain, plain)):
        assert align(one, other).shift == (0, 0)
    assert abs(align(photo, plain).likeness) < 0.1


def test_plain_pictures_are_not_alike_for_nothing_is_known_of_them() -> None:
    plain = [structure(np.full((64, 64, 3), level, np.uint8)) for level in range(256)]
    assert {likeness(one, one) for one in plain} == {0.0}


def test_a_black_picture_is_like_nothing() -> None:
    black = structure(np.zeros((64, 64, 3), np.uint8))
    assert likeness(black, black) == 0
    assert likeness(black, structure(photograph("coffee", 480, 320))) == 0
