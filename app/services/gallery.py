"""The gallery's reading side: pages by keyset, capped counts, neighbours of an image."""

import base64
import binascii
import json
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, func, literal, or_, select, type_coerce, union_all
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.catalog.metrics import METRICS
from app.errors import GgtError, NotFound
from app.models import Candidate, CandidateSummary, Image, Method, Source
from app.services.gallery_filter import GalleryFilter, MetricRange
from app.services.metric_value import metric_of_summary

PAGE_SIZE = 60
COUNT_CAP = 10_000
"""Counting stops here; the page then says "10,000+"."""


@dataclass(frozen=True)
class Tile:
    """One image of the gallery with the candidate shown beside it, if it has one."""

    id: int
    category: str
    stage: str
    undersized: bool
    width: int
    height: int
    source: str
    thumbnail_sha256: str
    candidate_id: int | None
    candidate_thumbnail_sha256: str | None
    method: str | None
    attempt: int | None
    decision: str | None
    metrics: Mapping[str, float | None]


@dataclass(frozen=True)
class Page:
    """Some tiles, and the cursor of the next ones; None at the end."""

    tiles: tuple[Tile, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Choices:
    """What can be chosen in the filter form beyond the catalogue: names of sources and of methods."""

    sources: tuple[str, ...]
    methods: tuple[str, ...]


def page(session: Session, wanted: GalleryFilter, cursor: str = "", size: int = PAGE_SIZE) -> Page:
    """Up to ``size`` tiles after ``cursor``. Raises GgtError for a cursor that was not made here."""
    order = _order(wanted)
    query = _tiles(wanted, order)
    if cursor:
        query = query.where(order.beyond(*_decode(cursor)))
    rows = session.execute(query.order_by(*order.by()).limit(size + 1)).all()
    last = rows[size - 1] if len(rows) > size else None
    return Page(tuple(Tile(*row[:-2]) for row in rows[:size]), _encode(last[-2], last[-1]) if last else None)


def count(session: Session, wanted: GalleryFilter) -> int:
    """How many images match, at most ``COUNT_CAP + 1``."""
    matching = _matching(wanted, select(col(Image.id))).limit(COUNT_CAP + 1).subquery()
    number: int = session.execute(select(func.count()).select_from(matching)).scalar_one()
    return number


def matching_ids(wanted: GalleryFilter) -> Select[Any]:
    """The statement that selects the ids of all images that match, in no order."""
    return _matching(wanted, select(col(Image.id)))


def choices(session: Session) -> Choices:
    """Names for the filter form, in one statement."""
    names = union_all(select(literal("source"), col(Source.name)), select(literal("method"), col(Method.name)))
    rows = sorted((kind, name) for kind, name in session.execute(names))
    return Choices(tuple(n for kind, n in rows if kind == "source"), tuple(n for kind, n in rows if kind == "method"))


def sources(session: Session) -> Sequence[Source]:
    """All sources by name."""
    return session.execute(select(Source).order_by(col(Source.name))).scalars().all()


@dataclass(frozen=True)
class Files:
    """What the storage holds of an image or a candidate: its full-size file, and its thumbnail (WebP)."""

    file_sha256: str
    media_type: str
    thumbnail_sha256: str


def image_files(session: Session, image_id: int) -> Files:
    """An image's lossless master and thumbnail. Raises NotFound."""
    columns = (col(Image.master_sha256), literal("image/png"), col(Image.thumbnail_sha256))
    row = session.execute(select(*columns).where(col(Image.id) == image_id)).first()
    if row is None:
        raise NotFound(f"There is no image {image_id}.")
    return Files(*row)


def candidate_files(session: Session, candidate_id: int) -> Files:
    """A candidate's bytes as its method gave them, and its thumbnail. Raises NotFound."""
    columns = (col(Candidate.file_sha256), col(Candidate.media_type), col(Candidate.thumbnail_sha256))
    row = session.execute(select(*columns).where(col(Candidate.id) == candidate_id)).first()
    if row is None:
        raise NotFound(f"There is no candidate {candidate_id}.")
    return Files(*row)


def neighbours(session: Session, wanted: GalleryFilter, image_id: int) -> tuple[int | None, int | None]:
    """Ids of the images before and after ``image_id`` in the gallery as filtered; None at either end.

    An image that no longer matches (it was just verified, say) has its neighbours by age; in a gallery sorted by a
    metric it has none, because it has no place there.
    """
    order = _order(wanted)
    here: tuple[float, int] = (image_id, image_id)
    if wanted.sort_metric is not None:
        place = _matching(wanted, select(order.value, order.tie)).where(col(Image.id) == image_id)
        found = session.execute(place).first()
        if found is None:
            return None, None
        here = (found[0], found[1])
    sides = [
        _matching(wanted, select(col(Image.id))).where(side.beyond(*here)).order_by(*side.by()).limit(1)
        for side in (order.reversed(), order)
    ]
    before, after = session.execute(select(*(side.scalar_subquery() for side in sides))).one()
    return before, after


@dataclass(frozen=True)
class _Order:
    """A sort key with an id behind it, both in one direction, so that every place has exactly one value.

    A metric is followed by the candidate's id: then its index alone gives the order. ``value`` and ``tie`` are the same
    column where images are ordered by age.
    """

    value: ColumnElement[Any]
    tie: ColumnElement[Any]
    descending: bool

    def by(self) -> tuple[ColumnElement[Any], ...]:
        keys = (self.tie,) if self.value is self.tie else (self.value, self.tie)
        return tuple(key.desc() if self.descending else key.asc() for key in keys)

    def beyond(self, value: float, tie: int) -> ColumnElement[bool]:
        """What comes after the place (value, tie)."""
        further = operator.lt if self.descending else operator.gt
        past: ColumnElement[bool] = further(self.tie, tie)
        if self.value is self.tie:
            return past
        return or_(further(self.value, value), and_(self.value == value, past))

    def reversed(self) -> "_Order":
        return replace(self, descending=not self.descending)


def _order(wanted: GalleryFilter) -> _Order:
    if wanted.sort_metric is None:
        image_id = type_coerce(col(Image.id), Integer)
        return _Order(image_id, image_id, descending=True)
    best_is_high = METRICS[wanted.sort_metric].better == "higher"
    candidate_id = type_coerce(col(CandidateSummary.candidate_id), Integer)
    return _Order(metric_of_summary(wanted.sort_metric), candidate_id, best_is_high != wanted.sort.startswith("-"))


def _tiles(wanted: GalleryFilter, order: _Order) -> Select[Any]:
    columns: tuple[Any, ...] = (
        col(Image.id), col(Image.category), col(Image.stage), col(Image.undersized), col(Image.box_width),
        col(Image.box_height), col(Source.name), col(Image.thumbnail_sha256), col(Candidate.id),
        col(Candidate.thumbnail_sha256), col(Method.name), col(CandidateSummary.attempt),
        col(CandidateSummary.decision), col(CandidateSummary.metrics), order.value.label("sort_value"),
        order.tie.label("sort_tie"),
    )  # fmt: skip
    return (
        _matching(wanted, select(*columns), with_candidates=True)
        .join(Source, col(Source.id) == col(Image.source_id))
        .outerjoin(Candidate, col(Candidate.id) == col(CandidateSummary.candidate_id))
        .outerjoin(Method, col(Method.id) == col(CandidateSummary.method_id))
    )


def _matching(wanted: GalleryFilter, query: Select[Any], *, with_candidates: bool = False) -> Select[Any]:
    """``query`` over the images that match, joined to the candidate shown where something asks for it."""
    summary = CandidateSummary
    required = bool(wanted.method or wanted.metrics or wanted.sort_metric or wanted.verdict in ("accept", "reject"))
    query = query.select_from(Image)
    if required or with_candidates or wanted.verdict:
        shown = col(summary.image_id) == col(Image.id)
        if wanted.method:
            shown = and_(shown, _latest_of(wanted.method))
        else:
            shown = and_(shown, col(summary.candidate_id) == col(Image.current_candidate_id))
        query = query.join(summary, shown, isouter=not required)
    return query.where(*_conditions(wanted))


def _conditions(wanted: GalleryFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.category:
        found.append(col(Image.category) == wanted.category)
    if wanted.source:
        found.append(col(Image.source_id).in_(select(col(Source.id)).where(col(Source.name) == wanted.source)))
    if wanted.stage:
        found.append(col(Image.stage) == wanted.stage)
    if wanted.undersized:
        found.append(col(Image.undersized).is_(True))
    if wanted.verdict:
        decision = col(CandidateSummary.decision)
        found.append(decision.is_(None) if wanted.verdict == "none" else decision == wanted.verdict)
    for bound in wanted.metrics:
        found += _within(bound)
    if wanted.sort_metric is not None:
        found.append(metric_of_summary(wanted.sort_metric).is_not(None))
    return found


def _within(bound: MetricRange) -> list[ColumnElement[bool]]:
    value = metric_of_summary(bound.metric)
    low = [] if bound.low is None else [value >= bound.low]
    return low if bound.high is None else [*low, value <= bound.high]


def _latest_of(method: str) -> ColumnElement[bool]:
    """The summary is of ``method``, and that method has made nothing newer of the image."""
    newer = aliased(CandidateSummary)
    later = select(literal(1)).where(
        col(newer.image_id) == col(CandidateSummary.image_id),
        col(newer.method_id) == col(CandidateSummary.method_id),
        col(newer.candidate_id) > col(CandidateSummary.candidate_id),
    )
    wanted = select(col(Method.id)).where(col(Method.name) == method).scalar_subquery()
    return and_(col(CandidateSummary.method_id) == wanted, ~later.exists())


def _encode(value: float, tie: int) -> str:
    return base64.urlsafe_b64encode(json.dumps([value, tie]).encode()).decode().rstrip("=")


def _decode(cursor: str) -> tuple[float, int]:
    try:
        value, tie = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return float(value), int(tie)
    except (ValueError, TypeError, OverflowError, binascii.Error):
        raise GgtError("This link to the next page is damaged. Open the list again from its first page.") from None
