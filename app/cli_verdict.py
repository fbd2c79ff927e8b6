"""``ggt verdict``: what a judge's reply says, for checking replies by hand and in scripts."""

import json
from pathlib import Path
from typing import Annotated

import typer

from app.catalog.quality import ACCEPT_RULE
from app.domain.aspects import ASPECTS
from app.domain.verdict import rule_decision
from app.domain.verdict_reply import UnreadableReply, read_verdict
from app.errors import GgtError, NotFound

verdict = typer.Typer(no_args_is_help=True)

UNREADABLE = 2
"""Exit status for a reply without a readable verdict, which is no rejection."""


@verdict.callback()
def about() -> None:
    """Verdicts of a VLM judge."""


@verdict.command()
def parse(file: Annotated[str, typer.Argument(help="File with one reply; - reads standard input.")]) -> None:
    """Print a judge's reply as one JSON object: its decision, our rule's decision, its scores.

    A reply without one clear verdict ends with status 2 and the reason on standard error.
    """
    try:
        read = read_verdict(_bytes(file).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        _refuse(f"not UTF-8 text, from byte {error.start} on")
    except UnreadableReply as error:
        _refuse(str(error))
    else:
        ruled = rule_decision(read.scores, ACCEPT_RULE)
        scores = {a: read.scores[a] for a in ASPECTS}
        typer.echo(json.dumps({"decision": read.decision, "rule_decision": ruled, "scores": scores}))


def _bytes(file: str) -> bytes:
    if file == "-":
        return typer.get_binary_stream("stdin").read()
    try:
        return Path(file).read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {file}.") from error
    except OSError as error:
        raise GgtError(f"{file} cannot be read: {error.strerror}.") from error


def _refuse(why: str) -> None:
    typer.echo(f"unreadable: {why}", err=True)
    raise typer.Exit(UNREADABLE)
