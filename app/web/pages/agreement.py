"""Agreement: how far people agree with each other, and a judge with them (Sec. 3.3), each number with its pairs."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.domain.agreement import Share, Table
from app.domain.aspects import ASPECTS, Aspect
from app.domain.human_judge import Kappa, accuracy, kappa_of, precision, recall
from app.domain.krippendorff import Alpha
from app.models import utcnow
from app.services import agreement_cases, judge_comparison, review_agreement, reviewed_pairs
from app.services.agreement_cases import Case, Cases, Which
from app.services.gold import Accuracy
from app.services.judge_comparison import CELLS, Judged, Rater
from app.services.review_agreement import Agreement, Figures, Person, Week
from app.services.reviewed_pairs import Wanted, is_vlm_r, monday
from app.services.threshold_calibration import words
from app.web.deps import Reader, Researcher
from app.web.templating import render

router = APIRouter(prefix="/agreement")

SHOW_TITLES = {
    "": "Decided by people",
    "overlap": "Decided by two or more",
    "split": "Different answers",
    "against-others": "Somebody answered differently",
    "disputed": "Waiting to be settled",
    "open": "Waiting for more decisions",
    "accept-accept": "People and the judge accept",
    "accept-reject": "People accept, the judge rejects",
    "reject-accept": "People reject, the judge accepts",
    "reject-reject": "People and the judge reject",
}


@dataclass(frozen=True)
class Option:
    key: str
    title: str
    chosen: bool = False


@dataclass(frozen=True)
class Choices:
    """What the form offers, and the URL's choice."""

    wanted: Wanted
    judges: tuple[Option, ...]
    queues: tuple[Option, ...]
    categories: tuple[Option, ...]

    @property
    def judge(self) -> str:
        """The judge in words: only a real VLM is called VLM-R."""
        rater = self.wanted.rater
        if rater is None:
            return "no judge"
        return f"{rater.title} (VLM-R)" if is_vlm_r(rater) else rater.title

    @property
    def real(self) -> bool:
        rater = self.wanted.rater
        return rater is not None and is_vlm_r(rater)


@dataclass(frozen=True)
class Row:
    """Figures of a category, a week, or all; ``urls`` lead to the pairs by what is shown of them."""

    title: str
    figures: Figures
    urls: dict[str, str]

    @property
    def precision(self) -> Share | None:
        return precision(self.figures.table)

    @property
    def recall(self) -> Share | None:
        return recall(self.figures.table)

    @property
    def agreement(self) -> Share | None:
        return accuracy(self.figures.table)

    @property
    def kappa(self) -> Kappa | None:
        return kappa_of(self.figures.table)


@dataclass(frozen=True)
class PersonRow:
    person: Person
    urls: dict[str, str]

    @property
    def precision(self) -> Share | None:
        """Of what the judge accepts, the share that this person accepts."""
        return precision(self.person.table)

    @property
    def agreement(self) -> Share | None:
        return accuracy(self.person.table)

    @property
    def gold(self) -> Share | None:
        return self.person.gold.share if self.person.gold else None


@dataclass(frozen=True)
class Dot:
    """A week in the chart: ``x`` in per cent of its width, ``y`` in pixels of its height of 100, None without a value."""

    x: float
    y: float | None
    title: str


@dataclass(frozen=True)
class AgreementPage:
    """``hint`` says what to do where nothing can be told. ``dots`` are the weeks' alpha, from 0 (below) to 1."""

    choices: Choices
    everything: Row
    aspects: tuple[tuple[str, Alpha | None], ...]
    categories: tuple[Row, ...]
    weeks: tuple[Row, ...]
    dots: tuple[Dot, ...]
    people: tuple[PersonRow, ...]
    csv: str
    hint: str


@dataclass(frozen=True)
class PairsPage:
    """Pairs behind a number; ``title`` says which, ``more`` leads to the next ones."""

    choices: Choices
    title: str
    of: str
    cases: tuple[Case, ...]
    categories: dict[str, str]
    more: str
    back: str


@router.get("")
def index(request: Request, viewer: Researcher, session: Reader) -> Response:
    choices = read_choices(session, request)
    return render(request, viewer, "agreement/index.html", _page(choices, _read(session, choices.wanted)))


@router.get("/tables.csv")
def tables(request: Request, _viewer: Researcher, session: Reader) -> Response:
    """All tables as one: a row per number, with its interval and how many it rests on."""
    choices = read_choices(session, request)
    page = _page(choices, _read(session, choices.wanted))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("table", "row", "measure", "value", "low_95", "high_95", "n"))
    writer.writerows(_lines(page))
    name = f"agreement-{utcnow():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/pairs")
def listed(
    request: Request, viewer: Researcher, session: Reader, show: str = "", person: int | None = None,
    week: int | None = None, after: int | None = None,
) -> Response:  # fmt: skip
    choices = read_choices(session, request)
    which = agreement_cases.parse(show, person, week)
    found = agreement_cases.cases(session, choices.wanted, which, after)
    return render(request, viewer, "agreement/pairs.html", _pairs(choices, which, found))


