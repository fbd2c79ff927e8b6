"""Manifests: a CSV, JSON Lines or parquet file with a photograph a row, by its path beside the manifest or its address."""

import csv
import json
import time
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from app.domain.file_names import readable
from app.errors import BadImage, GgtError, Later
from app.importers.archive import Opener
from app.importers.provenance import MAX_URL, moment, provenance, text, web_address
from app.models import utcnow
from app.services.ingest_folder import read_below
from app.services.photograph import Entry

PATHS = ("path", "file", "file_name")
NAMES = (*PATHS, "url")
"""Columns one of which there must be."""
COLUMNS = (*NAMES, "page", "licence", "license", "author", "author_url", "keywords", "tags", "fetched_at", "date")
SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
MAX_LINE = 2**20
"""Longest line in bytes."""
DELIMITERS = ",;\t|"
LONGEST_REST, RESTS = 60.0, 3
"""Seconds that a host is given when it asks for them, and how often, before a row is left to another time."""

Row = Mapping[str, Any]
Rows = Iterator[tuple[int, Row | str]]
"""Rows with their line's number, from 1; a text says why a line is none."""
Reader = Callable[[IO[bytes], str], Rows]


def entries(opener: Opener, name: str, folder: Path | None) -> Iterator[Entry]:
    """The photographs of a manifest, in its order, each read or fetched when it is asked for.

    ``folder`` is where paths begin, and which they may not leave; None where only addresses can be. A row that is none is
    refused with its line and the reason. Raises GgtError at once where the manifest has no column that names photographs.
    """
    reader = _READERS[name.lower().rpartition(".")[2]]
    try:
        with opener() as file:
            next(reader(file, name), None)
    except OSError as error:
        raise GgtError(f"{name} cannot be read: {error.strerror or error}.") from error
    return _entries(opener, name, folder and folder.resolve(), reader)


def _entries(opener: Opener, name: str, root: Path | None, reader: Reader) -> Iterator[Entry]:
    word = "row" if name.lower().endswith(".parquet") else "line"
    with opener() as file:
        for number, row in reader(file, name):
            try:
                if isinstance(row, str):
                    raise BadImage(row)
                yield _entry(row, root, f"{word} {number}")
            except BadImage as error:
                yield Entry.refused(f"{name}, {word} {number}", str(error))


def _entry(row: Row, root: Path | None, line: str) -> Entry:
    path = next((str(row[column]) for column in PATHS if text(row.get(column))), "").removeprefix("./")
    given, page = text(row.get("url")), text(row.get("page"))
    for address in filter(None, (given, page, text(row.get("author_url")))):
        if not web_address(address):
            raise BadImage(f"the address {address[:100]!r} does not begin with http:// or https://")
    known = provenance(row, url=page or given, fetched_at=moment(row.get("fetched_at") or row.get("date")))
    if path:
        if root is None:
            raise BadImage(
                f"{readable(path)[:200]} lies beside the manifest; here only rows with a url and no path are taken"
            )
        return Entry(readable(path), lambda: _read(root, path, line), known)
    if not given:
        raise BadImage("neither a path nor a url")
    if len(given) > MAX_URL:
        raise BadImage(f"an address of {len(given)} characters; at most {MAX_URL} are kept")
    return Entry(given, lambda: _fetched(given, line), replace(known, fetched_at=utcnow()), remote=True)


def _read(root: Path, path: str, line: str) -> bytes:
    try:
        return read_below(root, root / path)
    except (BadImage, ValueError) as error:  # ValueError: a character that no path can hold
        raise BadImage(f"{line}: {error}") from error


def _fetched(url: str, line: str) -> bytes:
    """A photograph from its address. A host that asks for a rest gets it, a few times, in this thread."""
    from app.services.fetching import fetch  # its HTTP client is for manifests with addresses alone

    reason = ""
    for _ in range(RESTS):
        try:
            return fetch(url).data
        except BadImage as error:
            raise BadImage(f"{line}: {error}") from error
        except Later as error:
            reason = str(error)
            if error.seconds > LONGEST_REST:
                break
            time.sleep(error.seconds)
    raise BadImage(f"{line}: {reason} Take the manifest in again later: what is here is not fetched again.")


# --- rows ---------------------------------------------------------------------------------------------------------


def _check_columns(name: str, columns: list[str]) -> None:
    if not {*NAMES} & {column.lower() for column in columns}:
        raise GgtError(f"{name} has no column path, file or url. Its columns: {', '.join(columns)[:200] or 'none'}.")


def _csv(file: IO[bytes], name: str) -> Rows:
    if file.read(2) in (BOM_UTF16_LE, BOM_UTF16_BE):
        raise GgtError(f"{name} is UTF-16. Save it as UTF-8.")
    file.seek(0)
    lines = _lines(file)
    _, first = next(lines, (0, ""))
    delimiter = max(DELIMITERS, key=first.count)
    try:
        header = [column.strip().lower() for column in next(csv.reader([first], delimiter=delimiter), [])]
    except csv.Error as error:
        raise GgtError(f"{name} does not begin with a line of column names: {error}.") from error
    _check_columns(name, header)
    reader = csv.reader((line for _, line in lines), delimiter=delimiter)
    while True:
        number = reader.line_num + 2  # where the row begins; the columns' names are line 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, f"not a row of a table: {error}"
            continue
        if cells:
            yield number, _row(header, cells)


def _row(header: list[str], cells: list[str]) -> Row | str:
    if len(cells) > len(header):
        return f"{len(cells)} cells under {len(header)} columns: put quotes around a text with the delimiter in it"
    if any("\udc80" <= char <= "\udcff" for cell in cells for char in cell):
        return "not UTF-8: save the manifest as UTF-8"
    return dict(zip(header, cells, strict=False))


def _jsonl(file: IO[bytes], name: str) -> Rows:
    for number, line in _lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield number, f"not JSON: {readable(str(error))[:200]}"
            continue
        if not isinstance(row, dict):
            yield number, "not a JSON object"
            continue
        if number == 1:
            _check_columns(name, list(row))
        yield number, {key.lower(): value for key, value in row.items()}


def _parquet(file: IO[bytes], name: str) -> Rows:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise GgtError("A manifest in parquet needs pyarrow. Type: .venv/bin/uv pip install pyarrow") from None
    number = 0
    try:
        table = ParquetFile(file)
        columns = table.schema_arrow.names
        _check_columns(name, columns)
        for batch in table.iter_batches(1024, columns=[column for column in columns if column.lower() in COLUMNS]):
            for row in batch.to_pylist():
                number += 1
                yield number, {column.lower(): value for column, value in row.items()}
    except (ArrowException, OSError) as error:
        if not number:
            raise GgtError(f"{name} cannot be read as parquet: {readable(str(error))[:200]}") from error
        yield number + 1, f"damaged, and so is what follows: {readable(str(error))[:200]}"


def _lines(file: IO[bytes]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers. One that is too long comes cut, which makes no row of it, and its rest is passed over."""
    number = 0
    while line := file.readline(MAX_LINE):
        number += 1
        yield number, line.removeprefix(BOM_UTF8 if number == 1 else b"").decode("utf-8", "surrogateescape")
        while len(line) == MAX_LINE and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE)


_READERS: Mapping[str, Reader] = {"csv": _csv, "tsv": _csv, "jsonl": _jsonl, "ndjson": _jsonl, "parquet": _parquet}
