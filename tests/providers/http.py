"""HTTP/1.1 on asyncio streams, as little of it as the SDKs need, and the ways in which an answer can fail to arrive."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.providers.script import Fault, Script

BUFFER = 1 << 20
"""Bytes a connection may buffer before its client has to wait: large requests then need few wake-ups."""
_PIECE = 1 << 18
_DRIPS = 20


@dataclass(frozen=True)
class Request:
    """A request that was read to its end. Header names are in lower case; ``body`` is empty when it was not to be kept."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def key(self) -> str:
        """The credential: the Google header, or what follows "Bearer"."""
        return self.headers.get("x-goog-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ").strip()

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises ``ValueError`` for anything else."""
        value = json.loads(self.body or b"{}")
        if not isinstance(value, dict):
            raise ValueError("the body is no JSON object")
        return value


@dataclass(frozen=True)
class Response:
    """An answer to be sent."""

    status: int = 200
    body: bytes = b""
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        """Status line and headers, up to the empty line."""
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}", f"Content-Type: {self.media_type}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join([*lines, "", ""]).encode()


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(status, json.dumps(value).encode(), headers=headers or {})


async def read_request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, keep: Callable[[str], bool]
) -> Request | None:
    """The next request of a connection, or None when the client has closed it.

    ``keep`` says for a path whether the body is wanted; if not, it is read and dropped piece by piece.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        fields = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        parts = urlsplit(target)
        path = unquote(parts.path)
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await _body(reader, headers, keep(path))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        return None
    return Request(method, path, dict(parse_qsl(parts.query)), headers, body)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str], keep: bool) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        pieces = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            pieces.append(await reader.readexactly(size))
            await reader.readline()
        while (await reader.readline()).strip():
            pass  # trailers
        return b"".join(pieces) if keep else b""
    length = int(headers.get("content-length", "0"))
    if keep:
        return await reader.readexactly(length)
    while length:
        piece = await reader.read(min(length, _PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", length)
        length -= len(piece)
    return b""


async def deliver(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, response: Response, fault: Fault | None, script: Script
) -> bool:
    """Send an answer, well or as the fault says. Returns whether the connection may be used again."""
    if fault is Fault.HANG:
        with contextlib.suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(reader.read(1), script.hang_seconds)
        return False
    if fault is Fault.RESET:
        # Lingering for no time makes the kernel answer with RST instead of a polite FIN.
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False
    try:
        await _send(writer, response, fault, script)
    except ConnectionError:
        return False
    return fault is not Fault.HALF_BODY


async def _send(writer: asyncio.StreamWriter, response: Response, fault: Fault | None, script: Script) -> None:
    body = response.body
    writer.write(response.encoded())
    if fault is Fault.SLOW_DRIP:
        step = max(1, -(-len(body) // _DRIPS))
        for start in range(0, len(body), step):
            writer.write(body[start : start + step])
            await writer.drain()
            await asyncio.sleep(script.drip_seconds / _DRIPS)
        return
    writer.write(body[: len(body) // 2] if fault is Fault.HALF_BODY else body)
    await writer.drain()
