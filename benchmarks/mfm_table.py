"""Table 1 at the paper's size: 36 settings on 100 fidelity and 200 perceptual images, with nine metrics and verdicts.

    GGT_DATA_DIR=/tmp/mfm python -m benchmarks.mfm_table [--repeats 20] [--photos]

Fills an empty data folder once; called again, it only measures. Values are invented about the published means. ``--photos``
puts the demo photographs and what local methods make of them behind the images, for looking at the pages; else they are
drawn. Printed are each page's first answer in a fresh process and later ones at p50 and p95, as benchmarks.pages measures
them, and the answer after something new came elsewhere, and on the sets.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, insert, select
from sqlmodel import Session, col

from app import db, migrate
from app.catalog.generators import GENERATORS, STRATEGIES
from app.config import settings
from app.domain.overall_score import MFM_COLUMNS
from app.imaging import Limits, decode, encode_png, thumbnail_webp
from app.models import (
    Candidate,
    Image,
    ImageSet,
    ImageSetItem,
    Method,
    Refusal,
    Score,
    Source,
    SourceFile,
    Stage,
    Verdict,
    utcnow,
)
from app.services.table_export import read_settings
from app.storage import storage
from benchmarks import pages

Pixels = NDArray[np.uint8]
FIDELITY, PERCEPTUAL = 100, 200
SPREAD = {"psnr": 3.0, "ssim": 0.08, "lpips": 0.05, "dists": 0.03, "niqe": 0.9, "musiq": 7.0, "maniqa": 0.06,
          "topiq_nr": 0.07, "afine_nr": 0.06}  # fmt: skip
STRATEGY = {"Fix": "fix", "Fix-NC": "fix-nc", "GPT": "vlm-gpt", "Gemini": "vlm-gemini"}
PATHS = {
    "table": "/benchmarks/mfm",
    "table, sorted, intervals, published": "/benchmarks/mfm?sort=-lpips&intervals=1&published=1",
    "one category": "/benchmarks/mfm?category=rain",
    "other weights": "/benchmarks/mfm?fid=2",
    "images of a cell": "/benchmarks/mfm/images?method=1&metric=psnr",
    "images of a judge": "/benchmarks/mfm/images?method=1&metric=vlm_r&page=2",
    "typical outputs": "/benchmarks/mfm/typical",
    "chart": "/benchmarks/mfm/chart.svg",
    "CSV": "/benchmarks/mfm.csv",
}


def drawn(number: int) -> tuple[Pixels, list[Pixels]]:
    """A picture and two others in place of its outputs."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:256, 0:256] / 256
    waves = [np.sin(2 * np.pi * (a * x + b * y) + c) for a, b, c in random.uniform(0.5, 3, (3, 3))]
    clean = np.clip(128 + 70 * np.stack(waves, -1), 0, 255)
    return (
        np.clip(clean + random.normal(0, 25, clean.shape), 0, 255).astype(np.uint8),
        [np.clip(clean * gain, 0, 255).astype(np.uint8) for gain in (0.9, 1.0, 1.1)],
    )


def photographs() -> list[tuple[Pixels, list[Pixels]]]:
    """The demo photographs with what local methods make of them."""
    from importlib import import_module

    from workers.degradations.demo import build_demo_set

    found = []
    keys = ("local-nlm", "local-dcp", "local-lime", "local-derain", "local-desnow", "local-rl")
    with tempfile.TemporaryDirectory() as folder:
        for part in build_demo_set(Path(folder)):
            for file in sorted(part.path.iterdir()):
                lq = np.ascontiguousarray(decode(file, Limits(min_side=32)).pixels[:512, :512])
                made = []
                for key in keys:
                    module, _, name = GENERATORS[key].target.partition(":")
                    method = getattr(import_module(module), name)()
                    made.append(method.restore(lq, GENERATORS[key].params))
                found.append((lq, made))
    return found


