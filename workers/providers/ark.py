"""Volcano Engine Ark: images by Seedream.

Ark puts a watermark on every image unless told not to, so each request says so.
"""

import base64
import binascii
import math
from typing import Any

from workers.providers import wire
from workers.providers.base import Accepted, Access, CallFailed, ImageAnswer, ImageRequest, Trouble, Usage, ignore

WHO = "Ark"
_FEWEST, _MOST = 921_600, 10_404_496
"""Pixels that Seedream makes at least and at most, here for 4.0; sides are 1:16 to 16:1."""
_FEWEST_LATER = 3_686_400
"""At least so many from 4.5 on: a smaller size is answered with an error."""
_ACCOUNT = frozenset(
    {
        "AccountOverdueError",
        "AuthenticationError",
        "AccessDenied",
        "QuotaExceeded",
        "SetLimitExceeded",
        "InsufficientBalance",
        "ModelNotOpen",
        "InvalidAccountStatus",
        "OperationDenied",
    }
)
_BUSY = frozenset(["ServerOverloaded", "TooManyRequests", "RateLimitExceeded"])
_REFUSALS = ("SensitiveContent", "RiskDetection", "PolicyViolation")


class Ark:
    """One client per process, safe for many threads."""

    def __init__(self, access: Access) -> None:
        self._access = wire.usable(access, WHO)
        self._http = wire.http_client(access.timeout)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def edit_image(self, request: ImageRequest, accepted: Accepted = ignore) -> ImageAnswer:
        body = {
            "model": request.model,
            "prompt": request.prompt,
            "image": f"data:{request.media_type};base64,{base64.b64encode(request.image).decode()}",
            "size": size(request.model, request.width, request.height),
            "response_format": "b64_json",
            "watermark": False,
            "sequential_image_generation": "disabled",
        }
        headers = {"Authorization": f"Bearer {self._access.key}"}
        try:
            answer = self._http.post(f"{self._access.base_url}/images/generations", json=body, headers=headers)
        except wire.HTTP_ERRORS as error:
            raise wire.undelivered(WHO, error) from None
        if answer.status_code != 200:
            told = wire.mapping((wire.lenient(answer.content) or {}).get("error"))
            raise self._failure(answer.status_code, told, wire.retry_after(answer.headers.get("retry-after")))
        return self._image(wire.parsed(WHO, answer.content))

    def _image(self, reply: dict[str, Any]) -> ImageAnswer:
        spent = wire.mapping(reply.get("usage"))
        used = Usage(0, wire.count(spent.get("output_tokens"))) if spent else None
        images = wire.listing(reply.get("data"))
        first = wire.mapping(images[0]) if images else {}
        if error := wire.mapping(first.get("error") or reply.get("error")):
            raise self._failure(500, error, None)
        coded = first.get("b64_json")
        if not coded:
            raise wire.refused(WHO, "NO_IMAGE", usage=used)
        try:
            data = base64.b64decode(str(coded), validate=True)
        except (binascii.Error, ValueError):
            raise wire.senseless(WHO, "an image that cannot be decoded", used) from None
        return ImageAnswer(data, used)

    def _failure(self, status: int, told: dict[str, Any], wait: float | None) -> CallFailed:
        code, message = str(told.get("code") or ""), wire.clean(told.get("message"), self._access)
        if any(part in code for part in _REFUSALS):
            return wire.refused(WHO, code, message)
        family = code.partition(".")[0]
        kind = Trouble.ACCOUNT if family in _ACCOUNT else Trouble.BUSY if family in _BUSY else None
        return wire.failure(WHO, status, code, message, wait, kind=kind)


def size(model: str, width: int, height: int) -> str:
    """The size to ask for: the request's, scaled in proportion to a number of pixels that the model makes."""
    fewest = _FEWEST if "seedream-4-0" in model or "seedream-3" in model else _FEWEST_LATER
    pixels = width * height
    if pixels < fewest:
        scale = math.sqrt(fewest / pixels)
        return f"{math.ceil(width * scale)}x{math.ceil(height * scale)}"
    if pixels > _MOST:
        scale = math.sqrt(_MOST / pixels)
        return f"{math.floor(width * scale)}x{math.floor(height * scale)}"
    return f"{width}x{height}"
