"""What the Providers page, the dashboard and ``ggt providers`` tell of each provider. No secret is ever in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import urlsplit

from sqlalchemy import func, select, union_all
from sqlmodel import Session, col

from app import accounts, pacing
from app.accounts import MICROS
from app.catalog.generator_spec import Price
from app.catalog.mfms import MFMS
from app.catalog.providers import LIMITS, PROVIDERS, ProviderSpec
from app.catalog.vlms import VLMS
from app.config import settings
from app.models import ApiCall, CallState, ProviderAccount
from app.pacing import Pace
from app.services import provider_checks
from app.services.estimate import dollars
from app.services.provider_checks import CheckPlan, LastCheck

PROBLEMS_SHOWN = 3
LIMIT_TITLES = {
    "requests_per_minute": "Requests per minute",
    "images_per_minute": "Images per minute",
    "concurrency": "Calls at once",
}
StateKind = Literal["ready", "no key", "paused", "budget spent", "circuit open", "waiting", "Redis is silent"]


@dataclass(frozen=True)
class State:
    """Whether a provider is asked at present; ``told`` says why not, or until when. "waiting" is a pause it asked for."""

    kind: StateKind
    told: str = ""

    @property
    def ready(self) -> bool:
        return self.kind == "ready"

    @property
    def resumable(self) -> bool:
        return self.kind in ("paused", "circuit open", "waiting")


@dataclass(frozen=True)
class Spend:
    """What a provider has cost, and may. Money is in millionths of a US dollar; a budget of None has no end."""

    key: str
    title: str
    has_key: bool
    stand_in: bool
    state: State
    today_micros: int
    spent_micros: int
    reserved_micros: int
    daily_micros: int | None
    total_micros: int | None

    @property
    def used(self) -> bool:
        return bool(self.spent_micros or self.reserved_micros)

    @property
    def left_micros(self) -> int | None:
        """What the tighter budget still has for calls; None without budgets."""
        taken = ((self.daily_micros, self.today_micros), (self.total_micros, self.spent_micros))
        left = [budget - spent - self.reserved_micros for budget, spent in taken if budget is not None]
        return min(left) if left else None

    @property
    def today(self) -> str:
        return dollars(self.today_micros)

    @property
    def spent(self) -> str:
        return dollars(self.spent_micros)

    @property
    def reserved(self) -> str:
        return dollars(self.reserved_micros)

    @property
    def daily(self) -> str:
        return dollars(self.daily_micros or 0)

    @property
    def total(self) -> str:
        return dollars(self.total_micros or 0)


@dataclass(frozen=True)
class ModelRow:
    """A model and what one call of it costs in US dollars, for each thing it does. ``corrected`` replaces all of these."""

    model: str
    title: str
    prices: tuple[tuple[str, Price], ...]
    corrected: float | None


@dataclass(frozen=True)
class Limit:
    """A limit in force, and the catalogue's."""

    name: str
    title: str
    value: int
    default: int


@dataclass(frozen=True)
class Problem:
    """A call that gave nothing (``failed``), or may have (``unknown``)."""

    state: str
    reason: str
    error: str
    when: datetime
    run_id: int | None


