"""Images of the stand-in: the LQ it was sent, cleaned a little, so that what comes back looks like a restoration."""

import io
import random

from PIL import Image, ImageFilter, ImageOps

from tests.providers.script import Fault

NOT_AN_IMAGE = b"these bytes are no image; a provider sent them all the same\n" * 8
MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_FORMATS = {Fault.GOOD_JPEG: "JPEG", Fault.GOOD_PNG: "PNG", Fault.GOOD_WEBP: "WEBP"}


def sniffed(data: bytes) -> str:
    """The media type that the first bytes tell; "application/octet-stream" for none of ours."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if data[8:12] == b"WEBP" else "application/octet-stream"


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height in pixels. Raises ``OSError`` for what is no image."""
    with Image.open(io.BytesIO(data)) as image:
        return image.size


def plain(side: int = 1024) -> bytes:
    """A JPEG of a soft gradient, side x side pixels: the answer when nobody wants the LQ looked at."""
    gradient = Image.linear_gradient("L").resize((side, side))
    return encoded(Image.merge("RGB", (gradient, gradient.rotate(90), gradient.rotate(180))), "JPEG")


def restored(lq: bytes, draw: str, form: str, fault: Fault | None = None, size: tuple[int, int] | None = None) -> bytes:
    """A stand-in HQ for an encoded LQ, as JPEG, PNG or WEBP; of the LQ's size unless another is given.

    ``draw`` names the attempt: another one gives slightly other pixels, the same one the same. Raises ``OSError`` when the
    LQ is no image.
    """
    luck = random.Random(draw)
    with Image.open(io.BytesIO(lq)) as opened:
        image = opened.convert("RGB")
    image = image.filter(ImageFilter.MedianFilter(3))
    image = ImageOps.autocontrast(image, cutoff=luck.uniform(0.2, 0.8), preserve_tone=True)
    image = image.filter(ImageFilter.UnsharpMask(radius=2, percent=luck.randint(60, 110), threshold=2))
    image = Image.blend(image, Image.new("RGB", image.size, (255, 244, 230)), luck.uniform(0.005, 0.02))
    wanted = size or image.size
    if fault is Fault.WRONG_SIZE:
        wanted = (max(1, wanted[0] * 3 // 4), max(1, wanted[1] * 3 // 4))
    elif fault is Fault.WRONG_ASPECT:
        side = min(wanted)
        wanted = (side, max(1, side * 3 // 4)) if wanted[0] == wanted[1] else (side, side)
    if image.size != wanted:
        image = image.resize(wanted, Image.Resampling.LANCZOS)
    return encoded(image, _FORMATS.get(fault, form) if fault else form)


def encoded(image: Image.Image, form: str) -> bytes:
    """As a JPEG of quality 95, a quick PNG or a lossless WebP."""
    out = io.BytesIO()
    image.save(out, form, quality=95, compress_level=1, lossless=form == "WEBP")
    return out.getvalue()
