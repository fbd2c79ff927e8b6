"""Screening by measurement: if it breaks, blank patches are restored for money, or photographs are lost without a reason."""

import numpy as np
import pytest
from sqlmodel import col, select

pytest.importorskip("cv2")

from app import job_control
from app.catalog.screening import STEPS
from app.config import settings
from app.db import reading, unit_of_work
from app.errors import GgtError, NotFound
from app.imaging import decode
from app.models import PatchState, Run, RunState, SourceFile, WorkItem
from app.services import patch_windows, screening
from app.services.screening import Choice, ScreenOptions
from app.storage import storage
from tests.integration.screening_run import blank, good, patches, photograph, row, screen, start, states, take_in
from tests.integration.scripted import ScriptedEngine, claim, drain
from workers import patches as cutting
from workers import runtime
from workers.tasks import score

pytestmark = pytest.mark.usefixtures("database")
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def items(run_id: int, kind: str = "screen") -> list[WorkItem]:
    with reading() as session:
        query = select(WorkItem).where(col(WorkItem.run_id) == run_id, col(WorkItem.kind) == kind)
        return list(session.exec(query.order_by(col(WorkItem.id))))


def test_patches_that_show_nothing_go_with_a_reason_and_the_others_pass_with_a_level() -> None:
    take_in([photograph(good(1), blank(1), good(2)), photograph(blank(2), blank(3))])
    run = screen()
    assert (run.state, run.failed, run.done) == (RunState.FINISHED, 0, run.total)
    assert states() == ["passed", "out", "passed", "out", "out"]
    kept, gone, *_ = patches()
    assert (gone.step, gone.level, gone.thumbnail_sha256) == ("content", "", "")
    assert gone.reason.startswith("structure 0 is below 0.1")
    assert kept.level in ("high", "medium", "low")
    assert kept.measures["structure"] > 0.5
    assert kept.measures["run"] == run.id
    picture = decode(storage().get(kept.thumbnail_sha256)).pixels
    assert picture.shape == (128, 128, 3)
    assert [len(items(run.id or 0)), len(items(run.id or 0, "plan_screen"))] == [2, 2], "each photograph decoded once"
    with reading() as session:
        [counts] = screening.screening_counts(session)
    content = next(step for step in counts.steps if step.step == "content")
    assert (content.before, content.out, content.after) == (5, 3, 2)
    assert sum(counts.levels.values()) == 2
    assert counts.levels[kept.level] >= 1
    assert counts.steps[list(STEPS).index("sampling")].waiting == 2


def test_what_is_measured_are_the_pixels_of_the_box_after_the_reduction() -> None:
    """Rain photographs are reduced before they are cut; the measured and the stored patch must be the same one."""
    rng = np.random.default_rng(1)
    large = np.asarray(rng.integers(0, 255, (512, 900, 3)), np.uint8)
    take_in([large], "rain")
    found = patches()
    assert (found[0].resized_width, found[0].resized_height) == (225, 128)
    with reading() as session:
        [file] = session.exec(select(SourceFile)).all()
    together = [pixels for _, pixels in cutting.cut(file.file_sha256, found)]
    alone = [cutting.cut_one(file.file_sha256, patch) for patch in found]
    assert [p.shape for p in together] == [(128, 128, 3)] * len(found)
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))


@on_sqlite
def test_screening_again_changes_nothing_and_another_threshold_decides_anew_without_decoding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take_in([photograph(good(1), blank(1), good(2))])
    screen()
    before = [(p.state, p.step, p.reason, p.level, p.measures["structure"]) for p in patches()]
    assert screen().total == 1, "nothing waits: one look, and no item"
    with monkeypatch.context() as patched:
        patched.setattr(cutting, "cut", lambda *_: pytest.fail("it was measured before"))
        screen(again=True)
        assert [(p.state, p.step, p.reason, p.level, p.measures["structure"]) for p in patches()] == before
        screen(again=True, content=Choice(least={"structure": 2}))
        assert states() == ["out"] * 3
    screen(again=True, content="off", degraded="off")
    assert states() == ["passed"] * 3
    assert all(p.thumbnail_sha256 for p in patches()), "whoever looks at what is back must see it"


@on_sqlite
def test_windows_cover_every_patch_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patch_windows, "WINDOW", 2)
    monkeypatch.setattr(patch_windows, "ROWS", 3)
    files = take_in([photograph(good(n), good(n + 50), good(n + 100)) for n in range(1, 6)])
    run = screen()
    assert states() == ["passed"] * 15
    assert [item.payload["source_file_id"] for item in items(run.id or 0)] == files
    assert (run.state, run.done) == (RunState.FINISHED, run.total)


