"""Table 1 of one's own images: MFMs by prompt strategy, Avg. (Eq. 1), how sure it is, and the best prompt of each MFM."""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.catalog.metrics import METRICS
from app.config import settings
from app.domain.overall_score import MFM_COLUMNS, Array
from app.domain.table_format import Format
from app.errors import GgtError, NotFound, WeightsMissing
from app.models import utcnow
from app.services import image_sets, mfm_best, mfm_chart, mfm_names, mfm_scores, mfm_values
from app.services.mfm_scores import MfmTable, Wanted
from app.services.mfm_values import Choice, Known, Measured, Part, SetRow, SettingKey
from app.services.table_export import written
from app.services.weights import weight_path
from app.web.deps import Reader, Researcher, Writer
from app.web.pages.mfm_choices import ASPECTS, NONE, PATH, Asked, Opened, opened
from app.web.pages.mfm_views import (
    BestView,
    FirstTwoView,
    Option,
    TableView,
    Typed,
    best_view,
    first_two_view,
    published,
    table_view,
)
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/benchmarks")

EXPORTS: dict[str, tuple[Format, str, str]] = {
    "csv": ("csv", "text/csv", "CSV"), "md": ("markdown", "text/markdown", "Markdown"),
    "tex": ("latex", "text/x-tex", "LaTeX"), "json": ("json", "application/json", "JSON"),
}  # fmt: skip


@dataclass(frozen=True)
class MfmPage:
    """``empty`` says what to do first; ``stand_ins_url`` shows hidden stand-ins, or hides them."""

    asked: Asked
    sets: tuple[tuple[str, str, tuple[Option, ...]], ...]
    judges: tuple[Option, ...]
    categories: tuple[Option, ...]
    weights: tuple[tuple[str, str, str], ...]
    table: TableView
    hidden: int
    stand_ins_url: str
    intervals_url: str
    published_url: str
    exports: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    missing: tuple[str, ...]
    first_two: FirstTwoView | None
    chart: str
    figures: tuple[tuple[str, str], ...]
    typical: str
    best: tuple[BestView, ...]
    best_action: str
    typed: Typed | None
    published: TableView | None
    empty: Literal["", "sets", "outputs"]
    unfrozen: tuple[str, ...]


@router.get("/mfm")
def index(request: Request, viewer: Researcher, session: Reader) -> Response:
    return _shown(request, viewer, session)


@router.get("/mfm.{kind}")
def export(request: Request, kind: Literal["csv", "md", "tex", "json"], _viewer: Researcher, session: Reader) -> Response:
    """The table as a file, in the order of the page."""
    found = opened(session, request.query_params)
    form, media_type, _ = EXPORTS[kind]
    text = written(mfm_scores.table(found.table, found.asked.sort), form, intervals=found.asked.intervals)
    headers = {"Content-Disposition": f'attachment; filename="mfm.{kind}"', "Cache-Control": "no-store"}
    return Response(text, media_type=f"{media_type}; charset=utf-8", headers=headers)


@router.post("/mfm/best")
def choose(
    request: Request, viewer: Researcher, session: Writer, generator: Annotated[str, Form()],
    strategy: Annotated[str, Form()] = "", reason: Annotated[str, Form()] = "",
) -> Response:  # fmt: skip
    """Let a strategy stand for a generator, or Avg. decide again where none is given."""
    try:
        mfm_best.choose_strategy(session, generator, strategy, reason, viewer.user_id)
    except NotFound:
        raise
    except GgtError as error:
        return _shown(request, viewer, session, Typed(generator, strategy, reason, str(error)), error.status)
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{PATH}{query}#best", 303)


def _shown(
    request: Request, viewer: Viewer, session: Session, typed: Typed | None = None, status: int = 200
) -> Response:  # fmt: skip
    found = opened(session, request.query_params)
    return render(request, viewer, "mfm/index.html", page_of(found, typed), status=status)


def page_of(found: Opened, typed: Typed | None = None) -> MfmPage:
    """The page of a table that was read."""
    asked, table = found.asked, found.table
    wanted = asked.wanted
    kinds = (
        (image_sets.FIDELITY, "Fidelity set", wanted.fidelity_id),
        (image_sets.PERCEPTUAL, "Perceptual set", wanted.perceptual_id),
    )
    sets = tuple((kind, title, _set_options(found.known.sets, kind, chosen)) for kind, title, chosen in kinds)
    weights = dict.fromkeys(ASPECTS, 1.0) if wanted.weights is None else {**dict.fromkeys(ASPECTS, 0.0), **wanted.weights}
    judges = [*found.there.judges, *([wanted.judge] if wanted.judge and wanted.judge not in found.there.judges else [])]
    other = "1" if not wanted.stand_ins else "0"
    hidden = table.hidden if not wanted.stand_ins else sum(line.setting.stand_in for line in table.lines)
    return MfmPage(
        asked=asked,
        sets=sets,
        judges=(
            *(Option(judge, judge_option(judge), judge == wanted.judge) for judge in judges),
            Option(NONE, "No judge", not wanted.judge),
        ),
        categories=tuple(Option(key, c.title, key == wanted.category) for key, c in CATEGORIES.items()),
        weights=tuple((aspect, ASPECTS[aspect], f"{weights[aspect]:g}") for aspect in ASPECTS),
        table=table_view(table, asked),
        hidden=hidden,
        stand_ins_url=asked.url(stand_ins=other),
        intervals_url=asked.url(intervals="" if asked.intervals else "1"),
        published_url=asked.url(published="" if asked.published else "1"),
        exports=tuple((title, asked.url(f"{PATH}.{kind}")) for kind, (_, _, title) in EXPORTS.items()),
        notes=table.notes,
        missing=_missing(table),
        first_two=first_two_view(table),
        chart=asked.url(f"{PATH}/chart.svg", dark="1") if mfm_chart.points(table) else "",
        figures=tuple((kind.upper(), asked.url(f"{PATH}/chart.{kind}", download="1")) for kind in ("svg", "png", "pdf")),
        typical=asked.url(f"{PATH}/typical"),
        best=tuple(best_view(best, table, typed) for best in table.best if best.prompted),
        best_action=asked.url(f"{PATH}/best"),
        typed=typed,
        published=published() if asked.published else None,
        empty="sets" if not any(table.sets) else "outputs" if not found.there.settings else "",
        unfrozen=tuple(row.name for row in table.sets if row and not row.frozen),
    )


