"""Stand-ins for what is slow or random in the flow, and a worker without processes."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from sqlmodel import select

from app import leasing, messages
from app.config import settings
from app.db import reading, unit_of_work
from app.domain.aspects import ASPECTS, Aspect, Decision
from app.errors import GenerationError
from app.imaging import pixel_hash
from app.models import Image
from workers import runtime
from workers.generators.base import Output, Request
from workers.judges.base import Judgement
from workers.metrics.engine import Scored

Pixels = NDArray[np.uint8]


class ScoresGroups:
    """A stand-in for the engine, which says how one metric scores; no weights are missing."""

    def score(self, key: str, images: Sequence[Pixels], references: Sequence[Pixels] | None = None) -> list[Scored]:
        raise NotImplementedError

    def score_group(
        self, keys: Sequence[str], images: Sequence[Pixels], reference: Pixels | None = None
    ) -> dict[str, list[Scored]]:
        return {key: self.score(key, images, [reference] * len(images) if reference is not None else None) for key in keys}


class ScriptedEngine(ScoresGroups):
    """Scores by the roughness of the pixels: less noise is better, or with ``praises_noise`` the other way round."""

    def __init__(self, *, praises_noise: bool = False) -> None:
        self.scale = -100 if praises_noise else 100
        self.calls = 0

    def score(self, key: str, images: Sequence[Pixels], references: Sequence[Pixels] | None = None) -> list[Scored]:
        self.calls += len(images)
        return [Scored(self.scale * float(cv2.Laplacian(image, cv2.CV_64F).std())) for image in images]


class EveryHqIsBetter(ScoresGroups):
    """Gives each LQ in the database a bad score and everything else a good one, so that no candidate is filtered out."""

    def score(self, key: str, images: Sequence[Pixels], references: Sequence[Pixels] | None = None) -> list[Scored]:
        with reading() as session:
            lqs = set(session.exec(select(Image.pixel_sha256)))
        return [Scored(50.0 if pixel_hash(image) in lqs else 10.0) for image in images]


class ScriptedJudge:
    """Gives the decisions it was told, then accepts. A rejection names ``failing``."""

    def __init__(self, *decisions: Decision, failing: Aspect = "restoration_quality") -> None:
        self.decisions = list(decisions)
        self.failing = failing

    def judge(self, lq: Pixels, hq: Pixels, category: str) -> Judgement:
        decision: Decision = self.decisions.pop(0) if self.decisions else "accept"
        scores = dict.fromkeys(ASPECTS, 95)
        if decision == "reject":
            scores[self.failing] = 40
        return Judgement(scores, dict.fromkeys(ASPECTS, "as the test says"), decision, "{}")


class CountingGenerator:
    """Blurs a little, by ``strength``; counts its calls and fails while ``broken``."""

    def __init__(self) -> None:
        self.requests: list[Mapping[str, float]] = []
        self.broken = ""

    def generate(self, request: Request) -> Output:
        self.requests.append(request.params)
        if self.broken:
            raise GenerationError(self.broken)
        blurred = cv2.GaussianBlur(request.lq, (0, 0), request.params["strength"])
        return Output(pixels=np.asarray(blurred, np.uint8))


def drain() -> int:
    """Work until nothing is left to do. Returns how many items were worked on."""
    worked = 0
    while batch := sum(runtime.work_once(queue) for queue in messages.QUEUES):
        worked += batch
    return worked


def claim(queue: str, owner: str) -> list[leasing.Lease]:
    """Take items as another worker would."""
    with unit_of_work() as session:
        return leasing.claim(session, queue, owner, settings().lease_seconds)
