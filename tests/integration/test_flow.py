"""From an image to a pair that waits for a person: if this breaks, images get stuck, fork, or reach people unscreened."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

pytest.importorskip("torch")

from app import job_control
from app.catalog.generators import GENERATORS
from app.catalog.metrics import METRICS
from app.catalog.quality import filter_rule
from app.config import settings
from app.db import reading, unit_of_work
from app.domain.review import Answer
from app.errors import GgtError
from app.models import Candidate, CandidateSummary, Image, ItemState, Run, RunState, Score, Stage, Verdict, WorkItem
from app.services import flow, options, planning, review
from app.services.options import PipelineOptions
from tests import factories
from tests.integration.scripted import CountingGenerator, ScriptedEngine, ScriptedJudge, claim, drain
from workers import runtime
from workers.metrics.engine import ScoringEngine
from workers.pixels import stored_pixels
from workers.tasks import generate, judge, score

pytestmark = [pytest.mark.usefixtures("database", "scripted"), pytest.mark.xdist_group("torch")]
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
NLM, OTHER = "local-nlm", "local-desnow"
REAL_JUDGE = judge.judge


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Real tasks and generators; scores and verdicts as the test says, by default good ones. Two methods to compare."""
    engine_says(monkeypatch, ScriptedEngine())
    judge_says(monkeypatch, ScriptedJudge())
    monkeypatch.setattr(options, "GENERATORS", {key: GENERATORS[key] for key in (NLM, OTHER)})
    yield
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


def engine_says(monkeypatch: pytest.MonkeyPatch, engine: Any) -> None:
    monkeypatch.setattr(score, "engine", lambda: engine)


def judge_says(monkeypatch: pytest.MonkeyPatch, scripted_judge: ScriptedJudge) -> None:
    monkeypatch.setattr(judge, "judge", lambda _key: scripted_judge)


def generator_is(monkeypatch: pytest.MonkeyPatch, generator: CountingGenerator) -> CountingGenerator:
    monkeypatch.setattr(generate, "generator", lambda _key: generator)
    return generator


def new_images(count: int = 1, side: int = 96) -> list[int]:
    with unit_of_work() as session:
        source = factories.make_source(session)
        return [factories.make_image(session, source=source, side=side).id or 0 for _ in range(count)]


def start(method: str | None = NLM, *, compare: bool = False, image_ids: tuple[int, ...] = ()) -> int:
    with unit_of_work() as session:
        wanted = PipelineOptions(method=method, compare=compare, image_ids=image_ids)
        run = planning.start_pipeline(session, wanted, user_id=None)
        return run.id or 0


def image(image_id: int = 1) -> Image:
    with reading() as session:
        return session.get_one(Image, image_id)


def run_row(run_id: int) -> Run:
    with reading() as session:
        return session.get_one(Run, run_id)


def summaries() -> list[tuple[Candidate, CandidateSummary]]:
    """All candidates with their summaries, in the order they were made."""
    with reading() as session:
        query = select(Candidate, CandidateSummary).join(
            CandidateSummary, col(CandidateSummary.candidate_id) == col(Candidate.id)
        )
        return list(session.exec(query.order_by(col(Candidate.id))).all())


def items(run_id: int, kind: str) -> list[WorkItem]:
    with reading() as session:
        query = select(WorkItem).where(col(WorkItem.run_id) == run_id, col(WorkItem.kind) == kind)
        return list(session.exec(query.order_by(col(WorkItem.id))).all())


def verdicts() -> list[Verdict]:
    with reading() as session:
        return list(session.exec(select(Verdict).order_by(col(Verdict.id))).all())


