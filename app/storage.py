"""Files by content hash, through fsspec: a local folder by default, S3 by URL.

A file is written under a temporary name, synced, renamed, and only then named by a committed row. What no row names is an
orphan, collected after a grace time by ``ggt doctor --collect``.
"""

import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import fsspec

from app.config import settings
from app.errors import NotFound

SHA256 = re.compile(r"[0-9a-f]{64}")


class Storage(Protocol):
    """Where bytes live. Keys are SHA-256 of the content, so writing twice is harmless."""

    def put(self, data: bytes) -> str:
        """Keep ``data``, return its SHA-256. After the return the bytes are on disk."""
        ...

    def get(self, sha256: str) -> bytes:
        """The bytes of ``sha256``. Raises :class:`NotFound`."""
        ...

    def path(self, sha256: str) -> Path | None:
        """A local path to serve or link from, or None where there is none."""
        ...

    def delete(self, sha256: str) -> None: ...

    def listing(self) -> Iterator[tuple[str, float]]:
        """Every key with its age in seconds since the epoch."""
        ...


def _relative(sha256: str) -> str:
    if not SHA256.fullmatch(sha256):
        raise NotFound(f"not a file key: {sha256[:80]!r}")
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def write_whole(target: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all: under a temporary name, synced, renamed. Safe for two at once."""
    temporary = target.with_name(f".{target.name[:40]}.{uuid.uuid4().hex}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


class LocalStorage:
    """Files in a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        target = self.root / _relative(sha256)
        try:
            os.utime(target)  # a file about to be named by a row must not look like an old orphan
            return sha256
        except FileNotFoundError:
            pass
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, data)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return sha256

    def get(self, sha256: str) -> bytes:
        try:
            return (self.root / _relative(sha256)).read_bytes()
        except FileNotFoundError:
            raise NotFound(f"file {sha256[:12]} is missing from the storage") from None

    def path(self, sha256: str) -> Path | None:
        path = self.root / _relative(sha256)
        return path if path.is_file() else None

    def delete(self, sha256: str) -> None:
        (self.root / _relative(sha256)).unlink(missing_ok=True)

    def listing(self) -> Iterator[tuple[str, float]]:
        for path in self.root.glob("*/*/*"):
            if SHA256.fullmatch(path.name):
                yield path.name, path.stat().st_mtime


class RemoteStorage:
    """Files in an object store. Uploads there are atomic by themselves."""

    def __init__(self, url: str) -> None:
        self.filesystem, self.root = fsspec.core.url_to_fs(url)

    def _key(self, sha256: str) -> str:
        return f"{self.root.rstrip('/')}/{_relative(sha256)}"

    def put(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self.filesystem.pipe_file(self._key(sha256), data)
        return sha256

    def get(self, sha256: str) -> bytes:
        try:
            return bytes(self.filesystem.cat_file(self._key(sha256)))
        except FileNotFoundError:
            raise NotFound(f"file {sha256[:12]} is missing from the storage") from None

    def path(self, sha256: str) -> Path | None:
        _relative(sha256)
        return None

    def delete(self, sha256: str) -> None:
        if self.filesystem.exists(self._key(sha256)):
            self.filesystem.rm_file(self._key(sha256))

    def listing(self) -> Iterator[tuple[str, float]]:
        for name, info in self.filesystem.find(self.root, detail=True).items():
            key = name.rsplit("/", 1)[-1]
            if SHA256.fullmatch(key):
                modified = info.get("LastModified") or info.get("created")
                yield key, modified.timestamp() if hasattr(modified, "timestamp") else float(modified or 0)


@lru_cache
def storage() -> Storage:
    """The storage of this process."""
    url = settings().files_url
    return RemoteStorage(url) if "://" in url else LocalStorage(Path(url))
