"""Photographs whose patches are to be screened, and runs over them, in this process."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import col, select

from app.db import reading, unit_of_work
from app.domain.sampling import DrawRule
from app.models import Image, Patch, Run, SourceFile
from app.services import ingest, ingest_report, sampling, screening
from app.services.ingest import SourceInput
from app.services.photograph import Then, how, prepare
from app.services.screening import Choice, ScreenOptions
from tests import factories
from tests.integration.photographs import png
from tests.integration.scripted import drain

Pixels = NDArray[np.uint8]
SIDE = 128
"""Side of a patch in these tests: as an ingest may choose, and quick to measure."""


def good(number: int) -> Pixels:
    """A patch that shows much: rectangles with sharp edges, (128, 128, 3)."""
    luck = np.random.default_rng(number)
    pixels = np.full((SIDE, SIDE, 3), luck.integers(60, 200, 3), np.uint8)
    for _ in range(60):
        (y, x), (height, width) = luck.integers(0, SIDE - 8, 2), luck.integers(7, 45, 2)
        pixels[y : y + height, x : x + width] = luck.integers(0, 256, 3)
    return pixels


def blank(number: int) -> Pixels:
    """A patch that shows nothing: a slope of light."""
    ramp = np.linspace(120, 160, SIDE)[:, None, None] * np.ones((1, SIDE, 3))
    return np.asarray(ramp + number % 7, np.uint8)


def photograph(*patches: Pixels) -> Pixels:
    """One photograph of patches side by side."""
    return np.concatenate(patches, axis=1)


def take_in(
    photographs: Sequence[Pixels], category: str = "general_mixed", then: Then = "screen", source: str = "archive"
) -> list[int]:
    """Ingest photographs whose patches are screened. Returns the ids of their source files."""
    with unit_of_work() as session:
        run = ingest.start_ingest(
            session, user_id=None, category=category, source=SourceInput(source, "CC0-1.0"), title="test", then=then,
            policy={"patch": SIDE},
        )  # fmt: skip
        run_id, way = run.id or 0, how(run.params)
    for number, pixels in enumerate(photographs):
        prepared = prepare(png(pixels), f"{source}-{number}.png", way)
        with unit_of_work() as session:
            outcome = ingest.save(session, run_id, prepared, keep_near_duplicates=True)
            assert outcome.status == "added", outcome
    with unit_of_work() as session:
        ingest_report.finish_ingest(session, run_id)
    with reading() as session:
        files = session.exec(select(SourceFile).order_by(col(SourceFile.id))).all()
        return [file.id or 0 for file in files[-len(photographs) :]]


def start(category: str | None = "general_mixed", confirmed: int = 10**9, again: bool = False, **choices: Any) -> int:
    """Start a screening. A choice is who answers a step, or a Choice."""
    made = {step: choice if isinstance(choice, Choice) else Choice(choice) for step, choice in choices.items()}
    with unit_of_work() as session:
        options = ScreenOptions(category=category, choices=made, again=again)
        return screening.start_screening(session, None, options, confirmed=confirmed).id or 0


def screen(category: str | None = "general_mixed", again: bool = False, **choices: Any) -> Run:
    """Screen what waits to the end."""
    run_id = start(category, again=again, **choices)
    drain()
    return row(run_id)


def sample(category: str = "general_mixed", **rule: Any) -> Run:
    """Draw to the end."""
    with unit_of_work() as session:
        run_id = sampling.start_sampling(session, None, category, DrawRule(**rule)).id or 0
    drain()
    return row(run_id)


def row(run_id: int) -> Run:
    with reading() as session:
        return session.get_one(Run, run_id)


def patches() -> list[Patch]:
    with reading() as session:
        return list(session.exec(select(Patch).order_by(col(Patch.id))))


def states() -> list[str]:
    return [patch.state for patch in patches()]


def images() -> list[Image]:
    with reading() as session:
        return list(session.exec(select(Image).order_by(col(Image.id))))


def user(name: str = "Ada") -> int:
    with unit_of_work() as session:
        return factories.make_user(session, name=name)