def read_choices(session: Session, request: Request) -> Choices:
    """What the URL asks for, and what it could, in two statements. Raises GgtError for a wrong value."""
    judged = judge_comparison.judged(session)
    return choices_of(reviewed_pairs.parse(request.query_params, judged), judged, reviewed_pairs.queue_names(session))


def choices_of(wanted: Wanted, judged: tuple[Judged, ...], names: list[tuple[int, str]]) -> Choices:
    raters = {Rater(j.judge, stand_in=j.stand_in).key: (Rater(j.judge, stand_in=j.stand_in), j.n) for j in judged}
    if wanted.rater is not None:
        raters.setdefault(wanted.judge, (wanted.rater, 0))
    return Choices(
        wanted,
        tuple(Option(key, f"{rater.title} · {n:,}", key == wanted.judge) for key, (rater, n) in raters.items()),
        tuple(Option(str(i), name, i == wanted.queue) for i, name in names),
        tuple(Option(key, c.title, key == wanted.category) for key, c in CATEGORIES.items()),
    )


def _read(session: Session, wanted: Wanted) -> Agreement:
    return review_agreement.agreement(session, wanted)


def _page(choices: Choices, found: Agreement) -> AgreementPage:
    wanted = choices.wanted
    aspects = found.everything.aspects or {}
    weeks = tuple(_row(f"{week.start:%Y-%m-%d}", week.figures, wanted, Which(week=week.number)) for week in found.weeks)
    return AgreementPage(
        choices=choices,
        everything=_row("All", found.everything, wanted),
        aspects=tuple((words(aspect), aspects.get(aspect)) for aspect in ASPECTS),
        categories=tuple(
            _row(CATEGORIES[key].title, found.categories[key], wanted, category=key)
            for key in CATEGORIES
            if key in found.categories
        ),
        weeks=weeks,
        dots=_dots(found.weeks),
        people=tuple(_person(person, wanted) for person in found.people),
        csv=wanted.url("/agreement/tables.csv"),
        hint=_hint(found, wanted),
    )


def _row(title: str, figures: Figures, wanted: Wanted, which: Which | None = None, **more: str) -> Row:
    week = which.week if which else None
    shows = [show for show in SHOW_TITLES if show != "against-others"]
    urls = {show: agreement_cases.address(wanted, Which(show, week=week), **more) for show in shows}
    return Row(title, figures, urls)


def _person(person: Person, wanted: Wanted) -> PersonRow:
    shows = ("", "against-others", *CELLS)
    return PersonRow(person, {show: agreement_cases.address(wanted, Which(show, person.user_id)) for show in shows})


def _dots(weeks: tuple[Week, ...]) -> tuple[Dot, ...]:
    if len(weeks) < 2:
        return ()
    first, span = weeks[0].number, weeks[-1].number - weeks[0].number
    return tuple(
        Dot(
            round(11 + 87 * (week.number - first) / span, 2),
            round(100 * (1 - min(1.0, max(0.0, alpha.value))), 1) if alpha else None,
            f"Week of {week.start}: alpha {alpha.value:.3f}, {alpha.units:,} pairs" if alpha else f"Week of {week.start}",
        )
        for week in weeks
        for alpha in (week.figures.alpha,)
    )


def _hint(found: Agreement, wanted: Wanted) -> str:
    narrowed = bool(wanted.queue or wanted.category or wanted.since or wanted.until)
    if not found.everything.pairs:
        if narrowed:
            return "People have decided on nothing here. Widen the choice above."
        return "People have decided on nothing yet. Make a queue with two or more independent decisions each, and review."
    if not found.everything.overlapping:
        return (
            "No pair has two independent decisions, so nothing can be said of how far people agree. "
            "Make a queue that asks for two or more."
        )
    return ""


def _pairs(choices: Choices, which: Which, found: Cases) -> PairsPage:
    told = [found.person] if which.person is not None else []
    told += [f"week of {monday(which.week)}"] if which.week is not None else []
    told += [CATEGORIES[choices.wanted.category].title] if choices.wanted.category else []
    return PairsPage(
        choices,
        SHOW_TITLES[which.show],
        ", ".join(told),
        found.rows,
        {key: c.title for key, c in CATEGORIES.items()},
        agreement_cases.address(choices.wanted, which, after=str(found.after)) if found.after else "",
        choices.wanted.url("/agreement"),
    )


Line = tuple[str, str, str, str, str, str, str]


