"""What a person may say about a pair, and what they are asked to look for (Sec. 3.3, human verification)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from app.domain.aspects import ASPECTS

Choice = Literal["accept", "reject", "regenerate"]
"""A pair is good, or not, or worth another try with the instruction in the note."""

MAX_NOTE = 2000
"""Longest note in characters."""
MAX_INSTRUCTION = 500
"""Longest instruction for another try: it is appended to a prompt."""
MAX_MARKS = 20
"""Most boxes drawn on one pair."""


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


@dataclass(frozen=True)
class Answer:
    """What a person says of a pair. ``scores`` are some of the five aspects, 0 to 100.

    ``marks`` are boxes (x, y, width, height) in shares of the LQ's sides, 0 to 1, from the top left.
    """

    decision: Choice
    reasons: tuple[str, ...] = ()
    note: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    marks: Sequence[Sequence[float]] = ()

    def tidied(self) -> "Answer":
        """Without blanks around the note, and each reason once."""
        return replace(self, note=self.note.strip(), reasons=tuple(dict.fromkeys(self.reasons)))


def answer_problem(answer: Answer) -> str | None:
    """What is wrong with an answer, as a sentence for the person, or None when it is complete."""
    if unknown := [aspect for aspect in answer.scores if aspect not in ASPECTS]:
        return f"unknown aspect {unknown[0][:40]!r}; choose from {', '.join(ASPECTS)}"
    if any(not 0 <= score <= 100 for score in answer.scores.values()):
        return "a score is a number from 0 to 100"
    if len(answer.marks) > MAX_MARKS:
        return f"{len(answer.marks)} marks were drawn; at most {MAX_MARKS} are kept"
    if not all(_within(mark) for mark in answer.marks):
        return "a mark is a box within the image: x, y, width and height, each 0 to 1"
    return decision_problem(answer.decision, answer.reasons, answer.note)


def _within(mark: Sequence[float]) -> bool:
    if len(mark) != 4:
        return False
    x, y, width, height = mark
    slack = 1e-6  # a box at the very edge may be rounded past it
    return min(x, y) >= 0 and min(width, height) > 0 and x + width <= 1 + slack and y + height <= 1 + slack


def outcome(decisions: Sequence[Choice], wanted: int) -> Choice | Literal["disputed"] | None:
    """What independent decisions on a pair come to: None while some are missing, else theirs where all agree.

    Anything short of agreement goes to a person who decides finally: a majority among two or three is no proof.
    """
    if len(decisions) < wanted:
        return None
    return decisions[0] if len(set(decisions)) == 1 else "disputed"


def decision_problem(choice: str, reasons: Collection[str], note: str) -> str | None:
    """What is wrong with a decision, as a sentence for the person, or None when it is complete.

    A rejection needs at least one known reason, and a note where the reason is "other": an unexplained rejection can
    neither be counted nor acted on. An acceptance has none. Another try needs an instruction.
    """
    if choice not in ("accept", "reject", "regenerate"):
        return f"a decision is accept, reject or regenerate, not {choice[:40]!r}"
    if unknown := [r for r in reasons if r not in set(Reason)]:
        return f"unknown reject reason {unknown[0][:40]!r}; choose from {', '.join(Reason)}"
    if len(note) > MAX_NOTE:
        return f"the note has {len(note)} characters; at most {MAX_NOTE} are kept"
    if choice == "accept":
        return "an accepted pair has no reject reasons" if reasons else None
    if choice == "regenerate" and len(note) > MAX_INSTRUCTION:
        return f"the instruction has {len(note)} characters; at most {MAX_INSTRUCTION} fit behind a prompt"
    if choice == "regenerate":
        return None if note.strip() else "another try needs an instruction that says what to do differently"
    if not reasons:
        return f"a rejection needs at least one reason: {', '.join(Reason)}"
    if Reason.OTHER in reasons and not note.strip():
        return 'the reason "other" needs a note that says what is wrong'
    return None
