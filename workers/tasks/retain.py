"""Retaining: the draw and its windows, and the masters of one photograph's patches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.domain.patching import Box
from app.domain.sampling import Draw
from app.leasing import Lease
from app.models import Patch, SourceFile
from app.services import sampling
from app.services.photograph import Cut, stored
from app.services.sampling import ToDraw
from workers import patches


class PlanRetainTask:
    """Draws, at a run's first window, and adds the photographs of the next one."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[ToDraw | None]:
        return [sampling.to_draw(session, lease.run_id) for lease in leases]

    def compute(self, loaded: Sequence[ToDraw | None]) -> Iterator[Draw | None]:
        yield from map(sampling.drawing, loaded)

    def save(self, session: Session, lease: Lease, outcome: Draw | None) -> None:
        sampling.plan_window(session, lease.run_id, lease.payload["after"], outcome)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        """Nothing to tell beyond the item's error: the run shows it and offers the retry."""


@dataclass(frozen=True)
class Loaded:
    """A photograph with the patches of it that become images."""

    file_sha256: str
    patches: list[Patch]


class RetainTask:
    """Cuts and stores the drawn patches of one photograph."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        return [
            Loaded(
                session.get_one(SourceFile, lease.payload["source_file_id"]).file_sha256,
                sampling.to_cut(session, lease.payload["patch_ids"]),
            )
            for lease in leases
        ]

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[Mapping[int, Cut]]:
        for one in loaded:
            found = patches.cut(one.file_sha256, one.patches) if one.patches else ()
            yield {
                patch.id or 0: stored(Box(patch.box_x, patch.box_y, patch.box_width, patch.box_height), pixels)
                for patch, pixels in found
            }

    def save(self, session: Session, lease: Lease, outcome: Mapping[int, Cut]) -> None:
        sampling.retained(session, outcome)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        """Nothing to tell beyond the item's error: the patches stay as they are, and the run offers the retry."""