def _lines(page: AgreementPage) -> Iterator[Line]:
    """Rows of the CSV. Shares and alphas have six digits; an empty cell is "not defined"."""
    yield _line("all", "All", "judge", page.choices.wanted.judge, None, 0)
    rows = [("all", page.everything)]
    rows += [("category", row) for row in page.categories] + [("week", row) for row in page.weeks]
    for table, row in rows:
        f = row.figures
        for name, value in (("pairs", f.pairs), ("decisions", f.decisions), ("overlapping", f.overlapping),
                            ("different_answers", f.split), ("disputed", f.disputed), ("open", f.open)):  # fmt: skip
            yield _line(table, row.title, name, value, None, f.pairs)
        yield _line(table, row.title, "alpha_decision", f.alpha, f.alpha, f.alpha.units if f.alpha else 0)
        yield from _against_judge(table, row.title, f.table)
    for title, alpha in page.aspects:
        measure = "alpha_" + title.lower().replace(" ", "_")
        yield _line("all", "All", measure, alpha, alpha, alpha.units if alpha else 0)
    for found in page.people:
        person = found.person
        yield _line("person", person.name, "decisions", person.decisions, None, person.decisions)
        yield _line("person", person.name, "accepted", person.accepted, None, person.decisions)
        yield _line("person", person.name, "agrees_with_others", person.with_others, person.with_others, person.others)
        yield from _against_judge("person", person.name, person.table)
        yield _line("person", person.name, "gold_accuracy", found.gold, found.gold, person.gold.n if person.gold else 0)
        yield _line("person", person.name, "median_seconds", person.seconds, None, person.decisions)


def _against_judge(table: str, row: str, counts: Table) -> Iterator[Line]:
    for cell, number in zip(CELLS, _counts(counts), strict=True):
        people, judge = cell.split("-")
        yield _line(table, row, f"people_{people}_judge_{judge}", number, None, counts.n)
    for name, share, n in (
        ("precision_of_accept", precision(counts), counts.accepted[1]),
        ("recall_of_accept", recall(counts), counts.accepted[0]),
        ("agreement_with_judge", accuracy(counts), counts.n),
        ("kappa_with_judge", kappa_of(counts), counts.n),
    ):
        yield _line(table, row, name, share, share, n)


def _counts(table: Table) -> tuple[int, int, int, int]:
    return table.both_accept, table.accept_reject, table.reject_accept, table.both_reject


def _line(
    table: str, row: str, measure: str, value: "Share | Kappa | Alpha | float | str | None",
    ends: "Share | Kappa | Alpha | None", n: int,
) -> Line:  # fmt: skip
    told = value.value if isinstance(value, Share | Kappa | Alpha) else value
    # A name that begins like a formula would be run by a spreadsheet.
    safe = f"'{row}" if row[:1] in "=+-@\t\r" else row
    low, high = (ends.low, ends.high) if ends else (None, None)
    return table, safe, measure, _number(told), _number(low), _number(high), str(n)


def _number(value: float | str | None) -> str:
    return "" if value is None else f"{value:.6f}" if isinstance(value, float) else str(value)


def _example(wanted: Wanted, judged: tuple[Judged, ...], *, full: bool) -> AgreementPage:
    alpha = Alpha(0.74, 40, 0.61, 0.85)
    aspects: dict[Aspect, Alpha | None] = {ASPECTS[0]: alpha, ASPECTS[1]: Alpha(0.2, 4), ASPECTS[2]: None}
    figures = Figures(60, 130, 40, 9, 3, 5, Table(30, 4, 6, 12), alpha, aspects)
    people = (
        Person(3, "Ada <b>", 50, 40, 30, 27, Table(30, 2, 4, 9), Accuracy(3, "Ada <b>", 8, 9), 6),
        Person(4, "Ben", 0, 0, 0, 0, Table()),
    )
    weeks = (
        Week(2960, monday(2960), figures),
        Week(2961, monday(2961), Figures(3, 3)),
        Week(2963, monday(2963), figures),
    )
    found = Agreement(figures, {"rain": figures}, weeks, people) if full else Agreement(Figures(), {}, (), ())
    return _page(choices_of(wanted, judged, [(1, "Rain <b>, three opinions")]), found)


_JUDGES = (Judged("gpt-5.4-pro", False, 60, 3), Judged("local-measure", False, 50, 0), Judged("gpt-5.4-pro", True, 9, 1))
_FULL = _example(Wanted("gpt-5.4-pro", 1), _JUDGES, full=True)
_CASES = Cases((Case(12, "ab" * 32, 34, "cd" * 32, "rain", 1, 1, 0, "accept", True, "reject"),
                Case(13, "ab" * 32, 35, "cd" * 32, "snow", 0, 1, 1, "disputed", False, "")), 35, "Ada <b>")  # fmt: skip
EXAMPLES = {
    "agreement/index.html": [
        _FULL,
        _example(Wanted("local-measure", category="rain"), _JUDGES[1:], full=True),
        _example(Wanted(), (), full=False),
    ],
    "agreement/pairs.html": [
        _pairs(_FULL.choices, Which("accept-reject", 3, 2960), _CASES),
        _pairs(_FULL.choices, Which(), Cases((), None)),
    ],
}
