"""Is this installation well? Each check tells what was found and, where something is missing, the line to type."""

import importlib.metadata
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass

from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import Session, SQLModel, select

from app import messages, migrate
from app.config import settings
from app.db import reading
from app.services.weights import weights_status
from app.storage import storage

GRACE_SECONDS = 24 * 3600
HEAVY = ("torch", "torchvision", "pyiqa", "opencv-python-headless", "scikit-image", "ncnn")


@dataclass(frozen=True)
class Check:
    """One finding."""

    what: str
    ok: bool
    told: str


def examine(*, collect: bool) -> Iterator[Check]:
    """Check everything, one finding at a time; ``collect`` deletes orphaned files older than a day."""
    missing = [name for name in HEAVY if not _installed(name)]
    hint = f"missing {', '.join(missing)}; type .venv/bin/uv pip install -r requirements/all.txt"
    yield Check("worker packages", not missing, hint if missing else "installed")
    free = shutil.disk_usage(settings().data_dir if settings().data_dir.exists() else "/").free
    yield Check("disk", free > 2**30, f"{free / 2**30:.1f} GB free at {settings().data_dir}")
    yield _database()
    yield _redis()
    for row in weights_status(settings().weights_dir):
        told = row.state if row.state == "present" else f"{row.state}; type ggt weights fetch"
        if optional := row.from_hub and row.state == "missing":  # nothing is broken without them
            told = f"not here, so {', '.join(row.metrics)} is left out; type ggt weights fetch"
        yield Check(f"weights {row.file}", optional or row.state == "present", told)
    try:
        with reading() as session:
            yield _files(session, collect)
    except SQLAlchemyError:
        yield Check("files", False, "cannot be checked without the database")


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _database() -> Check:
    try:
        with reading() as session:
            session.execute(text("SELECT 1"))
        current = migrate.current_is_head(settings().sql_url)
        return Check("database", current, "reachable, schema current" if current else "schema is old; type ggt migrate")
    except SQLAlchemyError as error:
        return Check("database", False, str(error.__cause__ or error).splitlines()[0])


def _redis() -> Check:
    try:
        messages.redis_client().ping()
        return Check("redis", True, "answers")
    except (RedisError, OSError):
        return Check("redis", False, "does not answer; it runs while `ggt up` does")


def referenced_files(session: Session) -> set[str]:
    """Hashes of all files that a row names: every ``*_sha256`` column but those that are hashes of pixels.

    So a new column keeps its files without anybody thinking of it here; what a provider sent is named by nothing else.
    """
    named: set[str] = set()
    for table in SQLModel.metadata.sorted_tables:
        for column in table.columns:
            of_pixels = column.name.endswith("pixel_sha256") or column.name == "reference_sha256"
            if column.name.endswith("_sha256") and not of_pixels:
                named.update(session.execute(select(column).where(column != "").distinct()).scalars())
    return named


def _files(session: Session, collect: bool) -> Check:
    named = referenced_files(session)
    present: set[str] = set()
    orphans: list[str] = []
    horizon = time.time() - GRACE_SECONDS
    for sha256, modified in storage().listing():
        present.add(sha256)
        if sha256 not in named and modified < horizon:
            orphans.append(sha256)
    lost = len(named - present)
    if collect:
        for sha256 in orphans:
            storage().delete(sha256)
    found = f"{len(present)} files, {len(orphans)} orphans{' deleted' if collect else ''}, {lost} missing"
    return Check("files", lost == 0, found)
