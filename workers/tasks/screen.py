"""Screening: one photograph's patches, cut, measured and decided up to the first step that a VLM or a person answers."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from app.catalog.screening import MEASURED_AS
from app.domain.screening import StepRule, screen
from app.errors import WeightsMissing
from app.imaging import thumbnail_webp
from app.leasing import Lease
from app.models import Json, Patch, Run, SourceFile
from app.services import screening
from app.services import screening_results as results
from app.services.photograph import THUMBNAIL_SIDE
from app.services.screening_results import Screened
from app.storage import storage
from workers import patches
from workers.patches import Rgb
from workers.screening.measure import measure
from workers.tasks.plan import PlanTask

log = logging.getLogger("ggt.worker")


class PlanScreenTask(PlanTask):
    """Adds the photographs of the next window of a screening run."""

    def save(self, session: Session, lease: Lease, outcome: None) -> None:
        screening.plan_window(session, lease.run_id, lease.payload["after"])


@dataclass(frozen=True)
class Loaded:
    """A photograph with the patches to screen, the rules, and who answers a question about it."""

    file_sha256: str
    patches: list[Patch]
    rules: tuple[StepRule, ...]
    asker: str


class ScreenTask:
    """Screens the patches of one photograph in one category."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        return [self._load(session, lease) for lease in leases]

    def _load(self, session: Session, lease: Lease) -> Loaded:
        params, category = session.get_one(Run, lease.run_id).params, lease.payload["category"]
        file = session.get_one(SourceFile, lease.payload["source_file_id"])
        found = results.taken_up(session, params, lease.payload["source_file_id"], category)
        return Loaded(file.file_sha256, found, screening.rules_of(params, category), results.asker(params, category))

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[list[Screened]]:
        for one in loaded:
            decided = [_decided(one, patch) for patch in one.patches]
            if all(done is not None for done in decided):
                yield [done for done in decided if done is not None]
            else:
                yield [_screened(one, patch, pixels) for patch, pixels in patches.cut(one.file_sha256, one.patches)]

    def save(self, session: Session, lease: Lease, outcome: list[Screened]) -> None:
        results.save_screened(session, lease.run_id, outcome)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        """Nothing to tell beyond the item's error: the patches go on waiting, and the run offers the retry."""


def _decided(one: Loaded, patch: Patch) -> Screened | None:
    """A patch by the numbers of an earlier run; None where pixels are needed, if only for a picture to look at."""
    numbers = results.numbers_of(patch, one.rules)
    if numbers is None:
        return None
    found = {**results.known_of(patch, one.asker), **numbers, "measured": MEASURED_AS}
    outcome = screen(one.rules, found)
    if outcome.to != "out" and not patch.thumbnail_sha256:
        return None
    return Screened(patch.id or 0, found, outcome, patch.thumbnail_sha256)


def _screened(one: Loaded, patch: Patch, pixels: Rgb) -> Screened:
    found: Json = {**results.known_of(patch, one.asker), **_measured(one.rules, patch, pixels), "measured": MEASURED_AS}
    outcome = screen(one.rules, found)
    thumbnail = "" if outcome.to == "out" else storage().put(thumbnail_webp(pixels, THUMBNAIL_SIDE))
    return Screened(patch.id or 0, found, outcome, thumbnail)


def _measured(rules: tuple[StepRule, ...], patch: Patch, pixels: Rgb) -> dict[str, float]:
    artifact, faces, metrics = results.to_measure(rules)
    numbers = measure(pixels, patch.category, artifact=artifact)
    if faces:
        from workers.screening.faces import faces as faces_of

        numbers["faces"] = faces_of(pixels)
    for metric in metrics:
        try:
            [scored] = _engine().score(metric, [pixels])
        except WeightsMissing as error:
            log.warning("%s is left out: %s", metric, error)
            continue
        if scored.value is not None:
            numbers[metric] = round(scored.value, 3)
    return numbers


def _engine() -> Any:
    """The metrics of this process; only a run whose limits name one loads them, and torch with them."""
    from workers.tasks.score import engine

    return engine()
