"""Behind each number of Table 1: the images of its set, worst first; behind Avg. what it was made of."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.catalog.metrics import METRICS
from app.domain.table_format import ARROWS, Head
from app.errors import NotFound
from app.services import mfm_cells, mfm_names, mfm_scores
from app.services.mfm_cells import COLUMNS, REFUSED, Cell, Item
from app.services.mfm_values import SettingKey
from app.services.table_export import mfm_heads
from app.web.deps import Reader, Researcher
from app.web.pages.mfm_choices import PATH, Asked, Opened, opened
from app.web.pages.mfm_views import shown
from app.web.templating import render

router = APIRouter(prefix="/benchmarks")


@dataclass(frozen=True)
class ItemView:
    """``value`` in words, ``""`` where there is none; ``state`` is ok or bad for a judge's answer."""

    item: Item
    value: str
    state: str
    url: str


@dataclass(frozen=True)
class ImagesPage:
    """``title`` names the metric, ``mean`` the table's number; ``turned`` is the other order, ``""`` where there is none."""

    model: str
    prompt: str
    title: str
    about: str
    mean: str
    set: str
    cell: Cell
    items: tuple[ItemView, ...]
    best: bool
    turned: str
    before: str
    after: str
    back: str


@dataclass(frozen=True)
class PartView:
    """A metric's share in Avg.: its mean, what the table's minimum and maximum make of it, and its images."""

    title: str
    arrow: str
    mean: str
    low: str
    high: str
    normalised: str
    url: str


@dataclass(frozen=True)
class AvgPage:
    """How a setting's Avg. came about. ``aspects`` are (title, score, weight)."""

    model: str
    prompt: str
    avg: str
    interval: str
    parts: tuple[PartView, ...]
    aspects: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...]
    back: str


@router.get("/mfm/images")
def images(
    request: Request, viewer: Researcher, session: Reader, method: int = 0, metric: str = "", order: str = "", page: int = 1
) -> Response:
    found = opened(session, request.query_params)
    if metric == "avg":
        return render(request, viewer, "mfm/avg.html", _avg_page(found, method))
    best = order == "best"
    cell = mfm_cells.cell(session, found.there, found.asked.wanted, method, metric, best=best, page=page)
    return render(request, viewer, "mfm/images.html", _page(found, cell, best))


def _url(asked: Asked, cell: Cell, best: bool, page: int = 1) -> str:
    return asked.url(
        f"{PATH}/images", method=cell.setting.method_id, metric=cell.metric, order="best" if best else "",
        page=page if page > 1 else "",
    )  # fmt: skip


def _page(found: Opened, cell: Cell, best: bool) -> ImagesPage:
    asked, metric = found.asked, cell.metric
    head = next((head for head in mfm_heads() if head.key == metric), Head(metric, "Refused or unusable outputs"))
    if metric == "vlm_r":
        title = mfm_names.judge_title(asked.wanted.judge)
    else:
        title = f"{head.title} {ARROWS[head.better]}".strip()
    line = next((line for line in found.table.lines if line.setting.method_id == cell.setting.method_id), None)
    mean = line.means.get(metric) if line else None
    fidelity = metric in COLUMNS and COLUMNS[metric].aspect == "fid"
    row = found.table.sets[0 if fidelity else 1]
    return ImagesPage(
        model=mfm_names.title(cell.setting),
        prompt=_prompt(cell.setting),
        title=title,
        about=METRICS[metric].paper if metric in METRICS else "",
        mean=shown(mean.value, head) if mean else "",
        set="" if metric == REFUSED or row is None else row.name,
        cell=cell,
        items=tuple(_item(item, head) for item in cell.items),
        best=best,
        turned="" if metric == REFUSED else _url(asked, cell, not best),
        before=_url(asked, cell, best, cell.page - 1) if cell.page > 1 else "",
        after=_url(asked, cell, best, cell.page + 1) if cell.page < cell.pages else "",
        back=asked.url(),
    )


