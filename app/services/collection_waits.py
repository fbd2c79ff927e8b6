"""What waits in the collection before there are images: looks, patches to decide on, patches to screen and to draw."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlmodel import SQLModel, col

from app.models import Look, Patch, PatchState, SourceFile
from app.services.looks import look_is

COUNT_CAP = 10_000


@dataclass(frozen=True)
class CollectionWaits:
    """Photographs that wait for a look; patches that are flagged, to be graded, to be screened, and that may be drawn.

    Each is counted up to ``COUNT_CAP + 1``.
    """

    looks: int = 0
    flagged: int = 0
    grading: int = 0
    waiting: int = 0
    passed: int = 0

    @classmethod
    def of(cls, numbers: Mapping[str, int]) -> "CollectionWaits":
        """From the rows of :func:`counted`."""
        return cls(**{name: numbers.get(name, 0) for name in cls.__dataclass_fields__})

    @property
    def people(self) -> int:
        """What waits for a person."""
        return self.looks + self.flagged + self.grading

    def __bool__(self) -> bool:
        return bool(self.people or self.waiting or self.passed)


NOTHING_WAITS = CollectionWaits()


def counted() -> list[Select[Any]]:
    """Statements that give a name and a number each, to be put together with others; they read indexes alone."""

    def number(name: str, table: type[SQLModel], condition: ColumnElement[bool]) -> Select[Any]:
        some = select(literal(1)).select_from(table).where(condition).limit(COUNT_CAP + 1).subquery()
        found: Any = select(literal(name), func.count()).select_from(some)
        return found  # type: ignore[no-any-return]

    states = (PatchState.FLAGGED, PatchState.GRADING, PatchState.WAITING, PatchState.PASSED)
    patches = [number(state.value, Patch, col(Patch.state) == state) for state in states]
    return [number("looks", SourceFile, look_is(Look.WAITING)), *patches]
