"""``ggt benchmark``: image sets, and evaluations of settings on them."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from sqlmodel import Session, col, select

from app import accounts, headless
from app.catalog.categories import CATEGORIES
from app.catalog.generators import GENERATORS, STRATEGIES
from app.catalog.judges import JUDGES
from app.catalog.mfms import MFMS
from app.db import reading, unit_of_work
from app.errors import GgtError, NotFound
from app.models import Run, Source
from app.services import evaluation_quote, image_sets, planning, set_views
from app.services.image_sets import PAPER_FIDELITY, PAPER_PERCEPTUAL
from app.services.options import LOCAL_JUDGE, PipelineOptions
from app.services.set_views import SetLine

benchmark = typer.Typer(no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Name = Annotated[str, typer.Argument(help="The set's name.")]
Seed = Annotated[int, typer.Option(min=0, help="Another seed draws others.")]
Number = Annotated[int, typer.Option(min=0, help="So many of this category.")]


@benchmark.callback()
def about() -> None:
    """Image sets, and evaluations of settings on them (Sec. 3.2)."""


@benchmark.command("list")
def list_sets(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False) -> None:
    """Each image set with its kind, images and state."""
    headless.open_database()
    with reading() as session:
        lines = set_views.lines(session)
    if as_json:
        typer.echo(json.dumps([_row(line) for line in lines], ensure_ascii=False))
        return
    if not lines:
        typer.echo("No image set yet. Type: ggt benchmark perceptual NAME --paper")
    for line in lines:
        typer.echo(_words(line))


@benchmark.command()
def perceptual(
    name: Name,
    rain: Number = 0,
    haze: Number = 0,
    snow: Number = 0,
    low_light: Number = 0,
    old_photo: Number = 0,
    general_mixed: Number = 0,
    paper: Annotated[bool, typer.Option("--paper", help="As the paper: 20 each, 100 general mixed.")] = False,
    source: Annotated[str, typer.Option(help="Only images of this source.")] = "",
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Draw a set of real LQ images, at most one of a photograph. It stays open until it is frozen."""
    given = {
        "rain": rain, "haze": haze, "snow": snow, "low_light": low_light, "old_photo": old_photo,
        "general_mixed": general_mixed,
    }  # fmt: skip
    if paper and any(given.values()):
        raise GgtError("Give --paper or numbers of categories, not both.")
    headless.open_database()
    with unit_of_work() as session:
        source_id = _source(session, source) if source else None
        wanted = PAPER_PERCEPTUAL if paper else given
        made = image_sets.draw_perceptual(session, name, wanted, seed=seed, user_id=None, source_id=source_id)
        set_id = made.id or 0
    _tell_set(set_id, as_json)


