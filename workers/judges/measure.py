"""The local judge: scores the five aspects from pixels, with no model and no key."""

import json

import cv2
import numpy as np
from numpy.typing import NDArray

from app.catalog.quality import ACCEPT_RULE
from app.domain.aspects import Aspect
from app.domain.verdict import rule_decision
from workers.judges import colour, consistency, content, geometry, restoration
from workers.judges.base import Judgement
from workers.judges.pair import Finding, prepare


class MeasureJudge:
    """Measures what Appendix C asks a VLM about.

    Labelled ``local-measure`` everywhere. It is not the paper's evaluator: its decisions are never counted as VLM-R, and
    it cannot tell a plausible object from an absurd one, only that something is there which the LQ does not support.
    Deterministic; about a second for 1024x1024 on one core.
    """

    def __init__(self) -> None:
        cv2.setNumThreads(1)

    def judge(self, lq: NDArray[np.uint8], hq: NDArray[np.uint8], category: str) -> Judgement:
        """Judge one pair of sRGB images (H, W, 3). Raises ValueError for other shapes or two sizes.

        ``raw`` is JSON: per aspect the measured numbers behind the score.
        """
        pair = prepare(lq, hq, category)
        findings: dict[Aspect, Finding] = {
            "restoration_quality": restoration.assess(pair),
            "object_consistency": consistency.assess(pair),
            "geometry_alignment": geometry.assess(pair),
            "content_reasonableness": content.assess(pair),
            "color_consistency": colour.assess(pair),
        }
        scores = {aspect: finding.score for aspect, finding in findings.items()}
        return Judgement(
            scores=scores,
            reasons={aspect: finding.reason for aspect, finding in findings.items()},
            decision=rule_decision(scores, ACCEPT_RULE),
            raw=json.dumps({"judge": "local-measure", **{a: f.numbers for a, f in findings.items()}}, sort_keys=True),
        )
