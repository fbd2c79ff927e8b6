"""Ingest: photographs in, patches with a provenance out; every file's outcome is on record as an item of the run.

Decoding happens outside any transaction (:func:`prepare`), what it made is named in one short one (:func:`save`).
Ingesting the same folder twice adds nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlmodel import Session, and_, col, or_, select, update

from app import imaging, jobs
from app.catalog.categories import CATEGORIES, SOURCE_KINDS
from app.config import settings
from app.db import insert_ignore
from app.domain.near_duplicates import bands, hamming, is_near_duplicate, neighbours
from app.domain.patching import Box, plan_patches
from app.errors import Conflict, GgtError
from app.models import Image, ItemState, PhashBand, Run, RunState, Source, SourceFile, WorkItem, utcnow
from app.storage import storage

REPORT_ROWS = 1000
THUMBNAIL_SIDE = 320
MAX_NAME = 500
"""Longest name of a source file in characters."""


@dataclass(frozen=True)
class SourceInput:
    """What a person says about where photographs come from. ``kind``: dataset, internet, own or synthetic."""

    name: str
    licence: str = ""
    author: str = ""
    url: str = ""
    kind: str = "own"
    note: str = ""


@dataclass(frozen=True)
class Patch:
    """One patch of a photograph, its master and thumbnail already stored."""

    box: Box
    master_sha256: str
    pixel_sha256: str
    thumbnail_sha256: str


@dataclass(frozen=True)
class Prepared:
    """A decoded photograph, ready to be named in the database."""

    name: str
    file_sha256: str
    size: int
    format: str
    width: int
    height: int
    phash: str | None
    notes: tuple[str, ...]
    exif: Mapping[str, str]
    resized: tuple[int, int] | None
    undersized: bool
    patches: tuple[Patch, ...]


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file. ``of`` names the file it repeats, ``distance`` in bits of the perceptual hash."""

    name: str
    status: Literal["added", "known", "duplicate", "near_duplicate", "rejected"]
    images: int = 0
    reason: str = ""
    of: str = ""
    distance: int = 0


def start_ingest(session: Session, *, user_id: int | None, category: str, source: SourceInput, title: str) -> Run:
    """Open an ingest run for one category and source; the source is made on first use.

    Raises GgtError for an unknown category or a missing name, Conflict when the source exists with another licence.
    """
    if category not in CATEGORIES:
        raise GgtError(f"There is no category {category!r}; choose from {', '.join(CATEGORIES)}.")
    if source.kind not in SOURCE_KINDS:
        raise GgtError(f"There is no kind of source {source.kind!r}; choose from {', '.join(SOURCE_KINDS)}.")
    if not source.name.strip():
        raise GgtError("The source needs a name: where do these photographs come from?")
    row = session.exec(select(Source).where(col(Source.name) == source.name.strip())).first()
    if row is None:
        new = {
            "name": source.name.strip(), "kind": source.kind, "licence": source.licence, "author": source.author,
            "url": source.url, "note": source.note, "created_at": utcnow(),
        }  # fmt: skip
        insert_ignore(session, Source, [new])  # somebody else may be opening the same source right now
        row = session.exec(select(Source).where(col(Source.name) == source.name.strip())).one()
    if source.licence and row.licence and source.licence != row.licence:
        raise Conflict(
            f"Source {row.name!r} is on record with licence {row.licence!r}, not {source.licence!r}. "
            "Use another source name for photographs under another licence."
        )
    return jobs.start_run(session, "ingest", title, {"category": category, "source_id": row.id}, user_id)


