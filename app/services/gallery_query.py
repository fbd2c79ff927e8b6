"""The gallery's statements: which images a filter finds, in which order, and what their tiles show.

A filter that asks for something of the candidate shown (its metrics, verdict or method) reads the summaries, of which each
image has one that is shown; any other reads the images. Statements are built once for each filter, at its first use.
"""

import operator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, case, func, literal_column, or_, select

from app.catalog.metrics import METRICS
from app.models import Candidate, CandidateSummary, Image, Method, Source, table_of
from app.services.gallery_filter import GalleryFilter, MetricRange
from app.services.hidden_answers import hidden
from app.services.metric_value import metric_of_summary
from app.services.unindexed import unindexed

IMAGES, SUMMARIES = table_of(Image), table_of(CandidateSummary)
CANDIDATES, METHODS, SOURCES = table_of(Candidate), table_of(Method), table_of(Source)
COUNT_CAP = 10_000
"""Counting stops here; the page then says "10,000+"."""

LOWEST: ColumnElement[float] = literal_column("-1e300")
"""Below every value that a metric can have."""


@dataclass(frozen=True)
class Order:
    """A sort key with an id behind it, both in one direction, so that every place has exactly one value.

    A metric is followed by the candidate's id: then its index alone gives the order. ``value`` and ``tie`` are the same
    column where images are ordered by age.
    """

    value: ColumnElement[Any]
    tie: ColumnElement[Any]
    descending: bool

    @classmethod
    def of(cls, wanted: GalleryFilter) -> "Order":
        if wanted.sort_metric is None:
            image_id = SUMMARIES.c.image_id if of_candidates(wanted) else IMAGES.c.id
            return cls(image_id, image_id, descending=True)
        best_is_high = METRICS[wanted.sort_metric].better == "higher"
        descending = best_is_high != wanted.sort.startswith("-")
        return cls(metric_of_summary(wanted.sort_metric), SUMMARIES.c.candidate_id, descending)

    def by(self) -> tuple[ColumnElement[Any], ...]:
        keys = (self.tie,) if self.value is self.tie else (self.value, self.tie)
        return tuple(key.desc() if self.descending else key.asc() for key in keys)

    def beyond(self, value: Any, tie: Any) -> ColumnElement[bool]:
        """What comes after the place (value, tie). The first condition alone bounds an index."""
        further, at_least = (operator.lt, operator.le) if self.descending else (operator.gt, operator.ge)
        past: ColumnElement[bool] = further(self.tie, tie)
        if self.value is self.tie:
            return past
        return and_(at_least(self.value, value), or_(further(self.value, value), past))

    def reversed(self) -> "Order":
        return replace(self, descending=not self.descending)

    def sorted(self) -> "Order":
        """The same order, for which no index is walked: what the filter finds is sorted."""
        if self.value is self.tie:
            tie = self.tie + literal_column("0")
            return replace(self, value=tie, tie=tie)
        return replace(self, value=self.value + literal_column("0"))


def of_candidates(wanted: GalleryFilter) -> bool:
    """Whether a filter is about the candidate shown, so that an image without one does not match."""
    return bool(wanted.method or wanted.metrics or wanted.sort_metric or wanted.verdict in ("accept", "reject"))


def matching(wanted: GalleryFilter, *columns: Any, images: bool = True, walked: bool = False) -> Select[Any]:
    """``columns`` of all that matches, in no order. ``images``: the table of images is among what is read.

    ``walked``: many match, and they are looked at in order until a page is full, so no filter may use an index of its own.
    """
    plain = unindexed if walked else _as_it_is
    if not of_candidates(wanted):
        tables: FromClause = IMAGES
        if wanted.verdict:
            tables = IMAGES.outerjoin(SUMMARIES, and_(SUMMARIES.c.image_id == IMAGES.c.id, SUMMARIES.c.is_current))
        of, conditions = IMAGES, list[ColumnElement[bool]]()
    else:
        tables, of, conditions = SUMMARIES, SUMMARIES, [SUMMARIES.c.is_current]
        if images or wanted.stage or wanted.undersized:
            tables = SUMMARIES.join(IMAGES, IMAGES.c.id == SUMMARIES.c.image_id)
        if wanted.method:
            method = select(METHODS.c.id).where(METHODS.c.name == wanted.method).scalar_subquery()
            conditions = [SUMMARIES.c.is_latest, SUMMARIES.c.method_id == method]
    conditions += _conditions(wanted, of, plain)
    return select(*columns).select_from(tables).where(*conditions)