@benchmark.command()
def fidelity(
    name: Name,
    source: Annotated[str, typer.Option(help="The source of clean photographs, ingested with --then clean.")],
    count: Annotated[
        int | None, typer.Option(min=1, help=f"So many images; default: {PAPER_FIDELITY}, or all there are.")
    ] = None,
    seed: Seed = 0,
    scale: Annotated[int, typer.Option(help="1: one size throughout; 4: reduced to a quarter and back.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Make a set of clean photographs, degraded as Real-ESRGAN does, and wait for it. Starts workers when none run."""
    headless.require_workers()
    with headless.something_running() as supervisor:
        headless.open_database()
        with unit_of_work() as session:
            source_id = _source(session, source)
            there = {one.id: one.photographs for one in set_views.clean_sources(session)}
            number = min(PAPER_FIDELITY, there.get(source_id, PAPER_FIDELITY)) if count is None else count
            made, run = image_sets.start_fidelity(session, name, source_id, number, seed=seed, scale=scale, user_id=None)
            set_id, run_id = made.id or 0, run.id or 0
        headless.wait_for(run_id, "Degrade", supervisor)
    _tell_set(set_id, as_json, run_id)


@benchmark.command()
def freeze(name: Name, as_json: AsJson = False) -> None:
    """Freeze a set: it changes no more, and can be evaluated."""
    headless.open_database()
    with unit_of_work() as session:
        set_id = set_views.by_name(session, name)
        image_sets.freeze(session, set_id, None)
    _tell_set(set_id, as_json)


@benchmark.command()
def evaluate(
    sets: Annotated[list[str], typer.Option("--set", help="A frozen set; may be given several times.")],
    setting: Annotated[
        list[str] | None,
        typer.Option(help=f"GENERATOR or GENERATOR:STRATEGY ({', '.join(STRATEGIES)}); may be given several times."),
    ] = None,
    all_mfms: Annotated[bool, typer.Option("--all-mfms", help="All MFMs with all strategies: the 36 of Table 1.")] = False,
    local: Annotated[bool, typer.Option("--local", help="All local methods.")] = False,
    judge: Annotated[str, typer.Option(help=f"Who judges: {', '.join(JUDGES)}, or none.")] = LOCAL_JUDGE,
    batch: Annotated[bool, typer.Option(help="Ask in batches at half price, with answers within a day.")] = False,
    spend: Annotated[float, typer.Option(help="US dollars the run may cost by its estimate.")] = 0.0,
    yes: Annotated[bool, typer.Option("--yes", help="Spend what the estimate says, whatever that is.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make what is missing of each setting on the sets, measure and judge it, and wait. Starts workers when none run."""
    headless.open_database()
    who = "" if judge == "none" else judge
    with reading() as session:
        options = PipelineOptions(
            set_ids=tuple(dict.fromkeys(set_views.by_name(session, name) for name in sets)),
            also=_settings(setting or (), all_mfms=all_mfms, local=local), compare=False, judge=who,
            judge_compared=bool(who), batch=batch,
        )  # fmt: skip
        told = evaluation_quote.quote(session, options)
    for line in (*told.facts, told.estimate.sentence() + ".", *told.notes, *told.warnings):
        headless.console.print(line, markup=False, soft_wrap=True)
    confirmed = max(round(spend * accounts.MICROS), told.estimate.micros if yes else 0)
    if told.estimate.micros > confirmed:
        raise planning.NotConfirmed(
            f"This run costs money: {told.estimate.sentence()}. To start it type --yes, or --spend with that many dollars."
        )
    headless.require_workers()
    headless.fetch_missing_weights()
    with headless.something_running() as supervisor:
        with unit_of_work() as session:
            evaluation_quote.check(session, options)
            title = evaluation_quote.title(session, options.set_ids)
            run = planning.start_pipeline(session, options, user_id=None, title=title, confirmed=confirmed)
            run_id = run.id or 0
        headless.wait_for(run_id, "Evaluate", supervisor)
    _tell(_run(run_id), as_json)


def _settings(given: Sequence[str], *, all_mfms: bool, local: bool) -> tuple[tuple[str, str], ...]:
    found = []
    for text in given:
        generator, _, strategy = text.partition(":")
        found.append((generator, strategy or "none"))
    if all_mfms:
        found += [(spec.key, strategy) for spec in MFMS for strategy in STRATEGIES]
    if local:
        found += [(key, "none") for key, spec in GENERATORS.items() if spec.local]
    if not found:
        raise GgtError("Name settings: --setting GENERATOR:STRATEGY, --all-mfms or --local.")
    return tuple(dict.fromkeys(found))


def _source(session: Session, name: str) -> int:
    found = session.exec(select(col(Source.id)).where(col(Source.name) == name)).first()
    if found is None:
        raise NotFound(f"There is no source {name!r}.")
    return found


def _tell_set(set_id: int, as_json: bool, run_id: int | None = None) -> None:
    with reading() as session:
        line = set_views.line(session, set_id)
    if as_json:
        row = _row(line) | (_run(run_id) if run_id else {})
        typer.echo(json.dumps(row, ensure_ascii=False))
        return
    typer.echo(_words(line))
    if run_id and (failed := _run(run_id)["failed"]):
        typer.echo(f"{failed} could not be made; run {run_id} says why.")


def _row(line: SetLine) -> dict[str, Any]:
    return {
        "set": line.id, "name": line.name, "kind": line.kind, "images": line.images, "by_category": dict(line.by_category),
        "frozen": line.frozen, "being_made": line.making, "source": line.source, "recipe": dict(line.recipe),
    }  # fmt: skip


def _words(line: SetLine) -> str:
    state = "being made" if line.making else "frozen" if line.frozen else "open"
    told = ", ".join(f"{CATEGORIES[key].title} {number}" for key, number in line.by_category.items())
    return f"{line.name:24} {line.kind:10} {state:10} {line.images:6} images" + (f"  {told}" if told else "")


def _run(run_id: int) -> dict[str, Any]:
    with reading() as session:
        run = session.get_one(Run, run_id)
        names = ("state", "total", "done", "failed", "cancelled", "unknown")
        return {"run": run_id, **{name: getattr(run, name) for name in names}}


def _tell(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
        return
    for key, value in report.items():
        typer.echo(f"{key:12} {value}")
