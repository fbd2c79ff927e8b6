"""Names of files as people and their tools wrote them: told, stored and compared, never used as paths."""

from pathlib import PurePosixPath

LITTER = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin"})
"""What systems put beside photographs, in lower case. Names that begin with a dot are hidden as well."""


def readable(text: str) -> str:
    """A text that can be stored and printed: what is not UTF-8, NUL and other control characters are escaped."""
    whole = text.encode("utf-8", "backslashreplace").decode()
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in whole)


def from_bytes(name: bytes) -> str:
    """A name as an old archive or disk holds it, its bytes that are not UTF-8 escaped."""
    return readable(name.decode("utf-8", "backslashreplace"))


def is_litter(name: str) -> bool:
    """Whether a file is hidden, or metadata of a system: no person would miss it in a report."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return any(part.lower() in LITTER or (part.startswith(".") and part not in (".", "..")) for part in parts)
