"""Importers: the photographs of a place, whatever its layout, one after the other. They know no database.

``app.services.ingest_folder.ingest_entries`` takes in what they find.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import IO

from app.errors import GgtError
from app.importers import archive, bucket, coco, imagenet, manifest, webdataset
from app.importers.archive import Opener
from app.services.ingest_folder import files_in, folder_entries
from app.services.photograph import Entry

_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst", ".tbz2", ".txz")
SUFFIX = re.compile(r"\.(zip|tar|tgz|tbz2|txz|csv|tsv|jsonl|ndjson|parquet|json)(\.(gz|bz2|xz|zst))?$", re.IGNORECASE)
"""Ends of names that say what kind of file it is."""
_WORDNET = re.compile(r"n\d{8}")


def _archive(location: str) -> Iterator[Entry]:
    return archive.entries(bucket.opener(location), PurePosixPath(location).name)


def _manifest(location: str) -> Iterator[Entry]:
    if bucket.is_remote(location):
        raise GgtError(f"A manifest is read from this machine only: copy {location} here, with what it lists.")
    path = Path(location)
    if path.suffix.lower() not in manifest.SUFFIXES:
        raise GgtError(f"{location} is no manifest: its name ends in none of {', '.join(manifest.SUFFIXES)}.")
    return manifest.entries(bucket.opener(location), path.name, path.parent)


_IMPORTERS: Mapping[str, Callable[[str], Iterator[Entry]]] = {
    "folder": lambda location: folder_entries(Path(location)),
    "archive": _archive,
    "manifest": _manifest,
    "bucket": bucket.entries,
    "webdataset": webdataset.entries,
    "imagenet": imagenet.entries,
    "coco": coco.entries,
}
LAYOUTS = ("auto", *_IMPORTERS)


def entries(location: str, layout: str = "auto") -> Iterator[Entry]:
    """The photographs at a place, in an order that does not change, each read when it is asked for.

    ``location`` is a folder, a file or an address such as s3://bucket/prefix; ``layout`` one of :data:`LAYOUTS`. Raises
    GgtError at once where nothing is there or it is not of that layout; later trouble is an entry that says so.
    """
    if layout not in LAYOUTS:
        raise GgtError(f"There is no layout {layout!r}; choose from {', '.join(LAYOUTS)}.")
    try:
        found = detected(location) if layout == "auto" else layout
        if found in ("folder", "imagenet") and not Path(location).is_dir():
            raise GgtError(f"{location} is not a folder.")
        return _IMPORTERS[found](location)
    except OSError as error:
        raise GgtError(f"{location} cannot be read: {error.strerror or error}.") from error


def count(location: str, layout: str = "auto") -> int | None:
    """How many files there are to come, where a look at a folder tells it; None where everything would have to be read."""
    found = detected(location) if layout == "auto" else layout
    return sum(1 for _ in files_in(Path(location).resolve())) if found in ("folder", "imagenet") else None


def detected(location: str) -> str:
    """The layout of a place, by its name and what lies there; a folder of nothing else is ``folder``.

    Raises GgtError where nothing is there, or a file that is none of them.
    """
    lower, path = location.lower(), Path(location)
    if webdataset.is_range(location) and not path.exists():
        return "webdataset"
    if bucket.is_remote(location):
        return _of_tar(location) if lower.endswith(_ARCHIVES) else "bucket"
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise GgtError(
            f"{location} is not there. Name a folder, a zip or tar, a manifest (CSV, JSONL, parquet), shards, or an address "
            "such as s3://bucket/prefix."
        )
    if path.suffix.lower() in manifest.SUFFIXES:
        return "manifest"
    return "coco" if path.suffix.lower() == ".json" else _of_tar(location)


def _of_tar(location: str) -> str:
    return "webdataset" if webdataset.looks_like_one(bucket.opener(location), PurePosixPath(location).name) else "archive"


def _of_folder(folder: Path) -> str:
    if coco.seems_one(folder):
        return "coco"
    inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    if inside and all(path.suffix == ".tar" and path.is_file() for path in inside):
        return "webdataset"
    classes = chain(inside, *(path.iterdir() for path in inside if path.name in imagenet.SPLITS and path.is_dir()))
    if any(path.name in imagenet.MAPPINGS or (_WORDNET.fullmatch(path.name) and path.is_dir()) for path in classes):
        return "imagenet"
    return "folder"


def uploaded(file: IO[bytes], name: str) -> Iterator[Entry]:
    """The photographs of an archive, a shard or a manifest that somebody sent, known by its content and its name.

    A manifest's rows must be addresses: it can name no file of the server. The caller keeps ``file`` open until all are
    read. Raises GgtError at once for anything else.
    """

    def opened() -> nullcontext[IO[bytes]]:
        file.seek(0)
        return nullcontext(file)

    opener: Opener = opened
    suffix = PurePosixPath(name.lower()).suffix
    if suffix == ".parquet":
        raise GgtError(f"{name}: manifests are taken as CSV or JSON Lines here. The command line takes parquet as well.")
    if suffix in manifest.SUFFIXES:
        return manifest.entries(opener, name, None)
    if webdataset.looks_like_one(opener, name):
        return webdataset.shard_entries(opener, name)
    return archive.entries(opener, name)
