"""Kling's wire format: a task is created, looked at until it is done, and its image downloaded from a plain address."""

import base64
import itertools
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from tests.providers import pictures
from tests.providers.http import Request, Response, json_response
from tests.providers.script import BLOCKED, NOTHING, STATUS, Call, Fault, ProviderName
from tests.providers.studio import Studio

TASKS = "/v1/images/omni-image"
FILES = "/kling-files/"
_REMEMBERED = 1000
_FAILURES = {
    Fault.RATE_LIMIT: (429, 1303, "parallel task over resource pack limit (stand-in)"),
    Fault.NO_CREDIT: (429, 1102, "account balance not enough (stand-in)"),
    Fault.SERVER_ERROR: (500, 5000, "internal error of the stand-in"),
    Fault.OVERLOADED: (503, 5001, "the stand-in is temporarily unavailable"),
    Fault.BAD_KEY: (401, 1002, "access key not found (stand-in)"),
    Fault.FORBIDDEN: (403, 1103, "no permission for this model (stand-in)"),
    Fault.BAD_REQUEST: (400, 1201, "a parameter is invalid (stand-in)"),
    Fault.NOT_FOUND: (404, 1203, "the stand-in does not find what was asked for"),
}


@dataclass
class Task:
    """A task: what was asked, when it is ready (monotonic seconds), how often it was looked at and how it ends."""

    id: str
    external_id: str
    call: Call
    lq: bytes
    created_ms: int
    ready: float
    fault: Fault | None
    polls: int = 0

    @property
    def message(self) -> str:
        """Why the task fails; empty when it succeeds."""
        if self.fault is Fault.IMAGE_OTHER:
            return "The stand-in could not finish this task"
        return "Failure to pass the risk control of content (stand-in)" if self.fault in BLOCKED else ""


class Kling:
    """``polls`` is how many looks at a task say "processing", however long ago it was ready.

    A task takes ``latency`` seconds and is charged when they are over. The create call's fault decides about its image.
    """

    name: ProviderName = "kling"

    def __init__(self, studio: Studio, url: str, polls: int) -> None:
        self._studio, self._url, self._polls = studio, url, polls
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def recognise(self, request: Request) -> Call | None:
        path, post = request.path, request.method == "POST"
        if path == TASKS:
            return Call(0, "kling", "image" if post else "list")
        if path.startswith(TASKS + "/") and not post:
            return Call(0, "kling", "poll")
        return Call(0, "kling", "file") if path.startswith(FILES) and not post else None

    def read(self, request: Request, call: Call) -> None:
        if call.kind != "image":
            return
        call.body = request.json()
        call.model, call.prompt = call.body.get("model_name", ""), call.body.get("prompt", "")
        for entry in call.body.get("image_list", []):
            call.images.append(base64.b64decode(entry["image"].rpartition(",")[2]))
            entry["image"] = f"<{len(call.images[-1])} bytes>"

    def failure(self, fault: Fault, message: str = "") -> Response:
        status, code, words = _FAILURES[fault]
        return json_response({"code": code, "message": message or words, "request_id": "standin"}, status)

    def answer(self, request: Request, call: Call, fault: Fault | None) -> Response:
        if fault in STATUS:
            return self.failure(fault)
        if call.kind == "image":
            return self._create(call, fault)
        if call.kind == "list":
            with self._lock:
                tasks = list(reversed(self._tasks.values()))
            size, page = int(request.query.get("pageSize", "30")), int(request.query.get("pageNum", "1"))
            return self._ok([self._shown(task) for task in tasks[(page - 1) * size : page * size]])
        task = self._find(request.path.rsplit("/", 1)[-1].removesuffix(".png"))
        if task is None:
            return self.failure(Fault.NOT_FOUND)
        if call.kind == "poll":
            task.polls += 1
            return self._ok(self._shown(task))
        data = self._studio.image(task.call, "PNG", task.fault, lq=task.lq)
        return Response(body=data, media_type=pictures.sniffed(data))

    def _create(self, call: Call, fault: Fault | None) -> Response:
        external = str(call.body.get("external_task_id", ""))
        if external and self._find(external):
            return self.failure(Fault.BAD_REQUEST, f"external_task_id {external} exists already (stand-in)")
        if not self._studio.blind:
            pictures.size_of(call.images[0] if call.images else b"")
        now, latency = time.time(), self._studio.latency
        lq = call.images[0] if call.images else b""
        with self._lock:
            number = next(self._numbers)
            task = Task(f"task{number}", external, call, lq, int(now * 1000), time.monotonic() + latency, fault)
            self._tasks[task.id] = task
            if len(self._tasks) > _REMEMBERED:
                self._tasks.popitem(last=False)
        if not task.message and fault is not Fault.EMPTY:
            self._studio.charge(call, delay=latency)
        return self._ok(self._shown(task))

    def _find(self, key: str) -> Task | None:
        """A task by its id or by the id that the client gave it."""
        with self._lock:
            by_own = (task for task in self._tasks.values() if task.external_id == key)
            return self._tasks.get(key) or next(by_own, None)

    def _shown(self, task: Task) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "task_id": task.id,
            "task_info": {"external_task_id": task.external_id},
            "created_at": task.created_ms,
            "updated_at": int(time.time() * 1000),
        }
        if not task.polls:
            return shown | {"task_status": "submitted"}
        if task.polls <= self._polls or time.monotonic() < task.ready:
            return shown | {"task_status": "processing"}
        if task.message:
            return shown | {"task_status": "failed", "task_status_msg": task.message}
        images = [] if task.fault in NOTHING else [{"index": 0, "url": f"{self._url}{FILES}{task.id}.png"}]
        return shown | {"task_status": "succeed", "task_result": {"images": images}, "final_unit_deduction": "8"}

    def _ok(self, data: object) -> Response:
        return json_response({"code": 0, "message": "SUCCEED", "request_id": "standin", "data": data})
