"""Clean photographs, sets made of them, and evaluations, in this process."""

import numpy as np
from sqlmodel import col, select

from app.db import reading, unit_of_work
from app.models import Image, ImageSetItem, Run, Score, SourceFile
from app.services import image_sets, ingest, ingest_report, planning
from app.services.ingest import SourceInput
from app.services.options import PipelineOptions
from app.services.photograph import how, prepare
from tests import factories
from tests.integration.photographs import png
from tests.integration.screening_run import good
from tests.integration.scripted import drain

SIDE = 128


def clean_photographs(count: int, source: str = "clean") -> int:
    """Take in clean photographs. Returns the id of their source."""
    with unit_of_work() as session:
        told = SourceInput(source, "CC0-1.0", kind="dataset", held_out=True)
        run = ingest.start_ingest(
            session, user_id=None, category="general_mixed", source=told, title="test", then="clean"
        )  # fmt: skip
        run_id, way, source_id = run.id or 0, how(run.params), run.params["source_id"]
    for number in range(count):
        prepared = prepare(png(good(number)), f"{source}-{number}.png", way)
        with unit_of_work() as session:
            assert ingest.save(session, run_id, prepared).status == "added"
    with unit_of_work() as session:
        ingest_report.finish_ingest(session, run_id)
    return int(source_id)


def fidelity(source_id: int, number: int, *, name: str = "fidelity", seed: int = 0, frozen: bool = True) -> int:
    """A set of degraded images, made to the end."""
    with unit_of_work() as session:
        made, _ = image_sets.start_fidelity(session, name, source_id, number, seed=seed, scale=1, user_id=None)
        set_id = made.id or 0
    drain()
    if frozen:
        freeze(set_id)
    return set_id


def perceptual(category: str = "rain", number: int = 3, *, name: str = "perceptual") -> int:
    """A frozen set of real LQ images."""
    with unit_of_work() as session:
        source = factories.make_source(session, name="street")
        for _ in range(number):
            factories.make_image(session, source=source, category=category, side=128)
    with unit_of_work() as session:
        made = image_sets.draw_perceptual(session, name, {category: number}, seed=0, user_id=None)
        set_id = made.id or 0
    freeze(set_id)
    return set_id


def freeze(set_id: int) -> None:
    with unit_of_work() as session:
        image_sets.freeze(session, set_id, factories.make_user(session, name=f"Ada {set_id}"))


def evaluate(
    *set_ids: int, judge: str = "local-measure", also: tuple[tuple[str, str], ...] = (("local-nlm", "none"),)
) -> Run:
    """Evaluate settings on sets, to the end."""
    with unit_of_work() as session:
        options = PipelineOptions(set_ids=set_ids, also=also, compare=False, judge=judge, judge_compared=bool(judge))
        run_id = planning.start_pipeline(session, options, user_id=None, title="Evaluate").id or 0
    drain()
    with reading() as session:
        return session.get_one(Run, run_id)


def members(set_id: int) -> list[Image]:
    with reading() as session:
        return image_sets.members(session, set_id)


def positions(set_id: int) -> list[int]:
    with reading() as session:
        query = select(ImageSetItem.position).where(col(ImageSetItem.set_id) == set_id)
        return sorted(session.exec(query))


def scores() -> list[Score]:
    with reading() as session:
        return list(session.exec(select(Score).order_by(col(Score.id))))


def source_files() -> list[SourceFile]:
    with reading() as session:
        return list(session.exec(select(SourceFile).order_by(col(SourceFile.id))))


def pixels(sha256: str) -> np.ndarray:
    from app.imaging import Limits, decode
    from app.storage import storage

    return decode(storage().get(sha256), Limits(min_side=1)).pixels
