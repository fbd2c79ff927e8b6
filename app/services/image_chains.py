"""What methods made of one image, as its page tells it: attempts with scores, verdicts and reviews, and refusals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.catalog.generators import GENERATORS, STRATEGIES
from app.catalog.judges import JUDGES
from app.catalog.metrics import METRICS
from app.catalog.quality import ACCEPT_RULE
from app.domain.arrival_checks import Arrival, arrival
from app.domain.aspects import ASPECTS
from app.domain.metric_filter import improvement
from app.domain.refusal_words import refusal_words
from app.models import Candidate, CandidateSummary, Image, Json, Method, Refusal, Score, Verdict

Scores = Mapping[tuple[str, str, str], Score]
"""The newest score by pixels, reference ("" for none) and metric."""


@dataclass(frozen=True)
class ScoreRow:
    """One metric of an attempt. ``change`` says whether the HQ is better than the LQ by a no-reference metric."""

    metric: str
    title: str
    better: Literal["higher", "lower"]
    reference: bool
    hq: float | None
    lq: float | None
    change: Literal["", "better", "worse"]
    note: str
    version: str


@dataclass(frozen=True)
class AspectRow:
    """One aspect of a verdict, 0 to 100, and whether it is below what the accept rule asks (Fig. C.1)."""

    name: str
    score: float | None
    minimum: int
    failed: bool
    reason: str


@dataclass(frozen=True)
class VerdictRow:
    """A judge's answer: its own ``decision``, and what the accept rule made of its scores.

    ``stand_in``: a server of ours answered in the judge's place, so this is never VLM-R.
    """

    judge: str
    title: str
    local: bool
    stand_in: bool
    version: str
    decision: str
    rule_decision: str
    aspects: tuple[AspectRow, ...]
    created_at: datetime

    @property
    def disagrees(self) -> bool:
        """Whether the judge decided otherwise than the rule asks."""
        return self.decision != self.rule_decision


@dataclass(frozen=True)
class ReviewRow:
    who: str
    decision: str
    reasons: tuple[str, ...]
    note: str
    created_at: datetime
    undone_at: datetime | None


@dataclass(frozen=True)
class Attempt:
    """One candidate with all that is known about it. ``changes`` are its parameters as they differ from its parent's."""

    candidate: Candidate
    summary: CandidateSummary
    why: str
    changes: Mapping[str, tuple[Any, Any]]
    scores: tuple[ScoreRow, ...]
    verdicts: tuple[VerdictRow, ...]
    reviews: tuple[ReviewRow, ...]

    @property
    def params(self) -> Json:
        return dict(self.candidate.recipe.get("params", {}))

    @property
    def prompt(self) -> str:
        return self._told("prompt")

    @property
    def prompt_version(self) -> str:
        return self._told("prompt_version")

    @property
    def prompt_cut(self) -> bool:
        """Whether the model takes less than the whole prompt had."""
        return bool(self.candidate.recipe.get("prompt_cut"))

    @property
    def extra(self) -> str:
        """An instruction that the run appended to the prompt, or empty."""
        return self._told("extra")

    @property
    def arrival(self) -> Arrival | None:
        return arrival(self.candidate.checks, self.candidate.width, self.candidate.height)

    @property
    def facts(self) -> Mapping[str, str]:
        """What a model that ran here says of itself: versions, device."""
        return {name: value for name, value in self.candidate.checks.items() if isinstance(value, str)}

    @property
    def has_raw(self) -> bool:
        """Whether the provider's bytes are another file than the one shown."""
        return self.candidate.raw_sha256 not in ("", self.candidate.file_sha256)

    def _told(self, name: str) -> str:
        return str(self.candidate.recipe.get(name, ""))


@dataclass(frozen=True)
class RefusalRow:
    """A generation that ended without an image; ``words`` are its reason code's."""

    reason: str
    words: str
    message: str
    prompt_version: str
    run_id: int | None
    created_at: datetime


@dataclass(frozen=True)
class MethodChain:
    """What one method made of the image, oldest first. ``chosen``: it made the candidate that stands for the image.

    ``strategy`` is the prompt strategy's title, or empty. ``stand_in``: made by a local server of ours, not by an MFM.
    """

    name: str
    title: str
    local: bool
    chosen: bool
    attempts: tuple[Attempt, ...]
    strategy: str = ""
    stand_in: bool = False
    refusals: tuple[RefusalRow, ...] = ()


Made = Mapping[int | None, tuple[Candidate, CandidateSummary, Method]]
"""An image's candidates by id, oldest first."""


