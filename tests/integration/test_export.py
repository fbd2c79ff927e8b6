"""Export: the dataset itself. If this breaks, a lab trains on pairs nobody verified, or on files that are not theirs."""

import hashlib
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage
from sqlmodel import Session, col, update

from app.db import reading, unit_of_work
from app.domain.review import Answer
from app.errors import Conflict, GgtError, NotFound
from app.models import Candidate, Image, Pair, Score, SourceFile, Stage, Verdict
from app.services import review
from app.services.export import Exported, export_pairs
from app.storage import LocalStorage, storage
from tests import factories

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
]
SCORES = {
    "restoration_quality": 80,
    "object_consistency": 95,
    "geometry_alignment": 90,
    "content_reasonableness": 90,
    "color_consistency": 88,
}
_keys = itertools.count(10_000_000)


def decide(session: Session, candidate: Candidate, user_id: int = 0, note: str = "") -> int:
    """A person accepts the candidate. Returns who."""
    user_id = user_id or factories.make_user(session, name="Ada")
    session.flush()
    review.decide(
        session, user_id=user_id, key=str(next(_keys)), image_id=candidate.image_id, candidate_id=candidate.id or 0,
        answer=Answer("accept", note=note),
    )  # fmt: skip
    return user_id


def verified(category: str = "rain", undersized: bool = True) -> tuple[Image, int]:
    """An image with a pair, and who accepted it."""
    with unit_of_work() as session:
        image = factories.make_image(session, Stage.AWAITING, category)
        image.undersized = undersized
        return image, decide(session, factories.make_candidate(session, image))


def verdict(candidate: Candidate, decision: str, scores: dict[str, int]) -> Verdict:
    return Verdict(
        candidate_id=candidate.id or 0, judge="local-measure", version="1", scores=scores, decision=decision,
        rule_decision=decision, raw="{}",
    )  # fmt: skip


def export(folder: Path, categories: tuple[str, ...] = (), full_size_only: bool = False) -> Exported:
    with reading() as session:
        return export_pairs(session, folder, categories=categories, full_size_only=full_size_only)


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text("utf-8").splitlines()]


def assert_whole(folder: Path, pairs: int) -> None:
    """As `sha256sum --check` would: every file listed, every listed file right, nothing else there."""
    listed = dict(line.split("  ", 1)[::-1] for line in (folder / "SHA256SUMS").read_text().splitlines())
    there = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"SHA256SUMS"}
    assert set(listed) == there
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in listed} == listed
    assert len(there) == 2 * pairs + 1
    named = [record[side]["file"] for record in records(folder) for side in ("lq", "gt")]
    assert {*named, "metadata.jsonl"} == there


