"""Reads the JSON in a language model's reply, however carelessly it was written, and says when it was cut off.

Taken beyond JSON: text around it, missing outer braces, missing and trailing commas, comments, code fences, single and
typographic quotes, line breaks and unescaped quotes inside strings, unquoted keys. Nothing is made up for what is not
there: a string or an inner object that does not end is an error, and so is a number that the reply ends on (140 cut to 14).
Linear in the length of the reply, and bounded in depth and in the number of steps.
"""

import json
import re
from dataclasses import dataclass

MAX_DEPTH = 16
MAX_STEPS = 20_000
"""Members, pieces of junk and quotes one reply may hold: a verdict has about fifteen, so more is garbage."""


class Bare(str):
    """A value without quotes as it was written: a number, a literal, or words."""

    __slots__ = ()


class Members(list[tuple[str, "Value"]]):
    """An object's members in their order, with every duplicate; an object that has no key stands under ``""``."""


Value = str | Bare | Members | list["Value"] | bool | None


@dataclass(frozen=True)
class Reading:
    """What a reply holds: one ``Members`` for each outer object, and one for all members outside any.

    ``unclosed`` says that the last outer object has no closing brace; everything inside it is closed.
    """

    objects: list[Members]
    unclosed: bool


class BrokenJson(ValueError):
    """The reply was cut off, or is no text that a verdict could be read from; the message says which."""


_QUOTES = "\"'“”„‘’"
_KEY = rf"[{_QUOTES}]([^{_QUOTES}{{}}\\\n]{{1,80}})[{_QUOTES}]\s*:"
_BARE_KEY = r"([A-Za-z_][\w \-]{0,60}):"
_COMMENT = r"//[^\n]*|/\*.*?(?:\*/|\Z)|#[^\n]*"

_START = re.compile(rf"{_KEY}|\{{")
_QUOTED_KEY = re.compile(_KEY)
_ANY_KEY = re.compile(rf"{_KEY}|{_BARE_KEY}")
_SPACE = re.compile(rf"(?:\s++|{_COMMENT}|```\w*)*+", re.DOTALL)
_BETWEEN = re.compile(rf"(?:[\s,]++|{_COMMENT}|```\w*)*+", re.DOTALL)
_BARE = re.compile(rf"(?:[^,{{}}\[\]\n{_QUOTES}/#`]++|/(?![/*]))*+")
_JUNK = re.compile(rf"[^,{{}}\[\]\n{_QUOTES}/#`]+|.", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}

# A quote ends its string only where JSON could go on after it: models forget to escape quotes inside their reasons. The
# decision stands in the outermost object, where prose may follow it on the next line.
_GOES_ON = rf"\s*(?:[}}\]]|\Z|//|/\*|```|{_KEY}|,\s*(?:{_KEY}|\w+\s*:|[}}\]]|\Z|//|/\*|#|```))"
_ENDS_INNER = re.compile(_GOES_ON)
_ENDS_OUTER = re.compile(rf"{_GOES_ON}|[ \t]*[.,;]?[ \t\r]*(?:\n|\Z)")
_ENDS_ITEM = re.compile(rf"\s*(?:[,\]}}{_QUOTES}]|\Z|//|/\*)")

_CLOSERS = {'"': '"', "'": "'", **dict.fromkeys("“”„", '“”„"'), **dict.fromkeys("‘’", "‘’'")}
_TO_QUOTE = {c: re.compile(rf"(?:[^\\{c}]++|\\.)*+", re.DOTALL) for c in set(_CLOSERS.values())}


def read_json(text: str) -> Reading:
    """All objects in ``text``; none is an empty reading.

    Raises :class:`BrokenJson` where the text is cut off, nested more than :data:`MAX_DEPTH` deep or has too many parts.
    """
    strict = _strict(text)
    return strict if strict is not None else _Reader(text).read()


def _strict(text: str) -> Reading | None:
    """The one object between the first and the last brace, if that is JSON and no member stands outside it."""
    start, end = text.find("{"), text.rfind("}") + 1
    if start < 0 or _QUOTED_KEY.search(text, 0, start) or _QUOTED_KEY.search(text, end):
        return None
    try:
        found = json.loads(text[start:end], object_pairs_hook=Members, parse_int=Bare, parse_float=Bare, parse_constant=Bare)
    except (ValueError, RecursionError):
        return None
    return Reading([found], unclosed=False)


