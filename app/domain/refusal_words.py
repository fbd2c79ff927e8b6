"""Why a generation ended without an image: reason codes, as providers and we write them, in words."""

import re

_EXACT = {
    "WRONG_ASPECT": "another framing than the LQ's",
    "NOT_AN_IMAGE": "what came cannot be read as an image",
    "RECITATION": "too close to a known work",
    "IMAGE_RECITATION": "too close to a known work",
    "NO_IMAGE": "it answered without an image",
    "EMPTY": "it answered without an image",
    "SPII": "personal data in the request",
    "REFUSED": "the provider declined",
    "TASK_REFUSED": "the provider declined",
    "IMAGE_OTHER": "the provider declined without saying why",
    "OTHER": "the provider declined without saying why",
}
_PARTS = (
    (r"sensitive|risk", "the provider's safety filter"),
    (r"prohibited|blocklist|policy", "content the provider does not allow"),
    (r"safety|moderation|content_?filter", "the provider's safety filter"),
)


def refusal_words(reason: str) -> str:
    """A reason code in words; what an unknown code means only its provider's documentation says.

    Where the code tells that the request or the output was at fault, the words tell it too.
    """
    words = _EXACT.get(reason) or next((words for part, words in _PARTS if re.search(part, reason, re.IGNORECASE)), "")
    side = next((s for s in ("Input", "Output") if reason.startswith(s)), "")
    return (words or "the provider gave no image") + (f", about the {side.lower()}" if side else "")