def seed(pictures: Sequence[tuple[Pixels, list[Pixels]]]) -> None:
    """Fill the database."""
    random = np.random.default_rng(0)
    text = (files("app.catalog") / "published" / "table1_mfm_evaluation.csv").read_text("utf-8")
    published = read_settings(text)
    of_title = {spec.title.lower(): key for key, spec in GENERATORS.items()}
    of_title |= {"qwen-image-edit": "qwen-image-edit-2511", "flux.2-dev": "flux.2-dev"}
    now = utcnow()
    kept = [_stored(lq, made) for lq, made in pictures]
    with db.unit_of_work() as session:
        source = Source(name="benchmark", licence="CC0-1.0")
        session.add(source)
        session.flush()
        images = _images(session, source.id or 0, kept, now)
        methods: list[tuple[int, str]] = []
        for record in published.records:
            generator, strategy = of_title[record[0].lower()], STRATEGY[record[1]]
            assert strategy in STRATEGIES
            method = Method(name=f"{generator} / {strategy}", generator=generator, strategy=strategy)
            session.add(method)
            session.flush()
            methods.append((method.id or 0, generator))
        candidates: list[dict[str, Any]] = []
        scores: list[dict[str, Any]] = []
        verdicts: list[dict[str, Any]] = []
        refusals: list[dict[str, Any]] = []
        shift = random.normal(0, 0.6, (len(images), len(SPREAD)))
        keys = list(SPREAD)
        for at, ((method_id, generator), means) in enumerate(zip(methods, published.values, strict=True)):
            for place, (image, fidelity) in enumerate(images):
                if generator == "gpt-image-1.5" and random.random() < 0.03:
                    refusals.append(
                        {"image_id": image["id"], "method_id": method_id, "recipe_hash": "r" * 64, "recipe": {}, "sample": 0,
                         "reason": "moderation_blocked", "message": "", "raw_sha256": "", "created_at": now}
                    )  # fmt: skip
                    continue
                pixels = hashlib.sha256(f"{method_id} {image['id']}".encode()).hexdigest()
                stored = kept[place % len(kept)][1][(at + place) % len(kept[place % len(kept)][1])]
                candidates.append(
                    {"id": len(candidates) + 1, "image_id": image["id"], "method_id": method_id, "recipe_hash": "r" * 64,
                     "recipe": {}, "sample": 0, "parent_id": None, "run_id": None, "file_sha256": stored[0],
                     "media_type": "image/png", "pixel_sha256": pixels, "thumbnail_sha256": stored[1], "width": 256,
                     "height": 256, "raw_sha256": "", "checks": {}, "seconds": 1.0, "created_at": now}
                )  # fmt: skip
                for k, column in enumerate(MFM_COLUMNS[:-1]):
                    if (column.aspect == "fid") != fidelity:
                        continue
                    noise = shift[place, k] + random.normal(0, 0.5)
                    missing = column.key == "afine_nr" and place % 50 == 7
                    mean = means[keys[k]]
                    scores.append(
                        {"pixel_sha256": pixels, "metric": column.key, "version": "pyiqa 0.1.16", "device": "cpu",
                         "reference_sha256": image["reference_pixel_sha256"] if fidelity else "",
                         "value": None if missing or mean is None else mean + noise * SPREAD[column.key],
                         "note": "a side is no multiple of 32" if missing else "", "created_at": now}
                    )  # fmt: skip
                if not fidelity:
                    decision = "accept" if random.random() < (means["vlm_r"] or 0) else "reject"
                    verdicts.append(
                        {"candidate_id": len(candidates), "judge": "gemini-3.1-pro", "version": "1", "scores": {},
                         "reasons": {}, "decision": decision, "rule_decision": decision, "raw": "", "stand_in": False,
                         "seconds": 1.0, "created_at": now}
                    )  # fmt: skip
        for table, rows in ((Candidate, candidates), (Score, scores), (Verdict, verdicts), (Refusal, refusals)):
            session.execute(insert(table), rows)


def _stored(lq: Pixels, made: Sequence[Pixels]) -> tuple[tuple[str, str], list[tuple[str, str]]]:
    def put(pixels: Pixels) -> tuple[str, str]:
        return storage().put(encode_png(pixels)), storage().put(thumbnail_webp(pixels, 320))

    return put(lq), [put(pixels) for pixels in made]


