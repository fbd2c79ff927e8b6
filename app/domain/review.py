"""What a person may say about a pair, and what they are asked to look for (Sec. 3.3, human verification)."""

from collections.abc import Collection
from enum import StrEnum
from typing import Literal

Choice = Literal["accept", "reject"]

MAX_NOTE = 2000
"""Longest note in characters."""


class Reason(StrEnum):
    """Why a pair is rejected. The first four are the paper's: artifacts, structure, content and colour."""

    ARTIFACT = "artifact"
    STRUCTURE = "structure"
    CONTENT = "content"
    COLOR = "color"
    OTHER = "other"


REASON_TITLES: dict[Reason, str] = {
    Reason.ARTIFACT: "Artifact",
    Reason.STRUCTURE: "Structure changed",
    Reason.CONTENT: "Unreasonable content",
    Reason.COLOR: "Colour",
    Reason.OTHER: "Other",
}
"""Reasons in the order of their keys 1 to 5."""

TASKS: dict[str, str] = {
    "general_mixed": "Noise, blur and compression gone; every object, face and text as it was.",
    "rain": "Streaks and drops gone; the wet scene and everything in it kept.",
    "haze": "Haze gone with depth kept; no invented detail far away, colours believable.",
    "snow": "Falling snow gone; snow that lies on things may stay.",
    "low_light": "Visible without noise; light sources and colours believable, still the same hour.",
    "old_photo": "Scratches, stains and fading gone; faces, clothes and paper edges as they were.",
}
"""One line per category: what a good restoration is there."""


def decision_problem(choice: str, reasons: Collection[str], note: str) -> str | None:
    """What is wrong with a decision, as a sentence for the person, or None when it is complete.

    A rejection needs at least one known reason, and a note where the reason is "other": an unexplained rejection can
    neither be counted nor acted on. An acceptance has none.
    """
    if choice not in ("accept", "reject"):
        return f"a decision is accept or reject, not {choice[:40]!r}"
    if unknown := [r for r in reasons if r not in set(Reason)]:
        return f"unknown reject reason {unknown[0][:40]!r}; choose from {', '.join(Reason)}"
    if len(note) > MAX_NOTE:
        return f"the note has {len(note)} characters; at most {MAX_NOTE} are kept"
    if choice == "accept":
        return "an accepted pair has no reject reasons" if reasons else None
    if not reasons:
        return f"a rejection needs at least one reason: {', '.join(Reason)}"
    if Reason.OTHER in reasons and not note.strip():
        return 'the reason "other" needs a note that says what is wrong'
    return None