def test_a_chosen_candidate_goes_all_the_way_and_a_compared_one_never_reaches_review() -> None:
    [image_id] = new_images()
    run_id = start(compare=True)
    drain()
    (chosen, told), (compared, aside) = summaries()
    assert (chosen.recipe["generator"], compared.recipe["generator"]) == (NLM, OTHER)
    assert image().stage == Stage.AWAITING
    assert image().current_candidate_id == chosen.id
    assert (told.chosen, told.stage, told.filter_passed, told.decision) == (True, Stage.AWAITING, True, "accept")
    assert (aside.chosen, aside.stage, aside.filter_passed, aside.decision) == (False, Stage.SCORED, None, None)
    known = {key for key, spec in METRICS.items() if spec.weight_hash or not spec.weights}  # without its file here
    expected = known | {f"{key}_lq" for key in known if not METRICS[key].reference}
    assert set(told.metrics) == set(aside.metrics) == expected
    assert told.metrics["niqe"] < told.metrics["niqe_lq"]
    assert [v.candidate_id for v in verdicts()] == [chosen.id]
    run = run_row(run_id)
    assert (run.state, run.failed, run.done) == (RunState.FINISHED, 0, run.total)
    with reading() as session:
        assert flow.counts_of_run(session, run_id) == {"generated": 2, "filtered": 0, "judged": 1, "regenerated": 0}
        assert session.get_one(Image, image_id).stage_reason == ""


@on_sqlite
def test_the_filter_excludes_with_the_numbers_that_did_it(monkeypatch: pytest.MonkeyPatch) -> None:
    engine_says(monkeypatch, ScriptedEngine(praises_noise=True))
    new_images()
    run_id = start()
    drain()
    [(_, told)] = summaries()
    assert (told.stage, told.filter_passed, told.decision) == (Stage.FILTERED_OUT, False, None)
    assert image().stage == Stage.FILTERED_OUT
    assert image().stage_reason == told.filter_reason
    assert told.filter_reason.startswith("0 of 3 metrics improved; ")
    for metric, gain in filter_rule("rain").min_improvement.items():
        assert re.search(rf"{metric} -[0-9.e+]+ \(needs \+{gain:.3g}\)", told.filter_reason)
    assert verdicts() == []
    with reading() as session:
        assert flow.counts_of_run(session, run_id)["filtered"] == 1


def test_a_rejected_candidate_is_repaired_by_a_stronger_second_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    judge_says(monkeypatch, ScriptedJudge("reject"))
    new_images()
    run_id = start()
    drain()
    (first, told), (second, repaired) = summaries()
    assert (second.parent_id, repaired.attempt, repaired.chosen) == (first.id, 2, True)
    assert second.recipe["params"]["strength"] == pytest.approx(1.6 * first.recipe["params"]["strength"])
    assert second.pixel_sha256 != first.pixel_sha256
    assert (told.stage, told.decision) == (Stage.JUDGED_OUT, "reject")
    assert (image().stage, image().current_candidate_id) == (Stage.AWAITING, second.id)
    why = [item.payload["why"] for item in items(run_id, "generate")]
    assert why == ["", "restoration quality failed: strength 1 to 1.6"]
    with reading() as session:
        assert flow.counts_of_run(session, run_id)["regenerated"] == 1


@on_sqlite
def test_after_three_rejections_an_image_is_out(monkeypatch: pytest.MonkeyPatch) -> None:
    judge_says(monkeypatch, ScriptedJudge("reject", "reject", "reject", failing="object_consistency"))
    new_images()
    run_id = start()
    drain()
    made = summaries()
    assert [told.attempt for _, told in made] == [1, 2, 3]
    assert [candidate.parent_id for candidate, _ in made] == [None, made[0][0].id, made[1][0].id]
    strengths = [candidate.recipe["params"]["strength"] for candidate, _ in made]
    assert strengths[0] > strengths[1] > strengths[2]  # it did too much, so each attempt does less
    assert len({candidate.recipe_hash for candidate, _ in made}) == 3
    assert image().stage == Stage.JUDGED_OUT
    assert image().stage_reason == "Rejected at attempt 3: object consistency."
    assert run_row(run_id).state == RunState.FINISHED


@on_sqlite
def test_planning_a_run_twice_adds_nothing() -> None:
    new_images(3)
    run_id = start(compare=True)
    for _ in range(2):
        with unit_of_work() as session:
            planning.plan_window(session, run_id, 0)
        assert len(items(run_id, "generate")) == 6
    drain()
    with unit_of_work() as session:
        planning.plan_window(session, run_id, 0)
    assert drain() == 0
    assert len(summaries()) == 6
    run = run_row(run_id)
    assert (run.state, run.total) == (RunState.FINISHED, run.done)