@dataclass(frozen=True)
class ProviderView:
    """All there is to tell of one provider. ``form`` is what its form holds as it is stored, by field."""

    spec: ProviderSpec
    spend: Spend
    address: str
    models: tuple[ModelRow, ...]
    limits: tuple[Limit, ...]
    on_lost: str
    calls: Mapping[str, int]
    problems: tuple[Problem, ...]
    plan: CheckPlan
    check_price: str
    last_check: LastCheck | None
    form: Mapping[str, str]

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that hold its credentials."""
        return tuple(filter(None, (self.spec.key_setting, self.spec.secret_setting)))


def spends(session: Session, only: Iterable[str] = PROVIDERS) -> list[Spend]:
    """Money and state of providers, in one statement."""
    keys = list(only)
    rows = {row.provider: row for row in accounts.all_accounts(session)}
    paces = _paces(keys)
    return [_spend(rows.get(key) or ProviderAccount(provider=key), paces.get(key)) for key in keys]


def providers(session: Session, only: Iterable[str] = PROVIDERS) -> list[ProviderView]:
    """Everything about providers, in four statements however many they are."""
    keys = list(only)
    rows = {row.provider: row for row in accounts.all_accounts(session)}
    paces, calls, problems = _paces(keys), _calls(session, keys), _problems(session, keys)
    checks = provider_checks.last(session)
    views = []
    for key in keys:
        spec, row, plan = PROVIDERS[key], rows.get(key) or ProviderAccount(provider=key), provider_checks.plan(key)
        check_price = row.prices.get(plan.model, plan.price.call)
        views.append(
            ProviderView(
                spec, _spend(row, paces.get(key)), _address(key), models_of(key, row.prices),
                tuple(Limit(n, LIMIT_TITLES[n], getattr(row, n) or getattr(spec, n), getattr(spec, n)) for n in LIMITS),
                row.on_lost, calls.get(key, {}), problems.get(key, ()), plan, dollars(round(check_price * MICROS)),
                checks.get(key), _form(row),
            )
        )  # fmt: skip
    return views


def models_of(provider: str, corrected: Mapping[str, float]) -> tuple[ModelRow, ...]:
    """The models a provider is asked for: those that make images, then those that read them."""
    images = [
        ModelRow(m.model, m.title, (("image", m.price),), corrected.get(m.model)) for m in MFMS if m.provider == provider
    ]
    texts = [
        ModelRow(v.model, v.title, (("prompt", v.prompt_price), ("judgement", v.judge_price)), corrected.get(v.model))
        for v in VLMS.values()
        if v.provider == provider
    ]
    return (*images, *texts)


def _spend(row: ProviderAccount, pace: Pace | None) -> Spend:
    key, today = row.provider, row.spent_today_micros if row.day == accounts.today() else 0
    has_key = not missing(key)

    def told(state: State) -> Spend:
        return Spend(
            key, PROVIDERS[key].title, has_key, settings().stand_in(key), state, today, row.spent_micros,
            row.reserved_micros, row.daily_budget_micros, row.total_budget_micros,
        )  # fmt: skip

    left = told(State("ready")).left_micros
    return told(_state(row, pace, left))


def _state(row: ProviderAccount, pace: Pace | None, left: int | None) -> State:
    """The first thing that stands in the way, in the order in which a person has to deal with them."""
    if unset := missing(row.provider):
        return State("no key", f"Set {' and '.join(unset)} where GGT Studio starts.")
    if row.paused:
        return State("paused", row.paused)
    if left is not None and left <= 0:
        return State("budget spent", "Raise a budget, or wait for the next day (UTC) where the daily one is spent.")
    if pace is None:
        return State("Redis is silent", "Redis does not answer, and nothing is sent without it. Start it, or GGT Studio.")
    if pace.paused_for > 0:
        if pace.tripped:
            return State("circuit open", f"After failures in a row it is tried again in {pace.paused_for:.0f} s.")
        return State("waiting", f"Nothing is asked for {pace.paused_for:.0f} s: it wanted a pause, or the budget is short.")
    return State("ready")


def missing(provider: str) -> tuple[str, ...]:
    """The environment variables that a provider needs and that are not set."""
    spec, config = PROVIDERS[provider], settings()
    held = {spec.key_setting: config.provider_key(provider)}
    if spec.secret_setting:
        held[spec.secret_setting] = config.provider_secret(provider)
    return tuple(name for name, value in held.items() if not value)


def _address(provider: str) -> str:
    """Where a provider is reached, without a user name, password or query that somebody put into the address."""
    parts = urlsplit(settings().provider_url(provider))
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _paces(keys: Iterable[str]) -> dict[str, Pace]:
    """How providers are being asked; empty when Redis does not answer, which is found out once and not for each."""
    found = {}
    for key in keys:
        pace = pacing.pace(key)
        if pace is None:
            return {}
        found[key] = pace
    return found


def _calls(session: Session, keys: list[str]) -> dict[str, dict[str, int]]:
    """Calls by provider and state."""
    rows = session.execute(
        select(col(ApiCall.provider), col(ApiCall.state), func.count())
        .where(col(ApiCall.provider).in_(keys))
        .group_by(col(ApiCall.provider), col(ApiCall.state))
    )
    counts: dict[str, dict[str, int]] = {}
    for provider, state, number in rows:
        counts.setdefault(provider, {})[state] = number
    return counts


def _problems(session: Session, keys: list[str]) -> dict[str, tuple[Problem, ...]]:
    """The newest calls that gave nothing: a few of each state and provider by its index, then the newest of those."""
    columns: tuple[Any, ...] = (
        col(ApiCall.id), col(ApiCall.provider), col(ApiCall.state), col(ApiCall.reason), col(ApiCall.error),
        col(ApiCall.finished_at), col(ApiCall.sent_at), col(ApiCall.run_id),
    )  # fmt: skip
    parts = [
        select(*columns)
        .where(col(ApiCall.state) == state, col(ApiCall.provider) == key)
        .order_by(col(ApiCall.id).desc())
        .limit(PROBLEMS_SHOWN)
        .subquery()
        for key in keys
        for state in (CallState.FAILED, CallState.UNKNOWN)
    ]
    both = union_all(*(select(part) for part in parts)).subquery()
    found: dict[str, tuple[Problem, ...]] = {}
    for row in session.execute(select(both).order_by(both.c.id.desc())):
        problem = Problem(row.state, row.reason, row.error, row.finished_at or row.sent_at, row.run_id)
        found[row.provider] = (*found.get(row.provider, ()), problem)[:PROBLEMS_SHOWN]
    return found


def _form(row: ProviderAccount) -> dict[str, str]:
    limits: dict[str, str] = {name: str(getattr(row, name) or "") for name in LIMITS}
    budgets = {"daily_budget": amount(row.daily_budget_micros), "total_budget": amount(row.total_budget_micros)}
    prices = {f"price-{m.model}": "" if m.corrected is None else f"{m.corrected:f}".rstrip("0").rstrip(".")
              for m in models_of(row.provider, row.prices)}  # fmt: skip
    return {**limits, **budgets, **prices, "on_lost": row.on_lost}


def amount(micros: int | None) -> str:
    """Millionths of a dollar as one types dollars: 12_500_000 -> "12.5"; nothing for None."""
    return "" if micros is None else f"{(Decimal(micros) / MICROS).normalize():f}"
