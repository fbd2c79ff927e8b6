"""Every prompt in use at a glance: kind by category, with who made the version and how it begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from app.catalog.categories import CATEGORIES
from app.catalog.prompt_texts import PROMPTS
from app.models import PromptVersion, User
from app.services import prompts

OPENING = 70
"""Characters of a prompt that are shown where there is no room for all of it."""


@dataclass(frozen=True)
class Cell:
    """One prompt. ``by`` made the version in use, at ``at`` (None: it is the catalogue's); ``versions`` counts all."""

    kind: str
    category: str
    version: int
    by: str
    at: datetime | None
    opening: str
    versions: int


def matrix(session: Session) -> Mapping[str, tuple[Cell, ...]]:
    """By kind, a cell for each category, in the catalogue's order. Two statements."""
    rows = session.execute(
        select(
            col(PromptVersion.kind), col(PromptVersion.category), col(PromptVersion.version), col(PromptVersion.source),
            col(PromptVersion.created_at), col(User.name),
        ).outerjoin(User, col(User.id) == col(PromptVersion.created_by))
    ).all()  # fmt: skip
    made = {(kind, category, number): (source, at, name) for kind, category, number, source, at, name in rows}
    used = prompts.in_use(session)

    def cell(kind: str, category: str) -> Cell:
        now = used[kind, category]
        source, at, name = made.get((kind, category, now.version), (PROMPTS[kind, category].source, None, None))
        stored = sum(key[:2] == (kind, category) for key in made)
        by = name or prompts.made_by(source)
        return Cell(kind, category, now.version, by, at, opening(now.system or now.user), max(1, stored))

    return {kind: tuple(cell(kind, category) for category in CATEGORIES) for kind in prompts.KINDS}


def opening(text: str) -> str:
    """The first words of a text, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= OPENING else flat[:OPENING].rsplit(" ", 1)[0] + "\u00a0…"
