"""A collection of the paper's size: 1.1 million invented patches as crop boxes, one a photograph; duplicates and pages.

    GGT_DATA_DIR=/tmp/collection python -m benchmarks.collection [--patches 1100000] [--repeats 20]

Fills an empty data folder (or the database of ``GGT_DATABASE_URL``) once; called again, it only measures. Printed are the
seconds and memory of filling, the time to look for near-duplicates of a new photograph and to take it in, and each page's
time at p50 and p95 with its SQL statements, as benchmarks.pages measures them. No master is stored: patches are boxes.
"""

import argparse
import os
import random
import resource
import statistics
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import func, insert, select

from app import db, migrate
from app.catalog.categories import CATEGORIES
from app.config import settings
from app.domain.near_duplicates import bands
from app.domain.patching import Box
from app.models import Patch, PatchState, PhashBand, Run, Source, SourceFile, table_of, utcnow
from app.services import ingest
from app.services.duplicates import near_duplicate
from app.services.photograph import Cut, Prepared
from benchmarks import pages

CHUNK = 20_000
PATCHES = 1_100_000
"""The paper screens "more than 1,100K image patches" (Appendix A)."""
SOURCES = ("imagenet", "acdc", "rtts", "darkface", "exdark", "flickr", "unsplash", "own-2026")
# About one in ten is retained, as in the paper; how the others are screened out is invented.
ENDS = (
    (8, PatchState.OUT, "metric"), (22, PatchState.OUT, "content"), (11, PatchState.OUT, "degraded"),
    (17, PatchState.OUT, "artifact"), (1, PatchState.OUT, "unsafe"), (1, PatchState.FLAGGED, "unsafe"),
    (3, PatchState.WAITING, ""), (4, PatchState.GRADING, "level"), (2, PatchState.PASSED, "sampling"),
    (31, PatchState.NOT_DRAWN, "sampling"),
)  # fmt: skip
PATHS = {
    "sources": "/sources",
    "one source": "/sources/1",
    "looks": "/looks",
    "patches that wait": "/patches?state=waiting",
    "patches, flagged": "/patches?state=flagged",
    "patches, grading": "/patches?state=grading",
    "patches, out": "/patches?state=out",
    "patches, out, one category and step": "/patches?state=out&category=rain&step=artifact",
    "patches, one source": "/patches?state=out&source=3",
    "composition": "/composition",
    "licences": "/licences",
}


def phash(number: int) -> str:
    """An invented perceptual hash, the same for the same number."""
    return f"{random.Random(number).getrandbits(64):016x}"


def rows(count: int) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]]:
    """A photograph, its patch and its hash's bands, so many times."""
    at, categories = utcnow(), tuple(CATEGORIES)
    weights = [weight for weight, _, _ in ENDS]
    dice = random.Random(0)
    ends = dice.choices(ENDS, weights, k=4096)
    for number in range(1, count + 1):
        source = dice.randrange(len(SOURCES)) + 1
        _, state, step = ends[dice.randrange(4096)]
        value = phash(number)
        name = f"{number:064x}"
        yield (
            {"id": number, "source_id": source, "category": categories[number % 6], "name": f"{number:08}.jpg",
             "file_sha256": name, "size": 300_000, "format": "JPEG", "width": 1024, "height": 1024, "phash": value,
             "notes": [], "exif": {}, "licence": "", "author": "", "url": "", "keywords": [], "fetched_at": None,
             "thumbnail_sha256": "", "look": "waiting" if number % 50 == 0 else "", "look_reason": "", "created_at": at},
            {"id": number, "source_file_id": number, "source_id": source, "category": categories[number % 6], "box_x": 0,
             "box_y": 0, "box_width": 1024, "box_height": 1024, "undersized": False, "state": state, "step": step,
             "reason": "", "level": ("low", "medium", "high")[number % 3] if step == "sampling" else "", "measures": {},
             "thumbnail_sha256": "", "created_at": at},
            [{"band": band, "value": piece, "source_file_id": number} for band, piece in enumerate(bands(value))],
        )  # fmt: skip