def prepare(data: bytes, name: str, category: str) -> Prepared:
    """Decode, hash, cut and store one photograph. CPU work, safe in threads. Raises BadImage with the reason."""
    limits = imaging.Limits(max_bytes=settings().max_upload_mb * 2**20, min_side=settings().min_side)
    decoded = imaging.decode(data, limits)
    height, width = decoded.pixels.shape[:2]
    plan = plan_patches(width, height, CATEGORIES[category].patching)
    patches = []
    for box, pixels in imaging.cut(decoded.pixels, plan):
        master = storage().put(imaging.encode_png(pixels))
        thumbnail = storage().put(imaging.thumbnail_webp(pixels, THUMBNAIL_SIDE))
        patches.append(Patch(box, master, imaging.pixel_hash(pixels), thumbnail))
    return Prepared(
        name=name,
        file_sha256=storage().put(data),
        size=len(data),
        format=decoded.format,
        width=decoded.original_width,
        height=decoded.original_height,
        phash=imaging.phash(decoded.pixels),
        notes=decoded.notes,
        exif=decoded.exif,
        resized=plan.resized,
        undersized=plan.undersized,
        patches=tuple(patches),
    )


def save(session: Session, run_id: int, prepared: Prepared, *, keep_near_duplicates: bool = False) -> FileOutcome:
    """Name a prepared photograph and its patches in the database, or say what it repeats.

    Exact duplicates are never added; near-duplicates only on request. Returns the outcome, also kept on the run.
    """
    run = session.get_one(Run, run_id)
    outcome = _exact(session, run, prepared)
    if outcome is None and not keep_near_duplicates and (near := _near(session, prepared)):
        # Another ingest may have added these very bytes between the two looks: then it is no mere resemblance.
        outcome = _exact(session, run, prepared) or near
    if outcome is None:
        outcome = _add(session, run, prepared)
    _record(session, run_id, outcome)
    return outcome


def reject(session: Session, run_id: int, name: str, reason: str) -> FileOutcome:
    """Record a file that cannot be used, with the reason."""
    outcome = FileOutcome(name, "rejected", reason=reason)
    _record(session, run_id, outcome)
    return outcome


def _exact(session: Session, run: Run, prepared: Prepared) -> FileOutcome | None:
    row = session.exec(select(SourceFile).where(col(SourceFile.file_sha256) == prepared.file_sha256)).first()
    if row is None:
        return None
    if row.source_id == run.params["source_id"] and row.name == prepared.name:
        return FileOutcome(prepared.name, "known", of=row.name)
    return FileOutcome(prepared.name, "duplicate", of=row.name, reason="the same bytes")


def _near(session: Session, prepared: Prepared) -> FileOutcome | None:
    if prepared.phash is None:
        return None
    alike = [
        and_(col(PhashBand.band) == number, col(PhashBand.value).in_(neighbours(value)))
        for number, value in enumerate(bands(prepared.phash))
    ]
    rows = session.exec(
        select(SourceFile.name, SourceFile.phash)
        .join(PhashBand, col(PhashBand.source_file_id) == col(SourceFile.id))
        .where(or_(*alike))
        .distinct()
    )
    near = [(hamming(prepared.phash, h), name) for name, h in rows if h and is_near_duplicate(prepared.phash, h)]
    if not near:
        return None
    distance, name = min(near)
    reason = f"looks like it ({distance} of 64 bits differ)"
    return FileOutcome(prepared.name, "near_duplicate", of=name, distance=distance, reason=reason)


def _add(session: Session, run: Run, prepared: Prepared) -> FileOutcome:
    row = {
        "source_id": run.params["source_id"], "name": prepared.name, "file_sha256": prepared.file_sha256,
        "size": prepared.size, "format": prepared.format, "width": prepared.width, "height": prepared.height,
        "phash": prepared.phash, "notes": list(prepared.notes), "exif": dict(prepared.exif), "created_at": utcnow(),
    }  # fmt: skip
    added = insert_ignore(session, SourceFile, [row])
    if not added:  # somebody else added the same bytes between our look and our insert
        return _exact(session, run, prepared) or FileOutcome(prepared.name, "duplicate", reason="the same bytes")
    file_id = added[0]
    if prepared.phash is not None:
        session.add_all(
            PhashBand(band=number, value=value, source_file_id=file_id) for number, value in enumerate(bands(prepared.phash))
        )
    resized = prepared.resized or (None, None)
    session.add_all(
        Image(
            source_file_id=file_id, source_id=run.params["source_id"], category=run.params["category"],
            resized_width=resized[0], resized_height=resized[1], box_x=patch.box.x, box_y=patch.box.y,
            box_width=patch.box.width, box_height=patch.box.height, undersized=prepared.undersized,
            master_sha256=patch.master_sha256, pixel_sha256=patch.pixel_sha256, thumbnail_sha256=patch.thumbnail_sha256,
        )
        for patch in prepared.patches
    )  # fmt: skip
    session.flush()
    return FileOutcome(prepared.name, "added", images=len(prepared.patches))


