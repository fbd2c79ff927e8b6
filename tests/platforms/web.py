"""A small local web server whose answers a test writes, broken-off ones too."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request. Header names are in lower case; ``at`` is when it arrived, in monotonic seconds."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: float


@dataclass(frozen=True)
class Answer:
    """What is sent. ``cut``: so many bytes of the body, and then the connection breaks off; ``pause``: seconds before it.
    ``hang_up``: the connection is closed without a word.
    """

    body: bytes = b""
    media_type: str = "image/jpeg"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    pause: float = 0.0
    hang_up: bool = False


class WebServer:
    """Answers on 127.0.0.1, each request in a thread of its own; a context manager."""

    def __init__(self, answer: Callable[[Asked], Answer], *, port: int = 0) -> None:
        self.asked: list[Asked] = []
        self._answer = answer
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server._serve(self)

            def log_message(self, format: str, *args: object) -> None:
                """Tests print nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._http.daemon_threads = True
        self.host = f"127.0.0.1:{self._http.server_address[1]}"
        self.url = f"http://{self.host}"

    def __enter__(self) -> "WebServer":
        threading.Thread(target=self._http.serve_forever, args=(0.02,), name="web-server", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._http.shutdown()
        self._http.server_close()

    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [asked.path for asked in self.asked]

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        asked = Asked(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, time.monotonic())
        self.asked.append(asked)
        answer = self._answer(asked)
        time.sleep(answer.pause)
        if answer.hang_up:
            handler.close_connection = True
            return
        with suppress(ConnectionError):
            handler.send_response(answer.status)
            for name, value in ({"Content-Type": answer.media_type} | answer.headers).items():
                if value:
                    handler.send_header(name, value)
            if "Content-Length" not in answer.headers:
                handler.send_header("Content-Length", str(len(answer.body)))
            handler.end_headers()
            handler.wfile.write(answer.body[: answer.cut])
            handler.wfile.flush()
        if answer.cut == 0:
            # Lingering for no time makes the kernel answer with RST instead of a polite FIN.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.close_connection = handler.close_connection or answer.cut is not None


def part_of(asked: Asked, answer: Answer, tag: str) -> Answer:
    """The answer as a server gives it that can go on with a download, by a strong ETag."""
    headers = {**answer.headers, "ETag": tag, "Accept-Ranges": "bytes"}
    wanted = asked.headers.get("range", "")
    if not wanted or asked.headers.get("if-range", tag) != tag:
        return Answer(answer.body, answer.media_type, answer.status, headers, answer.cut, answer.pause)
    start = int(wanted.removeprefix("bytes=").partition("-")[0])
    if start >= len(answer.body):
        return Answer(b"", "text/plain", 416, {"Content-Range": f"bytes */{len(answer.body)}"})
    headers["Content-Range"] = f"bytes {start}-{len(answer.body) - 1}/{len(answer.body)}"
    return Answer(answer.body[start:], answer.media_type, 206, headers, answer.cut, answer.pause)
