"""The gallery: all images, filtered and sorted as the URL says."""

from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request, Response

from app.catalog.categories import CATEGORIES
from app.catalog.generators import GENERATORS
from app.catalog.metrics import METRICS
from app.models import Role, Stage
from app.services import gallery
from app.services.gallery import Choices, Tile
from app.services.gallery_filter import GalleryFilter, MetricRange
from app.services.gallery_query import COUNT_CAP
from app.web.deps import AnyViewer, Reader
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter()

STAGE_TITLES: dict[str, str] = {
    Stage.COLLECTED: "Collected",
    Stage.GENERATED: "Generated",
    Stage.SCORED: "Scored",
    Stage.FILTERED_OUT: "Filtered out",
    Stage.REFINING: "Refining",
    Stage.JUDGED_OUT: "Judged out",
    Stage.AWAITING: "Awaiting verification",
    Stage.DISPUTED: "Disputed",
    Stage.REQUESTED: "Regeneration requested",
    Stage.VERIFIED: "Verified",
    Stage.REJECTED: "Rejected",
    Stage.FAILED: "Failed",
    Stage.SET_ASIDE: "Set aside",
    Stage.BENCHMARK: "Benchmark",
}
CATEGORY_TITLES = {key: spec.title for key, spec in CATEGORIES.items()}
VERDICT_TITLES = {"accept": "Judge accepts", "reject": "Judge rejects", "none": "Not judged"}


@dataclass(frozen=True)
class Option:
    value: str
    title: str
    chosen: bool


@dataclass(frozen=True)
class Select:
    """One select field of the filter form; ``any`` is what stands there when it filters nothing."""

    name: str
    title: str
    any: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class MetricField:
    """The two bounds of one metric in the filter form."""

    key: str
    title: str
    better: str
    low: str
    high: str


@dataclass(frozen=True)
class Chip:
    """An active filter, and the address without it."""

    text: str
    without: str


@dataclass(frozen=True)
class TilesPart:
    """Some tiles. ``suffix`` is the filter as addresses have it ("?..."), so that an opened image knows its neighbours.

    ``more`` gets the next tiles. ``ticks``: the person may do something to ticked images.
    """

    tiles: tuple[Tile, ...]
    stage_titles: dict[str, str]
    category_titles: dict[str, str]
    sort_metric: str | None
    suffix: str
    more: str | None
    more_part: str | None
    ticks: bool


@dataclass(frozen=True)
class ImagesPage:
    part: TilesPart
    total: int
    capped: bool
    selects: tuple[Select, ...]
    metrics: tuple[MetricField, ...]
    undersized: bool
    chips: tuple[Chip, ...]
    filtered: bool
    continued: bool
    first: str
    bulk_verb: str


_TILE = Tile(
    12,
    "rain",
    Stage.AWAITING,
    False,
    1024,
    1024,
    "own",
    "ab" * 32,
    34,
    "cd" * 32,
    "local-derain",
    2,
    "accept",
    {"niqe": 4.2},
)
_BARE = Tile(13, "rain", Stage.COLLECTED, True, 640, 480, "own", "ab" * 32, None, None, None, None, None, {})
_PART = TilesPart(
    (_TILE, _BARE), STAGE_TITLES, CATEGORY_TITLES, "niqe", "?category=rain", "/images?after=x", "/images/more?after=x", True
)
_EMPTY = TilesPart((), STAGE_TITLES, CATEGORY_TITLES, None, "", None, None, False)


def _example(part: TilesPart, filtered: bool) -> ImagesPage:
    wanted = GalleryFilter(category="rain", undersized=True) if filtered else GalleryFilter()
    selects = _selects(wanted, Choices(("own",), ("local-derain",)))
    return ImagesPage(
        part,
        len(part.tiles),
        False,
        selects,
        _metric_fields(wanted),
        filtered,
        chips_of(wanted),
        filtered,
        filtered,
        "/images",
        "set-aside",
    )


@router.get("/images")
def images(request: Request, viewer: AnyViewer, session: Reader, after: str = "") -> Response:
    wanted = GalleryFilter.parse(request.query_params, viewer.blind)
    found = gallery.count(session, wanted)
    part = _part(viewer, wanted, gallery.page(session, wanted, after, matched=found) if found else gallery.Page((), None))
    page = ImagesPage(
        part=part,
        total=min(found, COUNT_CAP),
        capped=found > COUNT_CAP,
        selects=_selects(wanted, gallery.choices(session)),
        metrics=_metric_fields(wanted),
        undersized=wanted.undersized,
        chips=chips_of(wanted),
        filtered=wanted.active,
        continued=bool(after),
        first=wanted.url("/images"),
        bulk_verb="take-back" if wanted.stage == Stage.SET_ASIDE else "set-aside",
    )
    return render(request, viewer, "images/index.html", page)


