"""What an admin may do to a provider: set limits, budgets and prices, pause and resume it, and check it with one call.

Each is an event in their name. Everything is looked at before anything is changed, so that what raises changes nothing.
"""

import re
import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from redis.exceptions import RedisError
from sqlmodel import Session

from app import accounts, jobs, pacing
from app.accounts import MICROS
from app.catalog.providers import LIMITS, PROVIDERS, ProviderSpec
from app.errors import Conflict, GgtError, NotFound
from app.jobs import NewItem
from app.models import Json, ProviderAccount, Run, utcnow
from app.services import events, provider_checks
from app.services.estimate import dollars
from app.services.provider_views import LIMIT_TITLES, models_of, spends

BUDGETS = {"daily_budget": "Daily budget", "total_budget": "Total budget"}
ON_LOST = ("ask", "retry")
HIGHEST_LIMIT, HIGHEST_BUDGET, HIGHEST_PRICE = 100_000, 1_000_000_000, 1_000
"""Calls, dollars, dollars a call: more is a slip of the hand."""
FIRST = 1
"""Priority of a check: somebody waits for it."""


class Invalid(GgtError):
    """Something typed is wrong; the message names the field."""

    status = 422


class RedisSilent(GgtError):
    """Redis does not answer, and what was asked for needs it."""

    status = 503


def spec_of(provider: str) -> ProviderSpec:
    """A provider's entry in the catalogue. Raises NotFound."""
    if provider not in PROVIDERS:
        raise NotFound(f"There is no provider {provider}; there are {', '.join(PROVIDERS)}.")
    return PROVIDERS[provider]


def update(session: Session, user_id: int | None, provider: str, given: Mapping[str, str]) -> Json:
    """Change what is ``given`` as typed: limits, ``daily_budget`` and ``total_budget`` in dollars, ``on_lost``, and
    ``price-<model>`` in dollars a call. Empty goes back to the catalogue's, or to no budget; what is absent stays.

    Returns what changed, as ``{field: [old, new]}``. Raises NotFound or Invalid.
    """
    spec_of(provider)
    known = {row.model: row.title for row in models_of(provider, {})}
    wanted = {name: _value(provider, name, text.strip(), known) for name, text in given.items()}
    row = accounts.ensure(session, provider)
    before = {name: _stored(row, name) for name in wanted}
    changed = {name: [before[name], value] for name, value in wanted.items() if before[name] != value}
    if not changed:
        return {}
    for name, (_, value) in changed.items():
        _store(row, name, value)
    row.updated_at = utcnow()
    events.record(session, user_id, "provider.changed", f"provider:{provider}", details=changed)
    return changed


def pause(session: Session, user_id: int | None, provider: str, reason: str = "") -> None:
    """Ask nothing more of a provider until it is resumed; calls under way end by themselves. Raises NotFound."""
    spec_of(provider)
    reason = reason.strip()[:500] or "Paused by an admin."
    accounts.ensure(session, provider).paused = reason
    events.record(session, user_id, "provider.paused", f"provider:{provider}", why=reason)


def resume(session: Session, user_id: int | None, provider: str) -> None:
    """Ask a provider again, at once: its pause and its failures are forgotten. Raises NotFound or RedisSilent."""
    title = spec_of(provider).title
    try:
        pacing.close_circuit(provider)
    except (RedisError, OSError) as error:
        raise RedisSilent(f"{title} cannot be resumed: Redis does not answer. Start it, then resume.") from error
    row = accounts.ensure(session, provider)
    events.record(session, user_id, "provider.resumed", f"provider:{provider}", why=row.paused)
    row.paused = ""


def start_check(session: Session, user_id: int | None, provider: str) -> Run:
    """Start a run that makes one cheap call. Raises NotFound, or Conflict where that call could not be sent."""
    title = spec_of(provider).title
    spend = spends(session, [provider])[0]
    if not spend.state.ready:
        raise Conflict(f"{title} cannot be checked ({spend.state.kind}). {spend.state.told}")
    last = provider_checks.last(session).get(provider)
    if last is not None and last.ok is None:
        raise Conflict(f"A check of {title} is under way already, as run {last.run_id}.")
    plan = provider_checks.plan(provider)
    price = accounts.account(session, provider).prices.get(plan.model, plan.price.call)
    cost = round(price * MICROS)
    if spend.left_micros is not None and spend.left_micros < cost:
        left = dollars(spend.left_micros)
        raise Conflict(f"A check of {title} may cost {dollars(cost)}, and its budget has {left} left. Raise it first.")
    run = jobs.start_run(session, "check", f"Check {title}", {"provider": provider, "model": plan.model}, user_id)
    # The token makes each check a request of its own: an answer that was given to an earlier one proves nothing now.
    key = f"check:{provider}:{secrets.token_hex(8)}"
    lane = pacing.image_lane(provider) if plan.image else provider
    jobs.add_items(session, run.id or 0, [NewItem("check", key, "api", priority=FIRST, lane=lane)])
    events.record(session, user_id, "provider.checked", f"provider:{provider}", details={"run": run.id})
    return run


def _value(provider: str, name: str, text: str, models: Mapping[str, str]) -> Any:
    """What was typed into a field, read. Raises Invalid, naming the field."""
    if name in LIMITS:
        return _whole(text, LIMIT_TITLES[name])
    if name in BUDGETS:
        return _money(text, BUDGETS[name], HIGHEST_BUDGET)
    if name == "on_lost":
        if text not in ON_LOST:
            raise Invalid(f"When an answer is lost: choose {' or '.join(ON_LOST)}, not {text!r}.")
        return text
    model = name.removeprefix("price-")
    if name == model or model not in models:
        raise Invalid(f"{PROVIDERS[provider].title} has no setting {name!r}.")
    return _money(text, f"Price of {models[model]}", HIGHEST_PRICE)


def _whole(text: str, title: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= HIGHEST_LIMIT:
        raise Invalid(f"{title}: {text!r} is not a whole number from 1 to {HIGHEST_LIMIT:,}.")
    return int(text)


def _money(text: str, title: str, highest: int) -> float | None:
    """Dollars to the millionth, or None for nothing."""
    if not text:
        return None
    plain = text.removeprefix("$").strip()
    if not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{0,6})?|\.[0-9]{1,6}", plain) or Decimal(plain) > highest:
        raise Invalid(f"{title}: {text!r} is not an amount in dollars from 0 to {highest:,}, such as 12.50.")
    return float(plain)


def _stored(row: ProviderAccount, name: str) -> Any:
    """A setting as :func:`_value` reads it."""
    if name.startswith("price-"):
        return row.prices.get(name.removeprefix("price-"))
    if name in BUDGETS:
        micros = getattr(row, f"{name}_micros")
        return None if micros is None else micros / MICROS
    return getattr(row, name)


def _store(row: ProviderAccount, name: str, value: Any) -> None:
    if name.startswith("price-"):
        model = name.removeprefix("price-")
        prices = {key: price for key, price in row.prices.items() if key != model}
        row.prices = prices if value is None else {**prices, model: value}
    elif name in BUDGETS:
        setattr(row, f"{name}_micros", None if value is None else round(value * MICROS))
    else:
        setattr(row, name, value)
