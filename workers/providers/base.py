"""What a provider backend is: one class per provider that sends one request and tells, in our words, what came of it.

Backends hold no state of ours, never retry and never sleep for a quota: recording, pacing, retries and money are the
business of whoever calls them (``workers/paid.py``). One call of a method is one paid request at most.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol

from app.errors import GgtError


class Trouble(StrEnum):
    """Why there is no answer. What follows from each is decided in ``app/domain/retrying.py``."""

    REFUSED = "refused"
    """The provider answered and will not do it (safety, recitation, no image): an outcome, counted against the method."""
    BUSY = "busy"
    """Too many requests or overloaded (429, 503): nothing was done; ask again later."""
    BROKEN = "broken"
    """The provider failed and said so (other 5xx, or a complete answer that makes no sense)."""
    BAD_REQUEST = "bad_request"
    """The provider cannot take this request (4xx): asking again would not help."""
    ACCOUNT = "account"
    """Key, permission or credit: nothing will work until a person acts."""
    UNSENT = "unsent"
    """No connection was made, so nothing was asked."""
    LOST = "lost"
    """It was sent, and no complete answer came (time-out, reset, half a body): it may have been paid."""


@dataclass(frozen=True)
class Usage:
    """What the provider says it charged for, in tokens. ``output_tokens`` include thoughts and image tokens."""

    input_tokens: int = 0
    output_tokens: int = 0


class CallFailed(GgtError):
    """A request that gave no answer. ``reason`` is the provider's own code, such as IMAGE_SAFETY, where it has one.

    ``retry_after`` is the wait in seconds that the provider asked for. ``usage`` is what a refusal cost, where told.
    """

    status = 502

    def __init__(
        self,
        trouble: Trouble,
        message: str,
        *,
        reason: str = "",
        retry_after: float | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(message)
        self.trouble, self.reason, self.retry_after, self.usage = trouble, reason, retry_after, usage


@dataclass(frozen=True)
class Access:
    """How to reach a provider. ``timeout`` is seconds for one request; ``poll_seconds`` the pause between looks at a task.

    The secrets are kept out of ``repr``, so that no log or traceback shows them.
    """

    base_url: str
    key: str
    secret: str = ""
    timeout: float = 300.0
    poll_seconds: float = 2.0
    api_version: str = ""

    def __repr__(self) -> str:
        return f"Access({self.base_url!r})"


@dataclass(frozen=True)
class ImageRequest:
    """One image to edit. ``image`` are encoded bytes (PNG, JPEG or WebP) of ``width`` x ``height`` pixels.

    ``reference`` is our own unique name of this call, given to providers that can carry one. ``remote_id`` set: the task was
    created before, so look for its result and create nothing.
    """

    model: str
    image: bytes
    media_type: str
    width: int
    height: int
    prompt: str
    reference: str = ""
    remote_id: str = ""


@dataclass(frozen=True)
class ImageAnswer:
    """An image exactly as the provider sent it; its type is found by looking at the bytes, later."""

    data: bytes
    usage: Usage | None = None
    request_id: str = ""


@dataclass(frozen=True)
class TextRequest:
    """A question to a VLM: system prompt, user prompt, images in order (bytes, media type), wanted JSON schema if any."""

    model: str
    system: str
    user: str
    images: tuple[tuple[bytes, str], ...]
    schema: dict[str, Any] | None = None


@dataclass(frozen=True)
class TextAnswer:
    """A VLM's reply, word for word."""

    text: str
    usage: Usage | None = None
    request_id: str = ""


Accepted = Callable[[str], None]
"""Called with the provider's task id as soon as it is known, before waiting for the result."""


def ignore(_remote_id: str) -> None:
    """For callers that need no task id."""


class Provider(Protocol):
    """A provider that can edit images, answer questions about them, or both. Every failure is a :class:`CallFailed`."""

    def __init__(self, access: Access) -> None: ...

    def edit_image(self, request: ImageRequest, accepted: Accepted = ignore) -> ImageAnswer: ...

    def ask(self, request: TextRequest) -> TextAnswer: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class BatchReply:
    """What a batch says of one of its requests. ``key`` is the one it was submitted with, or empty when it came without."""

    key: str
    answer: ImageAnswer | CallFailed


@dataclass(frozen=True)
class BatchResult:
    """How a batch job stands. ``replies`` are there once it is done, in any order, perhaps not all."""

    state: Literal["running", "done", "failed", "expired", "cancelled"]
    replies: tuple[BatchReply, ...] = ()
    error: str = ""


class BatchProvider(Protocol):
    """A provider that takes many image requests as one job, to be collected later."""

    def submit(self, name: str, requests: Sequence[tuple[str, ImageRequest]]) -> str:
        """Create a job called ``name`` of (key, request) and return the provider's id for it."""
        ...

    def find(self, name: str) -> str | None:
        """The provider's id of the job called ``name``, or None when it was never created."""
        ...

    def collect(self, remote_id: str) -> BatchResult: ...
