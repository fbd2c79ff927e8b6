"""Behind a cell of Table 1: the images of its set by the cell's metric, and why some have no value."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import and_, select
from sqlmodel import Session, col

from app.catalog.categories import CATEGORIES
from app.domain.overall_score import MFM_COLUMNS
from app.errors import GgtError, NotFound
from app.models import Candidate, Image, Score
from app.services import mfm_scores
from app.services.mfm_scores import Wanted
from app.services.mfm_values import Measured, Part, SettingKey

PAGE = 60
REFUSED = "refused"
COLUMNS = {column.key: column for column in MFM_COLUMNS}


@dataclass(frozen=True)
class Item:
    """An image with a setting's output of it, if there is one. ``why`` says why there is no value."""

    image_id: int
    category: str
    image_thumbnail: str
    candidate_id: int | None
    candidate_thumbnail: str
    reference: str
    value: float | None
    why: str


@dataclass(frozen=True)
class Cell:
    """``known`` of ``total`` images have a value; ``pages`` of :data:`PAGE` images."""

    setting: SettingKey
    metric: str
    total: int
    known: int
    page: int
    pages: int
    items: tuple[Item, ...]


def cell(
    session: Session, there: Measured, wanted: Wanted, method_id: int, metric: str, *, best: bool = False, page: int = 1
) -> Cell:
    """One page of a cell's images, worst first unless ``best``; those without a value last. One statement.

    ``refused`` for a metric lists the images of both sets of which there is no usable output. Raises NotFound for a method
    without an output on the sets, GgtError for another metric.
    """
    at = next((k for k, setting in enumerate(there.settings) if setting.method_id == method_id), None)
    if at is None:
        raise NotFound(f"Method {method_id} has no output on these sets.")
    if metric == REFUSED:
        places = [(there.fidelity, image) for image, own in sorted(there.fidelity.refused) if own == at]
        places += [
            (there.perceptual, image)
            for image, own in sorted(there.perceptual.refused)
            if own == at and wanted.category in ("", there.perceptual.categories[image])
        ]
        values: dict[tuple[Part, int], float] = {}
    elif metric in COLUMNS:
        places, values = _ordered(there, wanted, at, metric, best)
    else:
        raise GgtError(f"There is no metric {metric[:40]!r} in this table.")
    pages = max(1, -(-len(places) // PAGE))
    page = min(max(1, page), pages)
    shown = places[(page - 1) * PAGE : page * PAGE]
    known = _rows(session, shown, at, metric)
    items = []
    for part, image in shown:
        row = known.get(part.image_ids[image])
        if row is not None:
            value = values.get((part, image))
            why = part.refused.get((image, at), "")
            items.append(_item(row, int(part.candidates[image, at]), metric, value, why))
    return Cell(there.settings[at], metric, len(places), len(values), page, pages, tuple(items))


def _ordered(
    there: Measured, wanted: Wanted, at: int, metric: str, best: bool
) -> tuple[list[tuple[Part, int]], dict[tuple[Part, int], float]]:
    column = COLUMNS[metric]
    part = there.fidelity if column.aspect == "fid" else there.perceptual
    if column.aspect == "vlm":
        judged = part.judged.get(wanted.judge)
        own = judged[:, at] if judged is not None else np.full(len(part.image_ids), np.nan)
    else:
        own = part.values[metric][:, at]
    images = mfm_scores.of_category(part, "" if column.aspect == "fid" else wanted.category)
    values = {(part, image): float(own[image]) for image in images if not np.isnan(own[image])}
    down = (column.better == "higher") == best
    known = sorted(values, key=lambda place: -values[place] if down else values[place])
    return known + [(part, image) for image in images if (part, image) not in values], values


def _rows(session: Session, shown: list[tuple[Part, int]], at: int, metric: str) -> dict[int, Any]:
    ids = [part.image_ids[image] for part, image in shown]
    candidates = [int(part.candidates[image, at]) for part, image in shown]
    rows = session.execute(
        select(
            col(Image.id), col(Image.category), col(Image.thumbnail_sha256), col(Image.reference_master_sha256),
            col(Candidate.thumbnail_sha256).label("made"), col(Score.note), col(Score.id).label("score_id"),
        )
        .outerjoin(Candidate, and_(col(Candidate.image_id) == col(Image.id), col(Candidate.id).in_(candidates)))
        .outerjoin(
            Score,
            and_(
                col(Score.pixel_sha256) == col(Candidate.pixel_sha256),
                col(Score.reference_sha256).in_(("", col(Image.reference_pixel_sha256))),
                col(Score.metric) == metric,
            ),
        )
        .where(col(Image.id).in_(ids))
        .order_by(col(Score.id))
    )  # fmt: skip
    return {row.id: row for row in rows}


def _item(row: Any, candidate_id: int, metric: str, value: float | None, refused: str) -> Item:
    why = ""
    if refused:
        why = f"refused: {refused}"
    elif not candidate_id:
        why = "no output yet"
    elif value is None:
        judged = COLUMNS[metric].aspect == "vlm"
        why = "not judged yet" if judged else row.note or "not scored yet"
    category = CATEGORIES[row.category].title if row.category in CATEGORIES else row.category
    return Item(
        row.id, category, row.thumbnail_sha256, candidate_id or None, row.made or "", row.reference_master_sha256, value, why
    )
