"""What a model is shown and what comes back: if this fails, an HQ lies beside its LQ, or one odd reply stops a run."""

import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from app.catalog.mfms import MFMS
from app.domain.geometry import Canvas, aspect_error, canvas, nearest_ratio
from app.domain.patching import Box
from app.imaging import encode_png
from tests.factories import picture
from tests.integration.photographs import bomb
from workers.arrival import Arrived, Unusable, receive, shown

Rgb = NDArray[np.uint8]
RATIOS = sorted({spec.ratios for spec in MFMS})
"""Every list of ratios that a model of the catalogue knows; the empty one is any."""
SIZES = [
    (1, 1),
    (1, 50),
    (2, 3),
    (5, 3),
    (97, 131),
    (333, 100),
    (100, 333),
    (427, 640),
    (639, 427),
    (1023, 1024),
    (200, 901),
]

sides = st.integers(1, 5000)
lists = st.sampled_from([r for r in RATIOS if r]) | st.lists(
    st.tuples(st.integers(1, 32), st.integers(1, 32)).map(lambda r: f"{r[0]}:{r[1]}"), min_size=1, max_size=6
).map(tuple)


def noise(width: int, height: int) -> Rgb:
    """Pixels of which no two places are alike."""
    return np.random.default_rng(width * 10_007 + height).integers(0, 256, (height, width, 3)).astype(np.uint8)


def saved(image: Image.Image | Rgb, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(buffer, form, **options)
    return buffer.getvalue()


def arrived(data: bytes, wanted: Canvas, lq: Rgb) -> Arrived:
    came = receive(data, wanted, lq)
    assert isinstance(came, Arrived), came
    return came


@given(sides, sides, lists)
def test_the_canvas_holds_the_whole_lq_in_its_middle(width: int, height: int, ratios: tuple[str, ...]) -> None:
    found = canvas(width, height, ratios)
    box = found.box
    assert (box.width, box.height) == (width, height)
    assert abs(box.x - (found.width - width - box.x)) <= 1
    assert abs(box.y - (found.height - height - box.y)) <= 1
    assert min(box.x, box.y) == 0, "only one side is extended"
    assert found.width >= width
    assert found.height >= height
    assert found.padded == (found.width > width or found.height > height)


@given(sides, sides, lists)
@example(1, 1, ("3:4",))
def test_the_canvas_has_a_ratio_the_model_knows_and_is_the_smallest_such(
    width: int, height: int, ratios: tuple[str, ...]
) -> None:
    """Another ratio has the model crop or stretch; a larger canvas has it spend its pixels on what is cut off again."""
    found = canvas(width, height, ratios)
    known = [tuple(map(int, r.split(":"))) for r in ratios]
    if not found.padded and any(abs(width * high / (height * wide) - 1) <= 0.01 for wide, high in known):
        return
    # Padded or not (no pixel can be added to 1x1 that brings it nearer to 3:4): the ratio to the nearest whole pixel.
    assert any(
        abs(found.width - found.height * wide / high) <= 0.5 or abs(found.height - found.width * high / wide) <= 0.5
        for wide, high in known
    )
    for wide, high in known:
        # In whole pixels: the smallest W x H with W * high = H * wide, rounded up, that contains the LQ.
        fits = max(width, -(-height * wide // high)), max(height, -(-width * high // wide))
        assert found.width * found.height <= fits[0] * fits[1]


@given(sides, sides)
def test_a_model_that_takes_any_ratio_is_shown_the_lq_itself(width: int, height: int) -> None:
    assert canvas(width, height, ()) == Canvas(width, height, Box(0, 0, width, height))


def test_known_canvases() -> None:
    assert canvas(1024, 1023, ("1:1", "3:2")).padded is False
    assert canvas(1000, 900, ("1:1", "2:3", "3:2")) == Canvas(1000, 1000, Box(0, 50, 1000, 900))
    assert canvas(1300, 1000, ("1:1", "2:3", "3:2")) == Canvas(1500, 1000, Box(100, 0, 1300, 1000))
    assert canvas(64, 640, ("1:1", "9:16")) == Canvas(360, 640, Box(148, 0, 64, 640))


@pytest.mark.parametrize("ratios", [r for r in RATIOS if r])
@pytest.mark.parametrize("size", SIZES)
def test_the_ratio_that_is_asked_for_is_the_one_of_the_canvas(size: tuple[int, int], ratios: tuple[str, ...]) -> None:
    found = canvas(*size, ratios)
    wide, high = map(int, nearest_ratio(found.width, found.height, ratios).split(":"))
    tolerance = max(0.01, 0.5 / min(found.width, found.height))
    assert found.width / found.height == pytest.approx(wide / high, rel=tolerance)


def test_how_far_off_an_aspect_is() -> None:
    square = canvas(1024, 1024, ())
    assert aspect_error(512, 512, square) == 0
    assert aspect_error(1024, 768, square) == pytest.approx(1 / 3)
    assert aspect_error(1264, 848, canvas(1536, 1024, ())) < 0.01


@pytest.mark.parametrize("ratios", RATIOS)
@pytest.mark.parametrize("size", SIZES)
def test_a_model_that_changes_nothing_gives_the_lq_back_pixel_for_pixel(
    size: tuple[int, int], ratios: tuple[str, ...]
) -> None:
    lq = noise(*size)
    wanted, extended = shown(lq, ratios)
    sent = lq if extended is None else extended
    assert sent.shape == (wanted.height, wanted.width, 3)
    came = arrived(encode_png(sent), wanted, lq)
    assert np.array_equal(came.pixels, lq)
    assert (came.checks["padded"], came.checks["resized"]) == (extended is not None, False)
    kept = encode_png(sent) if came.file is None else came.file
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(kept))), lq), "the file is what is scored"


