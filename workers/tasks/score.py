"""Scoring: the metrics of a candidate against its reference, and the no-reference ones of the candidate and its LQ.

Candidates of one image are done one after the other, so that what metrics make of the reference is made once; files are
read and decoded ahead, while the metrics compute.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, select

from app.catalog.metrics import KNOWN
from app.config import settings
from app.db import insert_ignore
from app.errors import WeightsMissing
from app.leasing import Lease
from app.models import Candidate, Image, Json, Score, utcnow
from app.services import flow
from workers.metrics.ahead import ahead
from workers.metrics.engine import ScoringEngine, left_out, metric_version
from workers.pixels import stored_pixels


@dataclass(frozen=True)
class Key:
    """What identifies a score besides its metric: pixels, the reference's pixels ("" without), and where to read them."""

    pixel_sha256: str
    reference_sha256: str
    file_sha256: str
    reference_file_sha256: str


@dataclass(frozen=True)
class Loaded:
    """The scores one candidate still lacks: per metric, the images to score. ``versions`` are the metrics' as of now."""

    missing: dict[str, list[Key]]
    versions: dict[str, str]


@dataclass(frozen=True)
class Pixels:
    """A decoded image, and its reference where it has one."""

    image: NDArray[np.uint8]
    reference: NDArray[np.uint8] | None


@lru_cache(maxsize=1)
def engine() -> ScoringEngine:
    """The metrics of this process."""
    return ScoringEngine(settings().weights_dir, settings().device)


class ScoreTask:
    """Scores candidates. Metrics without weights are left out; the pages say which and what to type.

    The reference of full-reference metrics is the clean original of an image that was made of one, else the LQ; or what the
    item's ``reference`` names (``pixels`` and ``file``, both SHA-256), such as a GGT. Scores are kept under it.
    """

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        return [self._load_one(session, lease.payload) for lease in leases]

    def _load_one(self, session: Session, payload: Json) -> Loaded:
        candidate = session.get_one(Candidate, payload["candidate_id"])
        image = session.get_one(Image, candidate.image_id)
        reference, reference_file = _reference(image, payload)
        hq = Key(candidate.pixel_sha256, "", candidate.file_sha256, "")
        lq = Key(image.pixel_sha256, "", image.master_sha256, "")
        against = Key(candidate.pixel_sha256, reference, candidate.file_sha256, reference_file)
        stored = session.exec(select(Score).where(col(Score.pixel_sha256).in_([candidate.pixel_sha256, image.pixel_sha256])))
        have = {(s.metric, s.version, s.pixel_sha256, s.reference_sha256) for s in stored}
        missing: dict[str, list[Key]] = {}
        versions: dict[str, str] = {}
        for metric in payload["metrics"]:
            try:
                versions[metric] = metric_version(metric, settings().weights_dir)
            except WeightsMissing as error:
                left_out(metric, str(error))
                continue
            for one in (against,) if KNOWN[metric].reference else dict.fromkeys((hq, lq)):
                if (metric, versions[metric], one.pixel_sha256, one.reference_sha256) not in have:
                    missing.setdefault(metric, []).append(one)
        return Loaded(missing, versions)

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[list[Score]]:
        """The scores of each item, given out in order and as soon as they are there: what is done is done."""
        work = _by_reference(loaded)
        decoded = ahead(partial(_decoded, wanted) for _, images in work for wanted in images)
        made: dict[tuple[str, Key], Score] = {}
        done: set[int] = set()
        given = 0
        for position, images in work:
            for wanted in images:
                made |= _scores(wanted, next(decoded), loaded[position].versions)
            done.add(position)
            while given in done:
                yield _of(loaded[given], made)
                given += 1

    def save(self, session: Session, lease: Lease, outcome: list[Score]) -> None:
        rows = [{**score.model_dump(exclude={"id"}), "created_at": utcnow()} for score in outcome]
        insert_ignore(session, Score, rows)
        payload = lease.payload
        flow.scored(
            session, lease.run_id, payload["candidate_id"], filters=payload["filters"], judge=payload.get("judge", "")
        )

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        if lease.payload["filters"]:
            flow.step_failed(session, lease.payload["candidate_id"], f"Scoring failed: {error}")


def _reference(image: Image, payload: Json) -> tuple[str, str]:
    """The pixels and the file that full-reference metrics compare with."""
    if named := payload.get("reference"):
        return named["pixels"], named["file"]
    if image.reference_pixel_sha256:
        return image.reference_pixel_sha256, image.reference_master_sha256
    return image.pixel_sha256, image.master_sha256


Wanted = dict[str, Key]
"""What is to be scored of one image, by metric. It is decoded once for all of them."""


def _by_reference(loaded: Sequence[Loaded]) -> list[tuple[int, list[Wanted]]]:
    """The work of each item, by its position, image by image. Items that share a reference are adjacent.

    What two items lack is done once, with the first of them.
    """
    planned: set[tuple[str, Key]] = set()
    first: dict[str, int] = {}
    turn = [first.setdefault(_references(one), n) for n, one in enumerate(loaded)]
    work = []
    for position in sorted(range(len(loaded)), key=lambda n: (turn[n], n)):
        images: dict[str, Wanted] = {}
        for metric, keys in loaded[position].missing.items():
            for key in keys:
                if (metric, key) not in planned:
                    planned.add((metric, key))
                    images.setdefault(key.file_sha256, {})[metric] = key
        work.append((position, list(images.values())))
    return work


def _references(one: Loaded) -> str:
    return next((key.reference_sha256 for keys in one.missing.values() for key in keys if key.reference_sha256), "")


def _decoded(wanted: Wanted) -> Pixels:
    files = {key.reference_file_sha256 for key in wanted.values()} - {""}
    image = stored_pixels(next(iter(wanted.values())).file_sha256)
    return Pixels(image, stored_pixels(files.pop()) if files else None)


def _scores(wanted: Wanted, pixels: Pixels, versions: dict[str, str]) -> dict[tuple[str, Key], Score]:
    """Scores of one image by metric; one without weights is not among them."""
    values = engine().score_group(list(wanted), [pixels.image], pixels.reference)
    return {
        (metric, wanted[metric]): Score(
            pixel_sha256=wanted[metric].pixel_sha256,
            reference_sha256=wanted[metric].reference_sha256,
            metric=metric,
            version=versions[metric],
            value=found.value,
            note=found.reason,
            device=settings().device,
        )
        for metric, [found] in values.items()
    }


def _of(one: Loaded, made: dict[tuple[str, Key], Score]) -> list[Score]:
    """An item's scores; those of metrics without weights are not among them."""
    return [made[metric, key] for metric, keys in one.missing.items() for key in keys if (metric, key) in made]
