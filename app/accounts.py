"""Money: what may be spent with a provider is reserved in the database before a call and booked after it.

One conditional UPDATE on the provider's row decides, so that no number of workers can overdraw a budget together. Amounts
are millionths of a US dollar. The day of a daily budget is that of UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import bindparam, case, or_, select, update
from sqlmodel import Session, col

from app.catalog.generator_spec import Price
from app.catalog.providers import PROVIDERS
from app.db import insert_ignore
from app.models import ProviderAccount, Run, table_of

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


ACCOUNTS, RUNS = table_of(ProviderAccount).c, table_of(Run).c
_TODAY, _COST = bindparam("today", type_=ACCOUNTS.day.type), bindparam("cost", type_=ACCOUNTS.spent_micros.type)
_SPENT_TODAY = case((ACCOUNTS.day == _TODAY, ACCOUNTS.spent_today_micros), else_=0)
_RESERVED = ACCOUNTS.reserved_micros + bindparam("wanted")
_RESERVE = (
    update(table_of(ProviderAccount))
    .where(
        ACCOUNTS.provider == bindparam("account"),
        or_(ACCOUNTS.total_budget_micros.is_(None), ACCOUNTS.spent_micros + _RESERVED <= ACCOUNTS.total_budget_micros),
        or_(ACCOUNTS.daily_budget_micros.is_(None), ACCOUNTS.daily_budget_micros >= _SPENT_TODAY + _RESERVED),
    )
    .values(reserved_micros=_RESERVED)
    .returning(ACCOUNTS.provider)
)
_BOOK = (
    update(table_of(ProviderAccount))
    .where(ACCOUNTS.provider == bindparam("account"))
    .values(
        reserved_micros=ACCOUNTS.reserved_micros - bindparam("given_back"),
        spent_micros=ACCOUNTS.spent_micros + _COST,
        spent_today_micros=_SPENT_TODAY + _COST,
        day=_TODAY,
    )
)
_BOOK_RUN = update(table_of(Run)).where(RUNS.id == bindparam("run")).values(spent_micros=RUNS.spent_micros + _COST)


def reserve(session: Session, provider: str, micros: int) -> bool:
    """Set ``micros`` aside for a call about to be sent. False when a budget does not have them: send nothing."""
    asked = {"account": provider, "wanted": micros, "today": today()}
    if session.execute(_RESERVE, asked).first():
        return True
    ensure(session, provider)  # the first call ever, perhaps several at once: whoever made the row, it is there now
    return session.execute(_RESERVE, asked).first() is not None


def book(session: Session, provider: str, run_id: int | None, *, reserved: int, cost: int) -> None:
    """Close a call: give its reservation back and count what it cost, with the provider and with its run."""
    session.execute(_BOOK, {"account": provider, "given_back": reserved, "cost": cost, "today": today()})
    if run_id is not None and cost:
        session.execute(_BOOK_RUN, {"run": run_id, "cost": cost})