class _Reader:
    """Reads one text from left to right; ``at`` is the position of the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.steps = 0
        self.unclosed = False

    def read(self) -> Reading:
        objects, loose = [], Members()
        while (found := _START.search(self.text, self.at)) is not None:
            self.at = found.end()
            if found[1] is None:
                objects.append(self._object(1, outer=True))
            else:
                loose.append((found[1], self._value(1, _ENDS_OUTER)))
        return Reading([*objects, loose] if loose else objects, self.unclosed)

    def _step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise BrokenJson(f"more than {MAX_STEPS} parts, which is no verdict")

    def _cut(self) -> BrokenJson:
        return BrokenJson(f"truncated after {self.text[-30:]!r}")

    def _object(self, depth: int, outer: bool = False) -> Members:
        """Members up to and with the closing brace; the opening one has been read."""
        if depth > MAX_DEPTH:
            raise BrokenJson(f"nested more than {MAX_DEPTH} deep")
        members = Members()
        ends = _ENDS_OUTER if outer else _ENDS_INNER
        while True:
            self._step()
            self._skip(_BETWEEN)
            here = self.text[self.at : self.at + 1]
            if here == "}":
                self.at += 1
                return members
            if not here:
                if not outer:
                    raise self._cut()
                self.unclosed = True
                return members
            if (key := _ANY_KEY.match(self.text, self.at)) is not None:
                self.at = key.end()
                members.append(((key[1] or key[2]).strip(), self._value(depth + 1, ends)))
            elif here in "{[" or here in _QUOTES:
                members.append(("", self._value(depth + 1, ends)))
            else:
                self._junk(members)

    def _junk(self, members: Members) -> None:
        """Skip what is no member, and put it to the value before it: of ``85,5`` or ``85, no: 90`` nobody may read 85."""
        junk = self._skip(_JUNK)
        if members and isinstance(before := members[-1][1], Bare) and len(before) < 100:
            members[-1] = (members[-1][0], Bare(f"{before}, {junk[:30]}"))

    def _list(self, depth: int) -> list[Value]:
        if depth > MAX_DEPTH:
            raise BrokenJson(f"nested more than {MAX_DEPTH} deep")
        values: list[Value] = []
        while True:
            self._step()
            self._skip(_BETWEEN)
            here = self.text[self.at : self.at + 1]
            if not here:
                raise self._cut()
            if here in "]}":  # a brace here closes the object around a list that was never closed
                self.at += here == "]"
                return values
            values.append(self._value(depth + 1, _ENDS_ITEM))

    def _value(self, depth: int, ends: re.Pattern[str]) -> Value:
        """The value at this position; ``ends`` is what may follow a string's last quote."""
        self._step()
        self._skip(_SPACE)
        here = self.text[self.at : self.at + 1]
        if not here:
            raise self._cut()
        if here in _QUOTES:
            return self._string(ends)
        if here in "{[":
            self.at += 1
            return self._object(depth) if here == "{" else self._list(depth)
        words = self._skip(_BARE)
        if self.at == len(self.text):
            raise self._cut()
        if self.text[self.at] in _QUOTES and not _QUOTED_KEY.match(self.text, self.at):
            words += self._skip(_JUNK)  # such as 85 "of 100": not a number, and not to be read as one
        elif not words and self.text[self.at] in "/`#":
            words = self._skip(_JUNK)
        return Bare(words.strip())

    def _string(self, ends: re.Pattern[str]) -> str:
        to_quote = _TO_QUOTE[_CLOSERS[self.text[self.at]]]
        start = self.at + 1
        while True:
            self._step()
            found = to_quote.match(self.text, self.at + 1)
            if found is None or found.end() >= len(self.text) or self.text[found.end()] == "\\":
                raise self._cut()
            self.at = found.end()
            if ends.match(self.text, self.at + 1):
                self.at += 1
                return _ESCAPE.sub(_unescaped, self.text[start : self.at - 1])

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]


def _unescaped(escape: re.Match[str]) -> str:
    return chr(int(escape[1], 16)) if escape[1] else _ESCAPED.get(escape[2], escape[2])
