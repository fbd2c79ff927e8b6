"""The stand-in's server: one port for all providers, in a thread of its own.

with ProviderServer() as server:
    server.script.push(Fault.RATE_LIMIT)
    ...  # point the SDKs at server.url
"""

import asyncio
import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from tests.providers.ark import Ark
from tests.providers.gemini import Gemini
from tests.providers.gemini_batches import GeminiBatches
from tests.providers.http import BUFFER, Request, Response, deliver, json_response, read_request
from tests.providers.kling import Kling
from tests.providers.openai import OpenAi
from tests.providers.script import DELIVERY, Call, Fault, Script, fits
from tests.providers.studio import Studio, Wire

_ALWAYS_READ = ("/script", ":batchGenerateContent")


class ProviderServer:
    """Speaks for Gemini, OpenAI, Kling and Ark on 127.0.0.1.

    ``latency`` is seconds that an image or a text takes. ``canned`` is an encoded image to give every time; with it, or with
    ``echo`` False, requests are not looked at (benchmark mode). ``accept_rate`` is the share of verdicts that accept.
    ``kling_polls`` and ``batch_polls`` are looks that find work unfinished; ``batch_seconds``, when set, counts instead.
    Images and bodies are kept for the last ``keep`` calls. ``on_call`` is told of each call once it was answered, in the
    server's thread.
    """

    def __init__(
        self,
        latency: float = 0.0,
        seed: int = 1,
        *,
        port: int = 0,
        canned: bytes | None = None,
        echo: bool = True,
        accept_rate: float = 0.7,
        kling_polls: int = 1,
        batch_polls: int = 1,
        batch_seconds: float | None = None,
        keep: int = 1000,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        self.batch_polls, self.batch_seconds = batch_polls, batch_seconds
        self.studio = Studio(seed, accept_rate, latency, canned, echo)
        self.url = ""
        self._port, self._kling_polls, self._keep, self._on_call = port, kling_polls, keep, on_call
        self._calls: list[Call] = []
        self._numbers = itertools.count(1)
        self._wires: list[Wire] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._failed: OSError | None = None

    def __enter__(self) -> "ProviderServer":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="provider-server", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failed:
            raise self._failed
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._loop and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def script(self) -> Script:
        """What the next calls get."""
        return self.studio.script

    @property
    def calls(self) -> list[Call]:
        """All calls so far, in order of arrival."""
        self.studio.charged()  # settles what fell due since
        return list(self._calls)

    @property
    def charged(self) -> int:
        """Paid answers so far, those that never arrived included."""
        return sum(self.studio.charged().values())

    def counts(self) -> dict[str, Any]:
        """Requests per kind, charges per provider, and faults, as counts."""
        calls = self.calls
        return {
            "requests": dict(Counter(call.kind for call in calls)),
            "charged": self.studio.charged(),
            "faults": dict(Counter(str(call.fault) for call in calls if call.fault)),
        }

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            server = await asyncio.start_server(self._connected, "127.0.0.1", self._port, limit=BUFFER, backlog=512)
        except OSError as error:
            self._failed = error
            self._started.set()
            return
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        gemini = Gemini(self.studio)
        batches = GeminiBatches(self.studio, gemini, lambda: self.batch_polls, lambda: self.batch_seconds)
        kling = Kling(self.studio, self.url, self._kling_polls)
        self._wires = [gemini, batches, OpenAi(self.studio), kling, Ark(self.studio)]
        with ThreadPoolExecutor(2, "provider-picture") as self._pool:
            self._started.set()
            await self._stop.wait()
            server.close()
            for task in list(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    def _kept(self, path: str) -> bool:
        return not self.studio.blind or path.endswith(_ALWAYS_READ)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        # A stopping server cancels its connections; asyncio would report a cancelled handler as an error.
        with contextlib.suppress(asyncio.CancelledError):
            try:
                while request := await read_request(reader, writer, self._kept):
                    response, fault = await self._answer(request)
                    again = await deliver(reader, writer, response, fault, self.script)
                    if not again or request.headers.get("connection", "").lower() == "close":
                        break
            finally:
                writer.close()
                self._connections.discard(task)

    async def _answer(self, request: Request) -> tuple[Response, Fault | None]:
        """The answer to a request, and the fault of delivery to send it with."""
        if request.path in ("/counts", "/script"):
            return self._by_hand(request), None
        for wire in self._wires:
            if call := wire.recognise(request):
                return await self._call(wire, request, call)
        return json_response({"error": {"message": f"the stand-in knows no {request.method} {request.path}"}}, 404), None

    async def _call(self, wire: Wire, request: Request, call: Call) -> tuple[Response, Fault | None]:
        start = time.monotonic()
        call.number, call.key, call.path = next(self._numbers), request.key, request.path
        self._calls.append(call)
        if len(self._calls) > self._keep:
            old = self._calls[-self._keep - 1]
            old.images, old.body = [], {}
        pushed, call.fault = self.script.pop(call.kind)
        if self.studio.blind and call.kind != "batch":
            response = self._work(wire, request, call, pushed)
        else:
            assert self._loop is not None
            response = await self._loop.run_in_executor(self._pool, self._work, wire, request, call, pushed)
        call.status = response.status
        if response.status == 200 and (call.kind == "text" or (call.kind == "image" and wire.name != "kling")):
            await asyncio.sleep(max(0.0, start + self.studio.latency - time.monotonic()))
        if self._on_call:
            self._on_call(call)
        return response, call.fault if call.fault in DELIVERY else None

    def _work(self, wire: Wire, request: Request, call: Call, pushed: bool) -> Response:
        try:
            if not self.studio.blind or call.kind == "batch":
                wire.read(request, call)
            if not call.key and call.kind != "file":
                call.fault = Fault.BAD_KEY
            elif not pushed:
                call.fault = self.script.ruled(call)
            elif call.fault and not fits(call.fault, call.kind):
                words = f"the script asks for {call.fault}, which a call of kind {call.kind} cannot have"
                return json_response({"error": {"message": words}}, 501)
            content = None if call.fault in DELIVERY else call.fault
            response = wire.answer(request, call, content)
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            return wire.failure(Fault.BAD_REQUEST, f"The stand-in cannot read this request: {type(error).__name__}: {error}")
        if call.fault is Fault.MALFORMED:
            return Response(response.status, response.body[: len(response.body) // 2], response.media_type)
        return response

    def _by_hand(self, request: Request) -> Response:
        if request.path == "/counts":
            return json_response(self.counts())
        try:
            wanted = request.json()
            if wanted.get("clear"):
                self.script.clear()
            self.script.push(*(Fault(name) if name else None for name in wanted.get("push", [])), kind=wanted.get("kind"))
        except ValueError as error:
            return json_response({"error": {"message": str(error)}}, 400)
        return json_response({"ok": True})
