"""``ggt table``: tables of the paper from numbers in files, for papers and scripts."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.domain.table_format import Format
from app.errors import GgtError, NotFound
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
    ],
    form: Annotated[Format, typer.Option("--format", help="What to print.")] = "csv",
    output: Annotated[Path | None, typer.Option(help="Write to this file instead of standard output.")] = None,
    aspects: Annotated[str, typer.Option(help="Aspects that make Avg, with commas.")] = ",".join(ASPECTS),
    weights: Annotated[str, typer.Option(help="Weights of aspects, as fid=2,per=1; those not named weigh 1.")] = "",
) -> None:
    """Compute Avg (Eq. 1, Sec. 3.2) of each setting in a CSV file and print the table.

    Every metric is min-max normalised over all settings in the file. csv keeps columns, rows and values as they are and
    replaces avg; an Avg is empty where a value of a chosen aspect is missing. Other files end with status 2.
    """
    chosen = _weights(aspects, weights)
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
