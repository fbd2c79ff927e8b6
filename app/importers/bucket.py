"""Object stores and whatever else fsspec reaches, such as s3://bucket/prefix. Named on the command line only.

A browser must not name one: the server would read for its user what only the server can reach.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec

from app.config import settings
from app.domain.file_names import is_litter, readable
from app.errors import BadImage, GgtError
from app.importers.archive import Opener
from app.services.photograph import Entry

EXTRAS = {"s3": "requirements/s3.txt"}
"""What has to be installed for a protocol, where this project pins it."""

# fsspec's file systems raise what their libraries do (botocore has a hierarchy of its own), so every exception is caught
# where one is asked, and told with the place.


def is_remote(location: str) -> bool:
    return "://" in location


def entries(location: str) -> Iterator[Entry]:
    """Every object below a prefix, folder by folder in the order of names; read when it is asked for.

    Raises GgtError where the place cannot be reached or nothing is there.
    """
    system, root = _place(location)
    try:
        first = _listing(system, root)
    except Exception as error:
        raise GgtError(f"{location} cannot be listed: {_told(error)}") from error
    return _below(system, first, below=f"{root.rstrip('/')}/")


def names(location: str) -> list[str]:
    """What lies directly in a folder elsewhere, as locations. Raises GgtError as :func:`entries`."""
    system, root = _place(location)
    try:
        return [str(system.unstrip_protocol(info["name"])) for info in _listing(system, root)]
    except Exception as error:
        raise GgtError(f"{location} cannot be listed: {_told(error)}") from error


def opener(location: str) -> Opener:
    """How a file here or elsewhere is opened. What cannot be opened raises OSError."""
    if not is_remote(location):
        return lambda: Path(location).open("rb")
    system, path = _place(location)

    def opened() -> Any:
        try:
            return system.open(path, "rb")
        except Exception as error:
            raise OSError(_told(error)) from error

    return opened


def _place(location: str) -> tuple[Any, str]:
    protocol = location.partition("://")[0]
    try:
        system, root = fsspec.core.url_to_fs(location, use_listings_cache=False)  # it would keep every name
    except ImportError as error:
        how = f" Type: .venv/bin/uv pip install -r {EXTRAS[protocol]}" if protocol in EXTRAS else ""
        raise GgtError(f"{protocol}:// needs a package that is not installed: {error}.{how}") from error
    except Exception as error:
        raise GgtError(f"{location} is no address that can be read: {_told(error)}") from error
    return system, str(root)


def _listing(system: Any, folder: str) -> list[Any]:
    """What lies directly in a folder, by name. Object stores name the folder itself among it, a single object alone."""
    infos = system.ls(folder, detail=True)
    here = [info for info in infos if info["name"].rstrip("/") == folder.rstrip("/")]
    inside = [info for info in infos if info not in here]
    return sorted(inside or [one for one in here if one["type"] != "directory"], key=lambda info: str(info["name"]))


def _below(system: Any, infos: list[Any], *, below: str) -> Iterator[Entry]:
    for info in infos:
        path = str(info["name"]).rstrip("/")
        name = readable(path.removeprefix(below) if path.startswith(below) else path.rsplit("/", 1)[-1])
        if is_litter(name):
            continue
        if info["type"] != "directory":
            yield Entry(name, lambda path=path, size=info.get("size"): _read(system, path, size))  # type: ignore[misc]
            continue
        try:
            inside = _listing(system, path)
        except Exception as error:
            yield Entry.refused(name, f"a folder that cannot be listed: {_told(error)}")
            continue
        yield from _below(system, inside, below=below)


def _read(system: Any, path: str, size: int | None) -> bytes:
    most = settings().max_upload_mb * 2**20
    if size is not None and size > most:
        raise BadImage(f"larger than {settings().max_upload_mb} MiB")
    try:
        return bytes(system.cat_file(path) if size is not None else system.cat_file(path, start=0, end=most + 1))
    except Exception as error:
        raise BadImage(f"unreadable: {_told(error)}") from error


def _told(error: Exception) -> str:
    return readable(" ".join(f"{type(error).__name__}: {error}".split()))[:300]
