"""``ggt screen`` and ``ggt sample``: which patches stay, and which of those become images."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from sqlmodel import Session, col, func, select

from app import accounts, headless
from app.catalog.categories import CATEGORIES
from app.catalog.screening import RULED
from app.catalog.vlms import VLMS
from app.db import reading, unit_of_work
from app.domain.sampling import DrawRule
from app.domain.screening import LEVELS
from app.errors import GgtError, NotFound
from app.models import Image, Run, Source, Stage
from app.services import sampling, screening
from app.services.screening import Choice, ScreenOptions

Category = Annotated[str, typer.Option(help=f"One of {', '.join(CATEGORIES)}; default: all.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]


def screen(
    category: Category = "",
    source: Annotated[str, typer.Option(help="Only patches of this source.")] = "",
    who: Annotated[
        list[str] | None,
        typer.Option(help=f"STEP=WHO, e.g. content=gemini; steps: {', '.join(RULED)}; who: measure, {', '.join(VLMS)}, "
                     "person, off.")
    ] = None,
    least: Annotated[list[str] | None, typer.Option(help="STEP.NAME=NUMBER, e.g. content.structure=0.2.")] = None,
    most: Annotated[list[str] | None, typer.Option(help="STEP.NAME=NUMBER, e.g. metric.niqe=12.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Also what was screened before and no person decided.")] = False,
    spend: Annotated[float, typer.Option(help="US dollars the run may cost at most.")] = 0.0,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Screen the patches that wait, and print how many each step put out.

    Starts workers of its own when none run. Without options everything is measured on this machine.
    """
    headless.require_workers()
    choices = _choices(who or (), least or (), most or ())
    with headless.something_running() as supervisor:
        headless.open_database()
        with unit_of_work() as session:
            source_id = _source(session, source)
            options = ScreenOptions(source_id, category or None, choices, again)
            told = screening.quote(session, options)
            for line in (*told.facts, *told.notes, *told.warnings):
                headless.console.print(line, markup=False, soft_wrap=True)
            run = screening.start_screening(session, None, options, confirmed=round(spend * accounts.MICROS))
            run_id = run.id or 0
        headless.wait_for(run_id, "Screen", supervisor)
    with reading() as session:
        _tell(_report(session, run_id, source_id, category or None), as_json)


def sample(
    category: Annotated[str, typer.Option(help=f"One of {', '.join(CATEGORIES)}.")],
    ratio: Annotated[str, typer.Option(help="High to medium to low.")] = "1:2:3",
    most: Annotated[int | None, typer.Option(min=0, help="How many in all; a larger number later adds to these.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws others.")] = 0,
    fill: Annotated[bool, typer.Option("--fill", help="Go on with the other levels where one has run out.")] = False,
    per_photo: Annotated[int | None, typer.Option(min=1, help="Most patches of a photograph in each level.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Do not draw: take every patch that has passed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw patches that passed by their level, or take all, and make images of them."""
    headless.require_workers()
    try:
        parts = dict(zip(LEVELS, map(int, ratio.split(":")), strict=True))
    except ValueError:
        raise GgtError(f"The ratio {ratio!r} is none: write it as high to medium to low, such as 1:2:3.") from None
    try:
        rule = DrawRule(parts, seed, most, fill, per_photo)
    except ValueError as error:
        raise GgtError(f"This cannot be drawn: {error}.") from error
    with headless.something_running() as supervisor:
        headless.open_database()
        with unit_of_work() as session:
            if everything:
                run = sampling.start_retaining(session, None, category)
            else:
                run = sampling.start_sampling(session, None, category, rule)
            run_id = run.id or 0
        headless.wait_for(run_id, "Sample", supervisor)
    with reading() as session:
        _tell(_report(session, run_id, None, category), as_json)


def _choices(who: Sequence[str], least: Sequence[str], most: Sequence[str]) -> dict[str, Choice]:
    """Options as typed. Raises GgtError for one that is not of the form."""
    told: dict[str, dict[str, Any]] = {}
    for text in who:
        step, equals, name = text.partition("=")
        if not equals or not name:
            raise GgtError(f"--who {text}: write it as STEP=WHO, such as content=gemini.")
        told.setdefault(step, {})["who"] = name
    for side, texts in (("least", least), ("most", most)):
        for text in texts:
            place, _, number = text.partition("=")
            step, _, name = place.partition(".")
            try:
                limit = None if number == "none" else float(number)
            except ValueError:
                raise GgtError(f"--{side} {text}: write it as STEP.NAME=NUMBER, or =none for no limit.") from None
            told.setdefault(step, {}).setdefault(side, {})[name] = limit
    return {step: Choice(**parts) for step, parts in told.items()}


def _source(session: Session, name: str) -> int | None:
    if not name:
        return None
    found = session.exec(select(col(Source.id)).where(col(Source.name) == name)).first()
    if found is None:
        raise NotFound(f"There is no source {name!r}.")
    return found


def _report(session: Session, run_id: int, source_id: int | None, category: str | None) -> dict[str, Any]:
    """How the patches stand, by category, summed over sources."""
    run = session.get_one(Run, run_id)
    found: dict[str, Any] = {"run": run_id, "state": run.state, "failed": run.failed, "unknown": run.unknown}
    found |= {name: run.params[name] for name in ("taken", "short") if name in run.params}
    for counts in screening.screening_counts(session, source_id, category):
        steps = found.setdefault(counts.category, {"levels": {}})
        for one in counts.steps:
            row = steps.setdefault(one.step, {"before": 0, "out": 0, "flagged": 0, "waiting": 0, "after": 0})
            for name in row:
                row[name] += getattr(one, name)
        for level, number in counts.levels.items():
            steps["levels"][level or "none"] = steps["levels"].get(level or "none", 0) + number
    collected = select(func.count()).where(col(Image.stage) == Stage.COLLECTED)
    if category:
        collected = collected.where(col(Image.category) == category)
    return {**found, "images_to_restore": session.exec(collected).one()}


def _tell(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
        return
    for key, value in report.items():
        if key not in CATEGORIES:
            typer.echo(f"{key.replace('_', ' '):18} {value}")
            continue
        typer.echo(CATEGORIES[key].title)
        for step, row in value.items():
            typer.echo(f"  {step:16} " + ", ".join(f"{name} {number}" for name, number in row.items() if number))
