"""Archives: zip and tar, compressed or not, read from their beginning to their end.

Members are never unpacked to disk and their names never become paths. A member is read when it is asked for, and into
memory, because most archives can only be read in their order.
"""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, Literal

from app.config import settings
from app.domain.file_names import from_bytes, is_litter, readable
from app.errors import BadImage, GgtError
from app.imaging.source import sniff
from app.services.photograph import Entry

Opener = Callable[[], AbstractContextManager[IO[bytes]]]
"""Opens a file at its beginning; whoever opens it closes it."""

HEAD_BYTES = 64
"""What tells a photograph from anything else: what is none is not read any further."""
READ_BYTES = 2**18
"""How much of a tar is read at once: a request each where it is far away."""
_UNPACK: Mapping[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x28\xb5\x2f\xfd": lambda file: _zstd(file),
}
"""By the first bytes. tarfile would do it too, but unpacks a piece of the file whole, and of a bomb that is gigabytes."""
MAX_HEADER = 2**20
"""Longest name or attributes of a tar's member in bytes; they are read into memory whole."""
_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, RuntimeError,
    NotImplementedError,
)  # fmt: skip
"""What the libraries raise where an archive is not as it should be."""


@dataclass(frozen=True)
class Member:
    """A file in an archive. ``open`` serves until the next member is asked for, and not where there is a ``problem``."""

    name: str
    open: Callable[[], IO[bytes]]
    problem: str = ""


def entries(opener: Opener, name: str) -> Iterator[Entry]:
    """The photographs of a zip or tar in its order; ``name`` is the archive's. What is none is refused with the reason."""
    return (entry(member) for member in members(opener, name))


def members(opener: Opener, name: str) -> Generator[Member, None, None]:
    """The files of a zip or tar in its order, but for hidden ones. Where it is damaged the last one says so.

    Raises GgtError at once where it cannot be read, or is neither a zip nor a tar.
    """
    try:
        zipped = is_zip(opener)
        with opener() as file:
            try:
                next(_in_zip(file) if zipped else _in_tar(file), None)
            except DAMAGE as error:
                kind = "It begins like a zip" if zipped else "It is no zip and no tar"
                raise GgtError(
                    f"{name} cannot be opened ({readable(str(error))}). {kind}; look whether it is there whole."
                ) from error
    except OSError as error:
        raise GgtError(f"{name} cannot be read: {error.strerror or error}.") from error
    return _members(opener, name, _in_zip if zipped else _in_tar)


def is_zip(opener: Opener) -> bool:
    """Whether a file begins as zips do. (``zipfile.is_zipfile`` takes a tar that ends with a zip for one.)"""
    with opener() as file:
        return file.read(2) == b"PK"


def entry(member: Member) -> Entry:
    """A member as a photograph, its bytes read now and no more of them than may be."""
    most = settings().max_upload_mb * 2**20
    if member.problem:
        return Entry.refused(member.name, member.problem)
    try:
        with member.open() as file:
            head = file.read(HEAD_BYTES)
            if head:
                sniff(head)
            data = head + file.read(most + 1 - len(head))
    except BadImage as error:
        return Entry.refused(member.name, str(error))
    except DAMAGE as error:
        return Entry.refused(member.name, f"damaged in the archive: {readable(str(error))}")
    return Entry(member.name, lambda: data, held=len(data))


def _members(opener: Opener, name: str, read: Callable[[IO[bytes]], Iterator[Member]]) -> Generator[Member, None, None]:
    last = ""
    with opener() as file:
        try:
            for member in read(file):
                last = member.name
                if not is_litter(last):
                    yield member
        except DAMAGE as error:
            after = f"after {last}" if last else "at its beginning"
            yield Member(
                name, _nothing, f"the archive is damaged {after} ({readable(str(error))}): what follows is not taken"
            )


def _shown(name: str) -> str:
    """As the same file is called when its folder is taken in."""
    return name.removeprefix("./") or name


def _nothing() -> IO[bytes]:
    raise BadImage("not a regular file")


# --- zip ----------------------------------------------------------------------------------------------------------


def _in_zip(file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield Member(_name_in_zip(info), lambda info=info: archive.open(info), _problem(info))  # type: ignore[misc]


def _name_in_zip(info: zipfile.ZipInfo) -> str:
    """A name that says no encoding is UTF-8 if it can be, as most systems write it, and else what DOS would show."""
    if not info.flag_bits & 0x800:
        try:
            return _shown(readable(info.filename.encode("cp437").decode("utf-8")))
        except UnicodeError:
            pass
    return _shown(readable(info.filename))


def _problem(info: zipfile.ZipInfo) -> str:
    if info.flag_bits & 0x1:
        return "encrypted: unpack the archive with its password, and take the folder in"
    return "a link" if stat.S_ISLNK(info.external_attr >> 16) else ""


# --- tar ----------------------------------------------------------------------------------------------------------


class _Header(tarfile.TarInfo):
    """A header that is refused where tarfile would end the archive without a word, or read without bound."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> "_Header":
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        header = super().frombuf(buf, encoding, errors)
        if header.type in _HEADERS and header.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


def _in_tar(file: IO[bytes]) -> Iterator[Member]:
    start = file.read(6)
    file.seek(0)
    unpack = next((unpack for magic, unpack in _UNPACK.items() if start.startswith(magic)), None)
    plain = unpack(file) if unpack else file
    mode: Literal["r:", "r|"] = "r:" if plain.seekable() else "r|"
    with tarfile.open(fileobj=plain, mode=mode, tarinfo=_Header, bufsize=READ_BYTES) as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # it would keep every header
            if not info.isdir():
                yield _member(archive, info)


def _member(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    def content() -> IO[bytes]:
        return archive.extractfile(info) or _nothing()

    name = _shown(from_bytes(info.name.encode("utf-8", "surrogateescape")))
    if info.islnk():
        return Member(name, _nothing, f"a link to {readable(info.linkname)}, which comes under its own name")
    return Member(name, content, "" if info.isreg() else "a link" if info.issym() else "not a regular file")


def _zstd(file: IO[bytes]) -> Any:
    """What a .tar.zst holds; Python itself can read it from 3.14 on."""
    try:
        from pyarrow import input_stream
    except ImportError:
        raise GgtError("A .tar.zst needs pyarrow. Type: .venv/bin/uv pip install pyarrow") from None
    return input_stream(_NotOurs(file), compression="zstd")


class _NotOurs(io.RawIOBase):
    """A file that pyarrow reads from: it would close what it was given."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)