def fill(count: int) -> None:
    migrate.upgrade()
    started = time.perf_counter()
    with db.unit_of_work() as session:
        if session.execute(select(func.count()).select_from(table_of(Source))).scalar_one():
            return
        told = [
            {"id": number, "name": name, "kind": "dataset", "licence": "CC0-1.0", "author": "", "url": "", "note": "",
             "terms": "", "held_out": False, "created_at": utcnow()}
            for number, name in enumerate(SOURCES, 1)
        ]  # fmt: skip
        session.execute(insert(table_of(Source)), told)
    made = rows(count)
    while chunk := list(islice(made, CHUNK)):
        with db.unit_of_work() as session:
            session.execute(insert(table_of(SourceFile)), [photo for photo, _, _ in chunk])
            session.execute(insert(table_of(Patch)), [patch for _, patch, _ in chunk])
            session.execute(insert(table_of(PhashBand)), [band for _, _, bands_of in chunk for band in bands_of])
    if not settings().sqlite:  # as autovacuum does in its next minutes; ids were given, so their counters are behind
        with db.engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            for table in ("source", "source_file", "patch"):
                connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}")
            connection.exec_driver_sql("VACUUM (ANALYZE)")
    seconds = time.perf_counter() - started
    print(f"filled in {seconds:.0f} s, {count / seconds:,.0f} photographs/s, at most {memory():,.0f} MB of memory")


def memory() -> float:
    """The most memory this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def new_photographs(repeats: int) -> str:
    """What a new photograph costs the database: the look for near-duplicates, and all of taking it in."""
    with db.unit_of_work() as session:
        source = ingest.SourceInput(f"new {time.time_ns()}")
        run_id = ingest.start_ingest(session, user_id=None, category="rain", source=source, title="new", then="screen").id
    look, whole = [], []
    for number in range(repeats):
        name = f"{time.time_ns():064x}"
        prepared = Prepared(
            name=f"{number}.jpg", file_sha256=name, size=1, format="JPEG", width=1024, height=1024,
            phash=phash(time.time_ns()), notes=(), exif={}, resized=None, undersized=False,
            patches=(Cut(Box(0, 0, 1024, 1024)),),
        )  # fmt: skip
        started = time.perf_counter()
        with db.reading() as session:
            run = session.get_one(Run, run_id)
            found = near_duplicate(session, run, prepared)
        look.append(time.perf_counter() - started)
        started = time.perf_counter()
        with db.unit_of_work() as session:
            ingest.save(session, run_id or 0, prepared)
        whole.append(time.perf_counter() - started)
        assert found is None
    return f"new photograph: near-duplicates {spread(look)}; taken in {spread(whole)}"


def spread(seconds: list[float]) -> str:
    """Median, 95th and 99th percentile in ms."""
    ordered = sorted(1000 * one for one in seconds)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.95, 0.99)]
    return f"p50 {statistics.median(ordered):.1f}, p95 {at[0]:.1f}, p99 {at[1]:.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--patches", type=int, default=PATCHES)
    parser.add_argument("--repeats", type=int, default=20)
    given = parser.parse_args()
    if "GGT_DATA_DIR" not in os.environ:
        raise SystemExit("Set GGT_DATA_DIR to a folder of its own: rows are invented there.")
    settings().data_dir.mkdir(parents=True, exist_ok=True)
    fill(given.patches)
    print(new_photographs(200))
    for row in pages.measure(given.repeats, PATHS):
        print(
            f"{row['page']:38} first {row['first_ms']:>7} p50 {row['p50_ms']:>7} p95 {row['p95_ms']:>7} ms "
            f"{row['statements']:>3} statements {row['kilobytes']:>4} KB"
        )
    print(f"at most {memory():,.0f} MB of memory in this process")


if __name__ == "__main__":
    main()