def test_the_margin_continues_the_picture_and_is_no_black_bar() -> None:
    lq = picture(1, 90)
    wanted, extended = shown(lq, ("3:2",))
    assert extended is not None
    assert wanted.box == Box(22, 0, 90, 90)
    assert np.array_equal(extended[:, :22], lq[:, 22:0:-1])
    assert np.array_equal(extended[:, 112:], lq[:, 88:65:-1])


def disc(width: int, height: int) -> Rgb:
    """A soft bright spot a little right of the middle and above it."""
    y, x = np.mgrid[0:height, 0:width]
    spot = np.exp(-(((x + 0.5) / width - 0.55) ** 2 + ((y + 0.5) / height - 0.45) ** 2) / 0.01)
    return np.repeat((spot * 220).astype(np.uint8)[..., None], 3, axis=2)


def middle(pixels: Rgb) -> tuple[float, float]:
    """Where the light of a picture lies, in pixels."""
    light = pixels[..., 0].astype(float)
    y, x = np.mgrid[0 : light.shape[0], 0 : light.shape[1]]
    return float((x * light).sum() / light.sum()), float((y * light).sum() / light.sum())


@pytest.mark.parametrize(
    ("lq_size", "ratios", "came_size"),
    [
        pytest.param((300, 200), (), (600, 400), id="reduced"),
        pytest.param((300, 200), ("3:2",), (632, 424), id="reduced from multiples of 8"),
        pytest.param((200, 200), ("3:2",), (600, 400), id="padded and reduced"),
        pytest.param((300, 200), (), (240, 160), id="enlarged"),
        pytest.param((300, 200), (), (299, 200), id="one pixel missing"),
        pytest.param((200, 200), ("3:2",), (240, 160), id="padded and enlarged"),
    ],
)
def test_an_output_of_another_size_comes_back_at_the_lqs_and_unmoved(
    lq_size: tuple[int, int], ratios: tuple[str, ...], came_size: tuple[int, int]
) -> None:
    """Pillow makes the model's output. Half a pixel is a blur for whoever trains on the pair."""
    lq = disc(*lq_size)
    wanted, extended = shown(lq, ratios)
    sent = Image.fromarray(lq if extended is None else extended)
    came = arrived(saved(sent.resize(came_size, Image.Resampling.LANCZOS)), wanted, lq)
    assert came.pixels.shape == lq.shape
    assert came.media_type == "image/png"
    assert came.checks["resized"] is True
    assert (came.checks["width"], came.checks["height"]) == came_size
    assert middle(came.pixels) == pytest.approx(middle(lq), abs=0.1)


