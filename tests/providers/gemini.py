"""Google's wire format: ``models/{model}:generateContent``. Batches are in ``gemini_batches.py``."""

import base64
import re
from typing import Any

from tests.providers import pictures
from tests.providers.http import Request, Response, json_response
from tests.providers.script import BLOCKED, STATUS, Call, Fault, ProviderName
from tests.providers.studio import SLOT, Studio

_PATH = re.compile(r"/v1(?:beta)?/models/([^/]+):generateContent")
_SERVICE = {"service": "generativelanguage.googleapis.com"}
_FAILURES = {
    Fault.RATE_LIMIT: (429, "RESOURCE_EXHAUSTED", "Requests per minute of this stand-in are used up."),
    Fault.NO_CREDIT: (429, "RESOURCE_EXHAUSTED", "The prepaid credits of this stand-in's project are used up; see billing."),
    Fault.SERVER_ERROR: (500, "INTERNAL", "The stand-in had an internal error."),
    Fault.OVERLOADED: (503, "UNAVAILABLE", "The stand-in's model is overloaded."),
    Fault.BATCH_503: (503, "UNAVAILABLE", "The stand-in could not take the batch."),
    Fault.BAD_KEY: (400, "INVALID_ARGUMENT", "API key not valid (stand-in)."),
    Fault.FORBIDDEN: (403, "PERMISSION_DENIED", "This key may not use this model (stand-in)."),
    Fault.BAD_REQUEST: (400, "INVALID_ARGUMENT", "The request has an invalid argument (stand-in)."),
    Fault.NOT_FOUND: (404, "NOT_FOUND", "The stand-in does not find what was asked for."),
}
_IMAGE_REASONS = {
    Fault.SAFETY_IMAGE: "IMAGE_SAFETY",
    Fault.PROHIBITED_IMAGE: "IMAGE_PROHIBITED_CONTENT",
    Fault.RECITATION: "IMAGE_RECITATION",
    Fault.IMAGE_OTHER: "IMAGE_OTHER",
}
_TEXT_REASONS = {Fault.SAFETY_IMAGE: "SAFETY", Fault.RECITATION: "RECITATION"}


def failure(fault: Fault, retry_seconds: float, message: str = "") -> tuple[int, dict[str, Any]]:
    """HTTP status and ``error`` object of a fault."""
    status, name, words = _FAILURES[fault]
    error: dict[str, Any] = {"code": status, "message": message or words, "status": name}
    if fault is Fault.RATE_LIMIT:
        violation = {"quotaMetric": "generativelanguage.googleapis.com/generate_requests", "quotaId": "PerMinutePerProject"}
        error["details"] = [
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_seconds:g}s"},
        ]
    elif fault is Fault.BAD_KEY:
        info = {"reason": "API_KEY_INVALID", "domain": "googleapis.com", "metadata": _SERVICE}
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **info}]
    return status, error


def read_contents(body: dict[str, Any], call: Call) -> list[bytes]:
    """Add the texts of a GenerateContentRequest to the call's prompt, take its images out of ``body`` and return them."""
    texts, images = [], []
    for content in [body.get("systemInstruction") or {}, *body.get("contents", [])]:
        for part in content.get("parts", []):
            if "text" in part:
                texts.append(part["text"])
            elif inline := part.get("inlineData"):
                images.append(_decoded(inline["data"]))
                inline["data"] = f"<{len(images[-1])} bytes>"
    call.prompt = "\n".join([call.prompt, *texts] if call.prompt else texts)
    return images


