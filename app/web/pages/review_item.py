"""One pair as the review page shows it: addresses of its images, and the numbers beside them as text."""

from dataclasses import dataclass

from app.catalog.categories import CATEGORIES
from app.catalog.judges import JUDGES
from app.catalog.metrics import METRICS
from app.domain.aspects import ASPECT_TITLES, ASPECTS
from app.domain.review import TASKS
from app.models import Json
from app.services.review_items import JudgeView, ReviewItem


@dataclass(frozen=True)
class MetricRow:
    """One metric. ``lq`` is empty where it compares LQ with HQ; ``change`` is better, worse or empty."""

    title: str
    lq: str
    hq: str
    change: str


@dataclass(frozen=True)
class VerdictRow:
    title: str
    score: str
    reason: str


@dataclass(frozen=True)
class VerdictView:
    judge: str
    decision: str
    rows: tuple[VerdictRow, ...]


@dataclass(frozen=True)
class ItemView:
    """What the template shows of one pair. ``facts`` are pairs of name and value."""

    image_id: int
    candidate_id: int
    name: str
    task: str
    lq_url: str
    hq_url: str
    facts: tuple[tuple[str, str], ...]
    metrics: tuple[MetricRow, ...]
    verdict: VerdictView | None
    returned: str = ""


EXAMPLE_ITEM = ItemView(
    image_id=12,
    candidate_id=34,
    name="Image 12",
    task="Streaks gone.",
    lq_url="/files/images/12/master?v=00000000",
    hq_url="/files/candidates/34/file?v=00000000",
    facts=(("Source", "own-2026"), ("File", "<market>.png")),
    metrics=(MetricRow("NIQE ↓", "5.11", "3.66", "better"), MetricRow("PSNR ↑", "", "27.2", "")),
    verdict=VerdictView("Local measurement", "accept", (VerdictRow("Object consistency", "93", "all kept"),)),
)


def item_view(item: ReviewItem) -> ItemView:
    """``item`` in words and addresses."""
    category = CATEGORIES.get(item.category)
    attempt = f", attempt {item.attempt}" if item.attempt > 1 else ""
    sizes = f"{_size(item.lq_size)} → {_size(item.hq_size)}" if item.lq_size != item.hq_size else _size(item.lq_size)
    return ItemView(
        image_id=item.image_id,
        candidate_id=item.candidate_id,
        name=f"Image {item.image_id}",
        task=TASKS.get(item.category, ""),
        lq_url=f"/files/images/{item.image_id}/master?v={item.lq_sha256[:8]}",
        hq_url=f"/files/candidates/{item.candidate_id}/file?v={item.hq_sha256[:8]}",
        facts=(
            ("Category", category.title if category else item.category),
            ("Source", item.source),
            ("File", item.file_name),
            ("Size", sizes),
            ("Method", item.method + attempt),
        ),
        metrics=tuple(_metric_rows(item.metrics)),
        verdict=_verdict_view(item.verdict) if item.verdict else None,
        returned=item.returned,
    )


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _metric_rows(metrics: Json) -> list[MetricRow]:
    """Metrics of both images first, then those that compare them. A value that does not exist is a dash, never 0."""
    rows = []
    for key in metrics:
        if key.endswith("_lq"):
            continue
        spec = METRICS.get(key)
        hq, lq = metrics[key], metrics.get(f"{key}_lq")
        change = ""
        if spec and hq is not None and lq is not None and hq != lq:
            change = "better" if (hq > lq) == (spec.better == "higher") else "worse"
        arrow = {"higher": " ↑", "lower": " ↓"}[spec.better] if spec else ""
        both = f"{key}_lq" in metrics
        rows.append(MetricRow((spec.title if spec else key) + arrow, _value(lq) if both else "", _value(hq), change))
    return sorted(rows, key=lambda row: not row.lq)


def _value(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


def _verdict_view(verdict: JudgeView) -> VerdictView:
    spec = JUDGES.get(verdict.judge)
    rows = tuple(
        VerdictRow(
            title=ASPECT_TITLES[aspect],
            score=f"{verdict.scores[aspect]:.0f}" if aspect in verdict.scores else "–",
            reason=str(verdict.reasons.get(aspect, "")),
        )
        for aspect in ASPECTS
    )
    return VerdictView(spec.title if spec else verdict.judge, verdict.decision, rows)
