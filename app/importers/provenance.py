"""What a row, a shard's JSON or an annotation file says of one photograph, in a form that can be kept."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from app.catalog.licences import LICENCES
from app.domain.file_names import readable
from app.domain.licence_names import licence_key, port_note
from app.errors import BadImage
from app.services.photograph import Provenance

MAX_LICENCE, MAX_AUTHOR, MAX_URL, MAX_KEYWORD = 100, 200, 1000, 100
"""Longest texts in characters, as the tables have them; a longer address is refused, since half of one leads nowhere."""
MAX_KEYWORDS = 100


def provenance(told: Mapping[str, Any], *, url: str = "", fetched_at: datetime | None = None) -> Provenance:
    """A photograph's provenance from fields that may be called ``licence`` or ``license``, ``author``, ``author_url``,
    ``keywords`` or ``tags`` (a list, or a text with semicolons). Raises BadImage for an address that is too long."""
    author_url = web_address(told.get("author_url"))
    for address in (url, author_url):
        if len(address) > MAX_URL:
            raise BadImage(f"an address of {len(address)} characters; at most {MAX_URL} are kept")
    licence = text(told.get("licence") or told.get("license"))
    return Provenance(
        licence=_cut(known_licence(licence), MAX_LICENCE),
        author=_cut(text(told.get("author")), MAX_AUTHOR),
        url=url,
        keywords=keywords(told.get("keywords") or told.get("tags") or ()),
        fetched_at=fetched_at,
        author_url=author_url,
        note=_noted(licence),
    )


@lru_cache(maxsize=4096)
def known_licence(written: str) -> str:
    """The catalogue's key for a licence, or the text as it was written. Kept: a data set says the same ones all the time."""
    return licence_key(written, LICENCES)


@lru_cache(maxsize=4096)
def _noted(written: str) -> str:
    return port_note(written, LICENCES)


def text(value: object) -> str:
    """A value as one line; nothing for null and for the not-a-number that tables have for it."""
    if value is None or value != value:  # NaN alone is unlike itself
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(text, value)))
    return readable(" ".join(str(value).split()))


def keywords(value: object) -> tuple[str, ...]:
    """Keywords, each once and in their order, from a list or from a text with semicolons between them."""
    given: Iterable[object] = (
        value.split(";") if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
    )
    each = dict.fromkeys(_cut(text(one), MAX_KEYWORD) for one in given)
    each.pop("", None)
    return tuple(each)[:MAX_KEYWORDS]


def web_address(*candidates: object) -> str:
    """The first of ``candidates`` that is an address on the web, or nothing."""
    return next((t for t in map(text, candidates) if t.lower().startswith(("http://", "https://"))), "")


def moment(value: object) -> datetime | None:
    """A date or a moment in ISO form, taken as UTC where it names no zone. Raises BadImage for anything else."""
    if isinstance(value, date):
        found = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    elif told := text(value):
        try:
            found = datetime.fromisoformat(told)
        except ValueError:
            raise BadImage(f"a date that is not like 2026-03-14: {told[:40]!r}") from None
    else:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _cut(whole: str, length: int) -> str:
    return whole if len(whole) <= length else whole[: length - 1] + "…"
