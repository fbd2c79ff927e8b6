"""OpenAI's API: image edits, and questions through Responses.

Requests go through OpenAI's SDK, without its retries: it would ask twice more after a time-out, and every time is paid for.
"""

import base64
import binascii
import contextlib
from collections.abc import Iterator
from typing import Any, Literal

import openai
from openai import omit

from workers.providers import wire
from workers.providers.base import (
    Accepted,
    Access,
    CallFailed,
    ImageAnswer,
    ImageRequest,
    TextAnswer,
    TextRequest,
    Trouble,
    Usage,
    ignore,
)

WHO = "OpenAI"
Size = Literal["1024x1024", "1536x1024", "1024x1536"]
_SIZES: dict[str, Size] = {"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}
_ACCOUNT = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "account_deactivated",
        "access_terminated",
        "invalid_api_key",
    }
)
_REFUSALS = ("moderation", "content_policy", "content_filter", "safety")
"""Parts of the codes that stand for a refusal, such as moderation_blocked and image_content_policy_violation."""


class OpenAi:
    """One client per process, safe for many threads."""

    def __init__(self, access: Access) -> None:
        self._access = wire.usable(access, WHO)
        self._http = wire.sdk_client(access.timeout)
        self._client = openai.OpenAI(
            api_key=self._access.key,
            admin_api_key="",  # else read from the environment
            base_url=self._access.base_url,
            timeout=access.timeout,
            max_retries=0,
            http_client=self._http,
        )

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def edit_image(self, request: ImageRequest, accepted: Accepted = ignore) -> ImageAnswer:
        name = f"lq.{request.media_type.removeprefix('image/')}"
        with self._told():
            answer = self._client.images.with_raw_response.edit(
                model=request.model,
                image=(name, request.image, request.media_type),
                prompt=request.prompt,
                size=_SIZES[wire.ratio_for("openai", request.model, request.width, request.height)],
                output_format="png",
                # gpt-image-2 always works so and refuses the parameter.
                input_fidelity="high" if request.model.startswith("gpt-image-1") else omit,
            )
        reply = wire.parsed(WHO, answer.http_response.content)
        used = _usage(reply)
        images = wire.listing(reply.get("data"))
        coded = wire.mapping(images[0]).get("b64_json") if images else None
        if not coded:
            # Paid and nothing to show is an outcome; an answer that is empty and free is a fault.
            if used and used.output_tokens:
                raise wire.refused(WHO, "NO_IMAGE", usage=used)
            raise CallFailed(Trouble.BROKEN, f"{WHO} answered without an image.", reason="EMPTY", usage=used)
        try:
            data = base64.b64decode(str(coded), validate=True)
        except (binascii.Error, ValueError):
            raise wire.senseless(WHO, "an image that cannot be decoded", used) from None
        return ImageAnswer(data, used, answer.http_response.headers.get("x-request-id", ""))

    def ask(self, request: TextRequest) -> TextAnswer:
        content: list[Any] = [
            {"type": "input_image", "image_url": f"data:{kind};base64,{base64.b64encode(data).decode()}", "detail": "high"}
            for data, kind in request.images
        ]
        content.append({"type": "input_text", "text": request.user})
        given: Any = [{"role": "user", "content": content}]
        wanted: Any = omit
        if request.schema is not None:
            wanted = {"format": {"type": "json_schema", "name": "answer", "schema": request.schema, "strict": True}}
        with self._told():
            answer = self._client.responses.with_raw_response.create(
                model=request.model,
                instructions=request.system or omit,
                input=given,
                text=wanted,
                store=False,  # else the photographs stay in the account for a month
            )
        reply = wire.parsed(WHO, answer.http_response.content)
        return self._text(reply)

    def _text(self, reply: dict[str, Any]) -> TextAnswer:
        used = _usage(reply)
        if error := wire.mapping(reply.get("error")):
            raise self._unfinished(error, used)
        parts = [
            wire.mapping(part)
            for item in map(wire.mapping, wire.listing(reply.get("output")))
            if item.get("type") == "message"
            for part in wire.listing(item.get("content"))
        ]
        for part in parts:
            if part.get("type") == "refusal":
                raise wire.refused(WHO, "refusal", wire.clean(part.get("refusal"), self._access), used)
        why = str(wire.mapping(reply.get("incomplete_details")).get("reason") or "")
        if _refusal(why):
            raise wire.refused(WHO, why, usage=used)
        text = "".join(str(part.get("text") or "") for part in parts if part.get("type") == "output_text")
        if not text and reply.get("status") != "incomplete":
            raise CallFailed(Trouble.BROKEN, f"{WHO} answered without a text.", reason="EMPTY", usage=used)
        return TextAnswer(text, used, str(reply.get("id") or ""))

    def _unfinished(self, error: dict[str, Any], used: Usage | None) -> CallFailed:
        """What the error in a complete 200 means."""
        code, message = str(error.get("code") or ""), wire.clean(error.get("message"), self._access)
        if _refusal(code):
            return wire.refused(WHO, code, message, used)
        kind = Trouble.BUSY if code == "rate_limit_exceeded" else Trouble.BROKEN
        if "image" in code or code == "invalid_prompt":
            kind = Trouble.BAD_REQUEST
        return CallFailed(kind, f"{WHO} did not finish: {code}: {message}", reason=code, usage=used)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the SDK raises into ``CallFailed``."""
        try:
            yield
        except openai.APIStatusError as error:
            raise self._failure(error) from None
        except openai.APIConnectionError as error:
            raise wire.undelivered(WHO, error.__cause__ or error) from None
        except wire.HTTP_ERRORS as error:
            raise wire.undelivered(WHO, error) from None
        except openai.OpenAIError as error:
            raise wire.senseless(WHO, f"something its SDK cannot take ({type(error).__name__})") from None

    def _failure(self, error: openai.APIStatusError) -> CallFailed:
        told = wire.mapping(error.body)
        code, message = str(told.get("code") or told.get("type") or ""), wire.clean(told.get("message"), self._access)
        if _refusal(code):
            return wire.refused(WHO, code, message)
        kind = Trouble.ACCOUNT if code in _ACCOUNT or told.get("type") == "insufficient_quota" else None
        wait = wire.retry_after(error.response.headers.get("retry-after"))
        return wire.failure(WHO, error.status_code, code, message, wait, kind=kind)


def _refusal(code: str) -> bool:
    return any(part in code for part in _REFUSALS)


def _usage(reply: dict[str, Any]) -> Usage | None:
    told = wire.mapping(reply.get("usage"))
    return Usage(wire.count(told.get("input_tokens")), wire.count(told.get("output_tokens"))) if told else None
