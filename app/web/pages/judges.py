"""Judges: whether to trust one, by how far it agrees with another, with the accept rule, and with people (Sec. 3.3)."""

from dataclasses import dataclass
from typing import get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from app.catalog.categories import CATEGORIES
from app.domain.agreement import Moments, Share, Table, agreement, kappa, pearson, wilson
from app.domain.aspects import ASPECTS
from app.errors import GgtError
from app.services import judge_comparison
from app.services.judge_comparison import Cell, Comparison, Judged, Listed, Opinion, Page, Rater, parse_rater
from app.web.deps import Reader, Researcher
from app.web.templating import render

router = APIRouter(prefix="/judges")

CELL_TITLES: dict[Cell, str] = {
    "": "Disagreements",
    "accept-accept": "Both accept",
    "accept-reject": "Only the first accepts",
    "reject-accept": "Only the second accepts",
    "reject-reject": "Both reject",
}


@dataclass(frozen=True)
class Wanted:
    """What the URL asks for: two raters by key, a category ("" for all) and a cell ("" for both that differ)."""

    a: str
    b: str
    category: str = ""
    cell: Cell = ""

    def url(self, path: str = "/judges", **change: str) -> str:
        pairs = {"a": self.a, "b": self.b, "category": self.category, "cell": self.cell, **change}
        return f"{path}?" + urlencode({name: value for name, value in pairs.items() if value})


@dataclass(frozen=True)
class Option:
    key: str
    title: str


@dataclass(frozen=True)
class AgreementRow:
    """A 2x2 table with what follows from it; None is "not defined". ``url`` leads to its disagreements."""

    title: str
    table: Table
    share: Share | None
    kappa: float | None
    url: str


@dataclass(frozen=True)
class AspectRow:
    """Means of one aspect, 0 to 100, over ``n`` candidates that both scored, and Pearson's correlation."""

    title: str
    n: int
    first: float
    second: float
    correlation: float | None

    @property
    def difference(self) -> float:
        return self.second - self.first


@dataclass(frozen=True)
class OwnRow:
    """How often a judge's own decision is not what the accept rule makes of its scores, and where to see those."""

    title: str
    n: int
    against: int
    share: Share | None
    url: str


@dataclass(frozen=True)
class ListPart:
    """Listed candidates; ``more`` is the page that begins with the next ones, ``more_part`` those alone."""

    rows: tuple[Listed, ...]
    first: str
    second: str
    categories: dict[str, str]
    more: str | None
    more_part: str | None


@dataclass(frozen=True)
class JudgesPage:
    """``hint`` says what to do where there is little to compare. ``cells`` are (title, number, address, chosen)."""

    wanted: Wanted
    options: tuple[Option, ...]
    categories: tuple[Option, ...]
    first: str
    second: str
    overall: AgreementRow
    links: dict[Cell, str]
    rows: tuple[AgreementRow, ...]
    aspects: tuple[AspectRow, ...]
    same_scores: bool
    own: tuple[OwnRow, ...]
    cells: tuple[tuple[str, int, str, bool], ...]
    part: ListPart
    continued: bool
    hint: str


@dataclass(frozen=True)
class Disagreements:
    part: ListPart


@router.get("")
def index(
    request: Request, viewer: Researcher, session: Reader, a: str = "", b: str = "", category: str = "", cell: str = "",
    after: int | None = None,
) -> Response:  # fmt: skip
    judges = judge_comparison.judged(session)
    reviewed = judge_comparison.reviewed(session)
    wanted = _wanted(a, b, category, cell, judges, reviewed)
    first, second = parse_rater(wanted.a), parse_rater(wanted.b)
    found = judge_comparison.compare(session, first, second, category)
    listed = judge_comparison.listed(session, first, second, wanted.cell, category, after)
    return render(request, viewer, "judges/index.html", _page(wanted, judges, reviewed, found, listed, bool(after)))


@router.get("/disagreements")
def disagreements(
    request: Request, viewer: Researcher, session: Reader, a: str = "people", b: str = "people", category: str = "",
    cell: str = "", after: int | None = None,
) -> Response:  # fmt: skip
    wanted = _wanted(a, b, category, cell, (), 0)
    listed = judge_comparison.listed(session, parse_rater(a), parse_rater(b), wanted.cell, category, after)
    return render(request, viewer, "judges/_disagreements.html", Disagreements(_list(wanted, listed)))


def _wanted(a: str, b: str, category: str, cell: str, judges: tuple[Judged, ...], reviewed: int) -> Wanted:
    """The URL's choice; what it leaves open are the first two that have decided anything. Raises GgtError."""
    if category and category not in CATEGORIES:
        raise GgtError(f"There is no category {category[:40]!r}. Choose one of: {', '.join(CATEGORIES)}.")
    if cell not in get_args(Cell):
        raise GgtError(f"There is no cell {cell[:40]!r}. Choose one of: {', '.join(filter(None, get_args(Cell)))}.")
    usual = [Rater(j.judge, stand_in=j.stand_in).key for j in judges if not j.stand_in]
    usual += ["people"] if reviewed else []
    usual += [Rater(j.judge, stand_in=True).key for j in judges if j.stand_in]
    usual += [Rater(j.judge, rule=True, stand_in=j.stand_in).key for j in judges]
    first = a or next((key for key in usual if key != b), "people")
    second = b or next((key for key in usual if key != first), "people")
    return Wanted(first, second, category, cell)  # type: ignore[arg-type]


