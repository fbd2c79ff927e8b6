"""The photographs of the stand-in: drawn, each with pixels of its own, and each saying that it is none."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from app.catalog.categories import CATEGORIES

AUTHOR = "Stand-in author"
TAG = "stand-in"


@dataclass(frozen=True)
class Photo:
    """One photograph. ``number`` draws it; ``keywords`` find it.

    ``licence`` is Flickr's number; with a star behind it the photograph is found under all, as if Flickr made a mistake.

    ``original``: its owner gives the original away. ``bought``, ``generated`` and ``no_training`` are what only some
    platforms know.
    """

    number: int
    keywords: tuple[str, ...]
    licence: str = "9"
    width: int = 256
    height: int = 192
    original: bool = True
    bought: bool = False
    generated: bool = False
    no_training: bool = False

    @property
    def id(self) -> str:
        return f"{50_000 + self.number}"

    @property
    def author(self) -> str:
        return f"{AUTHOR} {self.number % 7}"

    @property
    def tags(self) -> tuple[str, ...]:
        return (*self.keywords, TAG)

    def jpeg(self) -> bytes:
        return _jpeg(self.number, self.width, self.height)


@lru_cache(maxsize=512)
def _jpeg(number: int, width: int, height: int) -> bytes:
    patches = np.random.default_rng(number).integers(0, 255, (9, 12, 3), np.uint8)  # no two look like near-duplicates
    buffer = io.BytesIO()
    Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def photos(*keywords: str, each: int = 6, first: int = 1) -> list[Photo]:
    """``each`` photographs for every keyword."""
    return [
        Photo(first + place * each + number, (keyword,)) for place, keyword in enumerate(keywords) for number in range(each)
    ]


def trial(each: int = 40) -> list[Photo]:
    """Photographs for all keywords of the catalogue, 1400x1050 so that they give patches; some trouble among them."""
    found: list[Photo] = []
    for category in CATEGORIES.values():
        for keyword in category.keywords:
            for place in range(each):
                number = len(found) + 1
                both = (keyword, category.keywords[0]) if place % 5 == 0 else (keyword,)
                licence = ("9", "10", "9", "4", "9", "0")[place % 6]
                found.append(Photo(number, both, licence, 1400, 1050, original=place % 4 > 0, generated=place % 9 == 8))
    return found


def matching(library: Sequence[Photo], keyword: str) -> list[Photo]:
    """What a keyword finds, in the library's order."""
    return [photo for photo in library if keyword.lower() in photo.keywords]