@pytest.mark.parametrize(("came", "ratios"), [((256, 256), ()), ((300, 200), ("1:1",)), ((300, 207), ()), ((3000, 1), ())])
def test_another_framing_is_refused_with_both_sizes_and_never_stretched(
    came: tuple[int, int], ratios: tuple[str, ...]
) -> None:
    """The second is a model that gives the LQ's own shape back although it was shown a square."""
    lq = noise(300, 200)
    wanted, _ = shown(lq, ratios)
    told = receive(saved(noise(*came)), wanted, lq)
    assert isinstance(told, Unusable)
    assert told.reason == "WRONG_ASPECT"
    assert f"{came[0]} x {came[1]}" in told.message
    assert f"{wanted.width} x {wanted.height}" in told.message


# --- whatever comes -----------------------------------------------------------------------------------------------------

LQ = picture(3, 96)
WHOLE = canvas(96, 96, ())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"<html>502 Bad Gateway</html>",
        b'{"error": {"code": 429}}',
        saved(LQ)[:8],
        saved(LQ)[:-400],
        saved(LQ, "JPEG")[: len(saved(LQ, "JPEG")) // 2],
        saved(LQ, "WEBP")[:50],
        saved(LQ, "GIF"),
        b'<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96"/>',
        saved(Image.fromarray(LQ[..., 0].astype(np.float32)), "TIFF"),
        bomb(),
        b"BM" + b"\xff" * 200,
    ],
    ids=[
        "empty",
        "nul",
        "html",
        "json",
        "signature",
        "png cut",
        "jpeg cut",
        "webp cut",
        "gif",
        "svg",
        "float",
        "bomb",
        "bmp",
    ],
)
def test_what_is_no_image_is_an_outcome_with_a_reason(data: bytes) -> None:
    told = receive(data, WHOLE, LQ)
    assert isinstance(told, Unusable)
    assert told.reason == "NOT_AN_IMAGE"
    assert len(told.message) > len("What came is no image that can be read: ")


def turned(pixels: Rgb) -> bytes:
    """A JPEG that lies on its side and says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(np.ascontiguousarray(np.rot90(pixels)), "JPEG", quality=95, subsampling=0, exif=exif)


GREY = np.repeat(LQ[..., :1], 3, axis=2)
ODD = {
    "16-bit grey PNG": (saved(Image.fromarray(LQ[..., 0].astype(np.uint16) * 257)), GREY),
    "CMYK JPEG": (saved(Image.fromarray(LQ).convert("CMYK"), "JPEG", quality=95), None),
    "opaque alpha PNG": (saved(np.dstack([LQ, np.full(LQ.shape[:2], 255, np.uint8)])), LQ),
    "grey PNG": (saved(LQ[..., 0]), GREY),
    "palette PNG": (saved(Image.fromarray(LQ).quantize(256)), LQ),
    "one-bit PNG": (saved(Image.fromarray(LQ).convert("1")), None),
    "progressive JPEG": (saved(LQ, "JPEG", quality=95, progressive=True), LQ),
    "lossless WebP": (saved(LQ, "WEBP", lossless=True), LQ),
    "animated PNG": (saved(Image.fromarray(LQ), save_all=True, append_images=[Image.new("RGB", (96, 96))]), LQ),
    "turned JPEG": (turned(LQ), LQ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_unusual_file_is_taken_in_as_what_a_person_sees(name: str) -> None:
    data, seen = ODD[name]
    came = arrived(data, WHOLE, LQ)
    assert came.pixels.shape == LQ.shape
    assert came.pixels.dtype == np.uint8
    if seen is not None:
        assert np.abs(came.pixels.astype(int) - seen).mean() < 6


def test_an_invisible_image_and_one_of_a_few_pixels_raise_nothing() -> None:
    clear = saved(np.dstack([LQ, np.zeros(LQ.shape[:2], np.uint8)]))
    for data in (clear, saved(noise(1, 1)), saved(noise(96, 96))):
        came = arrived(data, WHOLE, LQ)
        assert came.pixels.shape == LQ.shape
        assert -1 <= came.checks["likeness"] <= 1


def test_the_file_of_a_turned_jpeg_is_upright_for_readers_that_ignore_exif() -> None:
    """It is exported as GT, and PIL, torchvision and most training code do not turn it."""
    lq = picture(4, 120)[:80]
    came = arrived(turned(lq), canvas(120, 80, ()), lq)
    kept = turned(lq) if came.file is None else came.file
    assert Image.open(io.BytesIO(kept)).size == (120, 80)
