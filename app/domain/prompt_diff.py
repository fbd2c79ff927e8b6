"""What differs between two versions of a prompt, word by word."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Piece:
    """A stretch of text that both versions have, only the new one ("added"), or only the old one ("removed")."""

    kind: Literal["same", "added", "removed"]
    text: str


def word_diff(old: str, new: str) -> tuple[Piece, ...]:
    """How ``old`` becomes ``new``: what is the same and removed makes ``old``, what is the same and added makes ``new``.

    Words, punctuation marks and stretches of white space are never split. Where something is replaced, what was removed
    stands first. No pieces for two empty texts.
    """
    before, after = _TOKEN.findall(old), _TOKEN.findall(new)
    # White space alone is no likeness: without this, two unrelated sentences would be shown as agreeing in every space.
    matcher = SequenceMatcher(str.isspace, before, after)
    found: list[Piece] = []
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            found.append(Piece("same", "".join(before[i1:i2])))
            continue
        if i2 > i1:
            found.append(Piece("removed", "".join(before[i1:i2])))
        if j2 > j1:
            found.append(Piece("added", "".join(after[j1:j2])))
    return tuple(found)
