"""Ingest of a whole folder: files decoded a few ahead in threads, saved one by one in path order."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from app import imaging
from app.config import settings
from app.db import unit_of_work
from app.errors import BadImage
from app.imaging.source import read_bytes
from app.services.ingest import MAX_NAME, FileOutcome, Prepared, prepare, reject, save


def ingest_files(
    run_id: int, folder: Path, category: str, *, threads: int, keep_near_duplicates: bool = False
) -> Iterator[FileOutcome]:
    """Ingest every file below ``folder``, yielding each outcome as it is committed. Owns its units of work.

    Decoding runs in ``threads`` threads, a few files ahead; saving is one short transaction per file, in path order,
    so that which of two duplicates is kept does not depend on timing.
    """
    imaging.set_concurrency(1)
    root = folder.resolve()
    with ThreadPoolExecutor(max(1, threads)) as pool:
        window: list[tuple[str, Future[Prepared]]] = []
        for name, path in files_in(root):
            window.append((name, pool.submit(_prepare_file, root, path, name, category)))
            if len(window) >= 3 * threads:
                yield _save_next(run_id, window.pop(0), keep_near_duplicates)
        while window:
            yield _save_next(run_id, window.pop(0), keep_near_duplicates)


def _save_next(run_id: int, pending: tuple[str, Future[Prepared]], keep_near_duplicates: bool) -> FileOutcome:
    name, future = pending
    try:
        prepared = future.result()
    except BadImage as error:
        with unit_of_work() as session:
            return reject(session, run_id, name, str(error))
    with unit_of_work() as session:
        return save(session, run_id, prepared, keep_near_duplicates=keep_near_duplicates)


def files_in(root: Path) -> list[tuple[str, Path]]:
    """All files below ``root`` by path, with the name they are known by. Linked folders are not entered.

    A name that is not UTF-8 (old archives have such) is told with its bytes escaped: it must be stored and printed.
    """
    return sorted(
        (os.fsencode(path.relative_to(root)).decode(errors="backslashreplace"), path)
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    )


def _prepare_file(root: Path, path: Path, name: str, category: str) -> Prepared:
    if len(name) > MAX_NAME:
        raise BadImage(f"a path of {len(name)} characters; at most {MAX_NAME} are kept")
    if path.is_symlink():
        target = Path(os.path.realpath(path))  # Path.resolve raises on a link that leads to itself
        if not target.is_relative_to(root):
            raise BadImage("a link that leads out of the folder")
        if not target.is_file():
            raise BadImage("a broken link" if not target.exists() else "a link to a folder")
    data = read_bytes(path, settings().max_upload_mb * 2**20)
    return prepare(data, name, category)
