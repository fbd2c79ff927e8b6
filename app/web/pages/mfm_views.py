"""The parts of the page of Table 1 as its template has them: the table, the first two, the best prompts."""

from dataclasses import dataclass, replace
from importlib.resources import files

from app.domain.bootstrap import LEAST_IMAGES, Mean, Paired
from app.domain.overall_score import MFM_COLUMNS
from app.domain.table_format import ARROWS, Cell, Head
from app.services import image_sets, mfm_scores
from app.services.mfm_best import Best
from app.services.mfm_names import PROMPTED, SHORT_STRATEGY
from app.services.mfm_scores import MfmTable
from app.services.table_export import mfm_table, read_settings, score
from app.web.pages.mfm_choices import ASPECTS, PATH, Asked

PLACES = {1: "best", 2: "second", 3: "third"}


@dataclass(frozen=True)
class Option:
    key: str
    title: str
    chosen: bool = False


@dataclass(frozen=True)
class HeadView:
    """A column's head; ``sorted`` as aria-sort has it, ``url`` sorts by it or the other way round.

    ``fewer``: the images with a value, where no setting has one for all of the set.
    """

    title: str
    arrow: str
    better: str
    url: str
    sorted: str
    edge: bool
    fewer: int | None = None


@dataclass(frozen=True)
class CellView:
    """A value in words, ``""`` where missing. ``fewer``: its images where these are not as many as the column's."""

    text: str
    interval: str
    place: str
    tip: str
    fewer: int | None
    url: str
    edge: bool


@dataclass(frozen=True)
class RowView:
    """A setting; ``refused`` is (number, address) where there is such a column, ``again``: the model of the row before."""

    model: str
    prompt: str
    again: bool
    cells: tuple[CellView, ...]
    refused: tuple[int, str] | None = None


@dataclass(frozen=True)
class TableView:
    """``groups`` are (title, columns, begins an edge); ``refused`` is that column's head where it is shown."""

    label: str
    groups: tuple[tuple[str, int, bool], ...]
    heads: tuple[HeadView, ...]
    rows: tuple[RowView, ...]
    refused: HeadView | None = None


@dataclass(frozen=True)
class DifferenceView:
    """A metric of the first two. ``which``: who is better by it, ``sure`` where the interval does not hold 0."""

    title: str
    arrow: str
    first: str
    second: str
    difference: str
    interval: str
    p: str
    n: int | None
    which: str
    sure: bool


@dataclass(frozen=True)
class FirstTwoView:
    """``sentence`` says it in words."""

    first: str
    second: str
    sentence: str
    rows: tuple[DifferenceView, ...]


@dataclass(frozen=True)
class BestView:
    """A generator's strategies as (short name, Avg. in words, whether it stands for the generator), and why it does."""

    best: Best
    strategies: tuple[tuple[str, str, bool], ...]
    stands: str
    why: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Typed:
    """A choice that was not taken, and why."""

    generator: str
    strategy: str
    reason: str
    problem: str


def shown(value: float | None, head: Head) -> str:
    """A value as the paper prints it."""
    if value is None:
        return ""
    return f"{100 * value:z.{max(0, head.digits - 2)}f}%" if head.percent else f"{value:z.{head.digits}f}"


def _interval(low: float | None, high: float | None, head: Head) -> str:
    return "" if low is None or high is None else f"{shown(low, head)} to {shown(high, head)}"


def table_view(found: MfmTable, asked: Asked) -> TableView:
    made = mfm_scores.table(found, asked.sort)
    rows: list[RowView] = []
    whole = {c.key: found.images[image_sets.FIDELITY if c.aspect == "fid" else image_sets.PERCEPTUAL] for c in MFM_COLUMNS}
    counts = {key: [mean.n for line in found.lines if (mean := line.means[key])] for key in whole}
    numbers = {key: max(own, default=whole[key]) for key, own in counts.items()}
    for at, row in zip(mfm_scores.order(found, asked.sort), made.rows, strict=True):
        line = found.lines[at]
        change = {"method": line.setting.method_id}
        cells = [
            _cell_view(
                head,
                cell,
                edge,
                numbers.get(head.key),
                asked.url(f"{PATH}/images", metric=head.key, **change),
                asked.intervals,
            )
            for head, cell, edge in zip(made.heads, row.cells, _edges(made.heads), strict=True)
        ]
        again = bool(rows) and rows[-1].model == line.model
        refused = asked.url(f"{PATH}/images", metric="refused", **change)
        rows.append(RowView(line.model, line.prompt, again, tuple(cells), (line.refused, refused)))
    fewer = {key: number for key, number in numbers.items() if number != whole[key]}
    heads = tuple(
        replace(_head_view(head, edge, asked), fewer=fewer.get(head.key))
        for head, edge in zip(made.heads, _edges(made.heads), strict=True)
    )
    last = _head_view(Head("refused", "Refused", better="lower"), False, asked)
    return TableView("MFMs and prompt strategies", _groups(made.heads), heads, tuple(rows), last)


def _edges(heads: tuple[Head, ...]) -> list[bool]:
    """Whether a column begins another group than the one before it."""
    return [at == 0 or head.group != heads[at - 1].group for at, head in enumerate(heads)]


def _groups(heads: tuple[Head, ...]) -> tuple[tuple[str, int, bool], ...]:
    found: list[tuple[str, int, bool]] = []
    for head, edge in zip(heads, _edges(heads), strict=True):
        if edge:
            found.append((head.group, 1, True))
        else:
            found[-1] = (head.group, found[-1][1] + 1, True)
    return tuple(found)


