"""The composition of the collection: the paper's accounting of one's own data, as tables, as a Sankey, and for export."""

import csv
import io
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.catalog.screening import STEPS
from app.catalog.targets import TARGETS
from app.domain import sankey
from app.domain.sankey import Drawing
from app.domain.screening import StepCount, funnel_of
from app.domain.shortfall import Shortfall, shortfall
from app.errors import GgtError
from app.services import composition, targets
from app.services.composition import Accounting, Cell, Row
from app.web.deps import Reader, Researcher, Writer
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/composition")

WIDE = sankey.Size(width=1110, height=340)
NARROW = sankey.Size(width=360, height=320, node=6, gap=5, slot=15, right=108)
COLUMNS = {
    "photographs": "Photographs", "patches": "Patches", "waiting": "Being screened", "screened": "Screened",
    "passed": "Passed", "not_drawn": "Not drawn", "retained": "Retained", "generated": "Generated", "pairs": "Pairs",
}  # fmt: skip
"""The table's columns by their names in the exports; those of the steps come between."""


@dataclass(frozen=True)
class Line:
    """A row of the table; ``numbers`` in the order of its columns."""

    source_id: int
    source: str
    category: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Target:
    category: str
    title: str
    paper: int
    short: Shortfall


@dataclass(frozen=True)
class StepLine:
    """One category through the steps of screening at which anything happens, and what is left after all."""

    title: str
    steps: tuple[StepCount, ...]
    after: int


@dataclass(frozen=True)
class CompositionPage:
    total: Cell
    wide: Drawing
    narrow: Drawing
    targets: tuple[Target, ...]
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    sums: tuple[Line, ...]
    step_titles: tuple[str, ...]
    steps: tuple[StepLine, ...]
    problem: str = ""


@router.get("")
def page(request: Request, viewer: Researcher, session: Reader) -> Response:
    return _shown(request, viewer, session)


@router.get("/export.json")
def as_json(_viewer: Researcher, session: Reader) -> JSONResponse:
    """The table's numbers, and the targets with what is missing."""
    found, wanted = composition.accounting(session), targets.current(session)
    return JSONResponse(
        {
            "rows": [{"source": r.source, "category": r.category, **composition.record(r.cell, found.steps)}
                     for r in found.rows],
            "categories": {key: {**composition.record(cell, found.steps), "target": wanted[key]}
                           for key, cell in found.categories.items()},
            "total": composition.record(found.total, found.steps),
        },
        headers={"Content-Disposition": 'attachment; filename="composition.json"'},
    )  # fmt: skip


@router.get("/export.csv")
def as_csv(_viewer: Researcher, session: Reader) -> Response:
    """A line for each source and category."""
    found = composition.accounting(session)
    rows = [{"source": r.source, "category": r.category, **composition.record(r.cell, found.steps)} for r in found.rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["source", "category", *composition.record(Cell(), found.steps)])
    writer.writeheader()
    writer.writerows(rows)
    headers = {"Content-Disposition": 'attachment; filename="composition.csv"'}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/targets")
def set_targets(
    request: Request,
    viewer: Researcher,
    session: Writer,
    category: Annotated[list[str] | None, Form()] = None,
    wanted: Annotated[list[int] | None, Form()] = None,
    paper: Annotated[bool, Form()] = False,
) -> Response:
    """Set targets: a number for each category, or all as in the paper."""
    given = TARGETS if paper else dict(zip(category or (), wanted or (), strict=False))
    try:
        targets.change(session, viewer.user_id, given)
    except GgtError as error:
        return _shown(request, viewer, session, str(error), error.status)
    return RedirectResponse("/composition#targets", 303)


def _shown(request: Request, viewer: Viewer, session: Session, problem: str = "", status: int = 200) -> Response:
    context = _page(composition.accounting(session), targets.current(session), problem)
    return render(request, viewer, "composition/index.html", context, status=status)


def _page(found: Accounting, wanted: dict[str, int], problem: str = "") -> CompositionPage:
    steps = {f"out_{step}": f"Out: {composition.step_title(step)}" for step in found.steps}
    titles = {**COLUMNS, **steps}
    columns = tuple(titles[name] for name in composition.record(Cell(), found.steps))

    def line(row: Row, title: str) -> Line:
        return Line(row.source_id, row.source, title, tuple(composition.record(row.cell, found.steps).values()))

    rows = tuple(line(row, CATEGORIES[row.category].title if row.category else "") for row in found.rows)
    sums = [line(Row(0, "", key, cell), CATEGORIES[key].title) for key, cell in found.categories.items() if _any(cell)]
    used = [n for n, key in enumerate(STEPS) if any(_happens(way[n]) for way in found.ways.values() if way)]
    return CompositionPage(
        found.total,
        sankey.layout(*composition.flows(found, sources=True), WIDE),
        sankey.layout(*composition.flows(found, sources=False), NARROW),
        tuple(
            Target(key, CATEGORIES[key].title, TARGETS[key], shortfall(wanted[key], cell.so_far()))
            for key, cell in found.categories.items()
        ),
        columns, rows, (*sums, line(Row(0, "", "", found.total), "All")),
        tuple(step.title for n, step in enumerate(STEPS.values()) if n in used),
        tuple(
            StepLine(CATEGORIES[key].title, tuple(way[n] for n in used), way[-1].after)
            for key, way in found.ways.items()
            if way
        ),
        problem,
    )  # fmt: skip


def _happens(step: StepCount) -> bool:
    """Whether anything is put out at a step, or waits there."""
    return bool(step.out or step.flagged or step.waiting)


def _any(cell: Cell) -> bool:
    return bool(cell.photographs or cell.cut or cell.retained)


_CELL = Cell(
    100, {"waiting": 20, "flagged": 1, "out": 150, "passed": 10, "not_drawn": 5, "retained": 60},
    {"artifact": 100, "gone": 50}, {"verified": 40, "rejected": 5, "awaiting_verification": 15}, 0,
)  # fmt: skip
_WAY = funnel_of(list(STEPS), [("waiting", "", 20), ("out", "artifact", 150), ("passed", "", 10), ("retained", "", 60)])
_EMPTY = Accounting((), {key: Cell() for key in CATEGORIES}, Cell(), (), {})


def _example() -> dict[str, Any]:
    categories = {**_EMPTY.categories, "rain": _CELL}
    rows = (Row(3, "Flickr <b>", "rain", _CELL), Row(4, "own", "", Cell(3)))
    total = composition.summed(row.cell for row in rows)
    found = Accounting(rows, categories, total, ("artifact", "gone"), {"rain": _WAY})
    pages = [_page(found, TARGETS), _page(found, TARGETS, "A target is a number."), _page(_EMPTY, TARGETS)]
    return {"composition/index.html": pages}


EXAMPLES = _example()
