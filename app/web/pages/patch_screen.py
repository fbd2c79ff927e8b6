"""The form that starts a screening run: who answers each step, from which limits on, and what that may cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlmodel import Session
from starlette.datastructures import ImmutableMultiDict

from app.catalog.categories import CATEGORIES
from app.catalog.screening import MEASURES, NO_REFERENCE, RULED, STEPS, VLM, default_rule
from app.catalog.vlms import VLMS
from app.domain.screening import MEASURE, StepRule
from app.errors import GgtError, NotAllowed
from app.models import Role
from app.services import screening, sources
from app.services.estimate import Estimate
from app.services.quote import Quote
from app.services.screening import Choice, ScreenOptions
from app.web.deps import Reader, Researcher, Writer
from app.web.pages.run_form import EstimateBox, EstimatePart, Posted, estimate_box, missing_key, stand_in
from app.web.pages.screening_words import ANSWERER_TITLES, limits_of
from app.web.templating import render
from app.web.viewer import Viewer

router = APIRouter(prefix="/patches")

ADDRESS = "/patches/screen/estimate"


@dataclass(frozen=True)
class ScreenForm:
    """What somebody chose, as it stands in the fields. ``limits`` are by the names of their fields."""

    category: str = ""
    source: str = ""
    again: bool = False
    who: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    confirmed: int = 0

    @classmethod
    def of(cls, given: ImmutableMultiDict[str, Any]) -> "ScreenForm":
        """From a posted form or an address."""
        text = {name: value.strip() for name, value in given.items() if isinstance(value, str)}
        price = text.get("confirm_micros", "")
        return cls(
            category=text.get("category", ""),
            source=text.get("source", ""),
            again=text.get("again", "") in ("1", "true", "on"),
            who={step: text[f"who.{step}"] for step in RULED if text.get(f"who.{step}")},
            limits={name: value for name, value in text.items() if name.startswith("limit.")},
            confirmed=int(price) if text.get("spend") and price.isascii() and price.isdigit() else 0,
        )

    def options(self) -> ScreenOptions:
        """What the form asks for. Raises GgtError for what cannot be read."""
        if self.source and not (self.source.isascii() and self.source.isdigit() and len(self.source) < 10):
            raise GgtError(f"There is no source {self.source[:40]!r}.")
        if self.category and self.category not in CATEGORIES:
            raise GgtError(f"There is no category {self.category[:40]!r}; choose from {', '.join(CATEGORIES)}.")
        choices = {step: self._choice(step) for step in RULED if self.category or step in self.who}
        return ScreenOptions(int(self.source) if self.source else None, self.category or None, choices, self.again)

    def _choice(self, step: str) -> Choice:
        who = self.who.get(step, "")
        kind = _kind(who or default_rule(self.category, step).who) if self.category else ""
        found: dict[str, dict[str, float | None]] = {"least": {}, "most": {}}
        for name, value in self.limits.items():
            _, of, by, side, number = (*name.split(".", 4), "", "", "", "")[:5]
            if of == step and by == kind and side in found:
                found[side][number] = _number(value, f"{STEPS[step].title}, {number.replace('_', ' ')}")
        return Choice(who, found["least"], found["most"])


@dataclass(frozen=True)
class Option:
    """``kind`` says which limits belong to it; ``why`` what it needs where it cannot be chosen here."""

    value: str
    title: str
    kind: str
    chosen: bool
    why: str = ""


@dataclass(frozen=True)
class Limit:
    """A number that is asked for: the field's name, its label, and what stands in it."""

    name: str
    label: str
    value: str
    note: str


@dataclass(frozen=True)
class StepRow:
    """``limits`` by the kind of answer that they are for."""

    key: str
    title: str
    meaning: str
    options: tuple[Option, ...]
    limits: tuple[tuple[str, tuple[Limit, ...]], ...]


@dataclass(frozen=True)
class ScreenPage:
    form: ScreenForm
    categories: tuple[tuple[str, str], ...]
    sources: tuple[tuple[str, str], ...]
    steps: tuple[StepRow, ...]
    box: EstimateBox


@router.get("/screen")
def screen(request: Request, viewer: Researcher, session: Reader) -> Response:
    """The form; the address may name a category and a source."""
    form = ScreenForm.of(request.query_params)
    return render(request, viewer, "patches/screen.html", _screen(session, viewer, form))


@router.post("/screen/estimate")
def screen_estimate(request: Request, viewer: Researcher, session: Reader, given: Posted) -> Response:
    form = ScreenForm.of(given)
    if request.headers.get("HX-Request") == "true":
        return render(request, viewer, "runs/_estimate.html", EstimatePart(_box(session, viewer, form)))
    return render(request, viewer, "patches/screen.html", _screen(session, viewer, form))


