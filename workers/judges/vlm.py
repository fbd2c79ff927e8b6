"""What a VLM judge is asked to answer with (Fig. C.1), as a JSON schema that both Gemini and OpenAI take."""

from typing import Any

from app.domain.aspects import ASPECTS


def _each(kind: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict.fromkeys(ASPECTS, kind),
        "required": list(ASPECTS),
        "additionalProperties": False,
    }


VERDICT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "scores": _each({"type": "integer", "description": "0 to 100"}),
        "reasons": _each({"type": "string"}),
        "final_decision": {"type": "string", "enum": ["Accept", "Reject"]},
    },
    "required": ["scores", "reasons", "final_decision"],
    "additionalProperties": False,
}
