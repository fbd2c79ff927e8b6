"""Texts of the stand-in: verdicts in the form of Fig. C.1, answers about patches, prompts. All say that no model looked."""

import hashlib
import json
import random
from collections.abc import Sequence
from typing import Any

from app.domain.aspects import ASPECTS
from tests.providers.pictures import size_of

MARK = "STAND-IN, no model looked at this"
GARBLED = "Both images look very nice to me. Is there anything else I can help you with today?"
_EVALUATOR = "image restoration evaluator"


def wants_verdict(prompt: str, schema: dict[str, Any] | None) -> bool:
    """Whether a text call asks for a judgement: by the words of Fig. C.1, or by a schema that has scores."""
    return _EVALUATOR in " ".join(prompt.lower().split()) or "scores" in (schema or {}).get("properties", {})


def verdict(pair: Sequence[bytes], accept_rate: float, seed: int, schema: dict[str, Any] | None = None) -> str:
    """A judge's reply. The HQ's hash and the seed decide, so the same pair gets the same one and a new HQ a new draw.

    ``pair`` are LQ and HQ (of benchmark calls, anything). Names are those of the schema, where there is one.
    """
    luck = random.Random(f"{seed} {hashlib.sha256(pair[-1] if pair else b'').hexdigest()}")
    accepted = luck.random() < accept_rate
    properties = (schema or {}).get("properties", {})
    aspects = list(_names(schema or {}, properties.get("scores")) or ASPECTS)
    scores = {aspect: luck.randint(90, 98) for aspect in aspects}
    if not accepted:
        for aspect in luck.sample(aspects, min(len(aspects), luck.randint(1, 2))):
            scores[aspect] = luck.randint(20, 55)
    decision = next((name for name in properties if "decision" in name), "final_decision")
    words = properties.get(decision, {}).get("enum") or ["Accept", "Reject"]
    wanted = "accept" if accepted else "reject"
    reply = {
        "scores": scores,
        "reasons": {
            aspect: f"{MARK}: {'as good as' if scores[aspect] >= 60 else 'worse than'} it should be" for aspect in aspects
        },
        decision: next((word for word in words if str(word).lower() == wanted), wanted.title()),
    }
    return json.dumps(reply, indent=2)


def wants_screening(schema: dict[str, Any] | None) -> bool:
    """Whether a text call asks about a patch: by its schema."""
    return "artifact_visible" in (schema or {}).get("properties", {})


def screening(images: Sequence[bytes], accept_rate: float, seed: int) -> dict[str, Any]:
    """Answers about a patch. Its hash and the seed decide; the share ``accept_rate`` stays, the rest has one fault each."""
    luck = random.Random(f"{seed} screening {hashlib.sha256(images[0] if images else b'').hexdigest()}")
    answers: dict[str, Any] = {
        "content_poor": False, "overly_degraded": False, "unsafe_or_private": False,
        "artifact_visible": luck.randint(60, 95), "level": luck.choice(["high", "medium", "low"]),
    }  # fmt: skip
    if luck.random() >= accept_rate:
        fault = luck.choice(["content_poor", "overly_degraded", "artifact_visible", "unsafe_or_private"])
        answers[fault] = luck.randint(0, 30) if fault == "artifact_visible" else True
    return {**answers, "reasons": {name: f"{MARK}: {value}" for name, value in answers.items()}}


def _names(schema: dict[str, Any], part: dict[str, Any] | None) -> list[str]:
    """Names of a part's properties; a part may stand under ``$defs``, as pydantic writes it."""
    part = part or {}
    if reference := part.get("$ref"):
        part = schema.get("$defs", {}).get(reference.rsplit("/", 1)[-1], {})
    return list(part.get("properties", {}))


def restoration_prompt(images: Sequence[bytes]) -> str:
    """What the adaptive prompting of Sec. 3.2 would get back. Raises ``OSError`` when the first image is none."""
    width, height = size_of(images[0]) if images else (0, 0)
    return (
        f"STAND-IN PROMPT: Restore this photograph of {width}x{height} pixels. Remove noise, blur and compression artifacts;"
        " keep the composition, geometry, colours and every object exactly as they are; add nothing. Photorealistic."
        f" ({MARK}.)"
    )
