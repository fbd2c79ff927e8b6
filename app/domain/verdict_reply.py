"""A VLM judge's reply read as a verdict (Appendix C, Fig. C.1), or refused with the reason: never guessed.

The figure asks for keys with spaces, its own example answers with underscores and says ``object_integrity`` for object
consistency, and other replies vary more. All of them mean the same five scores from 0 to 100 and one decision.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.domain.aspects import ASPECTS, Aspect, Decision
from app.domain.lenient_json import MAX_DEPTH, Bare, BrokenJson, Members, Value, read_json


@dataclass(frozen=True)
class ReadVerdict:
    """A judge's verdict: all five scores in the order of the paper, each 0 to 100, and the judge's own decision.

    ``reasons`` has those that were given. A reply without its last brace may have lost whole reasons, never a score.
    """

    scores: dict[Aspect, int | float]
    reasons: dict[Aspect, str]
    decision: Decision


class UnreadableReply(ValueError):
    """A reply that holds no single complete verdict; the message says what is wrong with it."""


_Part = Literal["scores", "reasons"] | None


def _letters(key: str) -> str:
    """A key as it is compared: without case, separators, numbering, and in American spelling."""
    return "".join(c for c in key.casefold() if c.isalpha()).replace("colour", "color")


_ASPECTS: Mapping[str, Aspect] = {**{_letters(a): a for a in ASPECTS}, "objectintegrity": "object_consistency"}
_PARTS: Mapping[str, _Part] = {"scores": "scores", "score": "scores", "reasons": "reasons", "reason": "reasons"}
_DECISIONS: Mapping[str, Decision] = {"accept": "accept", "accepted": "accept", "reject": "reject", "rejected": "reject"}
_SCORE = re.compile(
    r"([+-]?[0-9]{1,20}(?:\.[0-9]{0,20})?(?:[eE][+-]?[0-9]{1,3})?)\s*(?:%|/\s*([0-9]{1,20}(?:\.0{1,20})?))?", re.ASCII
)


@dataclass
class _Facts:
    """What has been read so far. A second, different word on anything is an error, wherever in the reply it stands."""

    scores: dict[Aspect, int | float] = field(default_factory=dict)
    reasons: dict[Aspect, str] = field(default_factory=dict)
    decision: Decision | None = None

    def score(self, aspect: Aspect, value: int | float) -> None:
        if self.scores.setdefault(aspect, value) != value:
            raise UnreadableReply(f"two scores for {_words(aspect)}: {self.scores[aspect]} and {value}")

    def decide(self, decision: Decision) -> None:
        if self.decision not in (None, decision):
            raise UnreadableReply("two final decisions: accept and reject")
        self.decision = decision

    def join(self, other: "_Facts") -> None:
        """Take over what another object of the same reply says; parts may be apart, a set of scores may not."""
        if other.scores and (missing := [a for a in ASPECTS if a not in other.scores]):
            raise UnreadableReply(f"no score for {', '.join(map(_words, missing))}")
        for aspect, value in other.scores.items():
            self.score(aspect, value)
        self.reasons.update(other.reasons)
        if other.decision is not None:
            self.decide(other.decision)


def read_verdict(reply: str) -> ReadVerdict:
    """The verdict in ``reply``, which may repeat it but not contradict it.

    Raises :class:`UnreadableReply` where a score or the decision is missing, is not one (``0-100``, ``19/20``, ``Accept or
    Reject``, 140), is there twice and differs, or where the reply is cut off. Scores are never rescaled: 0.9 is 0.9 of 100.
    """
    if not reply.strip():
        raise UnreadableReply("the reply is empty")
    try:
        reading = read_json(reply)
    except BrokenJson as error:
        raise UnreadableReply(str(error)) from error
    try:
        return _verdict(reading.objects)
    except UnreadableReply as error:
        if not reading.unclosed:
            raise
        raise UnreadableReply(f"truncated after {reply[-30:]!r}: {error}") from error


def _verdict(objects: list[Members]) -> ReadVerdict:
    facts = _Facts()
    for members in objects:
        own = _Facts()
        _gather(members, None, own, 0)
        facts.join(own)
    if not facts.scores:
        raise UnreadableReply("no scores" if facts.decision else "no scores and no final decision")
    if facts.decision is None:
        raise UnreadableReply("no final decision")
    scores = {a: facts.scores[a] for a in ASPECTS}
    return ReadVerdict(scores, {a: facts.reasons[a] for a in ASPECTS if a in facts.reasons}, facts.decision)


def _gather(members: Members, part: _Part, facts: _Facts, depth: int) -> None:
    """Add what ``members`` say to ``facts``; ``part`` is the part of the reply they are in. Objects of other names are
    taken as wrappers."""
    for key, value in members:
        name = _letters(key)
        if name in _ASPECTS:
            _gather_aspect(_ASPECTS[name], value, part, facts)
        elif name in ("finaldecision", "decision") and not isinstance(value, Members):
            if part != "reasons":
                facts.decide(_decision(value))
        elif depth < MAX_DEPTH:
            for inner in value if isinstance(value, list) and not isinstance(value, Members) else [value]:
                if isinstance(inner, Members):
                    _gather(inner, _PARTS.get(name, part), facts, depth + 1)


def _gather_aspect(aspect: Aspect, value: Value, part: _Part, facts: _Facts) -> None:
    if part == "reasons":
        _add_reason(aspect, value, facts)
    elif isinstance(value, Members):  # {"score": 85, "reason": "..."}
        for key, inner in value:
            if _PARTS.get(_letters(key)) == "scores":
                facts.score(aspect, _score(aspect, inner))
            elif _PARTS.get(_letters(key)) == "reasons":
                _add_reason(aspect, inner, facts)
    else:
        facts.score(aspect, _score(aspect, value))


def _add_reason(aspect: Aspect, value: Value, facts: _Facts) -> None:
    texts = value if isinstance(value, list) else [value]
    # Half an emoji and NUL are legal in JSON, but no database takes them.
    reason = " ".join(t for t in texts if isinstance(t, str)).replace("\0", "")
    if reason:
        facts.reasons[aspect] = reason.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _score(aspect: Aspect, value: Value) -> int | float:
    """A score 0 to 100 from ``95``, ``95.5``, ``"95"``, ``"95%"`` or ``"95 / 100"``; whole ones are integers."""
    found = _SCORE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise UnreadableReply(f"score of {_words(aspect)} is {_shown(value)}, not a number")
    if found[2] and float(found[2]) != 100:
        raise UnreadableReply(f"score of {_words(aspect)} is {_shown(value)}, not out of 100")
    score = float(found[1])
    if not 0 <= score <= 100:
        raise UnreadableReply(f"score of {_words(aspect)} is {found[1]}, outside 0 to 100")
    return int(score) if score.is_integer() else score


def _decision(value: Value) -> Decision:
    word = value.strip(" \t\r\n.,;:!*_`'\"").casefold() if isinstance(value, str) else ""
    if word not in _DECISIONS:
        raise UnreadableReply(f"final decision is {_shown(value)}, neither accept nor reject")
    return _DECISIONS[word]


def _shown(value: Value) -> str:
    if isinstance(value, Bare):
        return value[:40] or "empty"
    if isinstance(value, str):
        return repr(value[:40])
    return {True: "true", False: "false", None: "null"}[value] if value is None or isinstance(value, bool) else "a list"


def _words(aspect: Aspect) -> str:
    return aspect.replace("_", " ")
