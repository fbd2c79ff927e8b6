"""The accept rule of quality control: five aspect scores in, one decision out (Appendix C, Fig. C.1)."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.aspects import ASPECTS, Aspect, Decision


@dataclass(frozen=True)
class AcceptRule:
    """Scores a pair needs, each 0 to 100: ``min_all`` on every aspect, ``minimums`` on single ones where that is more.

    Raises ValueError for an unknown aspect or a threshold outside 0 to 100.
    """

    min_all: int
    minimums: Mapping[Aspect, int]

    def __post_init__(self) -> None:
        for name, value in (("min_all", self.min_all), *self.minimums.items()):
            if name != "min_all" and name not in ASPECTS:
                raise ValueError(f"accept rule names an unknown aspect: {name}")
            if not 0 <= value <= 100:
                raise ValueError(f"accept rule needs {name} within 0 to 100, not {value}")

    def minimum(self, aspect: Aspect) -> int:
        """The score ``aspect`` must reach."""
        return max(self.min_all, self.minimums.get(aspect, 0))


def failed_aspects(scores: Mapping[Aspect, float], rule: AcceptRule) -> tuple[Aspect, ...]:
    """Aspects below their minimum, in the order of the paper.

    Raises ValueError when an aspect is missing or its score is not within 0 to 100 (a judge that answers so has not
    judged, and must not be read as a rejection).
    """
    missing = [a for a in ASPECTS if a not in scores]
    if missing:
        raise ValueError(f"no score for {', '.join(missing)}")
    for aspect in ASPECTS:
        if not 0 <= scores[aspect] <= 100:
            raise ValueError(f"score of {aspect} is {scores[aspect]}, not within 0 to 100")
    return tuple(a for a in ASPECTS if scores[a] < rule.minimum(a))


def rule_decision(scores: Mapping[Aspect, float], rule: AcceptRule) -> Decision:
    """``"accept"`` only if no aspect fails; same errors as :func:`failed_aspects`."""
    return "reject" if failed_aspects(scores, rule) else "accept"