def test_a_run_takes_its_category_and_source_alone() -> None:
    take_in([good(1)], "general_mixed", source="a")
    take_in([good(2)], "general_mixed", source="b")
    take_in([good(3)], "old_photo", source="b")
    with unit_of_work() as session:
        source_id = patches()[1].source_id
        screening.start_screening(session, None, ScreenOptions(source_id, "general_mixed"))
    drain()
    assert states() == ["waiting", "passed", "waiting"]
    screen(None)
    assert states() == ["passed"] * 3


def test_two_runs_at_once_screen_each_patch_once_and_both_end() -> None:
    take_in([photograph(good(1), blank(1))])
    runs = [start(), start(content="off")]
    drain()
    assert [row(run_id).state for run_id in runs] == [RunState.FINISHED] * 2
    assert states() == ["passed", "out"], "the first one's rules decided"


def test_a_worker_that_hung_saves_nothing_over_what_another_did() -> None:
    take_in([photograph(good(1), blank(1))])
    run_id = start()
    for _ in range(2):
        runtime.work_once("cpu")  # plans the first window, and that there is no second one
    [lost] = claim("cpu", "a machine that hangs")
    task = runtime.task_for("screen")
    with reading() as session:
        [late] = task.compute(task.load(session, [lost]))
    with unit_of_work() as session:
        job_control.release_expired(session, owner_prefix="a machine")
    drain()
    done = [p.measures for p in patches()]
    runtime._save(task, lost, late, 0.1)
    assert [p.measures for p in patches()] == done
    assert row(run_id).done == row(run_id).total


def test_a_killed_worker_loses_nothing_and_a_cancelled_run_can_be_resumed() -> None:
    take_in([photograph(good(n), blank(n)) for n in range(3)])
    run_id = start()
    runtime.work_once("cpu")  # plans the first window
    runtime.work_once("cpu")  # and that there is no second one
    held = claim("cpu", "a machine that dies")
    assert [lease.kind for lease in held] == ["screen"]
    with unit_of_work() as session:
        job_control.cancel_run(session, run_id)
        job_control.release_expired(session, owner_prefix="a machine")
        job_control.sweep(session)
    drain()
    assert states().count(PatchState.WAITING) == 6
    assert row(run_id).state == RunState.CANCELLED
    with unit_of_work() as session:
        job_control.resume_run(session, run_id)
    drain()
    assert sorted(states()) == ["out"] * 3 + ["passed"] * 3
    assert row(run_id).state == RunState.FINISHED


@on_sqlite
def test_a_photograph_that_is_gone_fails_alone_and_its_patches_go_on_waiting() -> None:
    files = take_in([photograph(good(1)), photograph(good(2))])
    with reading() as session:
        gone = session.get_one(SourceFile, files[0]).file_sha256
    path = next(p for p in settings().data_dir.rglob(f"*{gone[2:]}*"))
    path.unlink()
    run = screen()
    assert (run.state, run.failed) == (RunState.FINISHED, 1)
    assert states() == ["waiting", "passed"]


@on_sqlite
def test_metrics_are_computed_only_where_a_limit_names_one(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScriptedEngine()
    monkeypatch.setattr(score, "engine", lambda: engine)
    take_in([photograph(good(1), good(2))])
    screen()
    assert engine.calls == 0
    run = screen(again=True, metric=Choice(most={"niqe": 0.0}))
    assert engine.calls == 2
    assert [item.queue for item in items(run.id or 0)] == ["gpu"]
    assert [(p.state, p.step) for p in patches()] == [("out", "metric")] * 2
    assert "niqe" in patches()[0].reason


@on_sqlite
def test_what_a_run_would_do_is_told_before_it_starts() -> None:
    take_in([photograph(good(1), good(2))])
    with reading() as session:
        told = screening.quote(session, ScreenOptions())
    assert told.matched == 2
    assert told.estimate.micros == 0
    assert told.facts == ("2 patches will be screened.",)
    assert "no VLM's and no person's answer: Content, Too degraded, Level" in told.notes[0]
    assert told.notes[1] == "Nobody looks for what is unsafe or private."


@on_sqlite
def test_what_does_not_exist_is_refused() -> None:
    with unit_of_work() as session:
        for options, error in (
            (ScreenOptions(category="fog"), GgtError),
            (ScreenOptions(source_id=99), NotFound),
            (ScreenOptions(choices={"content": Choice("gemini")}), GgtError),
        ):
            with pytest.raises(error):
                screening.start_screening(session, None, options, confirmed=10**9)
    with reading() as session:
        assert session.exec(select(Run)).all() == []


def test_the_counts_come_from_the_index_alone() -> None:
    """The composition page asks for them at every look, over a million patches."""
    with reading() as session:
        engine = session.get_bind()
        if engine.dialect.name != "sqlite":
            return
        query = "EXPLAIN QUERY PLAN SELECT source_id, category, state, step, level, count(*) FROM patch GROUP BY 1,2,3,4,5"
        plan = " ".join(str(found) for found in session.connection().exec_driver_sql(query).all())
    assert "COVERING INDEX" in plan
    assert "TEMP B-TREE" not in plan
