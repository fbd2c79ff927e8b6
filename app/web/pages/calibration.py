"""Calibration: which thresholds of accept rule and metric filter would have agreed best with people. It changes none."""

import math
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.domain.calibration import Calibration, Point
from app.services import threshold_calibration
from app.services.judge_comparison import Judged
from app.services.reviewed_pairs import Wanted
from app.services.threshold_calibration import Calibrations, Threshold
from app.web.deps import Reader, Researcher
from app.web.pages.agreement import Choices, choices_of, read_choices
from app.web.templating import render

router = APIRouter(prefix="/calibration")

LEFT, WIDE, TOP, HIGH = 22.0, 290.0, 6.0, 96.0
"""The curve's place in its picture of 320 by 124: balanced accuracy from 0 to 1 upwards, thresholds to the right."""
EDGE = 0.02
"""Share of pairs left out of the picture at either end, so that one odd value does not squeeze all others."""


@dataclass(frozen=True)
class Curve:
    """A curve as it is drawn: ``line`` are its points; places of thresholds to the right, None where outside the picture."""

    line: str
    low: str
    high: str
    best: float | None
    present: float | None
    span: tuple[float, float] | None


@dataclass(frozen=True)
class Shown:
    """A threshold as the page tells it; ``curve`` is None where nothing can be told."""

    threshold: Threshold
    present: str
    best: str
    any_of: str
    interval: str
    curve: Curve | None


@dataclass(frozen=True)
class Section:
    title: str
    note: str
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class CalibrationPage:
    """``hint`` says what to do where nothing can be told; ``filter_url`` is where the filter's thresholds are set."""

    choices: Choices
    found: Calibrations
    sections: tuple[Section, ...]
    filter_url: str
    hint: str


@router.get("")
def index(request: Request, viewer: Researcher, session: Reader) -> Response:
    choices = read_choices(session, request)
    found = threshold_calibration.calibrations(session, choices.wanted)
    return render(request, viewer, "calibration/index.html", _page(choices, found))


def _page(choices: Choices, found: Calibrations) -> CalibrationPage:
    wanted = choices.wanted
    kinds = (
        ("rule", "Accept rule", f"Each minimum while the others stay as they are, on the scores of {choices.judge}."),
        ("aspect", "One aspect alone", f"As if nothing but this score of {choices.judge} decided."),
        ("metric", "Metric filter", "As if this metric alone decided: the smallest gain of HQ over LQ, in its own units."),
    )
    sections = [Section(t, note, tuple(_shown(one) for one in found.thresholds if one.kind == k)) for k, t, note in kinds]
    return CalibrationPage(
        choices,
        found,
        tuple(sections),
        f"/filter?category={wanted.category}" if wanted.category else "/filter",
        _hint(found),
    )


def _hint(found: Calibrations) -> str:
    if not found.pairs:
        return "People have come to a decision on no pair here. Review some, accepted and rejected ones, then come back."
    if found.accepted in (0, found.pairs):
        word = "accepted" if found.accepted else "rejected"
        return f"People have {word} all {found.pairs:,} pairs here: a threshold can only be fitted to both kinds."
    return ""


def _shown(one: Threshold) -> Shown:
    present = "differs by category" if one.unsettled else "none" if one.present is None else plain(one.present)
    found = one.found
    if found is None:
        return Shown(one, present, "", "", "", None)
    return Shown(
        one,
        present,
        plain(found.best.threshold),
        f"any above {plain(found.above)} up to {plain(found.upto)}"
        if math.isfinite(found.above)
        else f"any up to {plain(found.upto)}",
        "" if found.low is None or found.high is None else f"{plain(found.low)} to {plain(found.high)}",
        _curve(found),
    )


def _curve(found: Calibration) -> Curve | None:
    points = found.curve
    if len(points) > 20:  # one odd value at either end would squeeze all others
        cut = max(1, round(EDGE * len(points)))
        points = points[cut:-cut]
    if len(points) < 2:
        return None
    low, high = points[0].threshold, points[-1].threshold

    def x(value: float) -> float:
        return round(LEFT + WIDE * (value - low) / (high - low), 1)

    def y(point: Point) -> float:
        return round(TOP + HIGH * (1 - point.balanced), 1)

    def inside(value: float | None) -> float | None:
        return None if value is None or not low <= value <= high else x(value)

    span = None
    if found.low is not None and found.high is not None:
        ends = [min(high, max(low, value)) for value in (found.low, found.high)]
        span = (x(ends[0]), round(max(1.0, x(ends[1]) - x(ends[0])), 1))
    return Curve(
        " ".join(f"{x(point.threshold)},{y(point)}" for point in points),
        plain(low),
        plain(high),
        inside(found.best.threshold),
        inside(found.present.threshold if found.present else None),
        span,
    )


def plain(value: float) -> str:
    """Four digits at most: 72.5 -> "72.5", 0.12345 -> "0.1235", minus infinity -> "−∞"."""
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    return f"{value:.4g}".replace("-", "−")


def _example(wanted: Wanted, *, full: bool) -> CalibrationPage:
    judged = (Judged("gpt-5.4-pro", False, 60, 3), Judged("local-measure", False, 50, 0))
    curve = tuple(Point(50.0 + place, 1 - place / 60, place / 40) for place in range(30))
    made = Calibration(60, 40, 3, curve, curve[20], 69.0, 70.0, curve[10], 65.0, 72.0)
    few = Calibration(9, 5, 0, curve[:2], Point(-0.1, 1.0, 0.5), -math.inf, -0.1, None, None, None)
    thresholds = (
        Threshold("rule_min_all", "Lowest of all aspects", "rule", 60, made, 4),
        Threshold("object_consistency", "Object consistency", "aspect", 90, None),
        Threshold("niqe", "NIQE", "metric", None, few, unsettled=True),
        Threshold("piqe", "PIQE", "metric", None, None),
    )
    found = Calibrations(63, 20_063, 40, thresholds) if full else Calibrations(0, 0, 0, ())
    return _page(choices_of(wanted, judged if full else (), []), found)


EXAMPLES = {
    "calibration/index.html": [
        _example(Wanted("gpt-5.4-pro", category="rain"), full=True),
        _example(Wanted("local-measure"), full=True),
        _example(Wanted(), full=False),
    ]
}