def chains(
    image: Image,
    made: Made,
    scores: Scores,
    verdicts: Mapping[int | None, Sequence[VerdictRow]],
    reviews: Mapping[int | None, Sequence[ReviewRow]],
    refused: Sequence[tuple[Refusal, Method]],
) -> tuple[MethodChain, ...]:
    """One chain per method that made or refused something, the chosen one first."""
    methods: dict[str, Method] = {}
    attempts: dict[str, list[Attempt]] = {}
    refusals: dict[str, list[RefusalRow]] = {}
    for key, (candidate, summary, method) in made.items():
        parent = made.get(candidate.parent_id)
        why, changes = _why(candidate, parent[0] if parent else None, verdicts.get(candidate.parent_id, ()))
        attempt = Attempt(
            candidate, summary, why, changes, _score_rows(image, candidate, scores), tuple(verdicts.get(key, ())),
            tuple(reviews.get(key, ())),
        )  # fmt: skip
        methods[method.name] = method
        attempts.setdefault(method.name, []).append(attempt)
    for refusal, method in refused:
        methods[method.name] = method
        refusals.setdefault(method.name, []).append(_refusal_row(refusal))
    found = [_chain(image, m, attempts.get(name, ()), refusals.get(name, ())) for name, m in methods.items()]
    return tuple(sorted(found, key=lambda chain: (not chain.chosen, chain.name)))


def verdict_row(verdict: Verdict) -> VerdictRow:
    """A verdict with its aspects in the paper's order, judged by the rule in force now."""
    aspects = []
    for name in ASPECTS:
        score, minimum = verdict.scores.get(name), ACCEPT_RULE.minimum(name)
        failed = score is not None and score < minimum
        aspects.append(AspectRow(name, score, minimum, failed, verdict.reasons.get(name, "")))
    known = JUDGES.get(verdict.judge)
    return VerdictRow(
        verdict.judge, known.title if known else verdict.judge, bool(known and known.local), verdict.stand_in,
        verdict.version, verdict.decision, verdict.rule_decision, tuple(aspects), verdict.created_at,
    )  # fmt: skip


def _refusal_row(refusal: Refusal) -> RefusalRow:
    return RefusalRow(
        refusal.reason, refusal_words(refusal.reason), refusal.message, str(refusal.recipe.get("prompt_version", "")),
        refusal.run_id, refusal.created_at,
    )  # fmt: skip


def _chain(image: Image, method: Method, attempts: Sequence[Attempt], refusals: Sequence[RefusalRow]) -> MethodChain:
    known = GENERATORS.get(method.generator)
    strategies: Mapping[str, str] = {str(key): title for key, title in STRATEGIES.items()}
    return MethodChain(
        method.name, known.title if known else method.name, bool(known and known.local),
        any(a.candidate.id == image.current_candidate_id for a in attempts), tuple(attempts),
        strategies.get(method.strategy, ""), method.stand_in,
        tuple(refusals),
    )  # fmt: skip


def _why(
    candidate: Candidate, parent: Candidate | None, verdicts: Sequence[VerdictRow]
) -> tuple[str, dict[str, tuple[Any, Any]]]:
    """Why a candidate was made again, read from what it repairs: the aspects that failed and what changed since."""
    if parent is None:
        return "", {}
    failed = [a.name.replace("_", " ") for verdict in verdicts for a in verdict.aspects if a.failed]
    old, new = parent.recipe.get("params", {}), candidate.recipe.get("params", {})
    changes = {k: (old.get(k), new.get(k)) for k in sorted({*old, *new}) if old.get(k) != new.get(k)}
    told = ", ".join(dict.fromkeys(failed)) or "the judge's own decision"
    return f"The attempt before was rejected for {told}.", changes


def _score_rows(image: Image, candidate: Candidate, scores: Scores) -> tuple[ScoreRow, ...]:
    found = []
    for key, spec in METRICS.items():
        hq = scores.get((candidate.pixel_sha256, image.pixel_sha256 if spec.reference else "", key))
        lq = None if spec.reference else scores.get((image.pixel_sha256, "", key))
        if hq is None and lq is None:
            continue
        gain = improvement(lq.value if lq else None, hq.value if hq else None, spec.better)
        change: Literal["", "better", "worse"] = "" if not gain else "better" if gain > 0 else "worse"
        found.append(
            ScoreRow(
                key, spec.title, spec.better, spec.reference, hq.value if hq else None, lq.value if lq else None, change,
                (hq.note if hq else "") or (lq.note if lq else ""), hq.version if hq else "",
            )
        )  # fmt: skip
    return tuple(found)
