"""A scripted model hub on the loopback interface: files, redirects, hashes in headers, cut lines and refusals."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Hub:
    """What the server has and does. ``cuts`` are how many bytes of an answer it sends before it hangs up, first to last."""

    files: dict[str, bytes] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


@contextmanager
def model_hub() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            """Keep quiet."""

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            name = self.path.rsplit("/", 1)[-1]
            if not self.path.startswith("/storage/"):
                hub.asked.append((self.path, wanted))
                status = hub.statuses.pop(0) if hub.statuses else 302 if name in hub.files else 404
                self.send_response(status)
                if status == 302:
                    self.send_header("Location", f"{hub.url}/storage/{name}")
                    if name in hub.hashes:
                        self.send_header("X-Linked-Etag", f'"{hub.hashes[name]}"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            data = hub.files[name]
            start = int(match[1]) if hub.ranges and (match := re.fullmatch(r"bytes=(\d+)-", wanted)) else 0
            if start and start >= len(data):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            cut = hub.cuts.pop(0) if hub.cuts else len(data)
            self.wfile.write(data[start : start + cut])
            if cut < len(data) - start:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