def test_a_pair_comes_out_with_its_pixels_and_its_whole_history(tmp_path: Path) -> None:
    with unit_of_work() as session:
        image = factories.make_image(session, Stage.AWAITING, "old_photo")
        first = factories.make_candidate(session, image)
        second = factories.make_candidate(session, image, parent=first)
        factories.make_candidate(session, image, method="local-rl", chosen=False)
        hq, lq = second.pixel_sha256, image.pixel_sha256
        session.add_all(
            [
                verdict(first, "reject", {**SCORES, "object_consistency": 50}),
                verdict(second, "accept", SCORES),
                Score(pixel_sha256=hq, metric="niqe", version="v", value=3.5),
                Score(pixel_sha256=lq, metric="niqe", version="v", value=5.5),
                Score(pixel_sha256=hq, reference_sha256=lq, metric="psnr", version="v", value=27.0),
                Score(pixel_sha256=hq, reference_sha256="f" * 64, metric="psnr", version="v", value=1.0),
            ]
        )
        decide(session, second, note="schön")
    folder = tmp_path / "dataset"
    assert export(folder) == Exported(1, 0, folder)
    assert_whole(folder, 1)
    [record] = records(folder)
    for side, stored in (("lq", image.master_sha256), ("gt", second.file_sha256)):
        assert (folder / record[side]["file"]).read_bytes() == storage().get(stored)
        with PilImage.open(folder / record[side]["file"]) as opened:
            assert np.asarray(opened).shape == (record["height"], record["width"], 3)
    assert (record["id"], record["category"], record["undersized"]) == (image.id, "old_photo", True)
    assert record["source"]["licence"] == "CC0-1.0"
    assert (record["original"]["licence"], record["original"]["author"]) == ("CC0-1.0", record["source"]["author"])
    assert record["original"]["name"].startswith("photo-")
    assert record["original"]["box"] == [0, 0, 64, 64]
    assert [(a["method"], a["verdicts"][0]["decision"]) for a in record["attempts"]] == [
        ("local-nlm", "reject"),
        ("local-nlm", "accept"),
    ]
    assert [a["recipe"] for a in record["attempts"]] == [first.recipe, second.recipe]
    assert record["attempts"][1]["verdicts"][0]["scores"] == SCORES
    found = {(s["of"], s["metric"]): s["value"] for s in record["scores"]}
    assert found == {("gt", "niqe"): 3.5, ("lq", "niqe"): 5.5, ("gt", "psnr"): 27.0}
    assert {k: record["review"][k] for k in ("by", "decision", "note")} == {
        "by": "Ada",
        "decision": "accept",
        "note": "schön",
    }


def test_what_a_photograph_says_of_itself_comes_with_its_pairs(tmp_path: Path) -> None:
    """Else a lab publishes pairs under a licence that wants the author named, without the name and the link."""
    image, _ = verified()
    said = {
        "licence": "CC-BY-2.0", "author": "Bob", "author_url": "https://example.org/bob", "url": "https://example.org/1",
        "keywords": ["rain"],
    }  # fmt: skip
    with unit_of_work() as session:
        file = session.get_one(SourceFile, image.source_file_id)
        for name, value in {**said, "fetched_at": datetime(2026, 3, 14, tzinfo=UTC)}.items():
            setattr(file, name, value)
        session.add(file)
    export(tmp_path / "dataset")
    [record] = records(tmp_path / "dataset")
    told = record["original"]
    assert {name: told[name] for name in said} == said
    assert told["fetched_at"] == "2026-03-14T00:00:00+00:00"
    assert record["source"]["licence"] == "CC0-1.0"
    assert "terms" in record["source"]


def test_only_what_a_person_accepted_is_exported(tmp_path: Path) -> None:
    image, _ = verified()
    with unit_of_work() as session:
        factories.make_candidate(session, stage=Stage.AWAITING)
        factories.make_candidate(session, stage=Stage.REJECTED)
    assert export(tmp_path / "d").pairs == 1
    assert [r["id"] for r in records(tmp_path / "d")] == [image.id]


def test_without_a_verified_pair_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(GgtError, match="No pair is verified yet"):
        export(tmp_path / "d")
    assert [p.name for p in tmp_path.iterdir() if p.name.strip(".") in ("d", "d.partial")] == []


def test_an_old_export_is_never_touched(tmp_path: Path) -> None:
    verified()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "mine.txt").write_text("precious")
    with pytest.raises(Conflict, match="exists already"):
        export(tmp_path / "d")
    assert [p.name for p in (tmp_path / "d").iterdir()] == ["mine.txt"]


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[tuple[Image, int]]]:
    """An export of four pairs that died while it copied the third."""
    pairs = [verified() for _ in range(4)]
    folder = tmp_path / "d"
    path, calls = LocalStorage.path, itertools.count()

    def dies(self: LocalStorage, sha256: str) -> Path | None:
        if next(calls) == 5:
            raise OSError(5, "Input/output error")
        return path(self, sha256)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStorage, "path", dies)
        with pytest.raises(OSError, match="Input/output"):
            export(folder)
    assert not folder.exists()
    return folder, pairs


