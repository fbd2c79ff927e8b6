"""``ggt providers``: what they cost and whether they answer, their budgets, and a check with one real call."""

import json
import sys
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app import headless
from app.accounts import MICROS
from app.catalog.providers import PROVIDERS
from app.config import settings
from app.db import reading, unit_of_work
from app.errors import GgtError
from app.services import provider_accounts, provider_checks, provider_views
from app.services.provider_views import ProviderView

providers = typer.Typer(no_args_is_help=True, help="Providers of models: state, spending, budgets, checks.")

Name = Annotated[str, typer.Argument(help=f"One of {', '.join(PROVIDERS)}.")]
Dollars = Annotated[str | None, typer.Option(help="US dollars; none takes the budget away.")]


@providers.command("list")
def list_providers(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False) -> None:
    """Each provider's key, address, state and spending. Keys are never shown."""
    headless.open_database()
    with reading() as session:
        views = provider_views.providers(session)
    if as_json:
        typer.echo(json.dumps([_row(view) for view in views], ensure_ascii=False))
        return
    table = Table("Name", "Key", "Address", "State", "Today", "In all", "Budgets", box=None, pad_edge=False)
    for view in views:
        spend = view.spend
        budgets = [f"{spend.daily} a day"] if spend.daily_micros is not None else []
        budgets += [f"{spend.total} in all"] if spend.total_micros is not None else []
        table.add_row(
            spend.key, "set" if spend.has_key else "not set", view.address + (" (stand-in)" if spend.stand_in else ""),
            spend.state.kind, spend.today, spend.spent, ", ".join(budgets) or "none",
        )  # fmt: skip
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)


@providers.command()
def check(name: Name) -> None:
    """Make one cheap real call and say what came of it. Starts workers of its own when none run; status 1: it failed."""
    title = provider_accounts.spec_of(name).title
    with headless.something_running() as supervisor:
        headless.open_database()
        with unit_of_work() as session:
            run_id = provider_accounts.start_check(session, None, name).id or 0
        headless.wait_for(run_id, f"Check {title}", supervisor)
    with reading() as session:
        last = provider_checks.last(session)[name]
    if not last.ok:
        raise GgtError(f"{title}: {last.result}")
    typer.echo(f"{title}: {last.result}{' (a stand-in)' if settings().stand_in(name) else ''}")


@providers.command()
def budget(name: Name, daily: Dollars = None, total: Dollars = None) -> None:
    """Set what a provider may cost a day (UTC) and in all; without options, tell it."""
    headless.open_database()
    given = {f: text for f, text in (("daily_budget", daily), ("total_budget", total)) if text is not None}
    with unit_of_work() as session:
        empty = {field: "" if text == "none" else text for field, text in given.items()}
        provider_accounts.update(session, None, name, empty)
        spend = provider_views.spends(session, [name])[0]
    day = f"{spend.today} of {spend.daily}" if spend.daily_micros is not None else f"{spend.today}, no budget"
    all_of_it = f"{spend.spent} of {spend.total}" if spend.total_micros is not None else f"{spend.spent}, no budget"
    typer.echo(f"{spend.title}: today {day}; in all {all_of_it}")


def _row(view: ProviderView) -> dict[str, Any]:
    """A provider as JSON; money in US dollars, null for no budget."""
    spend = view.spend

    def money(micros: int | None) -> float | None:
        return None if micros is None else micros / MICROS

    return {
        "name": spend.key,
        "title": spend.title,
        "key_set": spend.has_key,
        "address": view.address,
        "stand_in": spend.stand_in,
        "state": spend.state.kind,
        "why": spend.state.told,
        "spent_today": money(spend.today_micros),
        "spent": money(spend.spent_micros),
        "reserved": money(spend.reserved_micros),
        "daily_budget": money(spend.daily_micros),
        "total_budget": money(spend.total_micros),
        "calls": dict(view.calls),
    }
