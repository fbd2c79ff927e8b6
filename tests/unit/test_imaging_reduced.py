"""If these fail, a photograph that is reduced on its way in is reduced wrongly, or looks like another photograph."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from app.imaging import at_most, decode, phash
from app.imaging.encode import resize
from tests.unit.imaging_samples import photo, save
from tests.unit.test_near_duplicates import scene

NAMES = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")


@pytest.mark.parametrize("fmt", NAMES)
def test_reducing_while_decoding_is_reducing_afterwards(fmt: str) -> None:
    data = save(photo(240, 320), fmt)
    whole = decode(data).pixels
    reduced = decode(data, reduce_to=lambda width, height: (width * 4 // 10, height * 4 // 10))
    assert np.array_equal(reduced.pixels, resize(whole, 128, 96))
    assert (reduced.width, reduced.height, reduced.original_width, reduced.original_height) == (320, 240, 320, 240)
    assert np.array_equal(decode(data, reduce_to=lambda _width, _height: None).pixels, whole)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_sizes_are_of_the_upright_photograph(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = save(photo(240, 320), "JPEG", exif=exif, quality=95)
    asked: list[tuple[int, int]] = []

    def half(width: int, height: int) -> tuple[int, int]:
        asked.append((width, height))
        return width // 2, height // 2

    reduced = decode(data, reduce_to=half)
    upright = (240, 320) if orientation > 4 else (320, 240)
    assert asked == [upright] == [(reduced.width, reduced.height)]
    assert np.array_equal(reduced.pixels, resize(decode(data).pixels, upright[0] // 2, upright[1] // 2))


def test_a_profile_and_transparency_are_honoured_before_reducing() -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for data in (
        save(np.dstack([photo(240, 320), np.tile((np.arange(320) % 256).astype(np.uint8), (240, 1))]), "PNG"),
        save(photo(240, 320), "PNG", icc_profile=icc),
    ):
        assert np.array_equal(decode(data, reduce_to=lambda *_: (128, 96)).pixels, resize(decode(data).pixels, 128, 96))


@pytest.mark.parametrize("side", [100, 50, 25])
def test_a_jpeg_decoded_at_a_fraction_shows_the_same(side: int) -> None:
    """libjpeg reduces 2, 4 or 8 times by itself here; Pillow's Lanczos over the whole photograph is what it should be."""
    data = save(photo(600, 800), "JPEG", quality=95, subsampling=0)
    reduced = decode(data, reduce_to=at_most(side)).pixels
    expected = np.asarray(Image.open(io.BytesIO(data)).resize(at_most(side)(800, 600), Image.Resampling.LANCZOS))
    assert reduced.shape == expected.shape
    error = float(np.abs(reduced.astype(int) - expected).mean())
    assert error < 2, f"{error} levels on average"


def test_a_photograph_is_known_again_at_any_size() -> None:
    """A photograph taken in as patches and one taken in whole are compared by their perceptual hashes."""
    for seed in range(8):
        data = save(scene(seed, 1200, 1600), "JPEG", quality=90)
        hashes = [phash(decode(data, reduce_to=at_most(side)).pixels) for side in (1600, 800, 640, 320)]
        numbers = [int(value or "0", 16) for value in hashes]
        assert max((one ^ numbers[0]).bit_count() for one in numbers) <= 2


def test_at_most_never_enlarges_and_keeps_a_pixel() -> None:
    assert at_most(640)(4000, 3000) == (640, 480)
    assert at_most(640)(300, 200) == (300, 200)
    assert at_most(10)(64, 5000) == (1, 10)
