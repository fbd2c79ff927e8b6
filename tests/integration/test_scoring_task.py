"""Scores are kept under what they are of: pixels, reference, metric, version. Mixed ones would make a table that lies."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, select

pytest.importorskip("torch")

from app import jobs, leasing
from app.catalog import metrics as catalogue
from app.config import settings
from app.db import reading, unit_of_work
from app.imaging import encode_png, pixel_hash
from app.leasing import Lease
from app.models import Candidate, CandidateSummary, Image, Json, Score
from app.storage import storage
from tests import factories
from tests.integration.scripted import ScriptedEngine
from workers import runtime
from workers.metrics.ahead import ahead
from workers.metrics.engine import ScoringEngine
from workers.pixels import stored_pixels
from workers.tasks import score
from workers.tasks.score import ScoreTask

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.xdist_group("torch")]
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
SIDE = 64


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An engine of the test's own weights folder, which is empty: psnr, ssim and piqe are there."""
    own = ScoringEngine(settings().weights_dir)
    monkeypatch.setattr(score, "engine", lambda: own)
    yield
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


def candidates(count: int = 1, image: Image | None = None) -> list[int]:
    with unit_of_work() as session:
        of = session.merge(image) if image else factories.make_image(session, side=SIDE)
        return [factories.make_candidate(session, of, method=f"local-{n}").id or 0 for n in range(count)]


def lease(candidate_id: int, metrics: list[str], **more: Any) -> Lease:
    payload: Json = {"candidate_id": candidate_id, "metrics": metrics, "filters": False, **more}
    return Lease(1, 1, "score", f"score:{candidate_id}", "", "gpu", 1, 1, payload)


def scored(*leases: Lease) -> list[Score]:
    """What the task makes of ``leases``; stored as well."""
    task = ScoreTask()
    with reading() as session:
        loaded = task.load(session, leases)
    outcomes = list(task.compute(loaded))
    with unit_of_work() as session:
        for one, outcome in zip(leases, outcomes, strict=True):
            task.save(session, one, outcome)
    return [found for outcome in outcomes for found in outcome]


def stored() -> list[Score]:
    with reading() as session:
        return list(session.exec(select(Score).order_by(col(Score.id))))


def get(candidate_id: int) -> tuple[Candidate, Image, CandidateSummary]:
    with reading() as session:
        candidate = session.get_one(Candidate, candidate_id)
        return candidate, session.get_one(Image, candidate.image_id), session.get_one(CandidateSummary, candidate_id)


def test_psnr_against_the_lq_the_clean_original_and_a_ggt_never_mix() -> None:
    [candidate_id] = candidates()
    candidate, image, _ = get(candidate_id)
    scored(lease(candidate_id, ["psnr"]))
    clean, ggt = factories.picture(701, SIDE), factories.picture(702, SIDE)
    named = {"pixels": pixel_hash(ggt), "file": storage().put(encode_png(ggt))}
    scored(lease(candidate_id, ["psnr"], reference=named))
    with unit_of_work() as session:  # as an image of a fidelity set is
        made_of = session.get_one(Image, image.id)
        made_of.reference_pixel_sha256 = pixel_hash(clean)
        made_of.reference_master_sha256 = storage().put(encode_png(clean))
    scored(lease(candidate_id, ["psnr"]))
    found = {one.reference_sha256: one for one in stored()}
    assert list(found) == [image.pixel_sha256, pixel_hash(ggt), pixel_hash(clean)]
    pixels = stored_pixels(candidate.file_sha256)
    for reference, other in zip(found, (stored_pixels(image.master_sha256), ggt, clean), strict=True):
        [expected] = score.engine().score("psnr", [pixels], [other])
        assert found[reference].value == expected.value
    assert len({one.value for one in found.values()}) == 3
    assert get(candidate_id)[2].metrics["psnr"] == found[image.pixel_sha256].value  # lists show the LQ's
    assert scored(lease(candidate_id, ["psnr"]), lease(candidate_id, ["psnr"], reference=named)) == []  # all is there


def test_another_version_adds_a_score_and_overwrites_none(monkeypatch: pytest.MonkeyPatch) -> None:
    [candidate_id] = candidates()
    [first] = scored(lease(candidate_id, ["psnr"]))
    changed = replace(catalogue.KNOWN["psnr"], params=(("colour", "RGB"), ("crop", "4")))
    monkeypatch.setitem(catalogue.KNOWN, "psnr", changed)
    monkeypatch.setattr(score, "engine", lambda: ScriptedEngine())
    [second] = scored(lease(candidate_id, ["psnr"]))
    assert [(one.version, one.value) for one in stored()] == [
        (first.version, first.value), (changed.version_key, second.value)
    ]  # fmt: skip
    assert "crop=0" in first.version


@on_sqlite
def test_variants_are_scored_where_they_are_asked_for() -> None:
    [candidate_id] = candidates()
    found = {one.metric: one for one in scored(lease(candidate_id, ["psnr", "psnr_y", "ssim_rgb"]))}
    assert set(found) == {"psnr", "psnr_y", "ssim_rgb"}
    assert found["psnr"].value != found["psnr_y"].value
    assert "colour=YCbCr crop=0" in found["psnr_y"].version
    assert found["psnr"].device == "cpu"


