"""The whole history of one image, from the file it was cut from to the decision about its HQ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select
from sqlmodel import Session, col

from app.catalog.generators import GENERATORS
from app.catalog.judges import JUDGES
from app.catalog.metrics import METRICS
from app.catalog.quality import ACCEPT_RULE
from app.domain.aspects import ASPECTS
from app.domain.metric_filter import improvement
from app.errors import NotFound
from app.models import (
    Candidate,
    CandidateSummary,
    Event,
    Image,
    Json,
    Method,
    Review,
    Score,
    Source,
    SourceFile,
    User,
    Verdict,
)


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
    judge: str
    local: bool
    version: str
    decision: str
    rule_decision: str
    aspects: tuple[AspectRow, ...]
    created_at: datetime


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
        return str(self.candidate.recipe.get("prompt", ""))


@dataclass(frozen=True)
class MethodChain:
    """What one method made of the image, oldest first. ``chosen``: its chain is the one that may reach review."""

    name: str
    title: str
    local: bool
    chosen: bool
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class EventRow:
    at: datetime
    who: str
    action: str
    why: str


@dataclass(frozen=True)
class ImageHistory:
    image: Image
    source: Source
    file: SourceFile
    chains: tuple[MethodChain, ...]
    events: tuple[EventRow, ...]

    @property
    def current(self) -> Attempt | None:
        """The candidate that stands for the image, if it has one."""
        found = (a for c in self.chains for a in c.attempts if a.candidate.id == self.image.current_candidate_id)
        return next(found, None)


def image_history(session: Session, image_id: int) -> ImageHistory:
    """Everything about one image, in five statements. Raises NotFound."""
    found = session.execute(
        select(Image, Source, SourceFile)
        .join(Source, col(Source.id) == col(Image.source_id))
        .join(SourceFile, col(SourceFile.id) == col(Image.source_file_id))
        .where(col(Image.id) == image_id)
    ).first()
    if found is None:
        raise NotFound(f"There is no image {image_id}.")
    image, source, file = found
    rows = session.execute(
        select(Candidate, CandidateSummary, Method, Verdict)
        .join(CandidateSummary, col(CandidateSummary.candidate_id) == col(Candidate.id))
        .join(Method, col(Method.id) == col(Candidate.method_id))
        .outerjoin(Verdict, col(Verdict.candidate_id) == col(Candidate.id))
        .where(col(Candidate.image_id) == image_id)
        .order_by(col(Candidate.id), col(Verdict.id))
    ).all()
    candidates = {c.id: (c, s, m) for c, s, m, _ in rows}
    verdicts: dict[int | None, list[VerdictRow]] = {}
    for candidate, _, _, verdict in rows:
        if verdict is not None:
            verdicts.setdefault(candidate.id, []).append(verdict_row(verdict))
    scores = _scores(session, image, [c for c, _, _ in candidates.values()])
    reviews = _reviews(session, image_id)
    chains: dict[str, list[Attempt]] = {}
    for key, (candidate, summary, method) in candidates.items():
        parent = candidates.get(candidate.parent_id)
        why, changes = _why(candidate, parent[0] if parent else None, verdicts.get(candidate.parent_id, []))
        attempt = Attempt(
            candidate, summary, why, changes, _score_rows(image, candidate, scores), tuple(verdicts.get(key, ())),
            tuple(reviews.get(key, ())),
        )  # fmt: skip
        chains.setdefault(method.name, []).append(attempt)
    methods = {m.name: m for _, _, m in candidates.values()}
    ordered = sorted((_chain(methods[name], attempts) for name, attempts in chains.items()), key=_chosen_first)
    return ImageHistory(image, source, file, tuple(ordered), _events(session, image_id, list(candidates)))


def verdict_row(verdict: Verdict) -> VerdictRow:
    """A verdict with its aspects in the paper's order, judged by the rule in force now."""
    aspects = []
    for name in ASPECTS:
        score, minimum = verdict.scores.get(name), ACCEPT_RULE.minimum(name)
        failed = score is not None and score < minimum
        aspects.append(AspectRow(name, score, minimum, failed, verdict.reasons.get(name, "")))
    known = JUDGES.get(verdict.judge)
    return VerdictRow(
        verdict.judge, bool(known and known.local), verdict.version, verdict.decision, verdict.rule_decision,
        tuple(aspects), verdict.created_at,
    )  # fmt: skip


def _chain(method: Method, attempts: Sequence[Attempt]) -> MethodChain:
    known = GENERATORS.get(method.generator)
    return MethodChain(
        method.name, known.title if known else method.name, bool(known and known.local),
        any(a.summary.chosen for a in attempts), tuple(attempts),
    )  # fmt: skip


def _chosen_first(chain: MethodChain) -> tuple[bool, str]:
    return (not chain.chosen, chain.name)


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


def _scores(session: Session, image: Image, candidates: Sequence[Candidate]) -> dict[tuple[str, str, str], Score]:
    """The newest score by pixels, reference and metric."""
    pixels = {image.pixel_sha256, *(c.pixel_sha256 for c in candidates)}
    rows = session.execute(
        select(Score)
        .where(col(Score.pixel_sha256).in_(pixels), col(Score.reference_sha256).in_(["", image.pixel_sha256]))
        .order_by(col(Score.id))
    ).scalars()
    return {(s.pixel_sha256, s.reference_sha256, s.metric): s for s in rows}


def _score_rows(image: Image, candidate: Candidate, scores: Mapping[tuple[str, str, str], Score]) -> tuple[ScoreRow, ...]:
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


def _reviews(session: Session, image_id: int) -> dict[int, list[ReviewRow]]:
    rows = session.execute(
        select(Review, col(User.name))
        .join(User, col(User.id) == col(Review.user_id))
        .where(col(Review.image_id) == image_id)
        .order_by(col(Review.id))
    ).all()
    found: dict[int, list[ReviewRow]] = {}
    for review, who in rows:
        row = ReviewRow(who, review.decision, tuple(review.reasons), review.note, review.created_at, review.undone_at)
        found.setdefault(review.candidate_id, []).append(row)
    return found


def _events(session: Session, image_id: int, candidate_ids: Sequence[int | None]) -> tuple[EventRow, ...]:
    subjects = [f"image:{image_id}", *(f"candidate:{c}" for c in candidate_ids)]
    rows = session.execute(
        select(col(Event.at), col(User.name), col(Event.action), col(Event.why))
        .outerjoin(User, col(User.id) == col(Event.user_id))
        .where(col(Event.subject).in_(subjects))
        .order_by(col(Event.id).desc())
        .limit(100)
    ).all()
    return tuple(EventRow(at, who or "system", action, why) for at, who, action, why in rows)


def candidate(session: Session, candidate_id: int) -> Candidate:
    """One candidate. Raises NotFound."""
    found = session.get(Candidate, candidate_id)
    if found is None:
        raise NotFound(f"There is no candidate {candidate_id}.")
    return found
