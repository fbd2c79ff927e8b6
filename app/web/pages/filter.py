"""The metric filter: what its thresholds exclude, what others would, and a way to put those in force (Sec. 3.3)."""

import hashlib
import json
import math
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.catalog.categories import CATEGORIES
from app.catalog.metrics import METRICS
from app.catalog.quality import FILTER_RULE, filter_rule
from app.domain.metric_filter import FilterRule
from app.errors import GgtError
from app.models import utcnow
from app.services import filter_preview, filter_rules
from app.services.filter_preview import FILTER_METRICS, Applied, Comparison, Example, Examples, Sample, plain
from app.web.deps import Admin, AnyViewer, Reader, Writer
from app.web.templating import render

router = APIRouter(prefix="/filter")

BINS = 48
HEIGHT = 96
"""Of the tallest bar, in CSS pixels."""


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram: left edge and width in percent, height in pixels."""

    x: float
    width: float
    height: float


@dataclass(frozen=True)
class MetricPart:
    """One metric's histogram from ``low`` to ``high`` in the metric's units, and its threshold.

    ``value`` and ``now`` are the proposed threshold and the one in force as text, empty where the metric is not in the rule;
    ``start`` is what it begins with when it is switched on. ``line``, ``now_line`` and ``zero`` are places in percent. Of
    ``n`` candidates with both values ``failing`` gained less than the threshold; ``outside`` lie beyond the plot's ends.
    """

    key: str
    title: str
    better: str
    value: str
    now: str
    start: str
    low: float
    high: float
    step: str
    bars: tuple[Bar, ...]
    zero: float
    line: float
    now_line: float
    n: int
    failing: int
    outside: int


@dataclass(frozen=True)
class HistoryRow:
    """A rule as it was applied, in words, and the address that takes it up again."""

    who: str
    applied: Applied | None
    text: str
    url: str


@dataclass(frozen=True)
class ExamplesPart:
    """What applying would change, and pairs. ``rule`` is the proposed rule as a URL query, ``seen`` the setting in force."""

    category: str
    title: str
    rule: str
    seen: int
    changes: tuple[str, ...]
    counts: Comparison
    examples: Examples
    titles: dict[str, str]
    better: dict[str, str]


@dataclass(frozen=True)
class FilterExamples:
    part: ExamplesPart


@dataclass(frozen=True)
class FilterPage:
    """``categories`` are (key, title, whether it has candidates)."""

    part: ExamplesPart
    categories: tuple[tuple[str, str, bool], ...]
    total: int
    stand_in: bool
    metrics: tuple[MetricPart, ...]
    min_passing: int
    now_passing: int
    history: tuple[HistoryRow, ...]


@router.get("")
def index(request: Request, viewer: AnyViewer, session: Reader, category: str = "") -> Response:
    filled = filter_preview.categories_with_candidates(session)
    category = _category(category or next(iter(filled), next(iter(CATEGORIES))))
    in_force = filter_rules.in_force(session, category)
    proposed = filter_preview.parse_rule(request.query_params, in_force)
    found = filter_preview.sample(session, category)
    history = filter_preview.history(session, category)
    page = FilterPage(
        part=_examples(session, category, found, proposed, in_force, history),
        categories=tuple((key, c.title, key in filled) for key, c in CATEGORIES.items()),
        total=found.total,
        stand_in=found.stand_in,
        metrics=tuple(_metric(key, found, proposed, in_force) for key in FILTER_METRICS),
        min_passing=proposed.min_passing,
        now_passing=in_force.min_passing,
        history=_history_rows(category, history),
    )
    return render(request, viewer, "filter/index.html", page)


@router.get("/examples")
def examples(request: Request, viewer: AnyViewer, session: Reader, category: str = "") -> Response:
    category = _category(category)
    in_force = filter_rules.in_force(session, category)
    proposed = filter_preview.parse_rule(request.query_params, in_force)
    found = filter_preview.sample(session, category)
    history = filter_preview.history(session, category, 1)
    part = _examples(session, category, found, proposed, in_force, history)
    return render(request, viewer, "filter/_examples.html", FilterExamples(part))


@router.get("/data")
def data(request: Request, _viewer: AnyViewer, session: Reader, category: str = "") -> Response:
    """The improvements that the page counts over: a column per metric, null where a value is missing."""
    category = _category(category)
    found = filter_preview.sample(session, category)
    told = {"category": category, "total": found.total, "n": len(found.ids), "gains": found.gains}
    body = json.dumps(told, separators=(",", ":"), allow_nan=False).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if etag in request.headers.get("If-None-Match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    return Response(body, media_type="application/json", headers={"ETag": etag})


@router.post("/apply")
def apply(
    viewer: Admin,
    session: Writer,
    category: Annotated[str, Form()],
    rule: Annotated[str, Form()],
    seen: Annotated[int, Form()],
) -> Response:
    """Put the rule in force. ``rule`` is its URL query, ``seen`` the setting that the page showed as in force."""
    in_force = filter_rules.in_force(session, _category(category))
    wanted = filter_preview.parse_rule(dict(parse_qsl(rule)), in_force)
    filter_preview.apply(session, viewer.user_id, category, wanted, seen)
    return RedirectResponse(f"/filter?category={category}#history", 303)


def _category(key: str) -> str:
    if key not in CATEGORIES:
        raise GgtError(f"There is no category {key[:40]!r}. Choose one of: {', '.join(CATEGORIES)}.")
    return key


def _examples(
    session: Reader, category: str, found: Sample, proposed: FilterRule, in_force: FilterRule, history: list[Applied]
) -> ExamplesPart:
    return _part(
        category, proposed, in_force, history[0].id if history else 0,
        filter_preview.compare(found, proposed, in_force), filter_preview.examples(session, found, proposed, in_force),
    )  # fmt: skip


def _part(
    category: str, proposed: FilterRule, in_force: FilterRule, seen: int, counts: Comparison, shown: Examples
) -> ExamplesPart:
    return ExamplesPart(
        category=category,
        title=CATEGORIES[category].title,
        rule=urlencode(filter_preview.rule_query(proposed)),
        seen=seen,
        changes=filter_preview.changes(in_force, proposed),
        counts=counts,
        examples=shown,
        titles={key: spec.title for key, spec in FILTER_METRICS.items()},
        better={key: spec.better for key, spec in FILTER_METRICS.items()},
    )


def _metric(key: str, found: Sample, proposed: FilterRule, in_force: FilterRule) -> MetricPart:
    spec, gains = METRICS[key], sorted(g for g in found.gains[key] if g is not None)
    value, now = proposed.min_improvement.get(key), in_force.min_improvement.get(key)
    limits = [limit for limit in (value, now) if limit is not None]
    low, high, step = _range(gains, limits)
    start = next((rule.min_improvement[key] for rule in (in_force, FILTER_RULE) if key in rule.min_improvement), step)

    def place(gain: float | None) -> float:
        return 0.0 if gain is None else round(100 * min(max((gain - low) / (high - low), 0), 1), 3)

    bars = _bars(gains, low, high)
    return MetricPart(
        key=key, title=spec.title, better=spec.better, value="" if value is None else plain(value),
        now="" if now is None else plain(now), start=plain(start), low=low, high=high, step=plain(step), bars=bars,
        zero=place(0.0), line=place(value), now_line=place(now), n=len(gains),
        failing=0 if value is None else sum(gain < value for gain in gains),
        outside=sum(gain < low or gain > high for gain in gains),
    )  # fmt: skip


def _range(gains: list[float], limits: list[float]) -> tuple[float, float, float]:
    """From where to where a histogram goes, and the step of its threshold.

    A hundredth of the candidates at the ends is left out, which a few extreme ones would otherwise squeeze the rest for.
    """
    ends = (gains[len(gains) // 200], gains[-1 - len(gains) // 200]) if gains else (0.0, 0.0)
    low, high = min(ends[0], 0.0), max(ends[1], *(1.25 * limit for limit in limits), 0.0)
    if high <= 0:
        high = -low or 1.0
    step = 10.0 ** math.floor(math.log10((high - low) / 150))
    return round(math.floor(low / step / 10) * step * 10, 9), round(math.ceil(high / step / 10) * step * 10, 9), step


def _bars(gains: list[float], low: float, high: float) -> tuple[Bar, ...]:
    counts = [0] * BINS
    for gain in gains:
        if low <= gain <= high:
            counts[min(int((gain - low) / (high - low) * BINS), BINS - 1)] += 1
    most, width = max(counts) or 1, 100 / BINS
    return tuple(
        Bar(round(place * width + 0.1, 3), round(width - 0.2, 3), max(1, round(HEIGHT * count / most, 1)))
        for place, count in enumerate(counts)
        if count
    )


def _history_rows(category: str, history: list[Applied]) -> tuple[HistoryRow, ...]:
    def row(who: str, applied: Applied | None, rule: FilterRule) -> HistoryRow:
        values = ", ".join(
            f"{METRICS[key].title if key in METRICS else key} {plain(value)}" for key, value in rule.min_improvement.items()
        )
        url = "/filter?" + urlencode({"category": category, **filter_preview.rule_query(rule)})
        return HistoryRow(who, applied, f"{values}; {rule.min_passing} of {len(rule.min_improvement)} must improve", url)

    return (*(row(a.who, a, a.rule) for a in history), row("GGT Studio's own", None, filter_rule(category)))


def _example_page() -> FilterPage:
    new, old = FilterRule({"niqe": 0.3, "piqe": 2}, 2), FilterRule({"niqe": 0.1, "piqe": 1, "brisque": 1}, 1)
    gains: dict[str, tuple[float | None, ...]] = {"niqe": (0.2, 0.4, -1), "piqe": (3, 5, 1), "brisque": (None, 2, -4)}
    found = Sample(30_000, (34, 36, 38), gains)
    pair = Example(12, "ab" * 32, 34, "cd" * 32, (("niqe", 5.2, 5.0), ("brisque", 31.0, None)), True, False)
    applied = Applied(3, old, "Ada <b>", utcnow())
    return FilterPage(
        part=_part("rain", new, old, 3, filter_preview.compare(found, new, old), Examples((pair,), (pair,))),
        categories=tuple((key, c.title, key == "rain") for key, c in CATEGORIES.items()),
        total=found.total,
        stand_in=found.stand_in,
        metrics=tuple(_metric(key, found, new, old) for key in FILTER_METRICS),
        min_passing=2,
        now_passing=1,
        history=_history_rows("rain", [applied]),
    )


def _empty_page() -> FilterPage:
    rule, found = filter_rule("rain"), Sample(0, (), dict.fromkeys(FILTER_METRICS, ()))
    part = _part("rain", rule, rule, 0, filter_preview.compare(found, rule, rule), Examples())
    metrics = tuple(_metric(key, found, rule, rule) for key in FILTER_METRICS)
    return FilterPage(part, (("rain", "Rain", False),), 0, False, metrics, 1, 1, _history_rows("rain", []))


EXAMPLES = {
    "filter/index.html": [_example_page(), _empty_page()],
    "filter/_examples.html": [FilterExamples(_example_page().part), FilterExamples(_empty_page().part)],
}