def _conditions(wanted: GalleryFilter, of: Any, plain: Any) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    image_id = of.c.id if of is IMAGES else of.c.image_id
    # a metric has an index by category, and all its indexes hold the source: other indexes only lead away from those
    category = _as_it_is if wanted.sort_metric else plain
    source_id = unindexed if wanted.metrics or wanted.sort_metric else plain
    if wanted.ids:
        found.append(image_id.in_(wanted.ids))
    if wanted.category:
        found.append(category(of.c.category) == wanted.category)
    if wanted.source:
        source = select(SOURCES.c.id).where(SOURCES.c.name == wanted.source).scalar_subquery()
        found.append(source_id(of.c.source_id) == source)
    if wanted.stage:
        found.append(plain(IMAGES.c.stage) == wanted.stage)
    if wanted.undersized:
        found.append(IMAGES.c.undersized.is_(True))
    if wanted.verdict:
        decision = SUMMARIES.c.decision
        found.append(decision.is_(None) if wanted.verdict == "none" else plain(decision) == wanted.verdict)
        if wanted.blind is not None:
            found.append(~hidden(image_id, wanted.blind))
    sorts = wanted.sort_metric
    for bound in wanted.metrics:
        found += _within(bound, plain if sorts != bound.metric else _as_it_is)
    if sorts is not None:
        found.append(metric_of_summary(sorts) >= LOWEST)  # has a value, said so that SQLite's index on it serves
    return found


def _within(bound: MetricRange, plain: Any) -> list[ColumnElement[bool]]:
    value = plain(metric_of_summary(bound.metric))
    low = [] if bound.low is None else [value >= bound.low]
    return low if bound.high is None else [*low, value <= bound.high]


@lru_cache(maxsize=500)
def counted(wanted: GalleryFilter) -> Select[Any]:
    """How many match, at most ``COUNT_CAP + 1`` (the parameter ``cap``). The order asked for matters by its metric only."""
    some = matching(wanted, literal_column("1"), images=False).limit(bindparam("cap")).subquery()
    return select(func.count()).select_from(some)


@lru_cache(maxsize=500)
def tiles(wanted: GalleryFilter, *, few: bool, further: bool) -> Select[Any]:
    """The tiles of a page of ``size``, its sort value and tie last; ``further``: behind the place ``value``, ``tie``.

    First the page's keys, which an index gives, and then what their tiles show. ``few`` match: what the filter finds is
    sorted. Otherwise the order is walked until the page is full. A database that has no statistics would choose wrongly.
    """
    order = Order.of(wanted).sorted() if few else Order.of(wanted)
    about = of_candidates(wanted)
    key = (SUMMARIES.c.image_id if about else IMAGES.c.id).label("image_id")
    candidate = (SUMMARIES.c.candidate_id if about else literal_column("0")).label("candidate_id")
    query = matching(
        wanted, key, candidate, order.value.label("value"), order.tie.label("tie"), images=False, walked=not few
    )
    if further:
        query = query.where(order.beyond(bindparam("value"), bindparam("tie")))
    keys = query.order_by(*order.by()).limit(bindparam("size")).subquery()
    shown = SUMMARIES.c.candidate_id == keys.c.candidate_id
    if not about:
        shown = and_(SUMMARIES.c.image_id == keys.c.image_id, SUMMARIES.c.is_current)
    decision: Any = SUMMARIES.c.decision
    if wanted.blind is not None:
        decision = case((~hidden(keys.c.image_id, wanted.blind), decision))
    columns: tuple[Any, ...] = (
        IMAGES.c.id, IMAGES.c.category, IMAGES.c.stage, IMAGES.c.undersized, IMAGES.c.box_width, IMAGES.c.box_height,
        SOURCES.c.name, IMAGES.c.thumbnail_sha256, CANDIDATES.c.id, CANDIDATES.c.thumbnail_sha256, METHODS.c.name,
        SUMMARIES.c.attempt, decision, SUMMARIES.c.metrics, keys.c.value, keys.c.tie,
    )  # fmt: skip
    places = [key.desc() if order.descending else key.asc() for key in (keys.c.value, keys.c.tie)]
    return (
        select(*columns)
        .select_from(
            keys.outerjoin(IMAGES, IMAGES.c.id == keys.c.image_id)  # outer: the keys are read first, and they all exist
            .outerjoin(SOURCES, SOURCES.c.id == IMAGES.c.source_id)
            .outerjoin(SUMMARIES, shown)
            .outerjoin(CANDIDATES, CANDIDATES.c.id == SUMMARIES.c.candidate_id)
            .outerjoin(METHODS, METHODS.c.id == SUMMARIES.c.method_id)
        )
        .order_by(*places)
    )


def _as_it_is(column: Any) -> Any:
    return column
