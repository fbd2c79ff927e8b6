"""What the pages of looks and of patches have in common: a grid of pictures that are decided on by keys, or by ticks."""

from dataclasses import dataclass
from typing import Any, Literal

from fastapi import Response
from fastapi.responses import JSONResponse, RedirectResponse

from app.services.look_list import Decided

Tone = Literal["ok", "bad"]
DID_IDS = 200
"""Decided ids that an address names, so that they can be taken back without a script."""


@dataclass(frozen=True)
class Answer:
    """One decision: its ``value`` as it is sent, the key for it, how its button is called and what then stands on a tile.

    ``menu``: it stands with others behind one button, which X opens.
    """

    value: str
    key: str
    title: str
    mark: str
    tone: Tone
    menu: bool = False


@dataclass(frozen=True)
class Did:
    """What was just decided without a script: how many, the answer in words, and the ids to take it back for."""

    number: int
    mark: str
    ids: tuple[int, ...]
    late: int


@dataclass(frozen=True)
class Controls:
    """The bar under the grid. ``rest`` is the answer that Shift and its key give to all that is undecided on the page.

    ``query`` is the list's address without its path, so that a form comes back to it; ``undo`` takes an answer back.
    """

    path: str
    field: str
    answers: tuple[Answer, ...]
    undo: str
    rest: str
    query: str
    user_id: int
    left: int

    @property
    def plain(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if not answer.menu)

    @property
    def menu(self) -> tuple[Answer, ...]:
        return tuple(answer for answer in self.answers if answer.menu)

    @property
    def data(self) -> dict[str, Any]:
        """What the script starts with."""
        answers = [{"value": a.value, "key": a.key, "mark": a.mark, "tone": a.tone} for a in self.answers]
        return {
            "user_id": self.user_id, "path": self.path, "field": self.field, "answers": answers, "undo": self.undo,
            "rest": self.rest, "left": self.left,
        }  # fmt: skip


def did(answers: tuple[Answer, ...], answer: str, ids: str, late: int) -> Did | None:
    """From an address as :func:`answered` makes it; None where nothing was decided or it makes no sense."""
    mark = next((one.mark for one in answers if one.value == answer), "")
    found = tuple(int(part) for part in ids.split(",")[:DID_IDS] if part.isascii() and part.isdigit() and len(part) < 16)
    return Did(len(found), mark, found, late) if (found or late) and mark else None


def answered(decided: Decided, answer: str, address: str, *, json: bool) -> Response:
    """After a decision: for a script who was late, for a form the list again."""
    if json:
        return JSONResponse({"done": decided.done, "late": [{"id": one.id, "told": one.told} for one in decided.late]})
    told = f"did={answer}&ids={','.join(map(str, decided.done[:DID_IDS]))}&late={len(decided.late)}"
    return RedirectResponse(f"{address}{'&' if '?' in address else '?'}{told}", 303)
