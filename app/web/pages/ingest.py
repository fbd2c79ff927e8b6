"""Ingest in the browser: drop photographs, archives or manifests, say where they come from, watch each file's outcome."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, File, Form, Query, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from app import db, importers
from app.catalog.categories import CATEGORIES, PATCH_SIZE, SOURCE_KINDS
from app.catalog.licences import LICENCES
from app.config import settings
from app.errors import BadImage
from app.services import events, gallery, ingest, ingest_report, run_control
from app.services.ingest import MIN_STRIDE, SourceInput
from app.services.ingest_folder import THREADS, ingest_entries
from app.services.photograph import Then, prepare
from app.web.deps import Reader, Researcher, Writer
from app.web.templating import render
from app.web.uploads import received, told

router = APIRouter(prefix="/ingest")

FORM_OVERHEAD = 64 * 1024
"""What a multipart body may hold beside its file, in bytes."""
AT_ONCE = 3
"""Photographs of an archive that are worked on at once: others use this server too."""

KINDS = tuple(SOURCE_KINDS.items())
LICENCE_TITLES = tuple((spec.key, spec.title) for spec in LICENCES.values())
OTHER = "other"
"""The choice of a licence that the catalogue does not have."""


@dataclass(frozen=True)
class IngestPage:
    """``categories``, ``kinds`` and ``licences`` are (key, title); ``sources`` are names already on record. Sides and
    strides are in pixels."""

    categories: tuple[tuple[str, str], ...]
    kinds: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    max_megabytes: int
    max_archive_megabytes: int
    licences: tuple[tuple[str, str], ...] = LICENCE_TITLES
    patch: int = PATCH_SIZE
    min_stride: int = MIN_STRIDE


EXAMPLES = {"ingest/index.html": [IngestPage((("rain", "Rain"),), KINDS, ("own",), 256, 4096)]}


@router.get("")
def page(request: Request, viewer: Researcher, session: Reader) -> Response:
    categories = tuple((key, c.title) for key, c in CATEGORIES.items())
    sources = gallery.choices(session).sources
    context = IngestPage(categories, KINDS, sources, settings().max_upload_mb, settings().max_archive_mb)
    return render(request, viewer, "ingest/index.html", context)


@router.post("/start")
def start(
    viewer: Researcher,
    session: Writer,
    category: Annotated[str, Form()],
    source: Annotated[str, Form(max_length=100)],
    licence: Annotated[str, Form(max_length=100)] = "",
    licence_other: Annotated[str, Form(max_length=100)] = "",
    author: Annotated[str, Form(max_length=200)] = "",
    url: Annotated[str, Form(max_length=500)] = "",
    terms: Annotated[str, Form(max_length=500)] = "",
    kind: Annotated[str, Form(max_length=20)] = "own",
    held_out: Annotated[bool, Form()] = False,
    then: Annotated[Then, Form()] = "images",
    stride: Annotated[int | None, Form(ge=MIN_STRIDE)] = None,
    max_per_photo: Annotated[int | None, Form(ge=1)] = None,
    smaller: Annotated[Literal["keep", "drop"], Form()] = "keep",
) -> dict[str, int | None]:
    """Open a run; its id is where the files go. A source of clean references is held out, ticked or not."""
    held_out = held_out or then == "clean"
    said = licence_other if licence == OTHER else licence
    given = SourceInput(source, said, author, url, kind, terms=terms, held_out=held_out)
    policy = {"stride": stride, "max_per_photo": max_per_photo, "smaller": None if smaller == "keep" else smaller}
    what = CATEGORIES[category].title if category in CATEGORIES else category
    title = f"Ingest: {source.strip()}, {what}"
    run = ingest.start_ingest(
        session, user_id=viewer.user_id, category=category, source=given, title=title, then=then, policy=policy
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


@router.post("/{run_id}/archive", max_body_size=settings().max_archive_mb * 2**20)
async def archive(
    request: Request, _viewer: Researcher, run_id: int, name: Annotated[str, Query(max_length=1000)]
) -> StreamingResponse:
    """Take an archive or a manifest, which is the whole body. Each photograph's outcome is a line of JSON as it comes."""
    await run_in_threadpool(_arriving, run_id)
    file = await received(request, lambda: _arriving(run_id))
    try:
        entries = await run_in_threadpool(importers.uploaded, file, _label(name).rpartition("/")[2])
    except BaseException:
        file.close()
        raise
    outcomes = ingest_entries(run_id, entries, threads=min(AT_ONCE, THREADS))
    unbuffered = {"X-Accel-Buffering": "no"}
    return StreamingResponse(told(outcomes, file), media_type="application/x-ndjson", headers=unbuffered)


def _arriving(run_id: int) -> None:
    with db.unit_of_work() as session:
        run_control.open_ingest(session, run_id)
        ingest_report.arriving(session, run_id)


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
