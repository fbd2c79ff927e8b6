"""If these fail, the same photograph enters a dataset twice, or different ones are reported as copies."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from app.domain.near_duplicates import NEAR_DUPLICATE_DISTANCE, bands, hamming, is_near_duplicate, neighbours
from app.imaging import phash

Pixels = NDArray[np.uint8]


def scene(seed: int, height: int = 480, width: int = 640) -> Pixels:
    """A picture with structure at many scales, as photographs have (a 1/f spectrum), seeded."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3))
    for size in (3, 6, 12, 24, 48):
        noise = Image.fromarray(rng.integers(0, 256, (size, size, 3), dtype=np.uint8))
        total += np.asarray(noise.resize((width, height), Image.Resampling.BICUBIC)) / size
    total -= total.min()
    return np.asarray(total * (255 / total.max()), np.uint8)


def altered(pixels: Pixels) -> dict[str, Pixels]:
    image = Image.fromarray(pixels)
    width, height = image.size
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=50)
    return {
        "jpeg q50": np.asarray(Image.open(buffer).convert("RGB")),
        "half size": np.asarray(image.resize((width // 2, height // 2))),
        "150 %": np.asarray(image.resize((width * 3 // 2, height * 3 // 2))),
        "brighter": np.asarray(ImageEnhance.Brightness(image).enhance(1.15)),
        "darker": np.asarray(ImageEnhance.Brightness(image).enhance(0.85)),
        "cropped 1 %": np.asarray(image.crop((3, 2, width - 3, height - 2))),
    }


@pytest.mark.parametrize("seed", range(8))
def test_altered_copies_are_near_duplicates(seed: int) -> None:
    original = phash(scene(seed))
    assert original is not None
    for name, copy in altered(scene(seed)).items():
        found = phash(copy)
        assert found is not None
        assert is_near_duplicate(original, found), (name, hamming(original, found))


def test_different_pictures_are_not() -> None:
    hashes = [phash(scene(seed, 240, 320)) for seed in range(40)]
    distances = [hamming(a, b) for i, a in enumerate(hashes) for b in hashes[:i] if a and b]
    assert len(distances) == 780
    assert min(distances) > NEAR_DUPLICATE_DISTANCE


@pytest.mark.parametrize("level", [0, 3, 128, 255])
def test_blank_pictures_have_no_hash_to_be_alike_by(level: int) -> None:
    rng = np.random.default_rng(level)
    blank = np.clip(level + rng.normal(0, 6, (300, 400, 3)), 0, 255).astype(np.uint8)  # sensor noise on nothing
    assert phash(np.full((300, 400, 3), level, np.uint8)) is None
    assert phash(blank) is None


def test_a_dim_night_photograph_still_has_one() -> None:
    dim = (scene(1) // 12).astype(np.uint8)
    assert phash(dim) is not None


hashes = st.integers(0, 2**64 - 1).map(lambda value: f"{value:016x}")


@given(hashes, st.sets(st.integers(0, 63), max_size=NEAR_DUPLICATE_DISTANCE))
def test_the_band_index_finds_every_near_duplicate(original: str, flipped: set[int]) -> None:
    near = f"{int(original, 16) ^ sum(1 << bit for bit in flipped):016x}"
    assert hamming(original, near) == len(flipped)
    pairs = zip(bands(original), bands(near), strict=True)
    assert any(stored in neighbours(asked) for asked, stored in pairs)


def test_bands_and_distance_by_hand() -> None:
    assert bands("0001ffff80000002") == (0x0001, 0xFFFF, 0x8000, 0x0002)
    assert hamming("0000000000000000", "ffffffffffffffff") == 64
    assert hamming("8000000000000001", "0000000000000000") == 2
    assert len(set(neighbours(0xABCD))) == 17


def test_a_hash_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 hex digits"):
        hamming("abc", "abc")
