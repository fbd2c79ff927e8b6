"""Image sets as people look at them: the list, one set in pages, what a set can be made of, and its list as CSV."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.catalog.categories import CATEGORIES
from app.errors import NotFound
from app.models import Image, ImageSet, ImageSetItem, Run, RunState, Source, SourceFile, User

PAGE_SIZE = 200
EVALUATIONS_SHOWN = 20
OPEN = (RunState.RUNNING, RunState.CANCELLING)
CSV_COLUMNS = (
    "position", "image_id", "category", "source", "file", "pixel_sha256", "reference_pixel_sha256", "degradation",
)  # fmt: skip


@dataclass(frozen=True)
class SetLine:
    """A set with its images by category. ``run`` is the newest that made images for it, ``making`` says that it goes on.

    ``source`` is the name of the source that it is drawn from or made of; empty for all.
    """

    id: int
    name: str
    kind: str
    by_category: Mapping[str, int]
    recipe: Mapping[str, Any]
    by: str
    created_at: datetime
    frozen_at: datetime | None = None
    source: str = ""
    run: int | None = None
    making: bool = False

    @property
    def images(self) -> int:
        return sum(self.by_category.values())

    @property
    def frozen(self) -> bool:
        return self.frozen_at is not None


@dataclass(frozen=True)
class SetChoice:
    """A set that something may be evaluated on, once it is frozen."""

    id: int
    name: str
    kind: str
    images: int
    frozen: bool


@dataclass(frozen=True)
class SetImage:
    """An image of a set at its place, counted from 0. ``reference`` is the hash of the clean image's file, or empty."""

    position: int
    id: int
    category: str
    thumbnail: str
    width: int
    height: int
    reference: str
    degradation: Mapping[str, Any]


@dataclass(frozen=True)
class Evaluation:
    """A run that makes and measures outputs on sets."""

    id: int
    title: str
    state: str
    total: int
    closed: int
    failed: int
    set_ids: tuple[int, ...]
    by: str
    created_at: datetime


@dataclass(frozen=True)
class CleanSource:
    """A held-out source with photographs, of which fidelity sets can be made."""

    id: int
    name: str
    photographs: int


def choices(session: Session) -> tuple[SetChoice, ...]:
    """All sets, newest first, in one statement."""
    rows = session.execute(
        select(
            col(ImageSet.id),
            col(ImageSet.name),
            col(ImageSet.kind),
            col(ImageSet.frozen_at),
            func.count(col(ImageSetItem.set_id)),
        )
        .outerjoin(ImageSetItem, col(ImageSetItem.set_id) == col(ImageSet.id))
        .group_by(col(ImageSet.id), col(ImageSet.name), col(ImageSet.kind), col(ImageSet.frozen_at))
        .order_by(col(ImageSet.id).desc())
    )
    return tuple(SetChoice(row[0], row[1], row[2], row[4], row[3] is not None) for row in rows)


def lines(session: Session) -> tuple[SetLine, ...]:
    """All sets, newest first. Three statements."""
    return _lines(session, None)


def line(session: Session, set_id: int) -> SetLine:
    """One set, in three statements. Raises NotFound."""
    found = _lines(session, set_id)
    if not found:
        raise NotFound(f"There is no image set {set_id}.")
    return found[0]


def by_name(session: Session, name: str) -> int:
    """The id of the set of a name. Raises NotFound, with the names there are."""
    ids = {
        row[1]: row[0] for row in session.execute(select(col(ImageSet.id), col(ImageSet.name)).order_by(col(ImageSet.id)))
    }
    if name not in ids:
        raise NotFound(f"There is no image set {name!r}; there are: {', '.join(ids) or 'none yet'}.")
    return int(ids[name])


def names(session: Session, set_ids: Sequence[int]) -> dict[int, str]:
    """Names of sets that are there, by id."""
    rows = session.execute(select(col(ImageSet.id), col(ImageSet.name)).where(col(ImageSet.id).in_(set_ids)))
    return {row[0]: row[1] for row in rows}


