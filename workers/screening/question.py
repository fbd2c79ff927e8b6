"""What a VLM is asked to answer a patch's question with, as a JSON schema that both Gemini and OpenAI take."""

from typing import Any

from app.domain.screening import LEVELS
from app.domain.screening_reply import LEVEL, REASONS, SCORE, YES_NO

_ASKED = (*YES_NO, SCORE, LEVEL)

SCREENING_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        **{name: {"type": "boolean"} for name in YES_NO},
        SCORE: {"type": "integer", "description": "0 to 100"},
        LEVEL: {"type": "string", "enum": list(LEVELS)},
        REASONS: {
            "type": "object",
            "properties": {name: {"type": "string"} for name in _ASKED},
            "required": list(_ASKED),
            "additionalProperties": False,
        },
    },
    "required": [*_ASKED, REASONS],
    "additionalProperties": False,
}