def _page(
    wanted: Wanted, judges: tuple[Judged, ...], reviewed: int, found: Comparison, listed: Page, continued: bool
) -> JudgesPage:
    first, second = parse_rater(wanted.a), parse_rater(wanted.b)
    table = found.categories.get(wanted.category, Table()) if wanted.category else found.table
    rows = tuple(
        _agreement(c.title, found.categories[key], wanted.url(category=key, cell="") + "#list")
        for key, c in CATEGORIES.items()
        if key in found.categories
    )
    counts = (table.disagreed, table.both_accept, table.accept_reject, table.reject_accept, table.both_reject)
    links: dict[Cell, str] = {cell: wanted.url(cell=cell) + "#list" for cell in CELL_TITLES}
    return JudgesPage(
        wanted=wanted,
        options=_options(judges, reviewed, wanted),
        categories=tuple(Option(key, c.title) for key, c in CATEGORIES.items()),
        first=first.title,
        second=second.title,
        overall=_agreement(
            CATEGORIES[wanted.category].title if wanted.category else "All categories", table, wanted.url(cell="") + "#list"
        ),
        links=links,
        rows=rows,
        aspects=tuple(
            AspectRow(aspect.replace("_", " ").capitalize(), sums.n, *sums.means, pearson(sums))
            for aspect in ASPECTS
            if (sums := found.aspects.get(aspect)) and sums.means
        ),
        same_scores=bool(first.judge) and (first.judge, first.stand_in) == (second.judge, second.stand_in),
        own=tuple(_own(judge) for judge in judges),
        cells=tuple(
            (title, count, links[cell], cell == wanted.cell)
            for (cell, title), count in zip(CELL_TITLES.items(), counts, strict=True)
        ),
        part=_list(wanted, listed),
        continued=continued,
        hint=_hint(judges, reviewed, first, second, table.n),
    )


def _agreement(title: str, table: Table, url: str) -> AgreementRow:
    return AgreementRow(title, table, agreement(table), kappa(table), url)


def _own(judge: Judged) -> OwnRow:
    own, rule = (Rater(judge.judge, rule, judge.stand_in) for rule in (False, True))
    share = wilson(judge.against_rule, judge.n)
    return OwnRow(own.title, judge.n, judge.against_rule, share, Wanted(own.key, rule.key).url() + "#list")


def _options(judges: tuple[Judged, ...], reviewed: int, wanted: Wanted) -> tuple[Option, ...]:
    """Who has decided anything, with how often; and whoever the URL names, so that the form shows it."""
    raters = [(Rater(j.judge, rule, j.stand_in), j.n) for rule in (False, True) for j in judges]
    raters.insert(len(judges), (Rater(), reviewed))
    known = {rater.key: Option(rater.key, f"{rater.title} · {n:,}") for rater, n in raters}
    for key in (wanted.a, wanted.b):
        known.setdefault(key, Option(key, f"{parse_rater(key).title} · 0"))
    return tuple(known.values())


def _hint(judges: tuple[Judged, ...], reviewed: int, first: Rater, second: Rater, n: int) -> str:
    real = [judge for judge in judges if not judge.stand_in]
    if not judges and not reviewed:
        return "Nobody has judged anything yet. Start a run with a judge on the runs page, then compare it here."
    if first == second:
        return f"{first.title} is compared with itself. Choose another on one side."
    if n:
        return ""
    if len(real) == 1 and not reviewed:
        return "Only one judge has judged anything; judge the same candidates with another from Images → Judge again."
    if not judges:
        return "No judge's verdicts are there yet, only people's. Judge the reviewed candidates from Images → Judge again."
    return (
        f"{first.title} and {second.title} have judged no candidate in common here. "
        "Judge those of the one with the other from Images → Judge again, or verify some on the review page."
    )


def _list(wanted: Wanted, page: Page) -> ListPart:
    after = {"after": str(page.after)}
    return ListPart(
        page.rows,
        parse_rater(wanted.a).title,
        parse_rater(wanted.b).title,
        {key: c.title for key, c in CATEGORIES.items()},
        wanted.url(**after) + "#list" if page.after else None,
        wanted.url("/judges/disagreements", **after) if page.after else None,
    )


def _example(wanted: Wanted, judges: tuple[Judged, ...], reviewed: int, full: bool) -> JudgesPage:
    opinions = (Opinion("accept", (("color_consistency", 71.0, False),)), Opinion("reject", ()))
    listed = Page((Listed(12, "ab" * 32, 34, "cd" * 32, "rain", *opinions),), 34) if full else Page((), None)
    sums = Moments(2, 150, 130, 11_500, 8_900, 10_000)
    found = Comparison({"rain": Table(20, 5, 10, 15)}, {ASPECTS[0]: sums}) if full else Comparison({}, {})
    return _page(wanted, judges, reviewed, found, listed, full)


_JUDGES = (Judged("gpt-5.4-pro", False, 60, 3), Judged("local-measure", False, 50, 0), Judged("gpt-5.4-pro", True, 9, 1))
_FULL = _example(Wanted("gpt-5.4-pro", "local-measure", "rain", "accept-reject"), _JUDGES, 40, True)
_EMPTY = _example(Wanted("people", "people"), (), 0, False)
EXAMPLES = {
    "judges/index.html": [
        _FULL,
        _EMPTY,
        _example(Wanted("gpt-5.4-pro", "rule:gpt-5.4-pro"), _JUDGES[:1], 0, False),
        _example(Wanted("people", "stand-in:gpt-5.4-pro"), _JUDGES[2:], 9, True),
    ],
    "judges/_disagreements.html": [Disagreements(_FULL.part), Disagreements(_EMPTY.part)],
}