@router.get("/images/more")
def more(request: Request, viewer: AnyViewer, session: Reader, after: str = "") -> Response:
    wanted = GalleryFilter.parse(request.query_params, viewer.blind)
    part = _part(viewer, wanted, gallery.page(session, wanted, after))
    return render(request, viewer, "images/_tiles.html", ImagesMore(part))


@dataclass(frozen=True)
class ImagesMore:
    part: TilesPart


def _part(viewer: Viewer, wanted: GalleryFilter, page: gallery.Page) -> TilesPart:
    cursor = page.next_cursor
    return TilesPart(
        page.tiles,
        STAGE_TITLES,
        CATEGORY_TITLES,
        wanted.sort_metric,
        wanted.url(""),
        wanted.url("/images", after=cursor) if cursor else None,
        wanted.url("/images/more", after=cursor) if cursor else None,
        viewer.role != Role.ANNOTATOR,
    )


def _selects(wanted: GalleryFilter, choices: Choices) -> tuple[Select, ...]:
    def field(name: str, title: str, any_title: str, options: dict[str, str]) -> Select:
        chosen = getattr(wanted, name)
        return Select(name, title, any_title, tuple(Option(key, text, key == chosen) for key, text in options.items()))

    sorts = {}
    for key, metric in METRICS.items():
        sorts[key] = f"{metric.title}, best first"
        sorts[f"-{key}"] = f"{metric.title}, worst first"
    methods = {name: f"{name} (local)" if _local(name) else name for name in choices.methods}
    return (
        field("category", "Category", "All", CATEGORY_TITLES),
        field("source", "Source", "All", {name: name for name in choices.sources}),
        field("stage", "Stage", "All", STAGE_TITLES),
        field("verdict", "Verdict", "Any", VERDICT_TITLES),
        field("method", "Method", "The one chosen", methods),
        field("sort", "Order", "Newest first", sorts),
    )


def _local(method: str) -> bool:
    known = GENERATORS.get(method.partition(" / ")[0])
    return bool(known and known.local)


def _metric_fields(wanted: GalleryFilter) -> tuple[MetricField, ...]:
    bounds = {r.metric: r for r in wanted.metrics}
    return tuple(
        MetricField(
            key, metric.title, metric.better, _text(bounds[key].low if key in bounds else None),
            _text(bounds[key].high if key in bounds else None),
        )
        for key, metric in METRICS.items()
    )  # fmt: skip


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def chips_of(wanted: GalleryFilter) -> tuple[Chip, ...]:
    def chip(text: str, change: dict[str, Any]) -> Chip:
        return Chip(text, replace(wanted, **change).url("/images"))

    chips = []
    if wanted.ids:
        chips.append(chip(f"{len(wanted.ids)} ticked image{'' if len(wanted.ids) == 1 else 's'}", {"ids": ()}))
    if wanted.category:
        chips.append(chip(CATEGORIES[wanted.category].title, {"category": ""}))
    if wanted.source:
        chips.append(chip(f"Source {wanted.source}", {"source": ""}))
    if wanted.stage:
        chips.append(chip(STAGE_TITLES[Stage(wanted.stage)], {"stage": ""}))
    if wanted.verdict:
        chips.append(chip(VERDICT_TITLES[wanted.verdict], {"verdict": ""}))
    if wanted.method:
        chips.append(chip(f"Method {wanted.method}", {"method": ""}))
    for bound in wanted.metrics:
        rest = tuple(r for r in wanted.metrics if r != bound)
        chips.append(chip(_range_text(bound), {"metrics": rest}))
    if wanted.undersized:
        chips.append(chip("Undersized", {"undersized": False}))
    return tuple(chips)


def _range_text(bound: MetricRange) -> str:
    title = METRICS[bound.metric].title
    if bound.low is None:
        return f"{title} ≤ {bound.high:g}"
    if bound.high is None:
        return f"{title} ≥ {bound.low:g}"
    return f"{title} {bound.low:g} to {bound.high:g}"


EXAMPLES = {
    "images/index.html": [_example(_PART, True), _example(_EMPTY, True), _example(_EMPTY, False)],
    "images/_tiles.html": [ImagesMore(_PART), ImagesMore(_EMPTY)],
}