def _head_view(head: Head, edge: bool, asked: Asked | None) -> HeadView:
    """Sorted best first at the first click, worst first at the next."""
    better = f"{head.better} is better" if head.better else ""
    if asked is None:
        return HeadView(head.title, ARROWS[head.better], better, "", "", edge)
    best, worst = asked.sort == head.key, asked.sort == f"-{head.key}"
    falling = (head.better == "higher") == best
    direction = ("descending" if falling else "ascending") if best or worst else ""
    url = asked.url(sort=f"-{head.key}" if best else head.key) + "#table"
    return HeadView(head.title, ARROWS[head.better], better, url, direction, edge)


def _cell_view(head: Head, cell: Cell, edge: bool, images: int | None, url: str, intervals: bool) -> CellView:
    between = _interval(cell.low, cell.high, head)
    tip = [f"mean of {cell.n:,} images" if cell.n is not None and cell.value is not None else ""]
    tip += [f"95 %: {between}" if between else ""]
    fewer = cell.n if cell.n is not None and images is not None and cell.n != images else None
    place = PLACES.get(cell.place or 0, "")
    return CellView(
        shown(cell.value, head), between if intervals else "", place, "; ".join(filter(None, tip)), fewer, url, edge
    )  # fmt: skip


def first_two_view(found: MfmTable) -> FirstTwoView | None:
    two = found.first_two
    if two is None:
        return None
    names = [f"{found.lines[at].model} {found.lines[at].prompt}".removesuffix(" –") for at in (two.first, two.second)]
    if two.leads is None:
        sentence = f"{names[0]} is first, but too few images say how surely: {LEAST_IMAGES} are needed in each set."
    else:
        sentence = f"{names[0]} leads {names[1]} in {round(100 * two.leads)} % of resamples."
    rows = []
    heads = mfm_scores.heads(found)
    for head, column in zip(heads[:-1], MFM_COLUMNS, strict=True):
        difference = two.differences.get(column.key)
        means = [mean.value if (mean := found.lines[at].means[column.key]) else None for at in (two.first, two.second)]
        rows.append(_difference_view(head, means, difference, difference.n if difference else None))
    avgs = [found.scored.rows[at].avg for at in (two.first, two.second)]
    rows.append(_difference_view(heads[-1], avgs, two.avg, None))
    return FirstTwoView(names[0], names[1], sentence, tuple(rows))


def _difference_view(head: Head, means: list[float | None], found: Paired | Mean | None, n: int | None) -> DifferenceView:
    value = found.difference if isinstance(found, Paired) else found.value if found else None
    low, high = (found.low, found.high) if found else (None, None)
    p = f"{found.p:.4f}" if isinstance(found, Paired) else ""
    better = "" if not value else "first" if (value > 0) == (head.better == "higher") else "second"
    sure = low is not None and high is not None and (low > 0 or high < 0)
    text = shown(value, head)
    return DifferenceView(
        head.title, ARROWS[head.better], shown(means[0], head), shown(means[1], head),
        f"+{text}" if value is not None and value > 0 else text, _interval(low, high, head), p, n, better, sure,
    )  # fmt: skip


def best_view(best: Best, found: MfmTable, typed: Typed | None) -> BestView:
    def avg(at: int | None) -> str:
        value = found.scored.rows[at].avg if at is not None else None
        return "" if value is None else f"{value:.4f}"

    def name(at: int) -> str:
        return found.lines[at].prompt

    why = "nothing decides yet: no strategy has an Avg. here"
    if best.chosen and not best.elsewhere:
        why = "chosen by hand"
    elif best.by_avg is not None and best.runner_up is not None:
        why = f"highest Avg., {avg(best.by_avg)}, before {name(best.runner_up)} with {avg(best.runner_up)}"
    elif best.by_avg is not None:
        why = "the only one with an Avg."
    elif best.setting is not None:
        why = "the only one with outputs here"
    strategies = tuple(
        (SHORT_STRATEGY[s], avg(best.of.get(s)), best.setting is not None and best.of.get(s) == best.setting)
        for s in PROMPTED
    )
    picked = best.chosen.strategy if best.chosen else ""
    if typed and typed.generator == best.generator:
        picked = typed.strategy
    options = tuple(Option(s, SHORT_STRATEGY[s], s == picked) for s in PROMPTED)
    return BestView(best, strategies, name(best.setting) if best.setting is not None else "", why, options)


def published() -> TableView:
    """Table 1 as it was published, with its own Avg.'s minima and maxima."""
    text = (files("app.catalog") / "published" / "table1_mfm_evaluation.csv").read_text("utf-8")
    read = read_settings(text)
    made = mfm_table(read, score(read, dict.fromkeys(ASPECTS, 1.0)))
    edges = _edges(made.heads)
    rows: list[RowView] = []
    for row in made.rows:
        cells = [_cell_view(h, c, e, None, "", False) for h, c, e in zip(made.heads, row.cells, edges, strict=True)]
        model, prompt = row.labels
        rows.append(RowView(model, prompt, bool(rows) and rows[-1].model == model, tuple(cells)))
    heads = tuple(_head_view(head, edge, None) for head, edge in zip(made.heads, edges, strict=True))
    return TableView("Table 1 of the paper", _groups(made.heads), heads, tuple(rows))
