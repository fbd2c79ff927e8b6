"""``ggt table``: tables of the paper from the database or from numbers in files, for papers and scripts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app import db
from app.catalog.categories import CATEGORIES
from app.domain.table_format import Format
from app.errors import GgtError, NotFound
from app.services import mfm_scores, mfm_values
from app.services.image_sets import FIDELITY, PERCEPTUAL
from app.services.mfm_values import Known
from app.services.table_export import UnreadableTable, mfm_table, read_settings, score, settings_csv, written
from app.storage import write_whole

table = typer.Typer(no_args_is_help=True)

ASPECTS = ("fid", "per", "vlm")
UNREADABLE = 2
"""Exit status for a file that is no such table, or options that make no Avg."""


@table.callback()
def about() -> None:
    """Tables of metrics, with the overall score of Eq. 1."""


@table.command()
def mfm(
    from_csv: Annotated[
        str, typer.Option(help="File with columns model, prompt, psnr, ..., vlm_r; - reads standard input.")
    ] = "",
    fidelity: Annotated[str, typer.Option(help="Name of an image set in the database, in place of a file.")] = "",
    perceptual: Annotated[str, typer.Option(help="Name of the set of real LQ images.")] = "",
    judge: Annotated[str, typer.Option(help="Who judged; default: a real VLM if one has.")] = "",
    category: Annotated[str, typer.Option(help="Only the perceptual images of this category.")] = "",
    stand_ins: Annotated[bool, typer.Option("--stand-ins", help="Stand-ins too.")] = False,
    intervals: Annotated[bool, typer.Option("--intervals", help="With n and 95 % intervals.")] = False,
    sort: Annotated[str, typer.Option(help="Column to sort by, best first; with - before it worst first.")] = "",
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = "csv",
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None,
    aspects: Annotated[str, typer.Option(help="Aspects that make Avg, with commas.")] = ",".join(ASPECTS),
    weights: Annotated[str, typer.Option(help="Weights of aspects, as fid=2,per=1; those not named weigh 1.")] = "",
) -> None:
    """Compute Avg (Eq. 1, Sec. 3.2) of each setting in a CSV file and print the table.

    With --fidelity and --perceptual the settings are those of the database, as /benchmarks/mfm shows them. Every metric is
    min-max normalised over all settings. Of a file csv keeps columns, rows and values as they are and replaces avg; an Avg
    is empty where a value of a chosen aspect is missing. Other files end with status 2.
    """
    chosen = _weights(aspects, weights)
    if bool(from_csv) == bool(fidelity or perceptual):
        _refuse("say where the numbers are: --from-csv FILE, or --fidelity NAME and --perceptual NAME")
    if not from_csv:
        plain = set(chosen) == set(ASPECTS) and set(chosen.values()) == {1.0}
        asked = Asked(fidelity, perceptual, judge, category, None if plain else chosen, stand_ins)
        _print(_from_database(asked, form, sort, intervals=intervals), output)
        return
    try:
        settings = read_settings(_text(from_csv), tuple(chosen))
    except UnreadableTable as error:
        _refuse(*str(error).split("\n"))
    scored = score(settings, chosen)
    for note in scored.notes:
        typer.echo(f"note: {note}", err=True)
    if settings.others and form != "csv":
        typer.echo(f"note: left out, being no columns of this table: {', '.join(settings.others)}.", err=True)
    text = settings_csv(settings, scored) if form == "csv" else written(mfm_table(settings, scored), form)
    _print(text, output)


@dataclass(frozen=True)
class Asked:
    """Which table of the database: sets by name, the others as on the page."""

    fidelity: str
    perceptual: str
    judge: str
    category: str
    weights: dict[str, float] | None
    stand_ins: bool


def _from_database(asked: Asked, form: Format, sort: str, *, intervals: bool) -> str:
    """The table that the page shows. Raises NotFound and GgtError for what is not there."""
    if asked.category and asked.category not in CATEGORIES:
        raise GgtError(f"There is no category {asked.category!r}. Choose one of: {', '.join(CATEGORIES)}.")
    with db.reading() as session:
        known = mfm_values.known(session)
        ids = [_set(known, name, kind) for name, kind in ((asked.fidelity, FIDELITY), (asked.perceptual, PERCEPTUAL))]
        mfm_scores.check_sets(known, ids[0], ids[1])
        there = mfm_values.measured(session, known, ids[0], ids[1])
        if asked.judge and asked.judge not in there.judges:
            judges = ", ".join(there.judges) or "nobody has judged any"
            raise NotFound(f"{asked.judge} has judged no output of these images: {judges}.")
        wanted = mfm_scores.Wanted(
            ids[0], ids[1], asked.judge or mfm_scores.usual_judge(there), asked.category, asked.weights,
            asked.stand_ins or mfm_scores.usual_stand_ins(there),
        )  # fmt: skip
        found = mfm_scores.read(session, wanted, known)
    for note in found.notes:
        typer.echo(f"note: {note}", err=True)
    return written(mfm_scores.table(found, sort), form, intervals=intervals)


def _set(known: Known, name: str, kind: str) -> int | None:
    if not name:
        return None
    found = next((row.id for row in known.sets if row.name == name), None)
    if found is None:
        names = ", ".join(row.name for row in known.sets if row.kind == kind) or "none yet"
        raise NotFound(f"There is no image set {name!r}. Those of this kind: {names}.")
    return found


def _print(text: str, output: Path | None) -> None:
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        write_whole(output, text.encode())
    except OSError as error:
        raise GgtError(f"{output} cannot be written: {error.strerror}.") from error


def _weights(aspects: str, weights: str) -> dict[str, float]:
    """The chosen aspects and their weights, from the texts of the two options."""
    chosen = dict.fromkeys((name.strip() for name in aspects.split(",")), 1.0)
    unknown = [name for name in chosen if name not in ASPECTS]
    if unknown:
        _refuse(f'--aspects: there is no aspect "{unknown[0]}": choose from {", ".join(ASPECTS)}')
    for part in filter(None, (part.strip() for part in weights.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in chosen:
            _refuse(f'--weights: "{part}": write it as fid=2, with aspects of --aspects: {", ".join(chosen)}')
        try:
            chosen[name] = float(number)
        except ValueError:
            chosen[name] = -1
        if not 0 < chosen[name] < float("inf"):
            _refuse(f'--weights: "{part}": a weight is a number above 0; --aspects leaves an aspect out')
    return chosen


def _text(file: str) -> str:
    try:
        data = typer.get_binary_stream("stdin").read() if file == "-" else Path(file).read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}.") from error
    except OSError as error:
        raise GgtError(f"{file} cannot be read: {error.strerror}.") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableTable([f"not UTF-8 text, from byte {error.start} on: save it as CSV UTF-8"]) from error


def _refuse(*why: str) -> NoReturn:
    for line in why:
        typer.echo(f"error: {line}", err=True)
    raise typer.Exit(UNREADABLE)