@on_sqlite
def test_windows_cover_all_images_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "PLAN_WINDOW", 2)
    ids = new_images(5, side=64)
    run_id = start()
    drain()
    assert sorted(item.payload["image_id"] for item in items(run_id, "generate")) == ids
    assert [item.key for item in items(run_id, "plan")] == ["plan:0", "plan:2", "plan:4", "plan:5"]
    assert {image(image_id).stage for image_id in ids} == {Stage.AWAITING}


@on_sqlite
@pytest.mark.parametrize("compare", [False, True])
def test_another_method_takes_up_what_was_filtered_out_and_the_same_one_does_not(
    monkeypatch: pytest.MonkeyPatch, compare: bool
) -> None:
    """Also when the first run had made a candidate of that other method for comparison."""
    engine_says(monkeypatch, ScriptedEngine(praises_noise=True))
    new_images()
    start(NLM, compare=compare)
    drain()
    assert image().stage == Stage.FILTERED_OUT
    again = start(NLM)
    drain()
    assert items(again, "generate") == []
    before = len(summaries())
    other = start(OTHER)
    drain()
    assert len(items(other, "generate")) == 1
    assert len(summaries()) == before + (not compare)
    current = image().current_candidate_id
    assert [c.recipe["generator"] for c, _ in summaries() if c.id == current] == [OTHER]


@on_sqlite
def test_a_candidate_made_for_comparison_is_adopted_without_another_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = generator_is(monkeypatch, CountingGenerator())
    engine = ScriptedEngine()
    new_images()
    first = start(NLM, compare=True)
    with unit_of_work() as session:  # the chosen method does not get its turn, the compared one does
        planning.plan_window(session, first, 0)
        chosen = session.exec(select(WorkItem).where(col(WorkItem.shape) == NLM)).one()
        chosen.state = ItemState.CANCELLED
    drain()
    assert image().stage == Stage.COLLECTED
    assert len(counting.requests) == 1
    engine_says(monkeypatch, engine)
    start(OTHER)
    drain()
    [(candidate, told)] = summaries()
    assert len(counting.requests) == 1
    assert engine.calls == 0  # its scores are there as well
    assert (image().stage, image().current_candidate_id) == (Stage.AWAITING, candidate.id)
    assert (told.chosen, told.stage) == (True, Stage.AWAITING)


def test_a_worker_that_lost_its_lease_leaves_no_second_candidate() -> None:
    new_images()
    run_id = start()
    for _ in range(2):
        runtime.work_once("cpu")  # plans
    [lost] = claim("cpu", "a machine that hangs")
    assert lost.kind == "generate"
    task = runtime.task_for("generate")
    with reading() as session:
        loaded = task.load(session, [lost])
    [late] = task.compute(loaded)
    with unit_of_work() as session:
        job_control.release_expired(session, owner_prefix="a machine")
    drain()
    runtime._save(task, lost, late, 0.1)
    assert len(summaries()) == 1
    assert image().stage == Stage.AWAITING
    assert run_row(run_id).done == run_row(run_id).total


def test_two_runs_over_one_image_at_once_make_one_chain() -> None:
    new_images()
    runs = [start(), start()]
    drain()
    assert len(summaries()) == 1
    assert len(verdicts()) == 1
    assert image().stage == Stage.AWAITING
    assert [(run_row(r).state, run_row(r).failed) for r in runs] == [(RunState.FINISHED, 0)] * 2


@on_sqlite
def test_a_late_candidate_never_takes_a_verified_image_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed item of an old run, retried after a person accepted another method's candidate."""
    generator = generator_is(monkeypatch, CountingGenerator())
    generator.broken = "out of memory"
    new_images()
    old = start(NLM)
    drain()
    generator.broken = ""
    start(OTHER)
    drain()
    accepted = image().current_candidate_id
    with unit_of_work() as session:
        user_id = factories.make_user(session)
        yes = Answer("accept")
        review.decide(session, user_id=user_id, key="accepted-1", image_id=1, candidate_id=accepted or 0, answer=yes)
        job_control.retry_failed(session, old)
    drain()
    assert (image().stage, image().current_candidate_id) == (Stage.VERIFIED, accepted)
    assert [told.stage for _, told in summaries()] == [Stage.VERIFIED, Stage.SCORED]
    assert run_row(old).state == RunState.FINISHED


