"""OpenAI's wire format: ``images/edits`` as a form, and ``responses`` with images as data URLs."""

import base64
import re
import time

from tests.providers import pictures
from tests.providers.http import Request, Response, json_response
from tests.providers.script import BLOCKED, NOTHING, STATUS, Call, Fault, ProviderName
from tests.providers.studio import SLOT, Studio

_SIZE = re.compile(r"(\d+)x(\d+)")
_FORMS = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}
_FAILURES = {
    Fault.RATE_LIMIT: (429, "requests", "rate_limit_exceeded", "Too many requests for this stand-in."),
    Fault.NO_CREDIT: (429, "insufficient_quota", "insufficient_quota", "The stand-in's quota is used up; see billing."),
    Fault.SERVER_ERROR: (500, "server_error", None, "The stand-in had an error."),
    Fault.OVERLOADED: (503, "server_error", None, "The stand-in is overloaded."),
    Fault.BAD_KEY: (401, "invalid_request_error", "invalid_api_key", "The API key is not right (stand-in)."),
    Fault.FORBIDDEN: (403, "invalid_request_error", "model_access_denied", "This key may not use this model (stand-in)."),
    Fault.BAD_REQUEST: (400, "invalid_request_error", "invalid_value", "A value is invalid (stand-in)."),
    Fault.NOT_FOUND: (404, "invalid_request_error", "model_not_found", "The stand-in does not have this model."),
}


def wanted_size(text: object) -> tuple[int, int] | None:
    """Width and height from "1024x1536"; None for "auto", "2K" and nothing."""
    match = _SIZE.fullmatch(str(text or ""))
    return (int(match[1]), int(match[2])) if match else None


def form_fields(content_type: str, body: bytes) -> list[tuple[str, str, bytes]]:
    """The parts of a multipart form as (name, media type, bytes); fields without a type have the empty one."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    parts = []
    for piece in body.split(b"--" + boundary)[1:-1]:
        head, _, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        names = re.search(rb'name="([^"]*)"', head)
        kind = re.search(rb"content-type: *([^\r]*)", head, re.IGNORECASE)
        if names:
            parts.append((names[1].decode(), kind[1].decode() if kind else "", data.removesuffix(b"\r\n")))
    return parts


class OpenAi:
    """Images come back at the ``size`` asked for, or else at the LQ's."""

    name: ProviderName = "openai"

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def recognise(self, request: Request) -> Call | None:
        if request.method != "POST":
            return None
        if request.path == "/v1/images/edits":
            return Call(0, "openai", "image")
        return Call(0, "openai", "text") if request.path == "/v1/responses" else None

    def read(self, request: Request, call: Call) -> None:
        if call.kind == "image":
            self._read_form(request, call)
        else:
            self._read_input(request, call)
        call.model = str(call.body.get("model", ""))

    def _read_form(self, request: Request, call: Call) -> None:
        for name, kind, data in form_fields(request.headers.get("content-type", ""), request.body):
            if name in ("image", "image[]"):
                call.images.append(data)
                call.body[name] = f"<{kind}, {len(data)} bytes>"
            else:
                call.body[name] = data.decode()
        call.prompt = call.body.get("prompt", "")

    def _read_input(self, request: Request, call: Call) -> None:
        call.body = request.json()
        texts = [call.body.get("instructions") or ""]
        given = call.body.get("input", "")
        for message in [{"content": given}] if isinstance(given, str) else given:
            content = message.get("content", "")
            for part in [{"text": content}] if isinstance(content, str) else content:
                if "text" in part:
                    texts.append(part["text"])
                elif url := part.get("image_url"):
                    head, _, data = url.partition(",")
                    call.images.append(base64.b64decode(data))
                    part["image_url"] = f"{head},<{len(call.images[-1])} bytes>"
        call.prompt = "\n".join(text for text in texts if text)

    def failure(self, fault: Fault, message: str = "") -> Response:
        status, kind, code, words = _FAILURES[fault]
        headers = {"x-request-id": "req_standin"}
        if fault is Fault.RATE_LIMIT:
            headers["Retry-After"] = f"{self._studio.script.retry_seconds:g}"
        error = {"message": message or words, "type": kind, "param": None, "code": code}
        return json_response({"error": error}, status, headers)

    def answer(self, request: Request, call: Call, fault: Fault | None) -> Response:
        if fault in STATUS:
            return self.failure(fault)
        return self._image(call, fault) if call.kind == "image" else self._text(call, fault)

    def _image(self, call: Call, fault: Fault | None) -> Response:
        if fault in BLOCKED:
            message = "The stand-in's safety system rejected this request."
            error = {"message": message, "type": "image_generation_user_error", "param": None, "code": "moderation_blocked"}
            return json_response({"error": error}, 400, {"x-request-id": f"req_{call.number}"})
        form = _FORMS.get(str(call.body.get("output_format", "png")), "PNG")
        data = b""
        if fault not in NOTHING:
            data = self._studio.image(call, form, fault, wanted_size(call.body.get("size")))
        text_tokens = len(call.prompt) // 4
        input_tokens = 1056 * max(1, len(call.images)) + text_tokens
        output = 0 if fault is Fault.EMPTY else 1056
        answer = {
            "created": int(time.time()),
            "data": [{"b64_json": SLOT}] if data else [],
            "output_format": pictures.sniffed(data).removeprefix("image/") if data else "png",
            "usage": {
                "input_tokens": input_tokens,
                "input_tokens_details": {"image_tokens": input_tokens - text_tokens, "text_tokens": text_tokens},
                "output_tokens": output,
                "total_tokens": input_tokens + output,
            },
        }
        if answer["output_format"] not in ("png", "jpeg", "webp"):
            answer["output_format"] = "png"
        self._studio.charge(call, answers=int(output > 0))
        return Response(body=self._studio.filled(answer, data), headers={"x-request-id": f"req_{call.number}"})

    def _text(self, call: Call, fault: Fault | None) -> Response:
        if fault in BLOCKED:
            part = {"type": "refusal", "refusal": "The stand-in will not say anything about this image."}
            text = part["refusal"]
        else:
            wanted = call.body.get("text", {}).get("format", {}).get("schema")
            text = "" if fault is Fault.EMPTY else self._studio.text(call, wanted, fault)
            part = {"type": "output_text", "text": text, "annotations": []}  # type: ignore[dict-item]
        cut = fault is Fault.TRUNCATED_TEXT
        status = "incomplete" if cut else "completed"
        message = {"id": f"msg_{call.number}", "type": "message", "role": "assistant", "status": status, "content": [part]}
        input_tokens, output_tokens = (
            765 * len(call.images) + len(call.prompt) // 4,
            0 if fault is Fault.EMPTY else 200 + len(text) // 4,
        )
        if output_tokens:
            self._studio.charge(call)
        answer = {
            "id": f"resp_{call.number}",
            "object": "response",
            "created_at": int(time.time()),
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
            "model": call.model,
            "output": [message] if output_tokens else [],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "usage": {
                "input_tokens": input_tokens,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": output_tokens,
                "output_tokens_details": {"reasoning_tokens": min(200, output_tokens)},
                "total_tokens": input_tokens + output_tokens,
            },
        }
        return json_response(answer, headers={"x-request-id": f"req_{call.number}"})
