"""The prompts that VLMs, or people in their place, wrote for one image."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.catalog.vlms import VLMS
from app.config import settings
from app.services import prompts
from app.services.prompts import WrittenRow


@dataclass(frozen=True)
class VlmPrompts:
    """What one VLM's strategy sends for an image.

    ``meta_version`` and ``stand_in`` say for which meta-prompt, and for which answerer, a generation from now on looks.
    ``newest`` is shown; it is ``used`` when it is what that generation finds. Else the VLM is asked, unless a person writes
    one. ``older`` are all others.
    """

    vlm: str
    title: str
    meta_version: int
    stand_in: bool
    newest: WrittenRow | None
    used: bool
    older: tuple[WrittenRow, ...]

    @property
    def edition(self) -> int:
        """The edition in use, 0 for none."""
        return self.newest.edition if self.newest is not None and self.used else 0


def image_prompts(session: Session, image_id: int, meta_version: int) -> tuple[VlmPrompts, ...]:
    """For every VLM, what was written for the image. One statement."""
    rows = prompts.written_for(session, image_id)
    return tuple(
        of_vlm(key, [row for row in rows if row.vlm == key], meta_version, settings().stand_in(vlm.provider))
        for key, vlm in VLMS.items()
    )


def of_vlm(vlm: str, rows: Sequence[WrittenRow], meta_version: int, stand_in: bool) -> VlmPrompts:
    """``rows`` of one VLM, newest first, with the one in use at the front."""

    def in_use(row: WrittenRow) -> bool:
        return (row.meta_version, row.stand_in) == (meta_version, stand_in)

    ordered = sorted(rows, key=lambda row: not in_use(row))  # a stable sort: otherwise newest first, as they came
    newest = ordered[0] if ordered else None
    used = newest is not None and in_use(newest)
    return VlmPrompts(vlm, VLMS[vlm].title, meta_version, stand_in, newest, used, tuple(ordered[1:]))
