"""What all four providers share: making images and texts, and keeping the books."""

import base64
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from tests.providers import pictures, texts
from tests.providers.http import Request, Response
from tests.providers.script import Call, Fault, ProviderName, Script

SLOT = "@image@"
"""Where the base64 of the image goes in an answer; put in last, so that no JSON encoder walks through megabytes."""


class Wire(Protocol):
    """One provider's wire format."""

    name: ProviderName

    def recognise(self, request: Request) -> Call | None:
        """The call that a request is, told by method and path alone, or None when it is another provider's."""
        ...

    def read(self, request: Request, call: Call) -> None:
        """Fill in prompt, images and body. Raises ``ValueError``, ``KeyError`` or ``TypeError`` for a broken request."""
        ...

    def answer(self, request: Request, call: Call, fault: Fault | None) -> Response:
        """The answer, with any fault but those of delivery. Raises ``OSError`` when the LQ is no image."""
        ...

    def failure(self, fault: Fault, message: str = "") -> Response:
        """The answer to one of the faults in ``STATUS``, in the provider's form."""
        ...


class Studio:
    """Makes answers and counts what they cost.

    ``canned``, or ``echo`` False, is benchmark mode: one image for every request, no look at what was sent.
    ``accept_rate`` is the share of verdicts that say Accept. ``latency`` is in seconds. ``screening`` answers about a patch,
    given the images that were sent; a test may set another.
    """

    def __init__(self, seed: int, accept_rate: float, latency: float, canned: bytes | None, echo: bool) -> None:
        self.seed, self.accept_rate, self.latency = seed, accept_rate, latency
        self.screening: Callable[[Sequence[bytes]], dict[str, Any]] = lambda images: texts.screening(
            images, accept_rate, seed
        )
        self.blind = canned is not None or not echo
        self.canned = canned or (b"" if echo else pictures.plain())
        self.script = Script()
        self._lock = threading.Lock()
        self._charged: Counter[str] = Counter()
        self._due: list[tuple[float, Call]] = []
        self._last = (b"", b"")

    def image(
        self,
        call: Call,
        form: str,
        fault: Fault | None,
        size: tuple[int, int] | None = None,
        lq: bytes = b"",
        item: str = "",
    ) -> bytes:
        """The encoded answer to an image call: ``canned``, or a stand-in restoration of ``lq`` (or the first image sent).

        Raises ``OSError`` when there is no LQ or it is no image.
        """
        if fault is Fault.NOT_AN_IMAGE:
            return pictures.NOT_AN_IMAGE
        altered = fault in (Fault.WRONG_SIZE, Fault.WRONG_ASPECT, Fault.GOOD_JPEG, Fault.GOOD_PNG, Fault.GOOD_WEBP)
        if self.canned and not altered:
            return self.canned
        source = self.canned or lq or (call.images[0] if call.images else b"")
        if not source:
            raise OSError("no image was sent")
        return pictures.restored(source, f"{self.seed} {call.number} {item}", form, fault, size)

    def filled(self, answer: dict[str, Any], image: bytes) -> bytes:
        """An answer as JSON with the image in its ``SLOT``. In benchmark mode the base64 is made once."""
        if not image:
            return json.dumps(answer).encode()
        if not self.blind:
            coded = base64.b64encode(image)
        else:
            last, coded = self._last
            if image is not last:
                coded = base64.b64encode(image)
                self._last = (image, coded)
        return json.dumps(answer).encode().replace(SLOT.encode(), coded)

    def text(self, call: Call, schema: dict[str, Any] | None, fault: Fault | None) -> str:
        """The answer to a text call. In benchmark mode it is a verdict, drawn by the call's number.

        Raises ``OSError`` when the image to describe is none.
        """
        if fault is Fault.GARBLED_TEXT:
            return texts.GARBLED
        if self.blind:
            whole = texts.verdict([str(call.number).encode()], self.accept_rate, self.seed)
        elif texts.wants_screening(schema):
            whole = json.dumps(self.screening(call.images), indent=2)
        elif texts.wants_verdict(call.prompt, schema):
            whole = texts.verdict(call.images, self.accept_rate, self.seed, schema)
        else:
            whole = texts.restoration_prompt(call.images)
        return whole[: len(whole) // 2] if fault is Fault.TRUNCATED_TEXT else whole

    def charge(self, call: Call, answers: int = 1, delay: float = 0.0) -> None:
        """Book paid answers: now, or one of them in ``delay`` seconds."""
        with self._lock:
            if delay > 0:
                self._due.append((time.monotonic() + delay, call))
            elif answers:
                call.charged = True
                self._charged[call.provider] += answers

    def charged(self) -> dict[str, int]:
        """Paid answers per provider, until now."""
        with self._lock:
            now = time.monotonic()
            for due, call in self._due:
                if due <= now:
                    call.charged = True
                    self._charged[call.provider] += 1
            self._due = [(due, call) for due, call in self._due if due > now]
            return dict(self._charged)
