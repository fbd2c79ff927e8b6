"""The append-only record of what people did, or what was done in their name."""

from sqlalchemy import insert
from sqlmodel import Session

from app.models import Event, Json, table_of, utcnow

_ADD = insert(table_of(Event))


def record(
    session: Session, user_id: int | None, action: str, subject: str, why: str = "", details: Json | None = None
) -> None:
    """Add one event in the caller's unit of work, so that it is kept exactly when the change is.

    ``action`` is ``<noun>.<past participle>`` ("invitation.created"), ``subject`` ``<kind>:<id>`` ("image:12");
    ``user_id`` is None where nobody is signed in.
    """
    row = {
        "at": utcnow(), "user_id": user_id, "action": action, "subject": subject, "why": why[:500],
        "details": details or {},
    }  # fmt: skip
    session.execute(_ADD, row)
