"""Money: what may be spent with a provider is reserved in the database before a call and booked after it.

One conditional UPDATE on the provider's row decides, so that no number of workers can overdraw a budget together. Amounts
are millionths of a US dollar. The day of a daily budget is that of UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import and_, case, or_, select, update
from sqlmodel import Session, col

from app.catalog.generator_spec import Price
from app.catalog.providers import PROVIDERS
from app.db import insert_ignore
from app.models import ProviderAccount, Run

MICROS = 1_000_000


@dataclass(frozen=True)
class Limits:
    """How a provider may be used now: the admin's values where set, else the catalogue's.

    ``paused`` says why not at all; with ``spent_out`` it is for want of money, and what is paid for may still be fetched.
    ``prices`` are the admin's corrections, dollars a call by model.
    """

    requests_per_minute: int
    images_per_minute: int
    concurrency: int
    paused: str
    on_lost: str
    prices: Mapping[str, float]
    spent_out: bool = False

    def price(self, model: str, listed: Price) -> Price:
        """The price of a model: the admin's correction where there is one, else the one that is listed."""
        corrected = self.prices.get(model)
        return listed if corrected is None else Price(float(corrected))


def today() -> date:
    return datetime.now(UTC).date()


def account(session: Session, provider: str) -> ProviderAccount:
    """A provider's row, or an unsaved one with nothing in it."""
    return session.get(ProviderAccount, provider) or ProviderAccount(provider=provider)


def ensure(session: Session, provider: str) -> ProviderAccount:
    """A provider's row, made on first use."""
    found = session.get(ProviderAccount, provider)
    if found is None:
        insert_ignore(session, ProviderAccount, [ProviderAccount(provider=provider).model_dump()])
        found = session.get_one(ProviderAccount, provider)
    return found


def all_accounts(session: Session) -> list[ProviderAccount]:
    """The rows of all providers that have one, by key."""
    return list(session.execute(select(ProviderAccount).order_by(col(ProviderAccount.provider))).scalars())


def limits(session: Session) -> dict[str, Limits]:
    """The limits of every provider, in one statement."""
    rows = {row.provider: row for row in all_accounts(session)}
    found = {}
    for key, spec in PROVIDERS.items():
        row = rows.get(key) or ProviderAccount(provider=key)
        found[key] = Limits(
            row.requests_per_minute or spec.requests_per_minute,
            row.images_per_minute or spec.images_per_minute,
            row.concurrency or spec.concurrency,
            row.paused or _spent_out(row),
            row.on_lost,
            row.prices,
            not row.paused and bool(_spent_out(row)),
        )
    return found


def _spent_out(row: ProviderAccount) -> str:
    """That a budget has nothing left for any call at all, as a reason to pause; empty otherwise."""
    spent = row.spent_micros + row.reserved_micros
    if row.total_budget_micros is not None and spent >= row.total_budget_micros:
        return "Its total budget is spent."
    spent_today = (row.spent_today_micros if row.day == today() else 0) + row.reserved_micros
    if row.daily_budget_micros is not None and spent_today >= row.daily_budget_micros:
        return "Its budget of today (UTC) is spent."
    return ""


def reserve(session: Session, provider: str, micros: int) -> bool:
    """Set ``micros`` aside for a call about to be sent. False when a budget does not have them: send nothing."""
    table = ProviderAccount
    day = today()
    spent_today = case((col(table.day) == day, col(table.spent_today_micros)), else_=0)
    total, daily = col(table.total_budget_micros), col(table.daily_budget_micros)
    reserved = col(table.reserved_micros) + micros
    affordable = and_(
        or_(total.is_(None), col(table.spent_micros) + reserved <= total),
        or_(daily.is_(None), spent_today + reserved <= daily),
    )
    statement = (
        update(table)
        .where(col(table.provider) == provider, affordable)
        .values(reserved_micros=reserved)
        .returning(col(table.provider))
        .execution_options(synchronize_session=False)
    )
    if session.execute(statement).first():
        return True
    ensure(session, provider)  # the first call ever, perhaps several at once: whoever made the row, it is there now
    return session.execute(statement).first() is not None


def book(session: Session, provider: str, run_id: int | None, *, reserved: int, cost: int) -> None:
    """Close a call: give its reservation back and count what it cost, with the provider and with its run."""
    table, day = ProviderAccount, today()
    session.execute(
        update(table)
        .where(col(table.provider) == provider)
        .values(
            reserved_micros=col(table.reserved_micros) - reserved,
            spent_micros=col(table.spent_micros) + cost,
            spent_today_micros=case((col(table.day) == day, col(table.spent_today_micros)), else_=0) + cost,
            day=day,
        )
        .execution_options(synchronize_session=False)
    )
    if run_id is not None and cost:
        session.execute(
            update(Run)
            .where(col(Run.id) == run_id)
            .values(spent_micros=col(Run.spent_micros) + cost)
            .execution_options(synchronize_session=False)
        )
