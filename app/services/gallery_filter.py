"""The gallery's filter as it stands in the URL."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import urlencode

from app.catalog.categories import CATEGORIES
from app.catalog.metrics import METRICS
from app.errors import GgtError
from app.models import Stage

MOST_IDS = 500
"""Images that can be named one by one: their ids stand in the address."""


@dataclass(frozen=True)
class MetricRange:
    """Inclusive bounds of one metric, in its own units; None leaves a side open."""

    metric: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class GalleryFilter:
    """What the gallery shows. Empty strings filter nothing.

    ``method`` is a method's name: its latest candidate then stands beside each image, else the image's current one.
    ``verdict`` is a judge's decision, accept, reject or none. ``sort`` is "newest", a metric's key (best first) or
    "-" and a metric's key (worst first); a metric sort shows only candidates that have a value. ``ids`` are images that
    somebody ticked, in the address as "12,15"; nothing else is shown then. ``blind`` stands in no address: it is who looks,
    where answers are hidden from them (``hidden_answers.py``); a ``verdict`` then finds none of the images whose are.
    """

    category: str = ""
    source: str = ""
    stage: str = ""
    method: str = ""
    verdict: Literal["", "accept", "reject", "none"] = ""
    metrics: tuple[MetricRange, ...] = ()
    undersized: bool = False
    sort: str = "newest"
    ids: tuple[int, ...] = ()
    blind: int | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str], blind: int | None = None) -> "GalleryFilter":
        """The filter a URL asks for; unknown parameters are left alone. Raises GgtError for a wrong value."""
        category = _one_of(query, "category", CATEGORIES)
        stage = _one_of(query, "stage", {s.value: s for s in Stage})
        verdict = _one_of(query, "verdict", {"accept": 0, "reject": 0, "none": 0})
        sort = query.get("sort", "") or "newest"
        if sort != "newest" and sort.removeprefix("-") not in METRICS:
            raise GgtError(f"Cannot sort by {sort[:40]!r}. Choose newest or one of: {', '.join(METRICS)}.")
        ranges = []
        for key in METRICS:
            low, high = _number(query, f"{key}_min"), _number(query, f"{key}_max")
            if low is not None or high is not None:
                ranges.append(MetricRange(key, low, high))
        return cls(
            category, query.get("source", ""), stage, query.get("method", ""), verdict, tuple(ranges),  # type: ignore[arg-type]
            query.get("undersized", "") in ("1", "true", "on"), sort, _ids(query.get("ids", "")), blind,
        )  # fmt: skip

    def query(self) -> dict[str, str]:
        """The shortest URL query that parses to this filter."""
        pairs = {name: getattr(self, name) for name in ("category", "source", "stage", "method", "verdict")}
        for r in self.metrics:
            pairs[f"{r.metric}_min"] = "" if r.low is None else f"{r.low:g}"
            pairs[f"{r.metric}_max"] = "" if r.high is None else f"{r.high:g}"
        pairs["undersized"] = "1" if self.undersized else ""
        pairs["sort"] = "" if self.sort == "newest" else self.sort
        pairs["ids"] = ",".join(map(str, self.ids))
        return {name: value for name, value in pairs.items() if value}

    def url(self, path: str, **more: str) -> str:
        """``path`` with this filter as its query, and ``more`` of it."""
        query = {**self.query(), **more}
        return f"{path}?{urlencode(query)}" if query else path

    @property
    def sort_metric(self) -> str | None:
        return None if self.sort == "newest" else self.sort.removeprefix("-")

    @property
    def active(self) -> bool:
        """Whether anything but the order is asked for."""
        return replace(self, sort="newest", blind=None) != GalleryFilter()


def _one_of(query: Mapping[str, str], name: str, known: Mapping[str, object]) -> str:
    value = query.get(name, "")
    if value and value not in known:
        raise GgtError(f"There is no {name} {value[:40]!r}. Choose one of: {', '.join(known)}.")
    return value


def _ids(text: str) -> tuple[int, ...]:
    parts = [part for part in text.split(",") if part]
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise GgtError(f"ids must be numbers with commas between them, not {text[:40]!r}.")
    if len(parts) > MOST_IDS:
        raise GgtError(f"These are {len(parts)} images; {MOST_IDS} is the most that can be ticked. Use a filter instead.")
    return tuple(sorted({int(part) for part in parts}))


def _number(query: Mapping[str, str], name: str) -> float | None:
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not math.isfinite(number):
        raise GgtError(f"{name} must be a number, not {text[:40]!r}.")
    return number
