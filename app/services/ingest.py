"""Ingest: photographs in, patches with a provenance out; every file's outcome is on record as an item of the run.

Decoding happens outside any transaction (``photograph.prepare``), what it made is named in one short one (:func:`save`).
Ingesting the same folder twice adds nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session, col, select, update

from app import jobs
from app.catalog.categories import CATEGORIES, SOURCE_KINDS
from app.catalog.licences import LICENCES
from app.db import insert_ignore
from app.domain.licence_names import licence_key, port_note
from app.domain.near_duplicates import bands
from app.errors import Conflict, GgtError
from app.models import (
    Image,
    ItemState,
    Look,
    Patch,
    PatchState,
    PhashBand,
    Run,
    Source,
    SourceFile,
    WorkItem,
    utcnow,
)
from app.services.duplicates import exact_duplicate, near_duplicate
from app.services.photograph import FileOutcome, Prepared, Then, how

MIN_STRIDE = 128
"""Least distance between two patches in pixels: nearer ones show the same, and a photograph would give thousands of them."""


@dataclass(frozen=True)
class SourceInput:
    """What a person says about where photographs come from. ``kind``: dataset, internet, own or synthetic."""

    name: str
    licence: str = ""
    author: str = ""
    url: str = ""
    kind: str = "own"
    note: str = ""
    terms: str = ""
    held_out: bool = False


def start_ingest(
    session: Session, *, user_id: int | None, category: str, source: SourceInput, title: str, then: Then = "images",
    policy: Mapping[str, Any] | None = None, kind: str = "ingest", params: Mapping[str, Any] | None = None,
) -> Run:  # fmt: skip
    """Open an ingest run for one category and source; the source is made on first use.

    ``policy`` changes fields of the category's :class:`PatchPolicy`. ``kind`` and ``params`` are for runs that fetch what
    they ingest.

    Raises GgtError for an unknown category, a policy that cannot be or a missing name, Conflict when the source exists with
    another licence, or as one that is not held out.
    """
    if category not in CATEGORIES:
        raise GgtError(f"There is no category {category!r}; choose from {', '.join(CATEGORIES)}.")
    if source.kind not in SOURCE_KINDS:
        raise GgtError(f"There is no kind of source {source.kind!r}; choose from {', '.join(SOURCE_KINDS)}.")
    try:
        changed = {name: value for name, value in (policy or {}).items() if value is not None}
        if changed.get("stride", MIN_STRIDE) < MIN_STRIDE:
            raise ValueError(f"patches must be at least {MIN_STRIDE} pixels apart")
        replace(CATEGORIES[category].policy, **changed).plan(4096, 4096)
    except (TypeError, ValueError) as error:
        raise GgtError(f"Patches cannot be cut like this: {error}.") from error
    if then == "clean" and not source.held_out:
        raise GgtError("A source of clean photographs is held out: what looks like them must not be trained on.")
    if not source.name.strip():
        raise GgtError("The source needs a name: where do these photographs come from?")
    licence = licence_key(source.licence, LICENCES)
    row = session.exec(select(Source).where(col(Source.name) == source.name.strip())).first()
    if row is None:
        new = {
            "name": source.name.strip(), "kind": source.kind, "licence": licence, "author": source.author,
            "url": source.url, "note": source.note or port_note(source.licence, LICENCES), "terms": source.terms,
            "held_out": source.held_out, "created_at": utcnow(),
        }  # fmt: skip
        insert_ignore(session, Source, [new])  # somebody else may be opening the same source right now
        row = session.exec(select(Source).where(col(Source.name) == source.name.strip())).one()
    if licence and row.licence and licence != licence_key(row.licence, LICENCES):
        raise Conflict(
            f"Source {row.name!r} is on record with licence {row.licence!r}, not {licence!r}. "
            "Use another source name for photographs under another licence."
        )
    if source.held_out and not row.held_out:
        raise Conflict(
            f"Source {row.name!r} is on record as one that is trained on. "
            "Use another source name for photographs of a test set."
        )
    told = {"category": category, "source_id": row.id, "then": then, "policy": changed, **(params or {})}
    return jobs.start_run(session, kind, title, told, user_id)


def save(session: Session, run_id: int, prepared: Prepared, *, keep_near_duplicates: bool = False) -> FileOutcome:
    """Name a prepared photograph and its patches in the database, or say what it repeats.

    Exact duplicates are never added; near-duplicates only on request, and never one of a held-out source (or, into a
    held-out source, of any other), so that no test photograph is trained on. Returns the outcome, also kept on the run.
    """
    run = session.get_one(Run, run_id)
    outcome = _exact(session, run, prepared)
    if outcome is None and (near := near_duplicate(session, run, prepared, across_only=keep_near_duplicates)):
        # Another ingest may have added these very bytes between the two looks: then it is no mere resemblance.
        outcome = _exact(session, run, prepared) or near
    if outcome is None:
        outcome = _add(session, run, prepared)
    record(session, run_id, outcome)
    return outcome


def reject(session: Session, run_id: int, name: str, reason: str) -> FileOutcome:
    """Record a file that cannot be used, with the reason."""
    outcome = FileOutcome(name, "rejected", reason=reason)
    record(session, run_id, outcome)
    return outcome


def _exact(session: Session, run: Run, prepared: Prepared) -> FileOutcome | None:
    return exact_duplicate(session, run.params["source_id"], prepared.name, prepared.file_sha256)


def outcome_key(name: str) -> str:
    """The key of the item that keeps the outcome of a file of that name."""
    return hashlib.sha256(name.encode()).hexdigest()


def _add(session: Session, run: Run, prepared: Prepared) -> FileOutcome:
    then = how(run.params).then
    known = prepared.provenance
    row = {
        "source_id": run.params["source_id"], "category": run.params["category"], "name": prepared.name,
        "file_sha256": prepared.file_sha256, "size": prepared.size, "format": prepared.format, "width": prepared.width,
        "height": prepared.height, "phash": prepared.phash, "exif": dict(prepared.exif), "created_at": utcnow(),
        "notes": [*prepared.notes, *filter(None, [known.note])], "licence": known.licence, "author": known.author,
        "author_url": known.author_url, "url": known.url, "keywords": list(known.keywords), "fetched_at": known.fetched_at,
        "thumbnail_sha256": prepared.thumbnail_sha256, "look": Look.WAITING if then == "look" else "", "look_reason": "",
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
    rows: list[dict[str, Any]] = [
        {
            "source_file_id": file_id, "source_id": run.params["source_id"], "category": run.params["category"],
            "resized_width": resized[0], "resized_height": resized[1], "box_x": patch.box.x, "box_y": patch.box.y,
            "box_width": patch.box.width, "box_height": patch.box.height, "undersized": prepared.undersized,
            "thumbnail_sha256": patch.thumbnail_sha256,
        }
        for patch in prepared.patches
    ]  # fmt: skip
    if then == "images":
        session.add_all(
            Image(**row, master_sha256=patch.master_sha256, pixel_sha256=patch.pixel_sha256)
            for row, patch in zip(rows, prepared.patches, strict=True)
        )
    else:
        session.add_all(Patch(**row, state=PatchState.HELD if then == "look" else PatchState.WAITING) for row in rows)
    session.flush()
    return FileOutcome(prepared.name, "added", images=len(prepared.patches))


def record(session: Session, run_id: int, outcome: FileOutcome) -> None:
    """Keep a file's outcome as a closed item of the run, once per file name."""
    rejected = outcome.status == "rejected"
    item = {
        "run_id": run_id, "kind": "ingest", "key": outcome_key(outcome.name), "queue": "web",
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
