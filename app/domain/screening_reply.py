"""A VLM's answer about one patch, read or refused with the reason: never guessed (paper, Appendix A)."""

import re
from dataclasses import dataclass
from typing import Any

from app.domain.lenient_json import BrokenJson, Members, Value, read_json
from app.domain.screening import LEVELS
from app.domain.verdict_reply import UnreadableReply

YES_NO = ("content_poor", "overly_degraded", "unsafe_or_private")
SCORE, LEVEL, REASONS = "artifact_visible", "level", "reasons"
WHY = 120
"""Characters of each reason that are kept; the whole reply is in the ledger."""

_NAMES = {re.sub("[^a-z]", "", name): name for name in (*YES_NO, SCORE, LEVEL, REASONS)}
_TRUTHS: dict[Any, bool] = {True: True, False: False, "true": True, "false": False, "yes": True, "no": False}


@dataclass(frozen=True)
class Answers:
    """What a VLM says of a patch: three times yes or no, how visible the artifact is (0 to 100), the level, and why."""

    content_poor: bool
    overly_degraded: bool
    unsafe_or_private: bool
    artifact_visible: float
    level: str
    why: dict[str, str]


def read_answers(reply: str) -> Answers:
    """The answers in ``reply``, which may repeat one but not contradict it.

    Raises UnreadableReply where one is missing, is none (``0-100``, ``maybe``, 140), or is there twice and differs, and
    where the reply is cut off.
    """
    if not reply.strip():
        raise UnreadableReply("the reply is empty")
    try:
        reading = read_json(reply)
    except BrokenJson as error:
        raise UnreadableReply(str(error)) from error
    found: dict[str, Any] = {}
    why: dict[str, str] = {}
    for members in reading.objects:
        _gather(members, found, why)
    missing = [name for name in (*YES_NO, SCORE, LEVEL) if name not in found]
    if missing:
        told = f"no answer to {', '.join(name.replace('_', ' ') for name in missing)}"
        raise UnreadableReply(f"truncated after {reply[-30:]!r}: {told}" if reading.unclosed else told)
    return Answers(**found, why=why)


def _gather(members: Members, found: dict[str, Any], why: dict[str, str]) -> None:
    for key, value in members:
        name = _known(key)
        if name == REASONS and isinstance(value, Members):
            why.update({_known(k) or k[:30]: _text(v) for k, v in value if isinstance(v, str) and v.strip()})
        elif name == REASONS and isinstance(value, str):
            why["all"] = _text(value)
        elif name:
            answer = _answer(name, value)
            if found.setdefault(name, answer) != answer:
                raise UnreadableReply(f"two answers to {name.replace('_', ' ')}: {found[name]} and {answer}")
        elif isinstance(value, Members):  # a wrapper, such as {"answer": {...}}
            _gather(value, found, why)


def _known(key: str) -> str:
    return _NAMES.get(re.sub("[^a-z]", "", key.casefold()), "")


def _answer(name: str, value: Value) -> Any:
    plain = value.strip(" .\"'").casefold() if isinstance(value, str) else value
    if name in YES_NO and isinstance(plain, str | bool) and plain in _TRUTHS:
        return _TRUTHS[plain]
    if name == LEVEL and plain in LEVELS:
        return plain
    if name == SCORE and isinstance(plain, str) and re.fullmatch(r"\d{1,3}(\.\d{1,3})?%?", plain):
        score = float(plain.rstrip("%"))
        if score <= 100:
            return score
    raise UnreadableReply(f"{name.replace('_', ' ')} is {str(value)[:40]!r}, which is no answer")


def _text(value: str) -> str:
    # Half an emoji and NUL are legal in JSON, but no database takes them.
    clean = " ".join(value.replace("\0", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace").split())
    return clean[:WHY]