def _images(session: Session, source_id: int, kept: Sequence[Any], now: Any) -> list[tuple[dict[str, Any], bool]]:
    categories = ["general_mixed"] * FIDELITY
    for category in ("rain", "haze", "snow", "low_light", "old_photo"):
        categories += [category] * 20
    categories += ["general_mixed"] * (FIDELITY + PERCEPTUAL - len(categories))
    found, photographs_, items = [], [], []
    for at, category in enumerate(categories):
        name = hashlib.sha256(f"image {at}".encode()).hexdigest()
        fidelity = at < FIDELITY
        (master, thumbnail), outputs = kept[at % len(kept)]
        photographs_.append(
            {"id": at + 1, "source_id": source_id, "category": category, "name": f"{at}.png", "file_sha256": name, "size": 1,
             "format": "PNG", "width": 256, "height": 256, "notes": [], "exif": {}, "created_at": now}
        )  # fmt: skip
        found.append(
            ({"id": at + 1, "source_file_id": at + 1, "source_id": source_id, "category": category, "box_x": 0, "box_y": 0,
              "box_width": 256, "box_height": 256, "undersized": True, "master_sha256": master, "pixel_sha256": name,
              "thumbnail_sha256": thumbnail, "stage": Stage.BENCHMARK if fidelity else Stage.COLLECTED, "stage_reason": "",
              "decisions_wanted": 1, "reference_master_sha256": outputs[0][0] if fidelity else "",
              "reference_pixel_sha256": name[::-1] if fidelity else "", "degradation": {}, "variant": "",
              "created_at": now}, fidelity)
        )  # fmt: skip
        items.append({"set_id": 1 if fidelity else 2, "image_id": at + 1, "position": at})
    session.execute(insert(SourceFile), photographs_)
    session.execute(insert(Image), [image for image, _ in found])
    for number, (name, kind) in enumerate((("fidelity-100", "fidelity"), ("real-200", "perceptual")), 1):
        session.add(ImageSet(id=number, name=name, kind=kind, frozen_at=now))
    session.flush()
    session.execute(insert(ImageSetItem), items)
    return found


def _after() -> None:
    """The table's answer after a score elsewhere, and after one on the sets, which makes it be computed again."""
    for what, pixels in (("a score elsewhere", "elsewhere"), ("a score on the sets", "")):
        with db.unit_of_work() as session:
            candidate = (
                session.execute(select(col(Candidate.pixel_sha256)).order_by(col(Candidate.id).desc())).scalars().first()
            )
            pixel = hashlib.sha256(f"{pixels}{time.time_ns()}".encode()).hexdigest() if pixels else str(candidate)
            session.add(Score(pixel_sha256=pixel, metric="niqe", version=f"again {time.time_ns()}", value=5.0))
        [row] = pages.measure(1, {what: "/benchmarks/mfm"})
        print(f"after {what:34}{row['first_ms']:>9}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--photos", action="store_true")
    given = parser.parse_args()
    settings().data_dir.mkdir(parents=True, exist_ok=True)
    migrate.upgrade()
    with db.reading() as session:
        there = session.execute(select(func.count(col(ImageSet.id)))).scalar_one()
    if not there:
        began = time.perf_counter()
        seed(photographs() if given.photos else [drawn(number) for number in range(12)])
        print(f"filled in {time.perf_counter() - began:.1f} s")
    print(f"{'page':40}{'first':>9}{'p50':>9}{'p95':>9}{'cpu':>9}  ms   statements  KB")
    for row in pages.measure(given.repeats, PATHS):
        line = f"{row['page']:40}{row['first_ms']:>9}{row['p50_ms']:>9}{row['p95_ms']:>9}{row['cpu_ms']:>9}"
        print(f"{line}{row['statements']:>15}{row['kilobytes']:>5}")
    _after()


if __name__ == "__main__":
    main()
