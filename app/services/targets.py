"""How many pairs of each category are wanted. The paper's numbers hold until somebody sets others."""

from collections.abc import Mapping

from sqlmodel import Session

from app.catalog.categories import CATEGORIES
from app.catalog.targets import TARGETS
from app.errors import GgtError
from app.models import Setting, utcnow
from app.services import events

KEY = "targets"
MOST = 10_000_000


def current(session: Session) -> dict[str, int]:
    """Pairs wanted, by category."""
    row = session.get(Setting, KEY)
    return {**TARGETS, **(row.value if row else {})}


def change(session: Session, user_id: int, wanted: Mapping[str, int]) -> dict[str, int]:
    """Set the targets of some categories. Raises GgtError for an unknown category or a number that cannot be."""
    for category, number in wanted.items():
        if category not in CATEGORIES:
            raise GgtError(f"There is no category {category!r}; choose from {', '.join(CATEGORIES)}.")
        if not 0 <= number <= MOST:
            raise GgtError(f"A target is a number from 0 to {MOST:,}, not {number:,} ({CATEGORIES[category].title}).")
    before = current(session)
    after = {**before, **wanted}
    if after == before:
        return before
    row = session.get(Setting, KEY) or Setting(key=KEY)
    row.value, row.changed_by, row.changed_at = after, user_id, utcnow()
    session.add(row)
    why = ", ".join(f"{CATEGORIES[key].title} {after[key]:,}" for key in after if after[key] != before[key])
    events.record(session, user_id, "targets.changed", "setting:targets", why, {"before": before, "after": after})
    return after
