"""Ingest of many photographs, such as a folder's: decoded a few ahead in threads, saved one by one in their order."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from app import imaging
from app.config import settings
from app.db import reading, unit_of_work
from app.errors import BadImage
from app.imaging.source import read_bytes
from app.services import run_control
from app.services.ingest import reject, save
from app.services.photograph import MAX_NAME, NOTHING_KNOWN, FileOutcome, How, Prepared, Provenance, prepare


@dataclass(frozen=True)
class Entry:
    """A photograph that an importer found. ``read`` gives its bytes, in any thread; it raises BadImage with the reason.

    ``name`` is what it is known by within its source: ingesting the same source again finds it by that and its bytes.
    """

    name: str
    read: Callable[[], bytes]
    provenance: Provenance = NOTHING_KNOWN


def ingest_entries(
    run_id: int, entries: Iterable[Entry], *, threads: int, keep_near_duplicates: bool = False
) -> Iterator[FileOutcome]:
    """Ingest photographs for an open run, yielding each outcome as it is committed. Owns its units of work.

    Decoding runs in ``threads`` threads, a few photographs ahead; saving is one short transaction each, in the order of
    ``entries``, so that which of two duplicates is kept does not depend on timing. Memory does not grow with their number.
    """
    imaging.set_concurrency(1)
    with reading() as session:
        how = run_control.open_ingest(session, run_id)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        window: list[tuple[str, Future[Prepared]]] = []
        for entry in entries:
            window.append((entry.name, pool.submit(_prepared, entry, how)))
            if len(window) >= 3 * threads:
                yield _save_next(run_id, window.pop(0), keep_near_duplicates)
        while window:
            yield _save_next(run_id, window.pop(0), keep_near_duplicates)


def _prepared(entry: Entry, how: How) -> Prepared:
    if len(entry.name) > MAX_NAME:
        raise BadImage(f"a path of {len(entry.name)} characters; at most {MAX_NAME} are kept")
    return prepare(entry.read(), entry.name, how, entry.provenance)


def _save_next(run_id: int, pending: tuple[str, Future[Prepared]], keep_near_duplicates: bool) -> FileOutcome:
    name, future = pending
    try:
        prepared = future.result()
    except BadImage as error:
        with unit_of_work() as session:
            return reject(session, run_id, name, str(error))
    with unit_of_work() as session:
        return save(session, run_id, prepared, keep_near_duplicates=keep_near_duplicates)


def folder_entries(folder: Path) -> Iterator[Entry]:
    """Every file below a folder, by path."""
    root = folder.resolve()
    for name, path in files_in(root):
        yield Entry(name, lambda path=path: _read_below(root, path))  # type: ignore[misc]


def ingest_files(run_id: int, folder: Path, *, threads: int, keep_near_duplicates: bool = False) -> Iterator[FileOutcome]:
    """Ingest every file below ``folder``; as :func:`ingest_entries`."""
    return ingest_entries(run_id, folder_entries(folder), threads=threads, keep_near_duplicates=keep_near_duplicates)


def files_in(root: Path) -> list[tuple[str, Path]]:
    """All files below ``root`` by path, with the name they are known by. Linked folders are not entered.

    A name that is not UTF-8 (old archives have such) is told with its bytes escaped: it must be stored and printed.
    """
    return sorted(
        (os.fsencode(path.relative_to(root)).decode(errors="backslashreplace"), path)
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    )


def _read_below(root: Path, path: Path) -> bytes:
    if path.is_symlink():
        target = Path(os.path.realpath(path))  # Path.resolve raises on a link that leads to itself
        if not target.is_relative_to(root):
            raise BadImage("a link that leads out of the folder")
        if not target.is_file():
            raise BadImage("a broken link" if not target.exists() else "a link to a folder")
    return read_bytes(path, settings().max_upload_mb * 2**20)
