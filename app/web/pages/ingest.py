"""Ingest in the browser: drop photographs, say where they come from, watch each file's outcome."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Request, Response, UploadFile

from app import db
from app.catalog.categories import CATEGORIES, SOURCE_KINDS
from app.config import settings
from app.errors import BadImage
from app.services import events, gallery, ingest, ingest_report, run_control
from app.services.ingest import SourceInput
from app.services.photograph import prepare
from app.web.deps import Reader, Researcher, Writer
from app.web.templating import render

router = APIRouter(prefix="/ingest")

FORM_OVERHEAD = 64 * 1024
"""What a multipart body may hold beside its file, in bytes."""

KINDS = tuple(SOURCE_KINDS.items())


@dataclass(frozen=True)
class IngestPage:
    """``categories`` and ``kinds`` are (key, title); ``sources`` are names already on record."""

    categories: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    max_megabytes: int


EXAMPLES = {"ingest/index.html": [IngestPage((("rain", "Rain"),), KINDS, ("own",), 256)]}


@router.get("")
def page(request: Request, viewer: Researcher, session: Reader) -> Response:
    categories = tuple((key, c.title) for key, c in CATEGORIES.items())
    sources = gallery.choices(session).sources
    return render(request, viewer, "ingest/index.html", IngestPage(categories, KINDS, sources, settings().max_upload_mb))


@router.post("/start")
def start(
    viewer: Researcher,
    session: Writer,
    category: Annotated[str, Form()],
    source: Annotated[str, Form(max_length=100)],
    licence: Annotated[str, Form(max_length=100)] = "",
    author: Annotated[str, Form(max_length=200)] = "",
    url: Annotated[str, Form(max_length=500)] = "",
    kind: Annotated[str, Form(max_length=20)] = "own",
) -> dict[str, int | None]:
    """Open a run; its id is where the files go."""
    given = SourceInput(source, licence, author, url, kind)
    run = ingest.start_ingest(
        session, user_id=viewer.user_id, category=category, source=given, title=f"Ingest: {source.strip()}, {category}"
    )
    events.record(session, viewer.user_id, "ingest.started", f"run:{run.id}", why=source)
    return {"run_id": run.id}


@router.post("/{run_id}/file", max_body_size=settings().max_upload_mb * 2**20 + FORM_OVERHEAD)
def file(_viewer: Researcher, run_id: int, file: Annotated[UploadFile, File()]) -> dict[str, Any]:
    """Take one file. Decoding holds no transaction; what it made is named in one short one."""
    name = _label(file.filename)
    with db.reading() as session:
        how = run_control.open_ingest(session, run_id)
    try:
        prepared = prepare(file.file.read(), name, how)
    except BadImage as error:
        with db.unit_of_work() as session:
            return asdict(ingest.reject(session, run_id, name, str(error)))
    with db.unit_of_work() as session:
        return asdict(ingest.save(session, run_id, prepared))


@router.post("/{run_id}/finish")
def finish(_viewer: Researcher, run_id: int, session: Writer) -> dict[str, Any]:
    """Close the run: its report is complete."""
    run_control.open_ingest(session, run_id)
    report = ingest_report.finish_ingest(session, run_id)
    return {"run_id": run_id, "ingested": report["ingested"], "known": report["known"]}


def _label(given: str | None) -> str:
    """A file's name for people: its relative path as the browser says it. It never becomes a path here."""
    parts = [p for p in (given or "").replace("\\", "/").split("/") if p not in ("", ".", "..")]
    return "/".join(parts)[-500:] or "unnamed"
