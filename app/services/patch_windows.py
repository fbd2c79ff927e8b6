"""Patches in windows of photographs: no transaction grows with the collection, and each photograph is decoded once."""

from sqlalchemy import ColumnElement, select
from sqlmodel import Session, col

from app.models import Patch

WINDOW = 200
"""Photographs of one window."""
ROWS = 2_000
"""Patches that are looked through for them."""


def photographs(session: Session, wanted: ColumnElement[bool], after: int) -> tuple[list[tuple[int, str]], int]:
    """The photographs, with the category, of the next patches that are ``wanted`` and have ids above ``after``.

    Also the id of the last patch looked at; the window after it may name the last photograph once more. The walk follows
    the primary key, since the patches of a photograph lie side by side there, whatever else an index offers; it therefore
    passes each patch once, however many windows there are.
    """
    rows = session.execute(
        select(col(Patch.id), col(Patch.source_file_id), col(Patch.category))
        .where(col(Patch.id) > after, wanted)
        .order_by(col(Patch.id))
        .limit(ROWS)
    ).all()
    found: dict[tuple[int, str], None] = {}
    last = after
    for patch_id, file_id, category in rows:
        if len(found) == WINDOW and (file_id, category) not in found:
            break
        found[file_id, category] = None
        last = patch_id
    return list(found), last
