"""Judging: one LQ-HQ pair in, five aspect scores and a decision out."""

import importlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlmodel import Session

from app.catalog.judges import JUDGES
from app.catalog.quality import ACCEPT_RULE
from app.domain.verdict import rule_decision
from app.jobs import Lease
from app.models import Candidate, Image, Verdict
from app.services import flow
from workers.judges.base import Judge
from workers.pixels import stored_pixels


@dataclass(frozen=True)
class Loaded:
    """What one judgement needs."""

    candidate_id: int
    judge: str
    category: str
    lq_sha256: str
    hq_sha256: str


@lru_cache(maxsize=4)
def judge(key: str) -> Judge:
    """A judge's backend, loaded once per process."""
    module, name = JUDGES[key].target.split(":")
    loaded: Judge = getattr(importlib.import_module(module), name)()
    return loaded


class JudgeTask:
    """Judges one candidate."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        loaded = []
        for lease in leases:
            candidate = session.get_one(Candidate, lease.payload["candidate_id"])
            image = session.get_one(Image, candidate.image_id)
            loaded.append(
                Loaded(
                    candidate_id=lease.payload["candidate_id"],
                    judge=lease.payload["judge"],
                    category=image.category,
                    lq_sha256=image.master_sha256,
                    hq_sha256=candidate.file_sha256,
                )
            )
        return loaded

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[Verdict]:
        for one in loaded:
            started = time.perf_counter()
            answer = judge(one.judge).judge(stored_pixels(one.lq_sha256), stored_pixels(one.hq_sha256), one.category)
            yield Verdict(
                candidate_id=one.candidate_id,
                judge=one.judge,
                version=JUDGES[one.judge].version,
                scores={str(k): v for k, v in answer.scores.items()},
                reasons={str(k): v for k, v in answer.reasons.items()},
                decision=answer.decision,
                rule_decision=rule_decision(answer.scores, ACCEPT_RULE),
                raw=answer.raw,
                seconds=time.perf_counter() - started,
            )

    def save(self, session: Session, lease: Lease, outcome: Verdict) -> None:
        flow.judged(session, lease.run_id, outcome)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        flow.step_failed(session, lease.payload["candidate_id"], f"Judging failed: {error}")
