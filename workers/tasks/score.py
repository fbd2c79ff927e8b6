"""Scoring: the metrics of a candidate against its LQ and the no-reference ones of the LQ, in batches of one shape."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlmodel import Session, col, select

from app.catalog.metrics import METRICS
from app.config import settings
from app.db import insert_ignore
from app.errors import WeightsMissing
from app.leasing import Lease
from app.models import Candidate, Image, Score, utcnow
from app.services import flow
from workers.metrics.engine import ScoringEngine, metric_version
from workers.pixels import stored_pixels

log = logging.getLogger("ggt.worker")


@dataclass(frozen=True)
class Key:
    """What identifies a score besides its metric: pixels, the reference's pixels ("" without), and where to read them."""

    pixel_sha256: str
    reference_sha256: str
    file_sha256: str
    reference_file_sha256: str


@dataclass(frozen=True)
class Loaded:
    """The scores one candidate still lacks: per metric, the images to score."""

    missing: dict[str, list[Key]]


@lru_cache(maxsize=1)
def engine() -> ScoringEngine:
    """The metrics of this process."""
    return ScoringEngine(settings().weights_dir, settings().device)


class ScoreTask:
    """Scores candidates. Metrics without weights are left out; the pages say which and what to type."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        return [self._load_one(session, lease.payload["candidate_id"], lease.payload["metrics"]) for lease in leases]

    def _load_one(self, session: Session, candidate_id: int, metrics: Sequence[str]) -> Loaded:
        candidate = session.get_one(Candidate, candidate_id)
        image = session.get_one(Image, candidate.image_id)
        hq = Key(candidate.pixel_sha256, "", candidate.file_sha256, "")
        lq = Key(image.pixel_sha256, "", image.master_sha256, "")
        against = Key(candidate.pixel_sha256, image.pixel_sha256, candidate.file_sha256, image.master_sha256)
        stored = session.exec(select(Score).where(col(Score.pixel_sha256).in_([candidate.pixel_sha256, image.pixel_sha256])))
        have = {(s.metric, s.version, s.pixel_sha256, s.reference_sha256) for s in stored}
        missing: dict[str, list[Key]] = {}
        for key in metrics:
            for one in (against,) if METRICS[key].reference else (hq, lq):
                if (key, metric_version(key), one.pixel_sha256, one.reference_sha256) not in have:
                    missing.setdefault(key, []).append(one)
        return Loaded(missing)

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[list[Score]]:
        scores: dict[tuple[str, Key], Score] = {}
        for metric in METRICS:
            wanted = list(dict.fromkeys(key for one in loaded for key in one.missing.get(metric, ())))
            if wanted:
                scores.update(self._score(metric, wanted))
        for one in loaded:
            yield [scores[metric, key] for metric, keys in one.missing.items() for key in keys if (metric, key) in scores]

    def _score(self, metric: str, wanted: Sequence[Key]) -> Iterator[tuple[tuple[str, Key], Score]]:
        images = [stored_pixels(key.file_sha256) for key in wanted]
        references = [stored_pixels(key.reference_file_sha256) for key in wanted] if METRICS[metric].reference else None
        try:
            values = engine().score(metric, images, references)
        except WeightsMissing as error:
            log.warning("%s is left out: %s", metric, error)
            return
        for key, value in zip(wanted, values, strict=True):
            yield (
                (metric, key),
                Score(
                    pixel_sha256=key.pixel_sha256,
                    reference_sha256=key.reference_sha256,
                    metric=metric,
                    version=metric_version(metric),
                    value=value.value,
                    note=value.reason,
                    device=settings().device,
                ),
            )

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