@router.post("/screen")
def start_screening(request: Request, viewer: Researcher, session: Writer, given: Posted) -> Response:
    """Start the run, or come back with what is wrong or what it costs now. What costs money is an admin's to start."""
    form = ScreenForm.of(given)
    try:
        options = form.options()
        _may_ask(viewer, options)
        run = screening.start_screening(session, viewer.user_id, options, confirmed=form.confirmed)
    except GgtError as error:
        page = _screen(session, viewer, form, str(error))
        return render(request, viewer, "patches/screen.html", page, status=error.status)
    return RedirectResponse(f"/runs/{run.id}", 303)


def _may_ask(viewer: Viewer, options: ScreenOptions) -> None:
    if viewer.role != Role.ADMIN and any(_kind(choice.who) == VLM for choice in options.choices.values()):
        raise NotAllowed("Asking a VLM costs money, so an admin starts such a run. Choose measurement or a person.")


def _kind(who: str) -> str:
    return VLM if who in VLMS else who


def _number(text: str, what: str) -> float | None:
    """A limit; None where the field is empty: then there is none."""
    if not text:
        return None
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise GgtError(f"{what} must be a number, not {text[:40]!r}.") from None


def _box(session: Session, viewer: Viewer, form: ScreenForm, problem: str = "") -> EstimateBox:
    def ask() -> Quote:
        options = form.options()
        _may_ask(viewer, options)
        found = screening.quote(session, options)
        if not found.matched:
            raise GgtError("No patch waits here. Ingest photographs to be screened, or tick what was screened before.")
        return found

    return estimate_box(ADDRESS, "Start screening", ask, problem)


def _screen(session: Session, viewer: Viewer, form: ScreenForm, problem: str = "") -> ScreenPage:
    box = _box(session, viewer, form, problem)
    return _page(form, sources.names(session), box, admin=viewer.role == Role.ADMIN)


def _page(form: ScreenForm, names: Any, box: EstimateBox, *, admin: bool) -> ScreenPage:
    category = form.category if form.category in CATEGORIES else ""
    return ScreenPage(
        form,
        (("", "All categories"), *((key, spec.title) for key, spec in CATEGORIES.items())),
        tuple((str(key), name) for key, name in names),
        tuple(_step(step, category, form, admin=admin) for step in RULED),
        box,
    )


def _step(step: str, category: str, form: ScreenForm, *, admin: bool) -> StepRow:
    spec = STEPS[step]
    usual = default_rule(category, step) if category else None
    chosen = form.who.get(step, usual.who if usual else "")
    options = [] if usual else [Option("", "Each category's own", "", not chosen)]
    for answer in spec.answers:
        if answer == VLM:
            options += [_vlm(key, chosen, admin=admin) for key in VLMS]
        else:
            options.append(Option(answer, ANSWERER_TITLES[answer], answer, answer == chosen))
    limits = []
    if category:
        for kind, who in ((MEASURE, MEASURE), (VLM, next(iter(VLMS)))):
            if kind in spec.answers and (found := _limits(default_rule(category, step, who), kind, form)):
                limits.append((kind, found))
    return StepRow(step, spec.title, spec.meaning, tuple(options), tuple(limits))


def _vlm(key: str, chosen: str, *, admin: bool) -> Option:
    provider = VLMS[key].provider
    why = missing_key(provider) or ("" if admin else "an admin starts what costs money")
    note = f" ({why})" if why else f" ({stand_in(provider).replace('an MFM', 'a VLM')})" if stand_in(provider) else ""
    return Option(key, VLMS[key].title + note, VLM, key == chosen, why)


def _limits(rule: StepRule, kind: str, form: ScreenForm) -> tuple[Limit, ...]:
    found = []
    for limit in limits_of(rule):
        name = f"limit.{rule.step}.{kind}.{limit.side}.{limit.number}"
        found.append(Limit(name, limit.label, form.limits.get(name, f"{limit.value:g}"), limit.note))
    if rule.step == "metric":  # it comes without a limit, so those that it is there for are asked for
        for number in NO_REFERENCE:
            name, spec = f"limit.metric.{kind}.most.{number}", MEASURES[number]
            found.append(Limit(name, f"{spec.title} at most", form.limits.get(name, ""), f"{spec.meaning} ({spec.range})"))
    return tuple(found)


_QUOTE = Quote(Estimate(12, (), 0, batch=False, stand_in=False), 12, ("12 patches will be screened.",), (), ("Measured.",))
_BOX = EstimateBox(ADDRESS, "Start screening", _QUOTE)
_BROKEN = EstimateBox(ADDRESS, "Start screening", None, "A limit must be a number.")
_ASKING = ScreenForm("rain", "3", True, {"artifact": next(iter(VLMS))})
EXAMPLES = {
    "patches/screen.html": [
        _page(ScreenForm(), [(3, "Flickr <b>")], _BOX, admin=True),
        _page(_ASKING, [(3, "Flickr <b>")], _BROKEN, admin=False),
    ]
}
