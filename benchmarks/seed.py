"""Fills an installation's database with invented images, candidates and work, to measure pages on.

    GGT_DATA_DIR=/tmp/bench python -m benchmarks.seed --candidates 100000
    GGT_DATABASE_URL=postgresql+psycopg://... GGT_DATA_DIR=/tmp/bench python -m benchmarks.seed --copies 9

Rows go straight into the database in bulk; the same seed gives the same rows. A handful of pictures (drawn, or the
photographs of ``--photos``) stand behind all of them. ``--copies`` adds everything so many times again, which the database
does by itself, and faster: for that it has to be empty before.
"""

import argparse
import hashlib
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select, text, update
from sqlmodel import Session, SQLModel, col

from app import migrate
from app.catalog.generators import GENERATORS
from app.catalog.metrics import METRICS
from app.config import settings
from app.db import unit_of_work
from app.domain.aspects import ASPECTS
from app.imaging import Limits, decode, encode_png, thumbnail_webp
from app.models import (
    Candidate,
    CandidateSummary,
    Image,
    ItemState,
    Method,
    Run,
    RunState,
    Score,
    Source,
    SourceFile,
    Stage,
    Verdict,
    WorkItem,
    table_of,
    utcnow,
)
from app.storage import storage

CHUNK = 5_000
PICTURES = 24
SCORED_IMAGES = 2_000
"""Images whose candidates get score and verdict rows too: only an image's own page reads those."""
STAGES = {
    Stage.COLLECTED: 5, Stage.GENERATED: 3, Stage.SCORED: 2, Stage.FILTERED_OUT: 8, Stage.REFINING: 1, Stage.JUDGED_OUT: 6,
    Stage.AWAITING: 15, Stage.VERIFIED: 52, Stage.REJECTED: 7, Stage.FAILED: 1,
}  # fmt: skip
SHARES = {"general_mixed": 63, "low_light": 9, "haze": 8, "rain": 7, "snow": 7, "old_photo": 6}
RANGES = {"psnr": (14, 38), "ssim": (0.4, 0.98), "lpips": (0.02, 0.5), "dists": (0.02, 0.35), "niqe": (2.5, 9),
          "piqe": (5, 80), "brisque": (-5, 70)}  # fmt: skip
JUDGED = {Stage.JUDGED_OUT: "reject", Stage.AWAITING: "accept", Stage.VERIFIED: "accept", Stage.REJECTED: "accept"}
BARE = (Stage.COLLECTED, Stage.FAILED)


@dataclass(frozen=True)
class Picture:
    """What the storage holds of one picture and of a brightened copy, its "HQ"."""

    master: str
    thumbnail: str
    hq: str
    hq_thumbnail: str
    width: int
    height: int


def seed(candidates: int, photos: Path | None = None, number: int = 1) -> dict[str, int]:
    """Add about ``candidates`` candidates, two to an image, and a run with a work item for each. Returns row counts."""
    choose = random.Random(number)
    pictures = list(_pictures(photos))
    with unit_of_work() as session:
        first = (session.execute(select(func.max(col(Image.id)))).scalar() or 0) + 1
        sources, methods, run = _parents(session, first)
        rows = _images(choose, pictures, first, candidates // 2, sources, methods, run)
        counts: dict[str, int] = {}
        while chunk := list(islice(rows, CHUNK)):
            for table in (SourceFile, Image, Candidate, CandidateSummary, Score, Verdict, WorkItem):
                found = [row for image in chunk for row in image.get(table, ())]
                if found:
                    session.execute(insert(table), found)
                counts[str(table.__tablename__)] = counts.get(str(table.__tablename__), 0) + len(found)
        items = counts["work_item"]
        session.get_one(Run, run).total, session.get_one(Run, run).done = items, items
    return counts


COPIED: dict[type[SQLModel], dict[str, str]] = {
    SourceFile: {"id": "id + :n", "file_sha256": "CAST(:k AS TEXT) || substr(file_sha256, 9)"},
    Image: {"id": "id + :n", "source_file_id": "source_file_id + :n",
            "current_candidate_id": "current_candidate_id + 2 * :n"},
    Candidate: {"id": "id + 2 * :n", "image_id": "image_id + :n"},
    CandidateSummary: {"candidate_id": "candidate_id + 2 * :n", "image_id": "image_id + :n"},
    WorkItem: {"id": "id + :items", "key": "key || CAST(:k AS TEXT)"},
}  # fmt: skip
"""What is other in a copy of a table's rows: the ids, which are moved on, and what has to be unique."""


def copy(times: int) -> None:
    """Add all images, with what belongs to them, so many times again. One transaction for each time."""
    with unit_of_work() as session:
        images, items = (session.execute(select(func.max(col(t.id)))).scalar_one() for t in (Image, WorkItem))
    for k in range(1, times + 1):
        with unit_of_work() as session:
            given = {"n": k * images, "items": k * items, "k": f"{k:08}", "images": images, "most": items}
            for table, other in COPIED.items():
                columns = [column.name for column in table_of(table).columns]
                values = ", ".join(other.get(name, f'"{name}"') for name in columns)
                names = ", ".join(f'"{name}"' for name in columns)
                first = {Candidate: "image_id <= :images", CandidateSummary: "image_id <= :images", WorkItem: "id <= :most"}
                where = first.get(table, "id <= :images")
                name = table_of(table).name
                session.execute(text(f"INSERT INTO {name} ({names}) SELECT {values} FROM {name} WHERE {where}"), given)
            session.execute(update(Run).values(total=col(Run.total) + items, done=col(Run.done) + items))
    if not settings().sqlite:
        with unit_of_work() as session:
            for made in (SourceFile, Image, Candidate, WorkItem):
                name = table_of(made).name
                session.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}"))


