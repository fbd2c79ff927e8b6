"""What people see before they start something: how many images it would touch, what it costs, and what stands in its way."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import Session, col

from app import accounts
from app.catalog.generators import GENERATORS
from app.catalog.providers import PROVIDERS
from app.config import settings
from app.models import Image, ProviderAccount, Stage
from app.services.estimate import Estimate, dollars, estimate
from app.services.options import PipelineOptions, check_options, images_of, taken_stages

_LEFT_ALONE: tuple[tuple[tuple[Stage, ...], str, str], ...] = (
    ((Stage.VERIFIED,), "verified pair", "verified pairs"),
    ((Stage.GENERATED, Stage.SCORED, Stage.REFINING), "image in progress", "images in progress"),
    ((Stage.AWAITING,), "image that waits for a person", "images that wait for a person"),
)
"""Stages that a run may pass over, with the words for one image of them and for several."""


@dataclass(frozen=True)
class Quote:
    """The price of a run and what goes with it, in sentences.

    ``matched`` is the number of images asked about. ``facts`` say what is done with them, ``warnings`` what would stop the
    run, ``notes`` what its results are not.
    """

    estimate: Estimate
    matched: int
    facts: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


def quote(session: Session, options: PipelineOptions) -> Quote:
    """What a pipeline run would do and cost, in four statements. Raises GgtError where choices do not go together."""
    check_options(options)
    price = estimate(session, options)
    stages = _stages(session, options)
    gpu = [GENERATORS[s.generator].title for s in options.settings if GENERATORS[s.generator].queue == "gpu"]
    waits = tuple(f"{title} is run by a GPU worker; without one its items wait." for title in dict.fromkeys(gpu))
    return priced(session, price, price.images, _facts(options, stages), waits)


def priced(session: Session, price: Estimate, matched: int, facts: tuple[str, ...], notes: tuple[str, ...] = ()) -> Quote:
    """A quote from an estimate: with the budgets it would exceed, and the stand-ins it would ask. One statement."""
    rows = {row.provider: row for row in accounts.all_accounts(session)}
    warnings = []
    for provider, needed in needs(price).items():
        account = rows.get(provider) or ProviderAccount(provider=provider)
        warnings += excesses(account, needed)
        if account.paused:
            warnings.append(f"{PROVIDERS[provider].title} is paused: {account.paused}")
    stand_ins = [p for p in needs(price) if settings().stand_in(p)]
    told = tuple(
        f"{PROVIDERS[p].title} is a stand-in on this machine: no MFM and no VLM answers, and nothing is charged."
        for p in stand_ins
    )
    return Quote(price, matched, facts, tuple(warnings), told + notes)


def needs(price: Estimate) -> Counter[str]:
    """What an estimate asks of each provider, in millionths of a dollar."""
    found: Counter[str] = Counter()
    for line in price.lines:
        found[line.provider] += line.half_price if price.batch else line.micros
    return found


def excesses(account: ProviderAccount, needed: int) -> list[str]:
    """The budgets of a provider that do not hold ``needed`` millionths of a dollar more."""
    today = account.spent_today_micros if account.day == accounts.today() else 0
    budgets = (
        ("total budget", account.total_budget_micros, account.spent_micros),
        ("budget of today (UTC)", account.daily_budget_micros, today),
    )
    found = []
    for name, budget, spent in budgets:
        left = None if budget is None else max(0, budget - spent - account.reserved_micros)
        if left is not None and needed > left:
            title = PROVIDERS[account.provider].title
            found.append(
                f"{title}: this asks for about {dollars(needed)}, and its {name} has {dollars(left)} left. The rest waits "
                "until the budget allows it."
            )
    return found


def _stages(session: Session, options: PipelineOptions) -> dict[str, int]:
    """The images a run is about, by stage."""
    ids = images_of(options).subquery()
    rows = session.execute(
        select(col(Image.stage), func.count()).where(col(Image.id).in_(select(ids.c.id))).group_by(col(Image.stage))
    ).all()
    return {row[0]: row[1] for row in rows}


def _facts(options: PipelineOptions, stages: Mapping[str, int]) -> tuple[str, ...]:
    matched, taken = sum(stages.values()), set(taken_stages(replace=options.replace))
    if not matched:
        return ("No image matches: there is nothing to do.",)
    facts = [f"{sum(n for stage, n in stages.items() if stage in taken):,} of {images(matched)} will be taken up."]
    left = []
    for alone, one, many in _LEFT_ALONE:
        if number := sum(stages.get(stage, 0) for stage in alone if stage not in taken):
            left.append(f"{number:,} {one if number == 1 else many}")
    if left:
        facts.append(f"Left alone: {', '.join(left)}.")
    if options.compare or options.also:
        facts.append(f"Candidates for comparison are made of {'it' if matched == 1 else f'all {matched:,}'}.")
    return tuple(facts)


def images(number: int) -> str:
    """1 -> "1 image", 1200 -> "1,200 images"."""
    return f"{number:,} image{'' if number == 1 else 's'}"