def _item(item: Item, head: Head) -> ItemView:
    value, state = "", ""
    if item.value is not None and head.key == "vlm_r":
        value, state = ("accepted", "ok") if item.value else ("rejected", "bad")
    elif item.value is not None:
        value = shown(item.value, head)
    anchor = f"#candidate-{item.candidate_id}" if item.candidate_id else ""
    return ItemView(item, value, state, f"/images/{item.image_id}{anchor}")


def _prompt(setting: SettingKey) -> str:
    return mfm_names.SHORT_STRATEGY.get(setting.strategy, setting.strategy).replace("–", "")


def _avg_page(found: Opened, method_id: int) -> AvgPage:
    table, asked = found.table, found.asked
    at = next((k for k, line in enumerate(table.lines) if line.setting.method_id == method_id), None)
    if at is None:
        raise NotFound(f"Method {method_id} is not in this table.")
    line, scored = table.lines[at], table.scored.rows[at]
    parts = []
    for head, scale in zip(mfm_scores.heads(table), table.scored.scales, strict=False):
        mean, part = line.means[head.key], scored.normalised[head.key]
        url = asked.url(f"{PATH}/images", method=method_id, metric=head.key)
        parts.append(
            PartView(
                head.title, ARROWS[head.better], shown(mean.value if mean else None, head), shown(scale.low, head),
                shown(scale.high, head), "" if part is None else f"{part:.4f}", url,
            )
        )  # fmt: skip
    titles = {"fid": "Fidelity", "per": "Perceptual quality", "vlm": mfm_names.judge_title(asked.wanted.judge)}
    aspects = tuple(
        (titles[aspect], "" if value is None else f"{value:.4f}", f"{table.scored.shares.get(aspect, 0.0):.3g}")
        for aspect, value in scored.aspects.items()
    )
    avg = line.avg
    interval = f"{avg.low:.4f} to {avg.high:.4f}" if avg and avg.low is not None and avg.high is not None else ""
    return AvgPage(
        line.model, _prompt(line.setting), f"{avg.value:.4f}" if avg else "", interval, tuple(parts), aspects, table.notes,
        asked.url(),
    )  # fmt: skip


_SETTING = SettingKey(3, "nano / fix", "nano-banana-2", "fix", True)
_ITEMS = (
    Item(12, "Rain", "ab" * 32, 34, "cd" * 32, "ef" * 32, 21.5, ""),
    Item(13, "Rain", "ab" * 32, None, "", "", None, "refused: <SAFETY>"),
)


def _example(metric: str, **more: str) -> ImagesPage:
    cell = Cell(_SETTING, metric, 2, 1, 1, 1, _ITEMS)
    head = Head(metric, "PSNR", digits=4, percent=metric == "vlm_r")
    named = {"turned": "/x?order=best", "before": "", "after": "/x?page=2", "about": "PSNR, in dB", **more}
    return ImagesPage(
        model="Nano <b> (stand-in)", prompt="Fix", title="PSNR ↑", mean="24.1000", set="real <b>", cell=cell,
        items=tuple(_item(item, head) for item in _ITEMS), best=False, back=PATH, **named,
    )  # fmt: skip


EXAMPLES = {
    "mfm/images.html": [
        _example("psnr"),
        _example("vlm_r", about=""),
        _example(REFUSED, turned="", after=""),
        ImagesPage("X", "", "PSNR ↑", "", "", "", Cell(_SETTING, "psnr", 0, 0, 1, 1, ()), (), True, "/x", "/x", "", PATH),
    ],
    "mfm/avg.html": [
        AvgPage(
            "Nano <b>", "Fix", "0.8427", "0.8012 to 0.8800",
            (PartView("PSNR", "↑", "24.1000", "14.2", "27.5", "0.7", "/x"), PartView("NIQE", "↓", "", "", "", "", "/x")),
            (("Fidelity", "0.7000", "0.333"), ("VLM-R", "", "0")), ("A <b> note.",), PATH,
        ),
        AvgPage("Nano", "", "", "", (), (), (), PATH),
    ],
}  # fmt: skip