def _parents(session: Session, first: int) -> tuple[list[int], list[int], int]:
    """Sources, methods and the run that the rows belong to."""
    names = ("Unsplash", "Flickr", "own-2026", "RTTS", "ExDark")
    found = [Source(name=f"{name} {first}" if first > 1 else name, licence="CC0-1.0", author="invented") for name in names]
    session.add_all(found)
    known = set(session.execute(select(col(Method.generator))).scalars())
    session.add_all(Method(name=key, generator=key) for key in GENERATORS if key not in known)
    run = Run(kind="pipeline", title="Pipeline: all images, default method", state=RunState.FINISHED, finished_at=utcnow())
    session.add(run)
    session.flush()
    methods = session.execute(select(col(Method.id)).order_by(col(Method.id))).scalars().all()
    return [s.id or 0 for s in found], [m or 0 for m in methods], run.id or 0


def _images(
    choose: random.Random,
    pictures: Sequence[Picture],
    first: int,
    number: int,
    sources: list[int],
    methods: list[int],
    run: int,
) -> Iterator[dict[type[SQLModel], list[dict[str, Any]]]]:
    """Per image, its rows by table. Candidate ids are twice the image's, so that they are known beforehand."""
    now = utcnow()
    categories = choose.choices(list(SHARES), list(SHARES.values()), k=number)
    stages = choose.choices(list(STAGES), list(STAGES.values()), k=number)
    for offset, (category, stage) in enumerate(zip(categories, stages, strict=True)):
        image_id, picture = first + offset, pictures[offset % len(pictures)]
        key = hashlib.sha256(f"{first}:{image_id}".encode()).hexdigest()
        at = now - timedelta(seconds=number - offset)
        source = sources[(offset + len(category)) % len(sources)]
        base = {"id": image_id, "source_id": source, "created_at": at}
        bare = stage in BARE
        rows: dict[type[SQLModel], list[dict[str, Any]]] = {
            SourceFile: [{**base, "category": category, "name": f"{category}/{image_id:07}.jpg", "file_sha256": key,
                          "size": 2_000_000, "format": "jpeg", "width": 4000, "height": 3000, "phash": key[:16],
                          "notes": [], "exif": {}}],
            Image: [{**base, "source_file_id": image_id, "category": category, "box_x": 0, "box_y": 0,
                     "box_width": picture.width, "box_height": picture.height, "undersized": picture.width < 1024,
                     "master_sha256": picture.master, "pixel_sha256": key, "thumbnail_sha256": picture.thumbnail,
                     "stage": stage, "stage_reason": "", "current_candidate_id": None if bare else 2 * image_id}],
        }  # fmt: skip
        if not bare:
            _add_candidates(choose, rows, picture, image_id, stage, methods, run)
        yield rows