def _decoded(text: str) -> bytes:
    """Google's SDK writes the URL-safe alphabet, other clients the usual one; Google takes both."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)


class Gemini:
    """Whether a call is for an image is told by the model's name or by responseModalities."""

    name: ProviderName = "gemini"

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def recognise(self, request: Request) -> Call | None:
        match = _PATH.fullmatch(request.path)
        if not match or request.method != "POST":
            return None
        return Call(0, "gemini", "image" if "image" in match[1] else "text", match[1])

    def read(self, request: Request, call: Call) -> None:
        call.body = request.json()
        call.images = read_contents(call.body, call)
        if "IMAGE" in call.body.get("generationConfig", {}).get("responseModalities", []):
            call.kind = "image"

    def failure(self, fault: Fault, message: str = "") -> Response:
        status, error = failure(fault, self._studio.script.retry_seconds, message)
        return json_response({"error": error}, status)

    def answer(self, request: Request, call: Call, fault: Fault | None) -> Response:
        if fault in STATUS:
            return self.failure(fault)
        if call.kind == "text":
            return json_response(self._text(call, fault))
        answer, image = self.generate(call, fault)
        self._studio.charge(call, answers=int(charged(answer)))
        return Response(body=self._studio.filled(answer, image))

    def generate(self, call: Call, fault: Fault | None, lq: bytes = b"", item: str = "") -> tuple[dict[str, Any], bytes]:
        """A GenerateContentResponse for an image, in which ``@image@`` stands for the base64 of the bytes beside it."""
        spent = usage(call, 1120, 64, "IMAGE")
        if fault is Fault.SAFETY_PROMPT:
            return _blocked(call), b""
        if fault is Fault.EMPTY:
            return {"candidates": [], **_tail(call, usage(call, 0, 0, "IMAGE"))}, b""
        if fault in BLOCKED:
            reason = _IMAGE_REASONS[fault]
            message = "The stand-in refused to show this image."
            return {
                "candidates": [{"finishReason": reason, "finishMessage": message, "index": 0}],
                **_tail(call, spent),
            }, b""
        if fault is Fault.NO_IMAGE:
            return {
                "candidates": [{"content": {"role": "model"}, "finishReason": "NO_IMAGE", "index": 0}],
                **_tail(call, spent),
            }, b""
        if fault is Fault.TEXT_ONLY:
            return _said(
                call, [{"text": "Here is what I would do with this photograph."}], "STOP", usage(call, 14, 64, "TEXT")
            ), b""
        data = self._studio.image(call, "JPEG", fault, lq=lq, item=item)
        kind = pictures.sniffed(data)
        picture = {"inlineData": {"mimeType": kind if kind.startswith("image/") else "image/jpeg", "data": SLOT}}
        parts: list[dict[str, Any]] = [picture]
        if fault is Fault.THOUGHTS:
            draft = base64.b64encode(pictures.plain(64)).decode()
            drawn = {"mimeType": "image/jpeg", "data": draft}
            thoughts: list[dict[str, Any]] = [{"text": "A first draft:"}, {"inlineData": drawn}]
            parts = [*({**part, "thought": True} for part in thoughts), {**picture, "thoughtSignature": "c3RhbmQtaW4="}]
        return _said(call, parts, "STOP", spent), data

    def _text(self, call: Call, fault: Fault | None) -> dict[str, Any]:
        if fault is Fault.SAFETY_PROMPT:
            return _blocked(call)
        if fault is Fault.EMPTY:
            return {"candidates": [], **_tail(call, usage(call, 0, 0, "TEXT"))}
        if fault in _TEXT_REASONS:
            self._studio.charge(call)
            return {
                "candidates": [{"finishReason": _TEXT_REASONS[fault], "index": 0}],
                **_tail(call, usage(call, 8, 200, "TEXT")),
            }
        config = call.body.get("generationConfig", {})
        text = self._studio.text(call, config.get("responseJsonSchema") or config.get("responseSchema"), fault)
        self._studio.charge(call)
        reason = "MAX_TOKENS" if fault is Fault.TRUNCATED_TEXT else "STOP"
        return _said(call, [{"text": text}], reason, usage(call, len(text) // 4, 200, "TEXT"))


def charged(answer: dict[str, Any]) -> bool:
    """Whether a GenerateContentResponse costs more than its input."""
    return bool(answer["usageMetadata"].get("candidatesTokenCount"))


def usage(call: Call, output: int, thoughts: int, modality: str) -> dict[str, Any]:
    """A usageMetadata object; ``output`` and ``thoughts`` in tokens."""
    prompt = 258 * max(1, len(call.images)) + len(call.prompt) // 4
    counts: dict[str, Any] = {"promptTokenCount": prompt, "totalTokenCount": prompt + output + thoughts}
    if output:
        details = [{"modality": modality, "tokenCount": output}]
        counts |= {"candidatesTokenCount": output, "candidatesTokensDetails": details, "thoughtsTokenCount": thoughts}
    return counts


def _said(call: Call, parts: list[dict[str, Any]], reason: str, spent: dict[str, Any]) -> dict[str, Any]:
    candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": reason, "index": 0}
    return {"candidates": [candidate], **_tail(call, spent)}


def _blocked(call: Call) -> dict[str, Any]:
    return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **_tail(call, usage(call, 0, 0, "IMAGE"))}


def _tail(call: Call, spent: dict[str, Any]) -> dict[str, Any]:
    return {"usageMetadata": spent, "modelVersion": call.model, "responseId": f"standin-{call.number}"}
