"""Downloads under way, on disk, so that one that broke off goes on from where it was instead of from the start."""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from app.config import settings
from app.errors import BadImage, Later

STALE_SECONDS = 2 * 24 * 3600.0
"""A download that nobody continued for so long is deleted."""
CLEAN_EVERY = 3600.0

_cleaned: dict[Path, float] = {}


class Partial:
    """What has come of one download. Its bytes are in one file, and what they are a part of in another: the validator."""

    def __init__(self, path: Path, handle: int) -> None:
        self._path, self._handle = path, handle
        self.size = os.fstat(handle).st_size
        try:
            self._validator = path.with_suffix(".tag").read_text("ascii")
        except (OSError, ValueError):
            self._validator = ""

    def headers(self) -> dict[str, str]:
        """What asks for the rest, where there is a part and the server can tell whether it still fits."""
        if not self.size or not self._validator:
            return {}
        return {"Range": f"bytes={self.size}-", "If-Range": self._validator}

    def begin(self, answer: httpx.Response) -> None:
        """An answer comes (200 or 206): go on where it is the rest, else start anew. Raises BadImage for another part."""
        if answer.status_code == 206:
            start = answer.headers.get("content-range", "").partition(" ")[2].partition("-")[0]
            if start != str(self.size) or not self._validator:
                self.drop()
                raise BadImage("the server gave another part of it than was asked for")
            return
        self.drop()
        # A weak validator says that two versions look alike, not that their bytes go together.
        tag = answer.headers.get("etag", "")
        validator = answer.headers.get("last-modified", "") if not tag or tag.startswith("W/") else tag
        if validator and validator.isascii():
            self._path.with_suffix(".tag").write_text(validator, "ascii")
            self._validator = validator

    def write(self, piece: bytes) -> None:
        os.lseek(self._handle, 0, os.SEEK_END)
        view = memoryview(piece)
        while view:
            view = view[os.write(self._handle, view) :]
        self.size += len(piece)

    def read(self, size: int | None = None) -> bytes:
        """The first ``size`` bytes, or all."""
        return os.pread(self._handle, self.size if size is None else size, 0)

    def drop(self) -> None:
        """Start anew."""
        os.ftruncate(self._handle, 0)
        self.size, self._validator = 0, ""
        self._path.with_suffix(".tag").unlink(missing_ok=True)

    def forget(self) -> None:
        """The download is complete, or will never be."""
        self.drop()
        self._path.unlink(missing_ok=True)


@contextmanager
def held(url: str) -> Iterator[Partial]:
    """What there is of a download, for nobody else as long as the block runs. Raises Later when another has it."""
    folder = settings().data_dir / "partial"
    folder.mkdir(parents=True, exist_ok=True)
    _clean(folder)
    path = folder / f"{hashlib.sha256(url.encode()).hexdigest()}.part"
    handle = _locked(path)
    try:
        yield Partial(path, handle)
    finally:
        if os.fstat(handle).st_nlink and not os.fstat(handle).st_size:
            path.unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise Later(10.0, "The same photograph is being fetched by another worker.") from None
        if os.fstat(handle).st_nlink:
            return handle
        os.close(handle)  # whoever had it before us has finished and deleted it


def _clean(folder: Path) -> None:
    """Delete what nobody has continued for long, at most once an hour."""
    now = time.time()
    if now - _cleaned.get(folder, 0.0) < CLEAN_EVERY:
        return
    _cleaned[folder] = now
    for path in folder.iterdir():
        with suppress(FileNotFoundError):
            if now - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()


def forget() -> None:
    """Look for stale downloads again at the next one."""
    _cleaned.clear()
