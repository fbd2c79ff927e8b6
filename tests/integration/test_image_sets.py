"""Image sets and evaluations: a benchmark that changes, or that measures against the wrong image, proves nothing."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from sqlmodel import col, select

pytest.importorskip("torch")

from app.db import reading, unit_of_work
from app.domain.degradation_recipe import Recipe
from app.errors import Conflict, GgtError
from app.models import Candidate, Image, Run, RunState, Score, Stage, Verdict, WorkItem
from app.services import doctor, estimate, image_sets, mfm_scores, planning
from app.services.mfm_scores import Wanted
from app.services.options import PipelineOptions
from app.storage import storage
from tests import factories
from tests.integration import benchmark_run as bench
from tests.integration.scripted import ScriptedEngine, ScriptedJudge, drain
from workers import runtime
from workers.degradations.second_order import degrade
from workers.pixels import stored_pixels
from workers.tasks import judge, score

pytestmark = [pytest.mark.usefixtures("database", "scripted"), pytest.mark.xdist_group("torch")]
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
NLM = ("local-nlm", "none")


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(score, "engine", lambda: ScriptedEngine())
    monkeypatch.setattr(judge, "judge", lambda _key: ScriptedJudge("accept", "reject"))
    yield
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


def table(fidelity: int | None, perceptual: int | None, **more: object) -> mfm_scores.MfmTable:
    with reading() as session:
        return mfm_scores.read(session, Wanted(fidelity, perceptual, **more))  # type: ignore[arg-type]


def test_clean_photographs_become_no_lq_images() -> None:
    source_id = bench.clean_photographs(2)
    assert len(bench.source_files()) == 2
    with reading() as session:
        assert session.exec(select(Image)).all() == []
        with pytest.raises(GgtError, match="2 photographs"):
            image_sets.start_fidelity(session, "too many", source_id, 3, seed=0, scale=1, user_id=None)


def test_a_fidelity_set_is_degraded_by_its_recipe_and_keeps_its_clean_images() -> None:
    set_id = bench.fidelity(bench.clean_photographs(4), 3)
    made = bench.members(set_id)
    assert [image.stage for image in made] == [Stage.BENCHMARK] * 3
    assert bench.positions(set_id) == [0, 1, 2]
    for image in made:
        clean, lq = bench.pixels(image.reference_master_sha256), bench.pixels(image.master_sha256)
        assert clean.shape == lq.shape == (128, 128, 3)
        assert not np.array_equal(clean, lq)
        recipe = Recipe.from_json(json.dumps(image.degradation))
        assert np.array_equal(degrade(clean, recipe), lq), "the stored recipe makes the very pixels again"


@on_sqlite
def test_the_same_seed_gives_the_same_set_and_another_seed_another() -> None:
    source_id = bench.clean_photographs(4)
    first, again = bench.fidelity(source_id, 3, name="one"), bench.fidelity(source_id, 3, name="two")
    other = bench.fidelity(source_id, 3, name="three", seed=1)
    made = {set_id: [image.pixel_sha256 for image in bench.members(set_id)] for set_id in (first, again, other)}
    assert made[first] == made[again]
    assert not set(made[first]) & set(made[other])
    assert len({image.id for image in bench.members(first)} | {image.id for image in bench.members(again)}) == 3


def test_no_pipeline_takes_up_an_image_made_for_a_benchmark() -> None:
    bench.fidelity(bench.clean_photographs(2), 2)
    with unit_of_work() as session:
        assert estimate.estimate(session, PipelineOptions(compare=True)).images == 0
        planning.start_pipeline(session, PipelineOptions(), user_id=None)
    drain()
    with reading() as session:
        assert session.exec(select(Candidate)).all() == []
        assert {image.stage for image in session.exec(select(Image))} == {Stage.BENCHMARK}


def test_a_frozen_set_changes_no_more() -> None:
    set_id = bench.perceptual()
    image_id = bench.members(set_id)[0].id or 0
    with unit_of_work() as session:
        user = factories.make_user(session, name="Grace")
        for change in (
            lambda: image_sets.take_out(session, set_id, image_id, user),
            lambda: image_sets.freeze(session, set_id, user),
            lambda: image_sets.remove(session, set_id, user),
        ):
            with pytest.raises(Conflict, match="frozen"):
                change()
    assert len(bench.members(set_id)) == 3


def test_a_draw_says_what_is_missing_and_takes_one_image_of_a_photograph() -> None:
    bench.perceptual("rain", 3)
    with unit_of_work() as session:
        source = factories.make_source(session, name="one photograph")
        first = factories.make_image(session, source=source, category="haze", side=64)
        second = factories.make_image(session, source=source, category="haze", side=64)
        second.source_file_id = first.source_file_id
        second.box_x = 64
        session.add(second)
    with unit_of_work() as session, pytest.raises(GgtError, match="Haze: 2 wanted, 1 photograph"):
        image_sets.draw_perceptual(session, "more", {"rain": 3, "haze": 2}, seed=0, user_id=None)


def test_an_evaluation_measures_fidelity_against_the_clean_image_and_judges_only_real_ones() -> None:
    fidelity, perceptual = bench.fidelity(bench.clean_photographs(2), 2), bench.perceptual()
    run = bench.evaluate(fidelity, perceptual)
    assert (run.kind, run.state, run.failed) == ("evaluation", RunState.FINISHED, 0)
    clean = {image.pixel_sha256: image.reference_pixel_sha256 for image in bench.members(fidelity)}
    with reading() as session:
        pairs = session.exec(
            select(Candidate, Image).join(Image, col(Image.id) == col(Candidate.image_id)).order_by(col(Candidate.id))
        ).all()
        judged = set(session.exec(select(Verdict.candidate_id)))
    assert len(pairs) == 5
    by_pixels = {candidate.pixel_sha256: image for candidate, image in pairs}
    for one in bench.scores():
        if one.metric in ("psnr", "ssim", "lpips", "dists") and one.pixel_sha256 in by_pixels:
            image = by_pixels[one.pixel_sha256]
            assert one.reference_sha256 == clean.get(image.pixel_sha256, image.pixel_sha256)
    assert judged == {candidate.id for candidate, image in pairs if image.stage != Stage.BENCHMARK}
    with reading() as session:
        assert {image.stage for image in session.exec(select(Image))} == {Stage.BENCHMARK, Stage.COLLECTED}
        assert {image.current_candidate_id for image in session.exec(select(Image))} == {None}


def test_a_second_evaluation_makes_only_what_is_missing() -> None:
    perceptual = bench.perceptual()
    bench.evaluate(perceptual, judge="")
    with reading() as session:
        before = len(session.exec(select(Candidate)).all())
    bench.evaluate(perceptual, judge="local-measure")
    with reading() as session:
        assert len(session.exec(select(Candidate)).all()) == before == 3
        assert len(session.exec(select(Verdict)).all()) == 3, "verdicts were missing, and are there now"
        kinds = {item.kind for item in session.exec(select(WorkItem).join(Run).where(col(Run.id) == 3))}
    again = bench.evaluate(perceptual, judge="local-measure")
    assert again.total == again.done
    with reading() as session:
        kinds = {item.kind for item in session.exec(select(WorkItem).where(col(WorkItem.run_id) == again.id))}
    assert "generate" not in kinds
    assert "judge" not in kinds


def test_an_older_version_of_a_metric_is_scored_again_and_kept() -> None:
    perceptual = bench.perceptual()
    bench.evaluate(perceptual, judge="")
    with unit_of_work() as session:
        for one in session.exec(select(Score).where(col(Score.metric) == "psnr")):
            one.version, one.value = "pyiqa of long ago", 1.5
            session.add(one)
    bench.evaluate(perceptual, judge="")
    values = [(one.version, one.value) for one in bench.scores() if one.metric == "psnr"]
    assert len(values) == 6
    assert values.count(("pyiqa of long ago", 1.5)) == 3, "nothing was overwritten"
    again = bench.evaluate(perceptual, judge="")
    with reading() as session:
        kinds = {item.kind for item in session.exec(select(WorkItem).where(col(WorkItem.run_id) == again.id))}
    assert kinds == {"plan"}, "metrics without weights here are not asked for again and again"


@on_sqlite
def test_doctor_misses_no_file_of_a_fidelity_set_and_collects_none() -> None:
    set_id = bench.fidelity(bench.clean_photographs(2), 2)
    with reading() as session:
        named = doctor.referenced_files(session)
    there = {sha256 for sha256, _ in storage().listing()}
    assert named == there, "a hash of pixels is no file, and nothing is stored that no row names"
    assert {image.reference_master_sha256 for image in bench.members(set_id)} <= named


def test_the_table_is_eq_1_over_what_was_measured() -> None:
    fidelity, perceptual = bench.fidelity(bench.clean_photographs(3), 3), bench.perceptual(number=4)
    bench.evaluate(fidelity, perceptual, also=(NLM, ("local-desnow", "none")))
    found = table(fidelity, perceptual, judge="local-measure")
    assert [line.model.endswith("(local)") for line in found.lines] == [True, True]
    assert found.images == {"fidelity": 3, "perceptual": 4}
    by_key = {line.setting.generator: line for line in found.lines}
    values = [
        one.value for one in bench.scores() if one.metric == "psnr" and one.reference_sha256 in
        {image.reference_pixel_sha256 for image in bench.members(fidelity)}
    ]  # fmt: skip
    assert len(values) == 6
    told = [line.means["psnr"] for line in by_key.values()]
    assert all(mean is not None and mean.n == 3 for mean in told)
    assert sum(mean.value * 3 for mean in told if mean) == pytest.approx(sum(values))  # type: ignore[arg-type]
    assert any("not VLM-R" in note for note in found.notes)
    shares = [line.means["vlm_r"] for line in found.lines]
    assert [mean.n for mean in shares if mean] == [4, 4]


def test_without_all_aspects_there_is_no_avg() -> None:
    perceptual = bench.perceptual()
    bench.evaluate(perceptual, judge="", also=(NLM, ("local-desnow", "none")))
    found = table(None, perceptual)
    assert [line.avg for line in found.lines] == [None, None]
    only = table(None, perceptual, weights={"per": 1.0})
    assert only.scored.n in (0, 2)
