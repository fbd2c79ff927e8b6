"""Typical outputs (Fig. 4): chosen images, one a row, with what the best prompt of each generator made of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from sqlalchemy import select
from sqlmodel import Session, col

from app.catalog.categories import CATEGORIES
from app.errors import GgtError
from app.imaging import Limits, at_most, decode, encode_png
from app.models import Candidate, Image
from app.services.mfm_scores import MfmTable
from app.services.mfm_values import Measured, Part
from app.storage import storage

SHOWN = 6
MOST = 24
"""Most images on one page or sheet."""
SIDE = 256
"""Side of a picture on the sheet, in pixels."""
HEAD, GAP = 40, 4


@dataclass(frozen=True)
class Shot:
    """An output, or why there is none."""

    candidate_id: int | None
    thumbnail: str
    file: str
    why: str


@dataclass(frozen=True)
class Row:
    """An image with one output for each column."""

    image_id: int
    category: str
    thumbnail: str
    master: str
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Typical:
    """``columns`` are (model, prompt) of the settings that stand for their generators, in the table's order."""

    columns: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    more: bool


def usual(part: Part, places: Sequence[int], turn: int = 0) -> list[int]:
    """Ids of six images, as many categories among them as there are; ``turn`` gives the next six."""
    by_category: dict[str, list[int]] = {}
    for at, category in enumerate(part.categories):
        by_category.setdefault(category, []).append(at)
    whole = [all(part.candidates[at, place] for place in places) for at in range(len(part.image_ids))]
    ordered = [
        sorted(by_category[category], key=lambda at: not whole[at]) for category in CATEGORIES if category in by_category
    ]
    dealt = [own[k] for k in range(max(map(len, ordered), default=0)) for own in ordered if k < len(own)]
    return [part.image_ids[at] for at in dealt[turn * SHOWN : (turn + 1) * SHOWN]]


def typical(session: Session, found: MfmTable, there: Measured, ids: Sequence[int] = (), turn: int = 0) -> Typical:
    """Chosen images of the sets, or six of the perceptual set. Raises GgtError for images that are in neither."""
    settings = [found.lines[best.setting] for best in found.best if best.setting is not None]
    places = [there.settings.index(line.setting) for line in settings]
    part = there.perceptual if there.perceptual.image_ids else there.fidelity
    chosen = list(dict.fromkeys(ids)) or usual(part, places, turn)
    where = {
        image_id: (own, at) for own in (there.fidelity, there.perceptual) for at, image_id in enumerate(own.image_ids)
    }  # fmt: skip
    if strange := [image_id for image_id in chosen if image_id not in where]:
        raise GgtError(f"Image {strange[0]} is not in these sets.")
    if len(chosen) > MOST:
        raise GgtError(f"{len(chosen)} images are too many for one page: choose at most {MOST}.")
    held = {
        image_id: [int(where[image_id][0].candidates[where[image_id][1], place]) for place in places] for image_id in chosen
    }  # fmt: skip
    rows = session.execute(
        select(
            col(Image.id), col(Image.category), col(Image.thumbnail_sha256), col(Image.master_sha256),
            col(Candidate.id).label("made"), col(Candidate.thumbnail_sha256).label("small"), col(Candidate.file_sha256),
        )
        .outerjoin(
            Candidate,
            (col(Candidate.image_id) == col(Image.id))
            & col(Candidate.id).in_([candidate for own in held.values() for candidate in own if candidate]),
        )
        .where(col(Image.id).in_(chosen))
    ).all()  # fmt: skip
    images = {row.id: row for row in rows}
    made = {row.made: row for row in rows if row.made}

    def shot(image_id: int, at: int) -> Shot:
        own, image = where[image_id]
        row = made.get(held[image_id][at])
        if row is not None:
            return Shot(row.made, row.small, row.file_sha256, "")
        reason = own.refused.get((image, places[at]))
        return Shot(None, "", "", f"refused: {reason}" if reason else "no output yet")

    return Typical(
        tuple((line.model, line.prompt) for line in settings),
        tuple(
            Row(
                image_id, _category(images[image_id].category), images[image_id].thumbnail_sha256,
                images[image_id].master_sha256, tuple(shot(image_id, at) for at in range(len(places))),
            )
            for image_id in chosen
            if image_id in images
        ),
        not ids and bool(usual(part, places, turn + 1)),
    )  # fmt: skip


def sheet(found: Typical) -> bytes:
    """All of it as one PNG, the same bytes each time. Raises GgtError where there is nothing to show."""
    if not found.rows:
        raise GgtError("There is no image to show.")
    step = SIDE + GAP
    canvas = Picture.new("RGB", (step * (1 + len(found.columns)) + GAP, HEAD + step * len(found.rows) + GAP), "white")
    pen, font, small = ImageDraw.Draw(canvas), ImageFont.load_default(15), ImageFont.load_default(12)
    for at, (model, prompt) in enumerate((("LQ", ""), *found.columns)):
        pen.text((GAP + at * step, 4), _fitting(model, font), "black", font)
        pen.text((GAP + at * step, 22), _fitting(prompt.replace("–", ""), small), "#555555", small)
    for down, row in enumerate(found.rows):
        top = HEAD + down * step
        canvas.paste(_tile(row.master), (GAP, top))
        for at, shot in enumerate(row.shots, 1):
            if shot.file:
                canvas.paste(_tile(shot.file), (GAP + at * step, top))
            else:
                pen.rectangle((GAP + at * step, top, GAP + at * step + SIDE - 1, top + SIDE - 1), "#eeeeee")
                pen.text((GAP + at * step + 8, top + 8), _fitting(shot.why, small), "#555555", small)
    pixels: NDArray[np.uint8] = np.asarray(canvas)
    return encode_png(pixels)


def _tile(file: str) -> Picture.Image:
    """The middle square of a picture."""
    pixels = decode(storage().get(file), Limits(min_side=1), at_most(2 * SIDE)).pixels
    picture = Picture.fromarray(pixels)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Picture.Resampling.LANCZOS)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    while text and font.getlength(text) > SIDE:
        text = text[:-1]
    return text


def _category(key: str) -> str:
    return CATEGORIES[key].title if key in CATEGORIES else key
