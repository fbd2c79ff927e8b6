"""What the stand-in does with each call: the faults it knows, the calls it saw, and the script that joins the two."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

ProviderName = Literal["gemini", "openai", "kling", "ark"]
Kind = Literal["image", "text", "batch", "poll", "file", "list", "cancel", "item"]
"""``poll`` asks how a Kling task or a batch stands, ``file`` downloads a result, ``item`` is one request of a batch."""


class Fault(StrEnum):
    """How a call goes wrong, or in what form it goes well. Charged unless its text says that it is free."""

    # Forms of a good answer.
    GOOD_JPEG = "GOOD_JPEG"
    """A JPEG; what Gemini sends anyway."""
    GOOD_PNG = "GOOD_PNG"
    """A PNG; what the others send anyway."""
    GOOD_WEBP = "GOOD_WEBP"
    """A lossless WebP."""
    WRONG_SIZE = "WRONG_SIZE"
    """An image of three quarters of the width and height."""
    WRONG_ASPECT = "WRONG_ASPECT"
    """An image of another shape: 4:3 for a square, a square for all others."""
    THOUGHTS = "THOUGHTS"
    """Gemini: a text part and an image part with ``thought: true`` come before the real image. Others: a good answer."""

    # An HTTP status that is not 200. Nothing is made, so all of these are free.
    RATE_LIMIT = "RATE_LIMIT"
    """429. Gemini: RESOURCE_EXHAUSTED with RetryInfo; OpenAI: ``Retry-After``, rate_limit_exceeded; Ark: the header too,
    RateLimitExceeded; Kling: code 1303."""
    SERVER_ERROR = "SERVER_ERROR"
    """500. Gemini: INTERNAL; OpenAI: server_error; Ark: InternalServiceError; Kling: code 5000."""
    OVERLOADED = "OVERLOADED"
    """503. Gemini: UNAVAILABLE; OpenAI: server_error; Ark: ServiceUnavailable; Kling: code 5001."""
    BAD_KEY = "BAD_KEY"
    """Gemini: 400 INVALID_ARGUMENT with ErrorInfo API_KEY_INVALID; others 401 (invalid_api_key,
    AuthenticationError, 1002)."""
    FORBIDDEN = "FORBIDDEN"
    """403: the key is good and may not do this (PERMISSION_DENIED, AccessDenied, 1103)."""
    NO_CREDIT = "NO_CREDIT"
    """Gemini: 429 RESOURCE_EXHAUSTED without RetryInfo; OpenAI: 429 insufficient_quota; Kling: 429 code 1102; Ark: 403
    AccountOverdueError."""
    BAD_REQUEST = "BAD_REQUEST"
    """400. Gemini: INVALID_ARGUMENT; OpenAI: invalid_value; Ark: InvalidParameter; Kling: code 1201."""
    NOT_FOUND = "NOT_FOUND"
    """404, as for a model that does not exist."""

    # Delivery: the answer is made, and does not arrive well.
    HANG = "HANG"
    """Nothing is sent until the client goes away or ``hang_seconds`` are over; then the connection is closed."""
    RESET = "RESET"
    """The connection is aborted (RST) once the request was read."""
    HALF_BODY = "HALF_BODY"
    """``Content-Length`` announces all, half of it comes, and the connection closes."""
    SLOW_DRIP = "SLOW_DRIP"
    """All of the body comes, in twenty pieces over ``drip_seconds``."""
    MALFORMED = "MALFORMED"
    """200 with JSON that is cut in the middle, and a ``Content-Length`` that fits."""

    # What is in the answer.
    SAFETY_PROMPT = "SAFETY_PROMPT"
    """Free. Gemini: no candidates, blockReason PROHIBITED_CONTENT; OpenAI: 400 moderation_blocked (images), a charged
    refusal part (text); Ark: 400 InputImageSensitiveContentDetected; Kling: the task fails and names content."""
    SAFETY_IMAGE = "SAFETY_IMAGE"
    """Gemini: IMAGE_SAFETY without content, charged (SAFETY for text); Ark: 400 OutputImageSensitiveContentDetected, free;
    OpenAI and Kling as SAFETY_PROMPT."""
    PROHIBITED_IMAGE = "PROHIBITED_IMAGE"
    """Gemini: IMAGE_PROHIBITED_CONTENT; others as SAFETY_IMAGE."""
    RECITATION = "RECITATION"
    """Gemini: IMAGE_RECITATION (RECITATION for text); others as SAFETY_IMAGE."""
    IMAGE_OTHER = "IMAGE_OTHER"
    """Gemini: IMAGE_OTHER; others as SAFETY_IMAGE, Kling's message not naming content."""
    NO_IMAGE = "NO_IMAGE"
    """Gemini: NO_IMAGE, content without parts; others: success with an empty list of images, free with Ark."""
    EMPTY = "EMPTY"
    """Free. Gemini: ``candidates: []``; others: success with an empty list."""
    TEXT_ONLY = "TEXT_ONLY"
    """Gemini: STOP with one text part and no image; others as NO_IMAGE."""
    NOT_AN_IMAGE = "NOT_AN_IMAGE"
    """The bytes where an image should be are none."""
    TRUNCATED_TEXT = "TRUNCATED_TEXT"
    """Half a text. Gemini: finishReason MAX_TOKENS; OpenAI: status incomplete, reason max_output_tokens."""
    GARBLED_TEXT = "GARBLED_TEXT"
    """A complete text that is no verdict."""

    # Batches.
    EXPIRED_BATCH = "EXPIRED_BATCH"
    """Free. The job ends as BATCH_STATE_EXPIRED, without replies."""
    FAILED_BATCH = "FAILED_BATCH"
    """Free. The job ends as BATCH_STATE_FAILED with an error."""
    SHUFFLED_KEYS = "SHUFFLED_KEYS"
    """Replies come in reverse order, and the first two requests have each other's key."""
    MISSING_REPLY = "MISSING_REPLY"
    """The last reply is not there, though it was charged."""
    BATCH_503 = "BATCH_503"
    """Free. The job is not created: 503 UNAVAILABLE."""


