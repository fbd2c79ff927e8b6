"""Volcano Ark's wire format: ``images/generations`` with the LQ as a data URL."""

import base64
import time

from tests.providers.http import Request, Response, json_response
from tests.providers.openai import wanted_size
from tests.providers.script import BLOCKED, NOTHING, STATUS, Call, Fault, ProviderName
from tests.providers.studio import SLOT, Studio

_FAILURES = {
    Fault.RATE_LIMIT: (429, "TooManyRequests", "RateLimitExceeded.EndpointRPMExceeded", "Too many requests per minute"),
    Fault.NO_CREDIT: (403, "Forbidden", "AccountOverdueError", "The account has an overdue balance"),
    Fault.SERVER_ERROR: (500, "InternalServerError", "InternalServiceError", "The stand-in had an internal error"),
    Fault.OVERLOADED: (503, "ServiceUnavailable", "ServiceUnavailable", "The stand-in is overloaded"),
    Fault.BAD_KEY: (401, "Unauthorized", "AuthenticationError", "The API key is missing or not valid"),
    Fault.FORBIDDEN: (403, "Forbidden", "AccessDenied", "This key may not use this model"),
    Fault.BAD_REQUEST: (400, "BadRequest", "InvalidParameter", "A parameter is not valid"),
    Fault.NOT_FOUND: (404, "NotFound", "InvalidEndpointOrModel.NotFound", "This model does not exist or is not open to you"),
}


class Ark:
    """Images come back at ``size`` where it is in pixels, or else at the LQ's."""

    name: ProviderName = "ark"

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def recognise(self, request: Request) -> Call | None:
        right = request.method == "POST" and request.path == "/api/v3/images/generations"
        return Call(0, "ark", "image") if right else None

    def read(self, request: Request, call: Call) -> None:
        call.body = request.json()
        call.model, call.prompt = call.body.get("model", ""), call.body.get("prompt", "")
        given = call.body.get("image", [])
        given = [given] if isinstance(given, str) else given
        call.images = [base64.b64decode(url.partition(",")[2]) for url in given]
        shown = [f"{url.partition(',')[0]},<{len(data)} bytes>" for url, data in zip(given, call.images, strict=True)]
        if shown:
            call.body["image"] = shown[0] if isinstance(call.body["image"], str) else shown

    def failure(self, fault: Fault, message: str = "") -> Response:
        status, kind, code, words = _FAILURES[fault]
        headers = {"Retry-After": f"{self._studio.script.retry_seconds:g}"} if fault is Fault.RATE_LIMIT else {}
        return _error(status, kind, code, message or words, headers)

    def answer(self, request: Request, call: Call, fault: Fault | None) -> Response:
        if fault in STATUS:
            return self.failure(fault)
        if fault in BLOCKED:
            side = "Input" if fault is Fault.SAFETY_PROMPT else "Output"
            message = f"The stand-in holds the {side.lower()} image to be sensitive"
            return _error(400, "BadRequest", f"{side}ImageSensitiveContentDetected", message, {})
        data = b""
        if fault not in NOTHING:
            data = self._studio.image(call, "PNG", fault, wanted_size(call.body.get("size")))
        answer = {
            "model": call.model,
            "created": int(time.time()),
            "data": [{"b64_json": SLOT, "size": str(call.body.get("size", ""))}] if data else [],
            "usage": {
                "generated_images": int(bool(data)),
                "output_tokens": 4096 * bool(data),
                "total_tokens": 4096 * bool(data),
            },
        }
        self._studio.charge(call, answers=int(bool(data)))
        return Response(body=self._studio.filled(answer, data))


def _error(status: int, kind: str, code: str, message: str, headers: dict[str, str]) -> Response:
    error = {"code": code, "message": f"{message}. Request id: standin", "param": "", "type": kind}
    return json_response({"error": error}, status, headers)
