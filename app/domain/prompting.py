"""Putting prompts together: within a model's length, and with what a judge found wrong (Fig. C.2)."""

import re

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
LONGEST_REASON = 300
"""Characters of a judge's reason that go into a strengthened prompt."""


def fit_prompt(text: str, limit: int | None, appended: tuple[str, ...] = ()) -> tuple[str, bool]:
    """``text`` with ``appended`` behind it, at most ``limit`` characters; and whether something of ``text`` was cut.

    What is appended is always kept whole; ``text`` loses whole sentences from its end, or words where even the first
    sentence is too long. Raises ValueError when the appended part alone is too long.
    """
    tail = " ".join(part.strip() for part in appended if part.strip())
    text = text.strip()
    whole = f"{text} {tail}".strip()
    if limit is None or len(whole) <= limit:
        return whole, False
    if len(tail) > limit:
        raise ValueError(f"the instructions have {len(tail)} characters, the model takes {limit}")
    room, kept = limit - len(tail) - (1 if tail else 0), ""
    if room <= 0:
        return tail, True
    for sentence in _SENTENCE_END.split(text):
        longer = f"{kept} {sentence}".strip()
        if len(longer) > room:
            break
        kept = longer
    if not kept:
        kept = text[:room].rsplit(" ", 1)[0].strip() or text[:room]
    return f"{kept} {tail}".strip(), True


def one_line(reason: str) -> str:
    """A judge's reason as part of an instruction: on one line, without markup, cut at a word."""
    flat = re.sub(r"[\s*_`#]+", " ", reason).strip()
    if len(flat) <= LONGEST_REASON:
        return flat
    return flat[:LONGEST_REASON].rsplit(" ", 1)[0].rstrip(",;:") + " ..."


def clean_reply(reply: str) -> str:
    """A VLM's prompt without what it sometimes puts around it: code fences, quotation marks, a label."""
    text = reply.strip()
    fenced = re.fullmatch(r"```[a-zA-Z]*\n(.*?)\n?```", text, re.DOTALL)
    text = fenced.group(1).strip() if fenced else text
    text = _LABEL.sub("", text)
    quoted = len(text) > 2 and (text[0], text[-1]) in _QUOTES and not {text[0], text[-1]} & set(text[1:-1])
    # A single one may be an apostrophe: around a prompt it closes behind the end of a sentence.
    if quoted and (text[0] != "'" or text[-2] in ".!?"):
        text = text[1:-1].strip()
    return _LABEL.sub("", text)


_LABEL = re.compile(r"^(?:restoration |english )*prompt\s*:\s*", re.IGNORECASE)
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"))