DELIVERY = frozenset({Fault.HANG, Fault.RESET, Fault.HALF_BODY, Fault.SLOW_DRIP, Fault.MALFORMED})
STATUS = frozenset(
    {
        Fault.RATE_LIMIT,
        Fault.SERVER_ERROR,
        Fault.OVERLOADED,
        Fault.BAD_KEY,
        Fault.FORBIDDEN,
        Fault.NO_CREDIT,
        Fault.BAD_REQUEST,
        Fault.NOT_FOUND,
    }
)
BATCH = frozenset({Fault.EXPIRED_BATCH, Fault.FAILED_BATCH, Fault.SHUFFLED_KEYS, Fault.MISSING_REPLY, Fault.BATCH_503})
TEXT = frozenset({Fault.TRUNCATED_TEXT, Fault.GARBLED_TEXT, Fault.SAFETY_PROMPT, Fault.SAFETY_IMAGE, Fault.RECITATION})
PICTURE = frozenset(Fault) - DELIVERY - STATUS - BATCH - {Fault.TRUNCATED_TEXT, Fault.GARBLED_TEXT}
BLOCKED = frozenset({Fault.SAFETY_PROMPT, Fault.SAFETY_IMAGE, Fault.PROHIBITED_IMAGE, Fault.RECITATION, Fault.IMAGE_OTHER})
NOTHING = frozenset({Fault.NO_IMAGE, Fault.EMPTY, Fault.TEXT_ONLY})


def fits(fault: Fault, kind: Kind) -> bool:
    """Whether a call of this kind can go wrong in this way."""
    if kind == "item":
        return fault in STATUS | PICTURE
    content = {"image": PICTURE, "text": TEXT | {Fault.EMPTY}, "batch": BATCH}.get(kind, frozenset())
    return fault in DELIVERY | STATUS or fault in content


@dataclass
class Call:
    """One request as the stand-in saw it.

    ``number`` counts requests of every kind from 1, in order of arrival. ``key`` is the credential as sent. ``images`` are
    the decoded bytes received and ``body`` the JSON (or the form's fields) with images replaced by their length; both stay
    empty in benchmark mode. ``charged`` is set once the call has cost money, ``status`` once an HTTP status was chosen.
    """

    number: int
    provider: ProviderName
    kind: Kind
    model: str = ""
    prompt: str = ""
    images: list[bytes] = field(default_factory=list)
    fault: Fault | None = None
    charged: bool = False
    key: str = ""
    body: dict[str, Any] = field(default_factory=dict)
    path: str = ""
    status: int = 0


class Script:
    """Which call gets which fault. Safe to change while calls arrive.

    ``retry_seconds`` is the wait that RATE_LIMIT asks for.
    """

    def __init__(self) -> None:
        self.rule: Callable[[Call], Fault | None] | None = None
        self.hang_seconds = 600.0
        self.drip_seconds = 2.0
        self.retry_seconds = 1.5
        self._lock = threading.Lock()
        self._paid: deque[Fault | None] = deque()
        self._other: dict[str, deque[Fault | None]] = {}

    def push(self, *faults: Fault | None, kind: Kind | None = None) -> None:
        """The next calls for an image, a text or a batch get these, in order; None is a good answer.

        With ``kind``, they wait for the next calls of that kind instead: "poll", "file", "list", "cancel" and "item" (one
        request of a batch) have queues of their own.
        """
        with self._lock:
            self._queue(kind or "image").extend(faults)

    def clear(self) -> None:
        """Forget what was pushed, and the rule."""
        with self._lock:
            self._paid.clear()
            self._other.clear()
            self.rule = None

    def pop(self, kind: Kind) -> tuple[bool, Fault | None]:
        """Whether something was pushed for this kind of call, and what."""
        with self._lock:
            queue = self._queue(kind)
            return (True, queue.popleft()) if queue else (False, None)

    def ruled(self, call: Call) -> Fault | None:
        """What the rule says of a call for which nothing was pushed. What does not fit the call is left out."""
        fault = self.rule(call) if self.rule else None
        return fault if fault and fits(fault, call.kind) else None

    def _queue(self, kind: Kind) -> deque[Fault | None]:
        return self._paid if kind in ("image", "text", "batch") else self._other.setdefault(kind, deque())