def _record(session: Session, run_id: int, outcome: FileOutcome) -> None:
    """Keep a file's outcome as a closed item of the run, once per file name."""
    rejected = outcome.status == "rejected"
    item = {
        "run_id": run_id, "kind": "ingest", "key": hashlib.sha256(outcome.name.encode()).hexdigest(), "queue": "web",
        "shape": "", "priority": 100, "paid": False, "attempts": 1, "token": 1, "owner": "",
        "state": ItemState.FAILED if rejected else ItemState.DONE, "error": outcome.reason if rejected else "",
        "payload": {"file": outcome.name, "status": outcome.status, "images": outcome.images, "of": outcome.of,
                    "distance": outcome.distance, "reason": outcome.reason},
        "created_at": utcnow(), "finished_at": utcnow(),
    }  # fmt: skip
    if not insert_ignore(session, WorkItem, [item]):
        return
    counter = col(Run.failed) if rejected else col(Run.done)
    session.execute(
        update(Run).where(col(Run.id) == run_id).values({col(Run.total): col(Run.total) + 1, counter: counter + 1})
    )


def report(session: Session, run_id: int) -> dict[str, Any]:
    """The outcome of every file of an ingest run, lists capped at ``REPORT_ROWS`` (the items hold all of them)."""
    rows = session.exec(
        select(WorkItem).where(col(WorkItem.run_id) == run_id, col(WorkItem.kind) == "ingest").order_by(col(WorkItem.id))
    )
    result: dict[str, Any] = {"ingested": 0, "files": 0, "known": 0, "rejected": [], "duplicates": []}
    for row in rows:
        told = row.payload
        if told["status"] == "added":
            result["ingested"] += told["images"]
            result["files"] += 1
        elif told["status"] == "known":
            result["known"] += 1
        elif told["status"] == "rejected":
            result["rejected"].append({"file": told["file"], "reason": told["reason"]})
        else:
            kind = "near" if told["status"] == "near_duplicate" else "exact"
            duplicate = {"file": told["file"], "of": told["of"], "kind": kind, "distance": told["distance"]}
            result["duplicates"].append(duplicate)
    return result


def finish_ingest(session: Session, run_id: int) -> dict[str, Any]:
    """Close an ingest run and keep the summary on it. Returns the full report."""
    full = report(session, run_id)
    run = session.get_one(Run, run_id)
    capped = {k: v[:REPORT_ROWS] if isinstance(v, list) else v for k, v in full.items()}
    run.params = {**run.params, "report": capped}
    if run.state == RunState.RUNNING:
        run.state, run.finished_at = RunState.FINISHED, utcnow()
    session.add(run)
    return full


def close_abandoned(session: Session) -> None:
    """Close ingest runs whose browser went away: nothing new for half an hour."""
    horizon = utcnow() - timedelta(minutes=30)
    fresh = select(WorkItem.run_id).where(col(WorkItem.kind) == "ingest", col(WorkItem.finished_at) > horizon)
    abandoned = select(Run.id).where(
        col(Run.kind) == "ingest",
        col(Run.state) == RunState.RUNNING,
        col(Run.created_at) < horizon,
        col(Run.id).not_in(fresh),
    )
    for run_id in session.exec(abandoned).all():
        finish_ingest(session, run_id or 0)
