"""Behind the numbers on agreement: the pairs of each, a person's answers to gold questions, and all tables as one file."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from app.catalog.categories import CATEGORIES
from app.domain.agreement import Share, Table
from app.domain.human_judge import Kappa, accuracy, kappa_of, precision, recall
from app.domain.krippendorff import Alpha
from app.domain.review import REASON_TITLES
from app.models import utcnow
from app.services import agreement_cases
from app.services.agreement_cases import GOLD, Case, Cases, GoldCase, GoldCases, Which
from app.services.judge_comparison import CELLS
from app.services.reviewed_pairs import Wanted, monday
from app.web.deps import Reader, Researcher
from app.web.pages.agreement import AgreementPage, Choices, choices_of, read_choices, read_page
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
class PairsPage:
    """Pairs behind a number; ``title`` says which, ``more`` leads to the next ones."""

    choices: Choices
    title: str
    of: str
    cases: tuple[Case, ...]
    categories: dict[str, str]
    more: str
    back: str


@dataclass(frozen=True)
class GoldPage:
    """A person's answers to questions whose answer is known, given in ``queue`` where one is chosen."""

    person: str
    queue: str
    cases: tuple[GoldCase, ...]
    categories: dict[str, str]
    reasons: dict[str, str]
    more: str
    back: str


@router.get("/pairs")
def pairs(
    request: Request, viewer: Researcher, session: Reader, show: str = "", person: int | None = None,
    week: int | None = None, after: int | None = None,
) -> Response:  # fmt: skip
    choices = read_choices(session, request)
    which = agreement_cases.parse(show, person, week)
    found = agreement_cases.cases(session, choices.wanted, which, after)
    return render(request, viewer, "agreement/pairs.html", _pairs(choices, which, found))


@router.get("/gold")
def gold(
    request: Request, viewer: Researcher, session: Reader, person: Annotated[int, Query()], after: int | None = None
) -> Response:
    """What the accuracy of an annotator rests on. Like that it is narrowed by the queue alone."""
    choices = read_choices(session, request)
    found = agreement_cases.gold_answers(session, person, choices.wanted.queue, after)
    return render(request, viewer, "agreement/gold.html", _gold(choices, person, found))


@router.get("/tables.csv")
def tables(request: Request, _viewer: Researcher, session: Reader) -> Response:
    """All tables as one: a row per number, with its interval and how many it rests on."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(("table", "row", "measure", "value", "low_95", "high_95", "n"))
    writer.writerows(_lines(read_page(session, request)))
    name = f"agreement-{utcnow():%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


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


def _gold(choices: Choices, person: int, found: GoldCases) -> GoldPage:
    which = Which(person=person)
    return GoldPage(
        found.person,
        next((queue.title for queue in choices.queues if queue.chosen), ""),
        found.rows,
        {key: c.title for key, c in CATEGORIES.items()},
        {reason.value: title for reason, title in REASON_TITLES.items()},
        agreement_cases.address(choices.wanted, which, GOLD, after=str(found.after)) if found.after else "",
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


_CHOICES = choices_of(Wanted(queue=1), (), [(1, "Rain <b>, three opinions")])
_CASES = Cases((Case(12, "ab" * 32, 34, "cd" * 32, "rain", 1, 1, 0, "accept", True, "reject"),
                Case(13, "ab" * 32, 35, "cd" * 32, "snow", 0, 1, 1, "disputed", False, "")), 35, "Ada <b>")  # fmt: skip
_SHOWN = (12, "ab" * 32, 34, "cd" * 32, "rain")
_GOLD = GoldCases((GoldCase(*_SHOWN, "reject", ("artifact",), "A <halo>.", "accept", "", utcnow()),
                   GoldCase(*_SHOWN, "reject", (), "", "reject", "The roof <bends>.", utcnow())), 9, "Ada <b>")  # fmt: skip
EXAMPLES = {
    "agreement/pairs.html": [
        _pairs(_CHOICES, Which("accept-reject", 3, 2960), _CASES),
        _pairs(_CHOICES, Which(), Cases((), None)),
    ],
    "agreement/gold.html": [_gold(_CHOICES, 3, _GOLD), _gold(_CHOICES, 3, GoldCases((), None, "Ben"))],
}