@on_sqlite
def test_missing_values_stay_missing_and_say_why(caplog: pytest.LogCaptureFixture) -> None:
    """Neither a metric without weights nor one that is not defined ever becomes 0."""
    [candidate_id] = candidates()
    found = scored(lease(candidate_id, ["psnr", "niqe", "afine_nr", "musiq"]))
    assert [one.metric for one in found] == ["psnr"]
    for key in ("niqe", "afine_nr", "musiq"):
        assert f"{key} is left out" in caplog.text
    assert "Type: ggt weights fetch" in caplog.text
    small = factories.picture(1, 8)
    with unit_of_work() as session:
        candidate = session.get_one(Candidate, candidate_id)
        image = session.get_one(Image, candidate.image_id)
        candidate.file_sha256 = image.master_sha256 = storage().put(encode_png(small))
        candidate.pixel_sha256 = image.pixel_sha256 = pixel_hash(small)
    [tiny] = scored(lease(candidate_id, ["piqe"]))
    assert (tiny.value, tiny.note) == (None, "8x8 is too small: PIQE needs 16 pixels on each side")
    assert stored()[-1].value is None


@on_sqlite
def test_a_worker_that_dies_loses_the_item_it_was_at_and_no_more() -> None:
    """Results are given out as they come; what is done twice is stored once."""
    ids = candidates(3)
    task = ScoreTask()
    leases = [lease(one, ["psnr", "piqe"]) for one in ids]
    with reading() as session:
        loaded = task.load(session, leases)
    outcomes = task.compute(loaded)
    for one in leases[:2]:
        with unit_of_work() as session:
            task.save(session, one, next(outcomes))
    del outcomes  # kill -9
    before = stored()
    scored(*leases)
    assert [one.model_dump() for one in stored()[: len(before)]] == [one.model_dump() for one in before]
    assert len(stored()) == 3 * 2 + 1  # psnr and piqe of each, and the LQ's piqe once


@on_sqlite
def test_candidates_of_one_image_share_its_files_and_its_references_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Items of two images, mixed: each is worked off at a stretch, each file is decoded once, answers keep their order."""
    monkeypatch.setattr(score, "stored_pixels", counted := Counted())
    groups = [candidates(3), candidates(3)]
    mixed = [one for pair in zip(*groups, strict=True) for one in pair]
    engine = Remembering(settings().weights_dir)
    monkeypatch.setattr(score, "engine", lambda: engine)
    found = scored(*(lease(one, ["ssim", "piqe"]) for one in mixed))
    assert engine.made == 2
    assert [one.pixel_sha256 for one in found if one.metric == "ssim"] == [get(one)[0].pixel_sha256 for one in mixed]
    lqs = {get(one)[1].master_sha256 for one in mixed}
    expected = {get(one)[0].file_sha256: 1 for one in mixed}
    assert {file: count for file, count in counted.read.items() if file not in lqs} == expected


class Counted:
    """Counts which files are asked for; the decoder behind it keeps the last dozen."""

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()

    def __call__(self, file: str) -> Any:
        self.read[file] += 1
        return stored_pixels(file)


class Remembering(ScoringEngine):
    """Room for one reference at a time: only what is adjacent shares it."""

    made = 0

    def __init__(self, weights: Path) -> None:
        super().__init__(weights, feature_bytes=SIDE * SIDE * 8 * 3)
        ssim: Any = self.load("ssim")
        features = ssim.features

        def counting(reference: Any) -> Any:
            self.made += 1
            return features(reference)

        ssim.features = counting


@on_sqlite
def test_a_claimed_batch_is_scored_by_the_runtime() -> None:
    """The whole way: claim, leases, finish, in batches of one shape."""
    ids = candidates(5)
    with unit_of_work() as session:
        run = jobs.start_run(session, "pipeline", "scores", {}, None)
        items = [
            jobs.NewItem("score", f"score:{one}:x", queue="gpu", shape="64x64", payload=lease(one, ["psnr"]).payload)
            for one in ids
        ]
        jobs.add_items(session, run.id or 0, items)
    batch = jobs.JOBS["score"].batch
    assert [runtime.work_once("gpu") for _ in range(3)] == [batch, 5 - batch, 0]
    assert {one.pixel_sha256 for one in stored()} == {get(one)[0].pixel_sha256 for one in ids}
    with reading() as session:
        assert leasing.any_waiting(session, "gpu", [""]) is False


def test_work_ahead_keeps_its_order_and_raises_where_it_belongs() -> None:
    def broken() -> int:
        raise ValueError("cannot be decoded")

    assert list(ahead(partial(pow, n, 2) for n in range(9))) == [n * n for n in range(9)]
    results = ahead([lambda: 1, broken, lambda: 3])
    assert next(results) == 1
    with pytest.raises(ValueError, match="cannot be decoded"):
        next(results)
    assert list(ahead([])) == []