def judge_option(judge: str) -> str:
    return mfm_names.judge_name(judge) + ("" if mfm_names.is_vlm_r(judge) else " (not VLM-R)")


def _set_options(sets: tuple[SetRow, ...], kind: str, chosen: int | None) -> tuple[Option, ...]:
    own = [
        Option(str(row.id), f"{row.name} · {row.images:,}" + ("" if row.frozen else " · not frozen"), row.id == chosen)
        for row in sets
        if row.kind == kind
    ]
    return (*own, Option(NONE, "None", chosen is None))


def _missing(found: MfmTable) -> tuple[str, ...]:
    """Metrics without any value, with what brings them."""
    told = []
    if not found.lines:
        return ()
    for scale in found.scored.scales:
        spec = METRICS.get(scale.column.key)
        part = found.sets[0] if scale.column.aspect == "fid" else found.sets[1]
        if spec is None or part is None or scale.state != "empty":
            continue
        name = mfm_names.column_title(scale.column.key)
        try:
            for weight in spec.weights:
                weight_path(settings().weights_dir, weight)
        except WeightsMissing as error:
            told.append(f"{name} has no values: {error}, then evaluate again.")
        else:
            told.append(f"{name} has no values yet: evaluate again, which measures only what is missing.")
    return tuple(told)


def _opened(
    there: Measured, params: dict[str, str], wanted: Wanted, choices: dict[str, Choice], sets: tuple[SetRow, ...]
) -> Opened:
    known = Known(sets, ())
    rows = mfm_scores.check_sets(known, wanted.fidelity_id, wanted.perceptual_id)
    asked = Asked(wanted, params.get("sort", ""), "intervals" in params, "published" in params, params)
    return Opened(asked, known, there, mfm_scores.finished(there, wanted, rows, choices))


def _measured(images: int) -> Measured:
    """Invented values of two MFMs and a stand-in."""
    names = ("nano-banana-2", "fix"), ("nano-banana-2", "vlm-gemini"), ("firered-1.1", "fix")
    settings = tuple(
        SettingKey(at + 1, f"<b> {name} / {strategy}", name, strategy, at == 2) for at, (name, strategy) in enumerate(names)
    )
    random = np.random.default_rng(0)
    shape = (images, len(settings))

    def part(metrics: tuple[str, ...], judged: dict[str, Array]) -> Part:
        values = {metric: np.full(shape, np.nan) for metric in mfm_values.METRICS}
        values |= {metric: random.uniform(0, 1, shape) for metric in metrics}
        candidates = np.arange(1, images * len(settings) + 1).reshape(shape)
        refused = {(0, 0): "<SAFETY>"} if images else {}
        versions = dict.fromkeys(values, 1) | {"niqe": 2}
        ids = tuple(range(1, images + 1))
        return Part(ids, ("rain",) * images, candidates, values, judged, refused, versions)

    judged = {"gpt-5.4-pro": random.integers(0, 2, shape).astype(float), "local-measure": np.ones(shape)} if images else {}
    keys = tuple(column.key for column in MFM_COLUMNS if column.aspect != "vlm" and column.key != "musiq")
    return Measured(settings if images else (), part(keys, {}), part(keys, judged), ())


def _example() -> dict[str, list[MfmPage]]:
    sets = (
        SetRow(1, "fidelity <b>", "fidelity", 12, True, ()), SetRow(2, "real <b>", "perceptual", 12, False, ()),
    )  # fmt: skip
    there = _measured(12)
    chosen = {"nano-banana-2": Choice("nano-banana-2", "vlm-gpt", "<b> looks better", "Ada <b>", utcnow())}
    by_hand = {"nano-banana-2": Choice("nano-banana-2", "fix", "<b> cheaper", "", utcnow())}
    both = Wanted(1, 2, "gpt-5.4-pro", weights={"fid": 1.0, "per": 1.0})
    typed = Typed("nano-banana-2", "fix", "", "Say why.")
    return {
        "mfm/index.html": [
            page_of(_opened(there, {"sort": "avg"}, both, chosen, sets)),
            page_of(_opened(there, {"intervals": "1", "published": "1", "sort": "-psnr"}, both, by_hand, sets), typed),
            page_of(_opened(there, {}, replace(both, judge="local-measure", stand_ins=True), {}, sets)),
            page_of(_opened(_measured(3), {}, replace(both, judge=""), {}, sets)),
            page_of(_opened(_measured(0), {}, Wanted(1, 2), {}, sets)),
            page_of(_opened(_measured(0), {}, Wanted(), {}, ())),
        ]
    }


def __getattr__(name: str) -> dict[str, list[MfmPage]]:
    """EXAMPLES, made when a test asks: they compute whole tables, for which no start of the web server shall wait."""
    if name == "EXAMPLES":
        return _example()
    raise AttributeError(name)