def test_a_generator_that_gives_no_image_fails_the_image_with_its_reason_until_retried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = generator_is(monkeypatch, CountingGenerator())
    generator.broken = "the model refused: unsafe content"
    new_images()
    run_id = start()
    drain()
    assert len(generator.requests) == 1  # the same recipe again would not help
    assert (image().stage, image().stage_reason) == (Stage.FAILED, "the model refused: unsafe content")
    [item] = items(run_id, "generate")
    assert (item.state, item.error) == (ItemState.FAILED, "the model refused: unsafe content")
    assert (run_row(run_id).state, run_row(run_id).failed) == (RunState.FINISHED, 1)
    generator.broken = ""
    with unit_of_work() as session:
        assert job_control.retry_failed(session, run_id) == 1
    drain()
    assert (image().stage, image().stage_reason) == (Stage.AWAITING, "")
    assert (run_row(run_id).state, run_row(run_id).failed) == (RunState.FINISHED, 0)


@on_sqlite
def test_a_metric_without_weights_is_left_out_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    engine_says(monkeypatch, ScoringEngine(settings().weights_dir))
    new_images()
    run_id = start()
    drain()
    [(_, told)] = summaries()
    assert set(told.metrics) == {"psnr", "ssim", "piqe", "piqe_lq"}
    assert "niqe has no value" in told.filter_reason
    assert image().stage in (Stage.AWAITING, Stage.FILTERED_OUT)
    assert (run_row(run_id).state, run_row(run_id).failed) == (RunState.FINISHED, 0)


@on_sqlite
@pytest.mark.timeout(240)
def test_real_scores_and_the_real_judge_take_a_picture_to_a_decision(monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    engine_says(monkeypatch, ScoringEngine(weights, threads=2))
    monkeypatch.setattr(judge, "judge", REAL_JUDGE)
    new_images(side=128)
    run_id = start(compare=True)
    drain()
    with reading() as session:
        scores = session.exec(select(Score)).all()
    here = {key for key, spec in METRICS.items() if not any(weight.repository for weight in spec.weights)}
    assert {s.metric for s in scores} == here
    assert {s.version for s in scores} == {METRICS[key].version_key for key in here}
    assert all(s.reference_sha256 == (image().pixel_sha256 if METRICS[s.metric].reference else "") for s in scores)
    made = summaries()
    assert all(here <= set(told.metrics) for _, told in made)
    assert all(told.metrics["psnr"] > 25 for _, told in made if told.attempt == 1)
    assert image().stage in (Stage.AWAITING, Stage.FILTERED_OUT, Stage.JUDGED_OUT)
    assert len(verdicts()) == sum(told.filter_passed is True for _, told in made)
    assert (run_row(run_id).state, run_row(run_id).failed) == (RunState.FINISHED, 0)


@on_sqlite
@pytest.mark.parametrize(("categories", "method"), [(("fog",), None), ((), "local-magic")])
def test_what_does_not_exist_is_refused_with_what_does(categories: tuple[str, ...], method: str | None) -> None:
    with pytest.raises(GgtError, match="choose from"), unit_of_work() as session:
        planning.start_pipeline(session, PipelineOptions(categories=categories, method=method), user_id=None)


@on_sqlite
def test_a_run_takes_only_the_images_it_was_started_for() -> None:
    ids = new_images(3, side=64)
    run_id = start(image_ids=(ids[1],))
    drain()
    assert [item.payload["image_id"] for item in items(run_id, "generate")] == [ids[1]]
    assert [image(i).stage for i in ids] == [Stage.COLLECTED, Stage.AWAITING, Stage.COLLECTED]


@on_sqlite
def test_a_run_without_images_ends() -> None:
    run_id = start()
    drain()
    assert run_row(run_id).state == RunState.FINISHED
