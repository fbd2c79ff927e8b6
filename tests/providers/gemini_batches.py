"""Google's batches of image requests: created with inlined requests, and asked about until they are done."""

import itertools
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from tests.providers.gemini import Gemini, charged, failure, read_contents
from tests.providers.http import Request, Response, json_response
from tests.providers.script import STATUS, Call, Fault, ProviderName
from tests.providers.studio import SLOT, Studio

_CREATE = re.compile(r"/v1(?:beta)?/models/([^/]+):batchGenerateContent")
_JOBS = re.compile(r"/v1(?:beta)?/batches(?:/([^/:]+)(:cancel)?)?")
State = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"]
_ENDED = ("SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")


@dataclass
class Job:
    """A batch job. ``requests`` are (metadata, images) in the order sent; ``replies`` are JSON texts once it is done."""

    name: str
    display_name: str
    call: Call
    requests: list[tuple[dict[str, str], list[bytes]]]
    fault: Fault | None
    created: float
    item_faults: list[Fault | None]
    state: State = "PENDING"
    polls: int = 0
    replies: list[bytes] = field(default_factory=list)
    ended: float | None = None


class GeminiBatches:
    """A job is done after ``seconds``, or, when that is None, once more than ``polls`` looks were taken at it.

    Jobs are kept as long as the server lives, whoever created them. One answered request is one charge.
    """

    name: ProviderName = "gemini"

    def __init__(
        self, studio: Studio, images: Gemini, polls: Callable[[], int], seconds: Callable[[], float | None]
    ) -> None:
        self._studio, self._images, self._polls, self._seconds = studio, images, polls, seconds
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def recognise(self, request: Request) -> Call | None:
        if request.method == "POST" and (match := _CREATE.fullmatch(request.path)):
            return Call(0, "gemini", "batch", match[1])
        if not (match := _JOBS.fullmatch(request.path)):
            return None
        if match[2] or request.method == "DELETE":
            return Call(0, "gemini", "cancel")
        return Call(0, "gemini", "poll" if match[1] else "list")

    def read(self, request: Request, call: Call) -> None:
        """Batches are always read, in benchmark mode too: their replies need keys."""
        if call.kind == "batch":
            call.body = request.json()

    def failure(self, fault: Fault, message: str = "") -> Response:
        return self._images.failure(fault, message)

    def answer(self, request: Request, call: Call, fault: Fault | None) -> Response:
        if fault in STATUS or fault is Fault.BATCH_503:
            return self.failure(fault)
        if call.kind == "batch":
            return self._create(call, fault)
        match = _JOBS.fullmatch(request.path)
        name = match[1] if match else None
        with self._lock:
            if call.kind == "list":
                return self._list(request.query)
            job = self._jobs.get(name or "")
            if job is None:
                return self.failure(Fault.NOT_FOUND)
            if request.method == "DELETE":
                del self._jobs[name or ""]
                return json_response({})
            if call.kind == "cancel":
                if job.state not in _ENDED:
                    job.state, job.ended = "CANCELLED", time.time()
                return json_response({})
            self._advance(job)
            return Response(body=_shown(job, with_replies=True))

    def _create(self, call: Call, fault: Fault | None) -> Response:
        batch = call.body["batch"]
        entries = batch["inputConfig"]["requests"]["requests"]
        requests = []
        for entry in entries:
            images = read_contents(entry["request"], call)
            call.images += images
            requests.append((entry.get("metadata", {}), images))
        faults = [self._studio.script.pop("item")[1] for _ in requests]
        with self._lock:
            key = f"standin{next(self._numbers)}"
            job = Job(f"batches/{key}", batch.get("displayName", ""), call, requests, fault, time.time(), faults)
            self._jobs[key] = job
        return Response(body=_shown(job, with_replies=False))

    def _list(self, query: dict[str, str]) -> Response:
        """Newest first, in pages of ``pageSize``, without replies."""
        jobs = list(reversed(self._jobs.values()))
        start, size = int(query.get("pageToken") or 0), int(query.get("pageSize") or 50)
        page = b",".join(_shown(job, with_replies=False) for job in jobs[start : start + size])
        more = f', "nextPageToken": "{start + size}"' if start + size < len(jobs) else ""
        return Response(body=b'{"operations": [' + page + b"]" + more.encode() + b"}")

    def _advance(self, job: Job) -> None:
        if job.state in _ENDED:
            return
        job.polls += 1
        seconds = self._seconds()
        done = job.polls > self._polls() if seconds is None else time.time() >= job.created + seconds
        if not done:
            job.state = "RUNNING"
            return
        job.ended = time.time()
        if job.fault in (Fault.EXPIRED_BATCH, Fault.FAILED_BATCH):
            job.state = "EXPIRED" if job.fault is Fault.EXPIRED_BATCH else "FAILED"
            return
        job.replies = self._replies(job)
        job.state = "SUCCEEDED"

    def _replies(self, job: Job) -> list[bytes]:
        keys = [metadata for metadata, _ in job.requests]
        if job.fault is Fault.SHUFFLED_KEYS and len(keys) > 1:
            keys[0], keys[1] = keys[1], keys[0]
        replies, paid = [], 0
        for place, ((_, images), key) in enumerate(zip(job.requests, keys, strict=True)):
            reply, costs = self._reply(job, place, images, key)
            replies.append(reply)
            paid += costs
        self._studio.charge(job.call, paid)
        if job.fault is Fault.SHUFFLED_KEYS:
            replies.reverse()
        return replies[:-1] if job.fault is Fault.MISSING_REPLY else replies

    def _reply(self, job: Job, place: int, images: list[bytes], key: dict[str, str]) -> tuple[bytes, bool]:
        """One InlinedResponse as JSON, and whether it costs money."""
        fault = job.item_faults[place]
        if fault in STATUS:
            _, error = failure(fault, self._studio.script.retry_seconds)
            # The SDK takes details only as a list of strings here.
            return self._studio.filled({"error": {k: error[k] for k in ("code", "message")}, "metadata": key}, b""), False
        try:
            answer, image = self._images.generate(job.call, fault, images[0] if images else b"none", str(place))
        except OSError:
            error = {"code": 3, "message": "The request has no image that can be read (stand-in)."}
            return self._studio.filled({"error": error, "metadata": key}, b""), False
        return self._studio.filled({"response": answer, "metadata": key}, image), charged(answer)


def _shown(job: Job, with_replies: bool) -> bytes:
    """A job as the long-running operation that Google sends; SLOT is free again once the images are in the replies."""

    def moment(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")

    metadata: dict[str, Any] = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "model": f"models/{job.call.model}",
        "displayName": job.display_name,
        "name": job.name,
        "createTime": moment(job.created),
        "updateTime": moment(job.ended or time.time()),
        "state": f"BATCH_STATE_{job.state}",
        "batchStats": {"requestCount": str(len(job.requests))},
    }
    shown: dict[str, Any] = {"name": job.name, "metadata": metadata}
    if job.ended:
        metadata["endTime"] = moment(job.ended)
        shown["done"] = True
    if job.state == "FAILED":
        shown["error"] = {"code": 13, "message": "The stand-in failed this batch as told."}
    if not (with_replies and job.replies):
        return json_response(shown).body
    metadata["output"] = {"inlinedResponses": {"inlinedResponses": SLOT}}
    return json_response(shown).body.replace(f'"{SLOT}"'.encode(), b"[" + b",".join(job.replies) + b"]")
