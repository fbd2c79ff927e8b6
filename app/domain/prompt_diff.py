"""What differs between two versions of a prompt, word by word."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_TOKEN = re.compile(r"\w+\s*|[^\w\s]\s*|\s+")
"""A word or a mark with the white space behind it. White space must be no token of its own: unrelated sentences would agree
in every space, and texts that repeat a word would take minutes."""

Kind = Literal["same", "added", "removed"]


@dataclass(frozen=True)
class Piece:
    """A stretch of text that both versions have, only the new one ("added"), or only the old one ("removed")."""

    kind: Kind
    text: str


def word_diff(old: str, new: str) -> tuple[Piece, ...]:
    """How ``old`` becomes ``new``: what is the same and removed makes ``old``, what is the same and added makes ``new``.

    No word is ever split. Where something is replaced, what was removed stands first. No pieces for two empty texts.
    """
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    found: list[Piece] = []

    def add(kind: Kind, text: str) -> None:
        if text and found and found[-1].kind == kind:
            found[-1] = Piece(kind, found[-1].text + text)
        elif text:
            found.append(Piece(kind, text))

    matcher = SequenceMatcher(None, [t.rstrip() for t in before], [t.rstrip() for t in after])
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind != "equal":
            add("removed", "".join(before[i1:i2]))
            add("added", "".join(after[j1:j2]))
            continue
        for one, other in zip(before[i1:i2], after[j1:j2], strict=True):
            if one == other:
                add("same", one)
            else:  # the same word before other white space
                add("same", one.rstrip())
                add("removed", one[len(one.rstrip()) :])
                add("added", other[len(one.rstrip()) :])
    return tuple(found)
