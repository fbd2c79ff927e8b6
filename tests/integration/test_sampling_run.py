"""From patches to images: a master that is not the patch, a double, or a draw nobody can repeat spoils the dataset."""

import io

import numpy as np
import pytest
from PIL import Image as PilImage
from sqlmodel import col, select

pytest.importorskip("cv2")

from app import job_control
from app.db import reading, unit_of_work
from app.errors import Conflict, GgtError
from app.models import Patch, PatchState, RunState, Stage, WorkItem
from app.services import patch_windows, sampling
from app.storage import storage
from tests.integration.screening_run import good, images, patches, photograph, row, sample, screen, states, take_in
from tests.integration.scripted import claim, drain
from workers import runtime

pytestmark = pytest.mark.usefixtures("database")
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def levelled(high: int, medium: int, low: int, each: int = 4) -> None:
    """Patches that passed with these levels, ``each`` of one photograph."""
    levels = ["high"] * high + ["medium"] * medium + ["low"] * low
    numbers = list(range(len(levels)))
    take_in([photograph(*(good(n) for n in numbers[i : i + each])) for i in range(0, len(levels), each)])
    screen(level="off")
    with unit_of_work() as session:
        for patch, level in zip(session.exec(select(Patch).order_by(col(Patch.id))), levels, strict=True):
            patch.level = level
            session.add(patch)


def counted() -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for patch in patches():
        found[patch.state, patch.level] = found.get((patch.state, patch.level), 0) + 1
    return found


def test_a_draw_by_level_becomes_images_with_the_very_pixels() -> None:
    levelled(4, 8, 8)
    run = sample(most=12)
    assert (run.state, run.failed, run.done) == (RunState.FINISHED, 0, run.total)
    assert counted() == {
        ("retained", "high"): 2, ("retained", "medium"): 4, ("retained", "low"): 6,
        ("not_drawn", "high"): 2, ("not_drawn", "medium"): 4, ("not_drawn", "low"): 2,
    }  # fmt: skip
    assert run.params["taken"] == {"high": 2, "medium": 4, "low": 6}
    made = {image.id: image for image in images()}
    assert len(made) == 12
    for number, patch in enumerate(patches()):
        if patch.state == PatchState.RETAINED:
            image = made[patch.image_id]
            assert (image.stage, image.category, image.source_id) == (Stage.COLLECTED, "general_mixed", patch.source_id)
            assert (image.box_x, image.source_file_id) == (patch.box_x, patch.source_file_id)
            pixels = np.asarray(PilImage.open(io.BytesIO(storage().get(image.master_sha256))))
            assert np.array_equal(pixels, good(number))
            assert storage().get(image.thumbnail_sha256)
        else:
            assert patch.reason == f"not drawn by run {run.id}"


def test_a_larger_draw_adds_and_the_same_one_changes_nothing() -> None:
    levelled(4, 8, 12)
    sample(most=6)
    first = {image.pixel_sha256 for image in images()}
    sample(most=6)
    assert {image.pixel_sha256 for image in images()} == first
    sample(most=18)
    more = {image.pixel_sha256 for image in images()}
    assert first < more
    assert len(more) == 18


@on_sqlite
def test_windows_draw_what_one_look_would_have_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_windows, "WINDOW", 2)
    monkeypatch.setattr(patch_windows, "ROWS", 5)
    levelled(6, 6, 6, each=3)
    run = sample(most=9, per_photo=2, fill=True)
    assert len(images()) == 9 == sum(run.params["taken"].values())
    of_photo: dict[tuple[int, str], int] = {}
    for patch in patches():
        if patch.state == PatchState.RETAINED:
            key = (patch.source_file_id, patch.level)
            of_photo[key] = of_photo.get(key, 0) + 1
    assert max(of_photo.values()) <= 2


def test_a_short_level_ends_the_draw_and_is_told() -> None:
    levelled(1, 6, 6)
    run = sample()
    assert run.params["short"] == "high"
    assert run.params["taken"]["high"] == 1
    assert len(images()) < 10


def test_everything_that_passed_can_be_taken_without_drawing() -> None:
    take_in([photograph(good(1), good(2))], "rain")
    screen("rain", artifact="off")
    with unit_of_work() as session:
        run_id = sampling.start_retaining(session, None, "rain").id or 0
    drain()
    assert states() == ["retained"] * 2
    assert row(run_id).state == RunState.FINISHED
    assert {image.category for image in images()} == {"rain"}


def test_killed_in_the_middle_it_goes_on_and_doubles_nothing() -> None:
    levelled(2, 4, 6, each=2)
    with unit_of_work() as session:
        run_id = sampling.start_sampling(session, None, "general_mixed").id or 0
    for _ in range(2):
        runtime.work_once("cpu")  # the draw, and that there is no second window
    [lost] = claim("cpu", "a machine that hangs")
    task = runtime.task_for("retain")
    with reading() as session:
        [late] = task.compute(task.load(session, [lost]))
    with unit_of_work() as session:
        job_control.release_expired(session, owner_prefix="a machine")
    drain()
    before = [(image.id, image.pixel_sha256) for image in images()]
    runtime._save(task, lost, late, 0.1)
    assert [(image.id, image.pixel_sha256) for image in images()] == before
    assert len(before) == 12
    assert states() == ["retained"] * 12
    with unit_of_work() as session:
        sampling.plan_window(session, run_id, 0, None)
    assert row(run_id).total == len(items(run_id)), "planning a window twice adds nothing"


def items(run_id: int) -> list[WorkItem]:
    with reading() as session:
        return list(session.exec(select(WorkItem).where(col(WorkItem.run_id) == run_id)))


def test_a_patch_that_a_person_puts_out_meanwhile_becomes_no_image() -> None:
    levelled(2, 4, 6)
    with unit_of_work() as session:
        sampling.start_sampling(session, None, "general_mixed")
    runtime.work_once("cpu")
    with unit_of_work() as session:
        patch = session.exec(select(Patch).where(col(Patch.state) == PatchState.PASSED)).first()
        assert patch is not None
        patch.state, gone = PatchState.OUT, patch.id
        session.add(patch)
    drain()
    assert {p.id: p.state for p in patches()}[gone] == "out"
    assert len(images()) == 11


@on_sqlite
def test_a_photograph_ingested_as_images_before_is_not_doubled() -> None:
    levelled(0, 0, 1)
    sample(ratio={"high": 0, "medium": 0, "low": 1})
    with unit_of_work() as session:
        patch = session.exec(select(Patch)).one()
        patch.state, patch.image_id = PatchState.PASSED, None
        session.add(patch)
    sample(ratio={"high": 0, "medium": 0, "low": 1})
    assert len(images()) == 1
    assert (states(), patches()[0].image_id) == (["retained"], images()[0].id)


@on_sqlite
def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(GgtError, match="No patch of General mixed has passed"), unit_of_work() as session:
        sampling.start_sampling(session, None, "general_mixed")
    with pytest.raises(GgtError, match="no category 'fog'"), unit_of_work() as session:
        sampling.start_retaining(session, None, "fog")
    levelled(1, 1, 1)
    with unit_of_work() as session:
        sampling.start_sampling(session, None, "general_mixed")
    with pytest.raises(Conflict, match="Run 3 draws from General mixed"), unit_of_work() as session:
        sampling.start_sampling(session, None, "general_mixed")
