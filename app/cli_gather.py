"""``ggt gather``: collect photographs from a platform by keywords, or ask what it would find."""

import json
from dataclasses import asdict
from typing import Annotated, Literal

import typer
from sqlmodel import col, select

from app import headless
from app.catalog.categories import CATEGORIES
from app.catalog.platforms import PLATFORMS
from app.db import reading, unit_of_work
from app.errors import GgtError
from app.models import ItemState, Run, WorkItem
from app.services import gathering, ingest_report, licence_policy
from app.services.gathering import Gather

Platform = Annotated[str, typer.Argument(help=f"One of {', '.join(PLATFORMS)}.")]
Category = Annotated[str, typer.Option(help=f"One of {', '.join(CATEGORIES)}.")]
Keyword = Annotated[
    list[str] | None, typer.Option(help="Search by this, may be given several times; default: the category's.")
]
Most = Annotated[int, typer.Option(help="Photographs to take at most.")]
SourceName = Annotated[str, typer.Option("--source", help="Name of the source; default: after platform and category.")]
Next = Annotated[
    Literal["images", "screen", "look"],
    typer.Option("--then", help="Images at once, patches to be screened, or a person's look first."),
]
OnlyCount = Annotated[bool, typer.Option("--count", help="Only ask how much there is.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def gather(
    platform: Platform,
    category: Category,
    keyword: Keyword = None,
    most: Most = 100,
    source: SourceName = "",
    then: Next = "images",
    count: OnlyCount = False,
    as_json: AsJson = False,
) -> None:
    """Collect photographs from a platform, under licences that may be collected. Starts workers of its own when none run."""
    if count:
        _count(platform, category, keyword or [], as_json)
        return
    wanted = Gather(category, platform, tuple(keyword or ()), most, source, then)
    with headless.something_running() as supervisor:
        headless.open_database()
        with unit_of_work() as session:
            run_id = gathering.start_gather(session, None, wanted).id or 0
        headless.wait_for(run_id, "Gather", supervisor)
    with reading() as session:
        report = ingest_report.report(session, run_id)
        taken = session.get_one(Run, run_id).params["taken"]
        failed = select(WorkItem).where(
            col(WorkItem.run_id) == run_id, col(WorkItem.kind) == "gather", col(WorkItem.state) == ItemState.FAILED
        )
        errors = [item.error for item in session.exec(failed)]
    if as_json:
        typer.echo(json.dumps({**report, "taken": taken, "run": run_id, "errors": errors}, ensure_ascii=False))
    else:
        typer.echo(
            f"{taken} photographs taken ({report['ingested']} patches), {report['known']} known already, "
            f"{len(report['duplicates'])} duplicates, {len(report['rejected'])} rejected; run {run_id} has the list."
        )
    if errors:
        raise GgtError(errors[0])


def _count(platform: str, category: str, keywords: list[str], as_json: bool) -> None:
    if category not in CATEGORIES:
        raise GgtError(f"There is no category {category!r}; choose from {', '.join(CATEGORIES)}.")
    headless.open_database()
    with reading() as session:
        policy = licence_policy.current(session)
    counts = gathering.count(platform, keywords or CATEGORIES[category].keywords, policy)
    if as_json:
        rows = [{**asdict(one), "examples": [found.page_url for found in one.examples]} for one in counts]
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    for one in counts:
        told = one.problem or f"{one.total:,} results; {one.allowed} of the first {one.seen} may be taken"
        typer.echo(f"{one.keyword:24} {told}")
    if problem := gathering.forbidden(gathering.spec_of(platform), policy):
        typer.echo(problem)
