"""Agreement: how far people agree with each other, and a judge with them (Sec. 3.3), each number with its pairs."""

from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.domain.agreement import Share, Table
from app.domain.aspects import ASPECTS, Aspect
from app.domain.human_judge import Kappa, accuracy, kappa_of, precision, recall
from app.domain.krippendorff import Alpha
from app.services import agreement_cases, judge_comparison, review_agreement, reviewed_pairs
from app.services.agreement_cases import GOLD, SHOWS, Which
from app.services.gold import Accuracy
from app.services.judge_comparison import CELLS, Judged, Rater
from app.services.review_agreement import Agreement, Figures, Person, Week
from app.services.reviewed_pairs import Wanted, is_vlm_r, monday
from app.services.threshold_calibration import words
from app.web.deps import Reader, Researcher
from app.web.templating import render

router = APIRouter(prefix="/agreement")


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


@router.get("")
def index(request: Request, viewer: Researcher, session: Reader) -> Response:
    return render(request, viewer, "agreement/index.html", read_page(session, request))


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


def read_page(session: Session, request: Request) -> AgreementPage:
    """The page as the URL asks for it."""
    choices = read_choices(session, request)
    return _page(choices, review_agreement.agreement(session, choices.wanted))


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
    shows = ("", *(show for show in SHOWS if show != "against-others"))
    urls = {show: agreement_cases.address(wanted, Which(show, week=week), **more) for show in shows}
    return Row(title, figures, urls)


def _person(person: Person, wanted: Wanted) -> PersonRow:
    shows = ("", "against-others", *CELLS)
    urls = {show: agreement_cases.address(wanted, Which(show, person.user_id)) for show in shows}
    return PersonRow(person, {**urls, "gold": agreement_cases.address(wanted, Which(person=person.user_id), GOLD)})


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
EXAMPLES = {
    "agreement/index.html": [
        _FULL,
        _example(Wanted("local-measure", category="rain"), _JUDGES[1:], full=True),
        _example(Wanted(), (), full=False),
    ],
}
