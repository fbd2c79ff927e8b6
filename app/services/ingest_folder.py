"""Ingest of many photographs, such as a folder's: decoded a few ahead in threads, saved one by one in their order."""

import os
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from app import imaging
from app.config import settings
from app.db import reading, unit_of_work
from app.domain.file_names import from_bytes, is_litter
from app.errors import BadImage
from app.imaging.source import read_bytes
from app.models import Run
from app.services import duplicates, licence_policy, run_control
from app.services.ingest import record, reject, save
from app.services.photograph import MAX_NAME, Entry, FileOutcome, How, Prepared, prepare

Window = list[tuple[Entry, Future[Prepared | FileOutcome]]]
"""Photographs that are being made ready, in their order."""
HELD_BYTES = 256 * 2**20
"""Bytes of photographs that may wait in memory where they are read in their order, beside those that are worked on."""
THREADS = 2 * (os.cpu_count() or 1)
"""Twice the cores: about half of a photograph's time its files are on their way to the disk."""


def ingest_entries(
    run_id: int, entries: Iterable[Entry], *, threads: int, keep_near_duplicates: bool = False
) -> Generator[FileOutcome, None, None]:
    """Ingest photographs for an open run, yielding each outcome as it is committed. Owns its units of work.

    Decoding runs in ``threads`` threads, a few photographs ahead; saving is one short transaction each, in the order of
    ``entries``, so that which of two duplicates is kept does not depend on timing. Memory does not grow with their number.
    Closing the generator leaves what is not saved to another time. Raises NotFound or Conflict where the run is not open.
    """
    imaging.set_concurrency(1)
    with reading() as session:
        how = run_control.open_ingest(session, run_id)
        source_id: int = session.get_one(Run, run_id).params["source_id"]
    window: Window = []
    with ThreadPoolExecutor(max(1, threads)) as pool:
        try:
            for entry in entries:
                window.append((entry, pool.submit(_prepared, entry, how, source_id)))
                while len(window) >= 3 * threads or _held(window) > HELD_BYTES:
                    yield _save_next(run_id, window, keep_near_duplicates)
            while window:
                yield _save_next(run_id, window, keep_near_duplicates)
        finally:
            for _, pending in window:
                pending.cancel()


def _held(window: Window) -> int:
    return sum(entry.held for entry, _ in window)


def _prepared(entry: Entry, how: How, source_id: int) -> Prepared | FileOutcome:
    """The photograph ready to be saved; or what it repeats, found before anything is fetched or decoded. Raises BadImage."""
    if len(entry.name) > MAX_NAME:
        raise BadImage(f"a path of {len(entry.name)} characters; at most {MAX_NAME} are kept")
    if entry.remote:
        with reading() as session:
            if duplicates.here_from(session, source_id, entry.name, entry.provenance.url):
                return FileOutcome(entry.name, "known", of=entry.name)
            licence_policy.check_collectable(session, source_id, entry.provenance.licence)
    data = entry.read()
    with reading() as session:
        repeated = duplicates.exact_duplicate(session, source_id, entry.name, imaging.sha256(data))
    return repeated or prepare(data, entry.name, how, entry.provenance)


def _save_next(run_id: int, window: Window, keep_near_duplicates: bool) -> FileOutcome:
    entry, future = window.pop(0)
    try:
        ready = future.result()
    except BadImage as error:
        with unit_of_work() as session:
            return reject(session, run_id, entry.name, str(error))
    with unit_of_work() as session:
        if isinstance(ready, FileOutcome):
            record(session, run_id, ready)
            return ready
        return save(session, run_id, ready, keep_near_duplicates=keep_near_duplicates)


def folder_entries(folder: Path) -> Iterator[Entry]:
    """Every file below a folder, by path."""
    root = folder.resolve()
    for name, path in files_in(root):
        yield Entry(name, lambda path=path: read_below(root, path))  # type: ignore[misc]


def ingest_files(run_id: int, folder: Path, *, threads: int, keep_near_duplicates: bool = False) -> Iterator[FileOutcome]:
    """Ingest every file below ``folder``; as :func:`ingest_entries`."""
    return ingest_entries(run_id, folder_entries(folder), threads=threads, keep_near_duplicates=keep_near_duplicates)


def files_in(root: Path) -> Iterator[tuple[str, Path]]:
    """All files below ``root``, a folder's own by name and then its folders', with the name they are known by.

    Linked folders are not entered but named, and so are folders that cannot be read. What is hidden, or a system's
    metadata, is passed over. A name that is not UTF-8 (old archives have such) is told with its bytes escaped: it must be
    stored and printed.
    """
    unread: list[OSError] = []
    for folder, folders, files in os.walk(root, onerror=unread.append):
        folders[:] = sorted(name for name in folders if not is_litter(name))
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        found = [here / name for name in sorted([*files, *links]) if not is_litter(name)]
        for path in [*(Path(error.filename) for error in unread), *found]:
            yield from_bytes(os.fsencode(path.relative_to(root))), path
        unread.clear()
    for error in unread:
        yield from_bytes(os.fsencode(Path(error.filename).relative_to(root))), Path(error.filename)


def read_below(root: Path, path: Path) -> bytes:
    """A file's bytes, at most one more than may be. Raises BadImage: unreadable, or led out of ``root`` by a link."""
    target = Path(os.path.realpath(path))  # Path.resolve raises on a link that leads to itself
    if not target.is_relative_to(root):
        raise BadImage("a link that leads out of the folder" if path.is_symlink() else "outside the folder")
    if path.is_symlink() and not target.is_file():
        raise BadImage("a broken link" if not target.exists() else "a link to a folder")
    return read_bytes(target, settings().max_upload_mb * 2**20)
