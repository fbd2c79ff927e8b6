"""Google's Gemini API: images, questions, and batches of images at half price.

Requests go through Google's SDK, answers are read from its raw bodies. The typed ones fail as a whole where one field is
unexpected, such as the details of one error in a batch of a hundred paid images.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Any, Literal

from google import genai
from google.genai import errors, types

from workers.providers import wire
from workers.providers.base import (
    Accepted,
    Access,
    BatchReply,
    BatchResult,
    CallFailed,
    ImageAnswer,
    ImageRequest,
    TextAnswer,
    TextRequest,
    Trouble,
    Usage,
    ignore,
)

WHO = "Google Gemini"
_BIG = 1536
"""Longer sides than this, in pixels, ask for the 2K size."""
_ENDINGS = frozenset({"", "STOP", "MAX_TOKENS", "CONTINUATION", "FINISH_REASON_UNSPECIFIED"})
_GLITCHES = frozenset({"MALFORMED_RESPONSE", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"})
"""Finish reasons that say that the model failed. All but these and the endings say that it refused, new ones too."""
_NO_CREDIT = re.compile(
    r"prepa\w*[ -]?\w* credits?|credits? (are|is) (depleted|used up|exhausted)|spend\w* (cap|limit)|limit: 0\b", re.I
)
_RPC = {1: 499, 3: 400, 4: 500, 5: 404, 7: 403, 8: 429, 9: 400, 10: 500, 12: 501, 13: 500, 14: 503, 16: 401}
"""HTTP statuses of google.rpc codes, which the requests of a batch fail with."""
_STATES: dict[str, Literal["done", "failed", "expired", "cancelled"]] = {
    "SUCCEEDED": "done",
    "PARTIALLY_SUCCEEDED": "done",
    "FAILED": "failed",
    "EXPIRED": "expired",
    "CANCELLED": "cancelled",
}


class Gemini:
    """One client per process, safe for many threads."""

    def __init__(self, access: Access) -> None:
        self._access = wire.usable(access, WHO)
        self._http = wire.sdk_client(access.timeout)
        options = types.HttpOptions(
            base_url=self._access.base_url,
            api_version=access.api_version or None,
            timeout=max(1, round(access.timeout * 1000)),  # milliseconds, and no retry_options: one attempt
            httpx_client=self._http,
        )
        self._client = genai.Client(vertexai=False, api_key=self._access.key, http_options=options)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def edit_image(self, request: ImageRequest, accepted: Accepted = ignore) -> ImageAnswer:
        return self._image(self._generate(request.model, _contents(request), _image_config(request)))

    def ask(self, request: TextRequest) -> TextAnswer:
        parts: list[Any] = [types.Part.from_bytes(data=data, mime_type=kind) for data, kind in request.images]
        config = types.GenerateContentConfig(system_instruction=request.system or None)
        if request.schema is not None:
            config.response_mime_type, config.response_json_schema = "application/json", request.schema
        return self._text(self._generate(request.model, [*parts, request.user], config))

    def submit(self, name: str, requests: Sequence[tuple[str, ImageRequest]]) -> str:
        """One job is for one model, the first request's. LOST: the job may exist; ``find`` tells."""
        source = [
            types.InlinedRequest(contents=_contents(image), metadata={"key": key}, config=_image_config(image))
            for key, image in requests
        ]
        options = types.CreateBatchJobConfig(display_name=name)
        try:
            job = self._client.batches.create(model=requests[0][1].model, src=source, config=options)
        except errors.APIError as error:
            raise self._said(error) from None
        except wire.HTTP_ERRORS as error:
            raise wire.undelivered(WHO, error) from None
        except (ValueError, TypeError, AttributeError, KeyError):  # an answer that the SDK cannot take
            job = types.BatchJob()
        if not job.name:
            raise CallFailed(Trouble.LOST, f"{WHO} took a batch, and its answer does not say under which name.")
        return job.name

    def find(self, name: str) -> str | None:
        token = ""
        while True:
            page = self._look("batches", {"pageSize": "100"} | ({"pageToken": token} if token else {}))
            for job in map(wire.mapping, wire.listing(page.get("operations") or page.get("batches"))):
                metadata = wire.mapping(job.get("metadata")) or job
                if metadata.get("displayName") == name and job.get("name"):
                    return str(job["name"])
            token = str(page.get("nextPageToken") or "")
            if not token:
                return None

    def collect(self, remote_id: str) -> BatchResult:
        job = self._look(remote_id, {})
        metadata = wire.mapping(job.get("metadata"))
        told = str(metadata.get("state") or job.get("state") or "").rpartition("STATE_")[2]
        state = _STATES.get(told)
        if state is None:
            return BatchResult("running")
        if state != "done":
            error = wire.mapping(job.get("error") or metadata.get("error"))
            return BatchResult(state, error=wire.clean(error.get("message"), self._access))
        output = wire.mapping(metadata.get("output") or job.get("response"))
        replies: Any = output.get("inlinedResponses")
        replies = wire.mapping(replies).get("inlinedResponses") or replies
        return BatchResult("done", tuple(self._reply(wire.mapping(reply)) for reply in wire.listing(replies)))

    def _generate(self, model: str, contents: list[Any], config: types.GenerateContentConfig) -> dict[str, Any]:
        """Make one request and return its answer as Google wrote it."""
        config.should_return_http_response = True
        # Each of these would make the SDK send requests of its own accord, and every one is paid for.
        config.automatic_continuation = False
        config.automatic_function_calling = types.AutomaticFunctionCallingConfig(disable=True)
        try:
            answer = self._client.models.generate_content(model=model, contents=contents, config=config)
        except errors.APIError as error:
            raise self._said(error) from None
        except wire.HTTP_ERRORS as error:
            raise wire.undelivered(WHO, error) from None
        except ValueError as error:
            raise wire.senseless(WHO, f"something its SDK cannot take ({type(error).__name__})") from None
        raw = answer.sdk_http_response
        return wire.parsed(WHO, raw.body if raw and raw.body else "")

    def _look(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        """Read about batches. It costs nothing, so an answer that got lost is merely one to be asked for again."""
        version = self._access.api_version or "v1"
        try:
            answer = self._http.get(
                f"{self._access.base_url}/{version}/{path}", params=query, headers={"x-goog-api-key": self._access.key}
            )
        except wire.HTTP_ERRORS as error:
            lost = wire.undelivered(WHO, error)
            if lost.trouble is Trouble.UNSENT:
                raise lost from None
            raise CallFailed(Trouble.BROKEN, f"{WHO} did not tell how a batch stands ({type(error).__name__}).") from None
        if answer.status_code != 200:
            raise self._failure(
                answer.status_code, wire.lenient(answer.content) or {}, wire.retry_after(answer.headers.get("retry-after"))
            )
        return wire.parsed(WHO, answer.content)

    def _said(self, error: errors.APIError) -> CallFailed:
        """What an error answer means. The SDK ignores RetryInfo, and puts the body into ``details``."""
        headers: Any = getattr(error.response, "headers", None) or {}
        return self._failure(int(error.code or 0), wire.mapping(error.details), wire.retry_after(headers.get("retry-after")))

    def _failure(self, status: int, body: dict[str, Any], wait: float | None) -> CallFailed:
        """``status`` is HTTP's, ``body`` the answer's JSON, ``wait`` the seconds that a header asked for."""
        told = wire.mapping(body.get("error"))
        code, message = str(told.get("status") or ""), wire.clean(told.get("message"), self._access)
        details = [wire.mapping(detail) for detail in wire.listing(told.get("details"))]
        reasons = [str(detail["reason"]) for detail in details if detail.get("reason")]
        waits = [wire.duration(detail["retryDelay"]) for detail in details if "retryDelay" in detail]
        quotas = " ".join(
            str(wire.mapping(violation).get("quotaId"))
            for detail in details
            for violation in wire.listing(detail.get("violations"))
        )
        kind = None
        if any(reason.startswith(("API_KEY", "BILLING", "SERVICE_DISABLED", "CONSUMER")) for reason in reasons):
            code, kind = reasons[0], Trouble.ACCOUNT
        elif code == "FAILED_PRECONDITION" or (status == 429 and _NO_CREDIT.search(message)):
            kind = Trouble.ACCOUNT  # a precondition is the country, or billing that is not set up
        elif status == 429 and "PerDay" in quotas:
            # Ten tries within minutes would give up every item of a run; a pause keeps them for tomorrow.
            code, kind = "QUOTA_PER_DAY", Trouble.ACCOUNT
        return wire.failure(WHO, status, code, message, next(iter(waits), None) or wait, kind=kind)

    def _reply(self, reply: dict[str, Any]) -> BatchReply:
        key = str(wire.mapping(reply.get("metadata")).get("key") or reply.get("key") or "")
        try:
            if error := wire.mapping(reply.get("error")):
                number = error.get("code")
                number = number if isinstance(number, int) else 13
                raise self._failure(_RPC.get(number, number), {"error": error}, None)
            return BatchReply(key, self._image(wire.mapping(reply.get("response"))))
        except CallFailed as failed:
            return BatchReply(key, failed)

    def _candidate(self, reply: dict[str, Any]) -> tuple[str, list[dict[str, Any]], Usage | None]:
        """Finish reason, parts that are no thoughts, and usage. Raises ``CallFailed`` for a blocked or an empty answer."""
        used = _usage(reply)
        feedback = wire.mapping(reply.get("promptFeedback"))
        if blocked := feedback.get("blockReason"):
            raise wire.refused(WHO, str(blocked), wire.clean(feedback.get("blockReasonMessage"), self._access), used)
        candidates = wire.listing(reply.get("candidates"))
        if not candidates:
            raise CallFailed(Trouble.BROKEN, f"{WHO} answered without a candidate or a reason.", reason="EMPTY", usage=used)
        candidate = wire.mapping(candidates[0])
        finish = str(candidate.get("finishReason") or "")
        if finish not in _ENDINGS | _GLITCHES:
            raise wire.refused(WHO, finish, wire.clean(candidate.get("finishMessage"), self._access), used)
        parts = map(wire.mapping, wire.listing(wire.mapping(candidate.get("content")).get("parts")))
        return finish, [part for part in parts if not part.get("thought")], used

    def _image(self, reply: dict[str, Any]) -> ImageAnswer:
        finish, parts, used = self._candidate(reply)
        for part in parts:
            if coded := wire.mapping(part.get("inlineData")).get("data"):
                return ImageAnswer(_decoded(coded, used), used, str(reply.get("responseId") or ""))
        if finish in _GLITCHES:
            raise CallFailed(Trouble.BROKEN, f"{WHO} gave up with {finish}.", reason=finish, usage=used)
        said = " ".join(str(part.get("text") or "") for part in parts)
        raise wire.refused(WHO, finish if finish == "MAX_TOKENS" else "NO_IMAGE", wire.clean(said, self._access), used)

    def _text(self, reply: dict[str, Any]) -> TextAnswer:
        finish, parts, used = self._candidate(reply)
        text = "".join(str(part.get("text") or "") for part in parts)
        if not text and finish != "MAX_TOKENS":
            raise CallFailed(
                Trouble.BROKEN, f"{WHO} answered without a text ({finish}).", reason=finish or "EMPTY", usage=used
            )
        return TextAnswer(text, used, str(reply.get("responseId") or ""))


def _contents(request: ImageRequest) -> list[Any]:
    return [types.Part.from_bytes(data=request.image, mime_type=request.media_type), types.Part(text=request.prompt)]


def _image_config(request: ImageRequest) -> types.GenerateContentConfig:
    shape = types.ImageConfig(
        aspect_ratio=wire.ratio_for("gemini", request.model, request.width, request.height),
        image_size="2K" if max(request.width, request.height) > _BIG else "1K",
    )
    return types.GenerateContentConfig(response_modalities=["TEXT", "IMAGE"], image_config=shape)


def _usage(reply: dict[str, Any]) -> Usage | None:
    told = wire.mapping(reply.get("usageMetadata"))
    if not told:
        return None
    output = wire.count(told.get("candidatesTokenCount")) + wire.count(told.get("thoughtsTokenCount"))
    return Usage(wire.count(told.get("promptTokenCount")), output)


def _decoded(coded: object, used: Usage | None) -> bytes:
    """Bytes of base64 in either alphabet."""
    try:
        return base64.b64decode(str(coded).replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise wire.senseless(WHO, "an image that cannot be decoded", used) from None