def test_an_interrupted_export_is_taken_up_again(interrupted: tuple[Path, list[tuple[Image, int]]]) -> None:
    folder, _ = interrupted
    assert export(folder) == Exported(4, 5, folder)
    assert_whole(folder, 4)
    assert [p.name for p in folder.parent.iterdir() if "partial" in p.name] == []


def test_a_decision_undone_since_the_interruption_leaves_no_file(
    interrupted: tuple[Path, list[tuple[Image, int]]],
) -> None:
    folder, pairs = interrupted
    gone, user_id = pairs[0]
    with unit_of_work() as session:
        review.undo(session, user_id=user_id)
    assert export(folder).pairs == 3
    assert_whole(folder, 3)
    assert gone.id not in [record["id"] for record in records(folder)]


def test_another_candidate_accepted_since_the_interruption_replaces_the_file(
    interrupted: tuple[Path, list[tuple[Image, int]]],
) -> None:
    """The name in the folder is the image's: the file left there shows a candidate that is no longer the pair's."""
    folder, pairs = interrupted
    changed, user_id = pairs[0]
    with unit_of_work() as session:
        review.undo(session, user_id=user_id)
        better = factories.make_candidate(session, session.get_one(Image, changed.id))
        decide(session, better, user_id)
    assert export(folder).pairs == 4
    assert_whole(folder, 4)
    record = next(r for r in records(folder) if r["id"] == changed.id)
    assert (folder / record["gt"]["file"]).read_bytes() == storage().get(better.file_sha256)


def test_a_file_cut_short_by_a_power_cut_is_written_again(interrupted: tuple[Path, list[tuple[Image, int]]]) -> None:
    folder, _ = interrupted
    left = sorted((folder.parent / ".d.partial" / "lq").iterdir())[0]
    left.write_bytes(left.read_bytes()[:100])
    assert export(folder) == Exported(4, 4, folder)
    assert_whole(folder, 4)


def test_a_damaged_or_lost_file_stops_the_export(tmp_path: Path) -> None:
    image, _ = verified()
    path = storage().path(image.master_sha256)
    assert path
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(GgtError, match=f"{image.master_sha256[:12]} in the storage is damaged"):
        export(tmp_path / "d")
    path.unlink()
    with pytest.raises(NotFound, match=f"{image.master_sha256[:12]} is missing"):
        export(tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_categories_and_size_choose(tmp_path: Path) -> None:
    small, large = verified("rain")[0], verified("rain", undersized=False)[0]
    other = verified("haze", undersized=False)[0]
    export(tmp_path / "all")
    export(tmp_path / "rain", ("rain",))
    export(tmp_path / "full", full_size_only=True)
    export(tmp_path / "both", ("rain", "haze"), full_size_only=True)
    found = {name: [r["id"] for r in records(tmp_path / name)] for name in ("all", "rain", "full", "both")}
    assert found == {
        "all": [small.id, large.id, other.id],
        "rain": [small.id, large.id],
        "full": [large.id, other.id],
        "both": [large.id, other.id],
    }
    with pytest.raises(GgtError, match="nothing to export"):
        export(tmp_path / "snow", ("snow",))


def test_more_pairs_than_one_window_come_out_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.export.WINDOW", 2)
    ids = [verified()[0].id for _ in range(5)]
    assert export(tmp_path / "d").pairs == 5
    assert [r["id"] for r in records(tmp_path / "d")] == ids


def test_the_pair_is_the_candidate_that_was_accepted_not_the_newest(tmp_path: Path) -> None:
    image, _ = verified()
    with reading() as session:
        accepted = session.get_one(Candidate, session.get_one(Pair, image.id).candidate_id)
    with unit_of_work() as session:
        later = factories.make_candidate(session, session.get_one(Image, image.id), stage=Stage.VERIFIED)
        session.execute(update(Image).where(col(Image.id) == image.id).values(current_candidate_id=later.id))
    export(tmp_path / "d")
    assert records(tmp_path / "d")[0]["gt"]["pixels"] == accepted.pixel_sha256
