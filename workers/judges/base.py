"""What a judge backend is: one class that looks at an LQ-HQ pair and scores the five aspects."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from app.domain.aspects import Aspect, Decision


@dataclass(frozen=True)
class Judgement:
    """A judge's answer: scores 0 to 100, a reason per aspect, its own decision, and its reply as it came."""

    scores: Mapping[Aspect, int]
    reasons: Mapping[Aspect, str]
    decision: Decision
    raw: str


class Judge(Protocol):
    """A loaded judge. Constructed once per worker process without arguments."""

    def judge(self, lq: NDArray[np.uint8], hq: NDArray[np.uint8], category: str) -> Judgement:
        """Judge one pair: two sRGB images of shape (H, W, 3)."""
        ...
