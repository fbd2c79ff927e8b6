"""In which order a queue hands out its pairs: a rank for each, lowest first.

Active learning's usual orders: where two sources of judgement disagree, and where one is unsure (B. Settles: Active Learning
Literature Survey, University of Wisconsin-Madison, 2009, sections 3.1 and 3.2).
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from app.domain.aspects import ASPECTS
from app.domain.verdict import AcceptRule, failed_aspects

Order = Literal["oldest", "random", "stratified", "disagreement", "uncertainty"]
ORDERS: tuple[Order, ...] = get_args(Order)
UNKNOWN_LAST = 10.0
"""The rank of a pair that an order knows nothing about: after all others."""


@dataclass(frozen=True)
class Known:
    """What is known of a pair. ``improved`` is the share of no-reference metrics by which HQ beats LQ, 0 to 1, None without
    any; ``scores`` are the judge's, empty without a verdict."""

    image_id: int
    category: str
    improved: float | None
    scores: Mapping[str, float]


def ranks(
    pairs: Sequence[Known], order: Order, seed: int, rule: AcceptRule, placed: Mapping[str, int] | None = None
) -> list[float]:
    """The rank of each pair. ``placed`` counts pairs by category that the queue has already (for "stratified").

    - oldest: by image id;
    - random: by a hash of id and seed, the same each time;
    - stratified: category by category in turn, at random within each;
    - disagreement: largest first, the distance between the share of improved metrics and the judge's mean score;
    - uncertainty: nearest first, the smallest distance of an aspect's score to the minimum it needs.
    """
    if order == "oldest":
        return [float(pair.image_id) for pair in pairs]
    if order == "random":
        return [_draw(pair.image_id, seed) for pair in pairs]
    if order == "disagreement":
        return [-_disagreement(pair) for pair in pairs]
    if order == "uncertainty":
        return [_margin(pair, rule) for pair in pairs]
    turn = Counter(placed or {})
    found: dict[int, float] = {}
    for pair in sorted(pairs, key=lambda pair: _draw(pair.image_id, seed)):
        found[pair.image_id] = turn[pair.category] + _draw(pair.image_id, seed) / 2
        turn[pair.category] += 1
    return [found[pair.image_id] for pair in pairs]


def _draw(image_id: int, seed: int) -> float:
    """A number in [0, 1) that depends on both and looks random."""
    digest = hashlib.blake2b(f"{seed}:{image_id}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


def _disagreement(pair: Known) -> float:
    if pair.improved is None or not pair.scores:
        return -UNKNOWN_LAST
    return abs(pair.improved - sum(pair.scores.values()) / len(pair.scores) / 100)


def _margin(pair: Known, rule: AcceptRule) -> float:
    try:
        failed_aspects(pair.scores, rule)  # type: ignore[arg-type]
    except ValueError:
        return UNKNOWN_LAST
    return min(abs(float(pair.scores[aspect]) - rule.minimum(aspect)) for aspect in ASPECTS) / 100
