"""Screening runs: what is asked for, what it may cost, and planning it in windows of photographs (Sec. 3.1, Appendix A)."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlmodel import Session, col

from app import accounts, jobs
from app.accounts import MICROS
from app.catalog.categories import CATEGORIES
from app.catalog.screening import NO_REFERENCE, NUMBERS, RULED, STEPS, VLM, default_rule
from app.catalog.vlms import VLMS
from app.config import settings
from app.domain.screening import MEASURE, OFF, PERSON, StepCount, StepRule, funnel_of
from app.errors import GgtError, NotFound
from app.jobs import NewItem
from app.models import Patch, PatchState, Run, Source
from app.services import prompts
from app.services.estimate import Estimate, Line, dollars
from app.services.options import check_key
from app.services.patch_windows import photographs
from app.services.planning import NotConfirmed
from app.services.quote import Quote, priced
from app.services.unindexed import unindexed

AGAIN = (PatchState.OUT, PatchState.FLAGGED, PatchState.GRADING, PatchState.PASSED, PatchState.NOT_DRAWN)
"""States that a run with ``again`` takes up too, where no person decided."""


@dataclass(frozen=True)
class Choice:
    """What somebody changes about a step: who answers it (empty: as it comes), limits by name; None takes a limit away."""

    who: str = ""
    least: Mapping[str, float | None] = field(default_factory=dict)
    most: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class ScreenOptions:
    """What a screening run is about: patches of a source and a category (None: all), and changes to the steps' rules.

    ``again`` screens by these rules too what earlier runs decided and no person did, but for what has become an image.
    """

    source_id: int | None = None
    category: str | None = None
    choices: Mapping[str, Choice] = field(default_factory=dict)
    again: bool = False

    @property
    def categories(self) -> tuple[str, ...]:
        return (self.category,) if self.category else tuple(CATEGORIES)


def rules_for(category: str, choices: Mapping[str, Choice]) -> tuple[StepRule, ...]:
    """The rules of a category in the order of the steps. Raises GgtError for a choice that cannot be."""
    if unknown := choices.keys() - set(RULED):
        raise GgtError(f"There is no step {', '.join(sorted(unknown))}; choose from {', '.join(RULED)}.")
    rules = tuple(_rule(category, step, choices.get(step, Choice())) for step in RULED)
    if len(vlms := {rule.who for rule in rules if rule.vlm}) > 1:
        raise GgtError(f"One VLM answers all of its steps in one call: choose {' or '.join(sorted(vlms))}.")
    return rules


def _rule(category: str, step: str, choice: Choice) -> StepRule:
    who, answers = choice.who, STEPS[step].answers
    if who and (VLM if who in VLMS else who) not in answers:
        known = [name for name in answers if name != VLM] + (list(VLMS) if VLM in answers else [])
        raise GgtError(f"{STEPS[step].title} is answered by {', '.join(known)}; not by {who!r}.")
    rule = default_rule(category, step, who)
    if rule.who == MEASURE and step == "artifact" and not (rule.least or choice.least):
        raise GgtError(f"{CATEGORIES[category].title} has no artifact that is measured; a VLM can be asked, or nobody.")
    if rule.who in (PERSON, OFF) and (choice.least or choice.most):
        raise GgtError(f"{STEPS[step].title} is {rule.who}: a limit needs somebody whose answer it is about.")
    names = NUMBERS["level"] if step == "level" and rule.who == MEASURE else NUMBERS[VLM if rule.vlm else MEASURE]
    changed: dict[str, dict[str, float]] = {}
    for side, limits in (("least", choice.least), ("most", choice.most)):
        for name, limit in limits.items():
            if name not in names or (step == "level" and side == "most"):
                raise GgtError(f"{STEPS[step].title} has no limit {name!r}; choose from {', '.join(names)}.")
            if limit is not None and not math.isfinite(limit):
                raise GgtError(f"The limit of {name} must be a number.")
        merged = {**getattr(rule, side), **limits}
        changed[side] = {name: limit for name, limit in merged.items() if limit is not None}
    return replace(rule, least=changed["least"], most=changed["most"])


def rules_of(params: Mapping[str, Any], category: str) -> tuple[StepRule, ...]:
    """The rules of a run for a category, as they are kept with it."""
    return tuple(StepRule(**rule) for rule in params["rules"][category])


def quote(session: Session, options: ScreenOptions) -> Quote:
    """How many patches would be screened, and what that may cost at most. Raises GgtError for choices that cannot be."""
    _check(session, options)
    rules = {category: rules_for(category, options.choices) for category in options.categories}
    counts: Counter[str] = Counter()
    for category, number in session.execute(
        select(col(Patch.category), func.count()).where(_taken(options)).group_by(col(Patch.category))
    ):
        counts[category] += number
    shown = sum(counts[category] for category, found in rules.items() if _vlm(found))
    lines: tuple[Line, ...] = ()
    facts = [f"{patches(counts.total())} will be screened." if counts else "No patch waits to be screened."]
    vlm = next((found for found in map(_vlm, rules.values()) if found), "")
    if vlm and shown:
        spec = VLMS[vlm]
        each = accounts.account(session, spec.provider).prices.get(spec.model, spec.prompt_price.call)
        lines = (Line(f"Screening by {spec.title}", spec.provider, shown, round(each * MICROS), False),)
        facts.append(f"At most {patches(shown)} are shown to {spec.title}: what measurement puts out is not.")
    stand_in = bool(vlm) and settings().stand_in(VLMS[vlm].provider)
    estimate = Estimate(counts.total(), lines, sum(line.micros for line in lines), batch=False, stand_in=stand_in)
    return priced(session, estimate, counts.total(), tuple(facts), _notes([rules[category] for category in +counts]))


def _notes(rules: Iterable[tuple[StepRule, ...]]) -> tuple[str, ...]:
    """What the outcome of a run by these rules is not, in sentences."""
    among = [rule for found in rules for rule in found]
    measured = {rule.step for rule in among if rule.who == MEASURE and (rule.least or rule.most)}
    titles = ", ".join(STEPS[step].title for step in RULED if step in measured)
    notes = [f"Measured on this machine, which is no VLM's and no person's answer: {titles}."] if titles else []
    if any(rule.step == "unsafe" and rule.who == OFF for rule in among):
        notes.append("Nobody looks for what is unsafe or private.")
    return tuple(notes)


def start_screening(
    session: Session, user_id: int | None, options: ScreenOptions, *, title: str = "", confirmed: int = 0
) -> Run:
    """Start a run. ``confirmed`` is what it may cost at most, in millionths of a dollar, seen and agreed to by somebody.

    Raises GgtError for choices that cannot be or that lack a key, NotConfirmed where it may cost more.
    """
    price = quote(session, options).estimate
    if price.micros > confirmed:
        raise NotConfirmed(
            f"This run may cost up to {dollars(price.micros)} for {patches(price.images)}. Confirm it to start."
        )
    what = CATEGORIES[options.category].title if options.category else "all categories"
    rules = {category: rules_for(category, options.choices) for category in options.categories}
    texts = prompts.in_use(session)
    params = {
        "source_id": options.source_id, "category": options.category, "again": options.again,
        "rules": {category: [asdict(rule) for rule in found] for category, found in rules.items()},
        "question": {c: texts["screening", c].version for c, found in rules.items() if _vlm(found)},
    }  # fmt: skip
    run = jobs.start_run(session, "screen", title or f"Screen {what}", params, user_id)
    jobs.add_items(session, run.id or 0, [_plan_item(0)])
    return run


def plan_window(session: Session, run_id: int, after: int) -> int:
    """Add an item for each photograph of the next window, and the item that plans the window after it.

    Returns how many photographs the window held.
    """
    params = session.get_one(Run, run_id).params
    options = ScreenOptions(params["source_id"], params["category"], again=params["again"])
    found, last = photographs(session, _taken(options, unindexed), after)
    if found:
        items = [
            NewItem(
                "screen",
                f"screen:{file_id}:{category}",
                queue="gpu" if wants_metrics(rules_of(params, category)) else "cpu",
                payload={"source_file_id": file_id, "category": category},
            )
            for file_id, category in found
        ]
        jobs.add_items(session, run_id, [*items, _plan_item(last)])
    return len(found)


def _plan_item(after: int) -> NewItem:
    return NewItem("plan_screen", f"plan_screen:{after}", priority=1, payload={"after": after})


def takeable(again: bool, plain: Any = lambda column: column) -> ColumnElement[bool]:
    """What a run may take up: patches that wait, and with ``again`` those that no person decided on.

    ``plain`` wraps a column that is not to be looked up in an index.
    """
    waiting: ColumnElement[bool] = plain(col(Patch.state)) == PatchState.WAITING
    return or_(waiting, and_(plain(col(Patch.state)).in_(AGAIN), col(Patch.decided_by).is_(None))) if again else waiting


def wants_metrics(rules: tuple[StepRule, ...]) -> list[str]:
    """The no-reference metrics that limits name: they alone are computed, since each takes about a second."""
    named = {name for rule in rules for limits in (rule.least, rule.most) for name in limits}
    return [name for name in NO_REFERENCE if name in named]


def _taken(options: ScreenOptions, plain: Any = lambda column: column) -> ColumnElement[bool]:
    found = [takeable(options.again, plain), plain(col(Patch.category)).in_(options.categories)]
    if options.source_id is not None:
        found.append(plain(col(Patch.source_id)) == options.source_id)
    return and_(*found)


def _vlm(rules: tuple[StepRule, ...]) -> str:
    return next((rule.who for rule in rules if rule.vlm), "")


def _check(session: Session, options: ScreenOptions) -> None:
    if options.category and options.category not in CATEGORIES:
        raise GgtError(f"There is no category {options.category!r}; choose from {', '.join(CATEGORIES)}.")
    if options.source_id is not None and session.get(Source, options.source_id) is None:
        raise NotFound(f"There is no source {options.source_id}.")
    for choice in options.choices.values():
        if choice.who in VLMS:
            check_key(VLMS[choice.who].provider, VLMS[choice.who].title)


def patches(number: int) -> str:
    """1 -> "1 patch", 1200 -> "1,200 patches"."""
    return f"{number:,} patch{'' if number == 1 else 'es'}"


@dataclass(frozen=True)
class ScreeningCounts:
    """The way of the patches of one source and category through the steps, and the levels of those that passed."""

    source_id: int
    category: str
    steps: tuple[StepCount, ...]
    levels: Mapping[str, int]


def screening_counts(
    session: Session, source_id: int | None = None, category: str | None = None
) -> tuple[ScreeningCounts, ...]:
    """Per source and category, how many patches each step saw, put out, and holds. One statement over one index alone."""
    query = select(
        col(Patch.source_id), col(Patch.category), col(Patch.state), col(Patch.step), col(Patch.level), func.count()
    ).group_by(col(Patch.source_id), col(Patch.category), col(Patch.state), col(Patch.step), col(Patch.level))
    if source_id is not None:
        query = query.where(col(Patch.source_id) == source_id)
    if category is not None:
        query = query.where(col(Patch.category) == category)
    states: dict[tuple[int, str], list[tuple[str, str, int]]] = {}
    levels: dict[tuple[int, str], Counter[str]] = {}
    kept = (PatchState.PASSED, PatchState.NOT_DRAWN, PatchState.RETAINED)
    for source, of, state, step, level, number in session.execute(query):
        states.setdefault((source, of), []).append((state, step, number))
        levels.setdefault((source, of), Counter())[level] += number if state in kept else 0
    return tuple(
        ScreeningCounts(*key, funnel_of(list(STEPS), rows), {name: n for name, n in levels[key].items() if n})
        for key, rows in sorted(states.items())
    )