def page(session: Session, set_id: int, number: int = 1) -> tuple[SetImage, ...]:
    """Up to PAGE_SIZE images of a set, in its order; pages are counted from 1."""
    columns: tuple[Any, ...] = (
        ImageSetItem.position, Image.id, Image.category, Image.thumbnail_sha256, Image.box_width, Image.box_height,
        Image.reference_master_sha256, Image.degradation,
    )  # fmt: skip
    rows = session.execute(
        select(*columns)
        .join(Image, col(Image.id) == col(ImageSetItem.image_id))
        .where(col(ImageSetItem.set_id) == set_id)
        .order_by(col(ImageSetItem.position))
        .offset((number - 1) * PAGE_SIZE)
        .limit(PAGE_SIZE)
    )
    return tuple(SetImage(*row) for row in rows)


def as_csv(session: Session, set_id: int) -> str:
    """The list of a set: what has to be known to make it again, and to see that it is the same."""
    columns: tuple[Any, ...] = (
        ImageSetItem.position, Image.id, Image.category, Source.name, SourceFile.name, Image.pixel_sha256,
        Image.reference_pixel_sha256, Image.degradation,
    )  # fmt: skip
    rows = session.execute(
        select(*columns)
        .join(Image, col(Image.id) == col(ImageSetItem.image_id))
        .join(SourceFile, col(SourceFile.id) == col(Image.source_file_id))
        .join(Source, col(Source.id) == col(Image.source_id))
        .where(col(ImageSetItem.set_id) == set_id)
        .order_by(col(ImageSetItem.position))
    )
    out = io.StringIO()
    write = csv.writer(out, lineterminator="\n")
    write.writerow(CSV_COLUMNS)
    for *known, degradation in rows:
        write.writerow([*map(_cell, known), json.dumps(degradation, sort_keys=True) if degradation else ""])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula: names of files are chosen by strangers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def evaluations(session: Session) -> tuple[Evaluation, ...]:
    """The newest evaluation runs."""
    rows = session.execute(
        select(Run, col(User.name))
        .outerjoin(User, col(User.id) == col(Run.created_by))
        .where(col(Run.kind) == "evaluation")
        .order_by(col(Run.id).desc())
        .limit(EVALUATIONS_SHOWN)
    )
    return tuple(
        Evaluation(
            run.id or 0, run.title, run.state, run.total, run.done + run.failed + run.cancelled + run.unknown, run.failed,
            tuple(run.params["set_ids"]), name or "command line", run.created_at,
        )
        for run, name in rows
    )  # fmt: skip


def clean_sources(session: Session) -> tuple[CleanSource, ...]:
    """Held-out sources that have photographs, by name."""
    rows = session.execute(
        select(col(Source.id), col(Source.name), func.count())
        .join(SourceFile, col(SourceFile.source_id) == col(Source.id))
        .where(col(Source.held_out).is_(True))
        .group_by(col(Source.id), col(Source.name))
        .order_by(col(Source.name))
    )
    return tuple(CleanSource(*row) for row in rows)


def _lines(session: Session, set_id: int | None) -> tuple[SetLine, ...]:
    by = (col(ImageSetItem.set_id), col(Image.category))
    counted = select(*by, func.count()).join(Image, col(Image.id) == col(ImageSetItem.image_id)).group_by(*by)
    query = (
        select(ImageSet, func.coalesce(col(User.name), "command line"), func.coalesce(col(Source.name), ""))
        .outerjoin(User, col(User.id) == col(ImageSet.created_by))
        .outerjoin(Source, col(Source.id) == col(ImageSet.recipe)["source_id"].as_integer())
        .order_by(col(ImageSet.id).desc())
    )
    if set_id is not None:
        counted = counted.where(col(ImageSetItem.set_id) == set_id)
        query = query.where(col(ImageSet.id) == set_id)
    numbers: dict[int, dict[str, int]] = {}
    for found_in, category, number in session.execute(counted):
        numbers.setdefault(found_in, {})[category] = number
    degrading = session.execute(select(Run).where(col(Run.kind) == "degrade").order_by(col(Run.id))).scalars()
    runs = {run.params["set_id"]: run for run in degrading}
    return tuple(
        _line(row, who, source, numbers.get(row.id or 0, {}), runs.get(row.id))
        for row, who, source in session.execute(query)
    )


def _line(row: ImageSet, who: str, source: str, numbers: Mapping[str, int], run: Run | None) -> SetLine:
    by_category = {key: numbers[key] for key in CATEGORIES if key in numbers}
    return SetLine(
        row.id or 0, row.name, row.kind, by_category, row.recipe, who, row.created_at, row.frozen_at, source,
        run.id if run else None, run is not None and run.state in OPEN,
    )  # fmt: skip