def _add_candidates(
    choose: random.Random,
    rows: dict[type[SQLModel], list[dict[str, Any]]],
    picture: Picture,
    image_id: int,
    stage: Stage,
    methods: list[int],
    run: int,
) -> None:
    """The chosen candidate and one for comparison, with summaries, work items and, of some, scores and a verdict."""
    image = rows[Image][0]
    for candidate_id, chosen in ((2 * image_id, True), (2 * image_id + 1, False)):
        method = methods[(image_id + (not chosen)) % len(methods)]
        metrics = {} if stage == Stage.GENERATED else _metrics(choose)
        key = hashlib.sha256(f"candidate {candidate_id}".encode()).hexdigest()
        rows.setdefault(Candidate, []).append(
            {"id": candidate_id, "image_id": image_id, "method_id": method, "recipe_hash": key,
             "recipe": {"params": {"strength": 1.0}, "prompt": ""}, "sample": 0, "run_id": run,
             "file_sha256": picture.hq, "media_type": "image/png", "pixel_sha256": key,
             "thumbnail_sha256": picture.hq_thumbnail, "width": picture.width, "height": picture.height,
             "seconds": 1.5, "created_at": image["created_at"]}
        )  # fmt: skip
        decision = JUDGED.get(stage) if chosen else None
        rows.setdefault(CandidateSummary, []).append(
            {"candidate_id": candidate_id, "image_id": image_id, "method_id": method, "source_id": image["source_id"],
             "category": image["category"], "chosen": chosen, "attempt": choose.choice((1, 1, 1, 1, 2, 3)) if chosen else 1,
             "is_current": chosen, "is_latest": True,
             "stage": stage if chosen else Stage.SCORED, "metrics": metrics, "decision": decision, "rule_decision": decision,
             "filter_passed": stage != Stage.FILTERED_OUT if chosen else None, "filter_reason": "", "review": None}
        )  # fmt: skip
        rows.setdefault(WorkItem, []).append(
            {"run_id": run, "key": f"generate:{candidate_id}", "kind": "generate", "queue": "cpu", "shape": "",
             "priority": 100, "payload": {"image_id": image_id}, "paid": False, "state": ItemState.DONE, "attempts": 1,
             "token": 1, "owner": "", "error": "", "seconds": 1.5, "created_at": image["created_at"],
             "finished_at": image["created_at"]}
        )  # fmt: skip
        if image_id <= SCORED_IMAGES:
            _add_scores(rows, image["pixel_sha256"], key, metrics)
            if decision:
                _add_verdict(choose, rows, candidate_id, decision)


def _metrics(choose: random.Random) -> dict[str, float]:
    found = {}
    for key, spec in METRICS.items():
        low, high = RANGES.get(key, (0, 1))
        found[key] = choose.uniform(low, high)
        if not spec.reference:
            found[f"{key}_lq"] = choose.uniform(low, high)
    return found


def _add_scores(rows: dict[type[SQLModel], list[dict[str, Any]]], lq: str, hq: str, metrics: dict[str, float]) -> None:
    known = {(row["pixel_sha256"], row["metric"]) for row in rows.get(Score, ())}
    for name, value in metrics.items():
        metric = name.removesuffix("_lq")
        pixels, reference = (lq if name != metric else hq), lq if METRICS[metric].reference else ""
        if (pixels, metric) not in known:
            rows.setdefault(Score, []).append(
                {"pixel_sha256": pixels, "reference_sha256": reference, "metric": metric, "version": "bench", "value": value,
                 "note": "", "device": "cpu", "created_at": utcnow()}
            )  # fmt: skip


def _add_verdict(
    choose: random.Random, rows: dict[type[SQLModel], list[dict[str, Any]]], candidate_id: int, decision: str
) -> None:
    low = 92 if decision == "accept" else 40
    rows.setdefault(Verdict, []).append(
        {"candidate_id": candidate_id, "judge": "local-measure", "version": "bench", "decision": decision,
         "scores": {aspect: choose.randint(low, 99) for aspect in ASPECTS}, "rule_decision": decision,
         "reasons": dict.fromkeys(ASPECTS, "An invented reason about the upper left."), "raw": "", "seconds": 0.2,
         "created_at": utcnow()}
    )  # fmt: skip


def _pictures(photos: Path | None) -> Iterator[Picture]:
    """Pictures in the storage: the photographs below ``photos``, or drawn ones."""
    for path in sorted(photos.rglob("*"))[:PICTURES] if photos else ():
        if path.suffix.lower() in (".jpg", ".png"):
            pixels = decode(path.read_bytes(), Limits(max_bytes=2**28, min_side=64)).pixels[:1024, :1024]
            yield _store(np.ascontiguousarray(pixels))
    y, x = np.mgrid[0:256, 0:256] / 40
    for number in range(0 if photos else PICTURES):
        waves = [np.sin(x * (1 + number % 5) + y + number * shift) for shift in (0.3, 0.7, 1.1)]
        yield _store((120 + 80 * np.stack(waves, -1)).astype(np.uint8))


def _store(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Picture:
    height, width = pixels.shape[:2]
    hq = np.clip(pixels * 1.3 + 10, 0, 255).astype(np.uint8)
    (master, thumbnail), (hq_master, hq_thumbnail) = (
        (storage().put(encode_png(image)), storage().put(thumbnail_webp(image, 320))) for image in (pixels, hq)
    )
    return Picture(master, thumbnail, hq_master, hq_thumbnail, width, height)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--candidates", type=int, default=100_000)
    parser.add_argument("--photos", type=Path, help="a folder of photographs to stand behind the rows")
    parser.add_argument("--copies", type=int, default=0, help="add the rows so many times again")
    given = parser.parse_args()
    settings().data_dir.mkdir(parents=True, exist_ok=True)
    migrate.upgrade(settings().sql_url)
    began = time.perf_counter()
    counts = seed(given.candidates, given.photos)
    copy(given.copies)
    print(f"{sum(counts.values()) * (given.copies + 1):,} rows in {time.perf_counter() - began:.1f} s:", counts)


if __name__ == "__main__":
    main()
