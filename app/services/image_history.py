"""The whole history of one image, from the file it was cut from to the decision about its HQ."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, false, select
from sqlmodel import Session, col

from app.catalog.prompt_texts import PROMPTS
from app.errors import NotFound
from app.models import (
    Candidate,
    CandidateSummary,
    Event,
    Image,
    Method,
    PromptVersion,
    Refusal,
    Review,
    Score,
    Source,
    SourceFile,
    User,
    Verdict,
)
from app.services.hidden_answers import hidden
from app.services.image_chains import Attempt, Made, MethodChain, ReviewRow, Scores, VerdictRow, chains, verdict_row

__all__ = ["Attempt", "EventRow", "ImageHistory", "candidate", "image_history"]


@dataclass(frozen=True)
class EventRow:
    at: datetime
    who: str
    action: str
    why: str


@dataclass(frozen=True)
class ImageHistory:
    """``meta_version`` is the version of the meta-prompt in use for the image's category."""

    image: Image
    source: Source
    file: SourceFile
    chains: tuple[MethodChain, ...]
    events: tuple[EventRow, ...]
    meta_version: int

    def without_answers(self) -> "ImageHistory":
        """What somebody may see who has yet to decide independently: no verdict, no review, nothing that tells of one."""
        chains = tuple(
            replace(c, attempts=tuple(replace(a, why="", verdicts=(), reviews=()) for a in c.attempts)) for c in self.chains
        )
        return replace(self, chains=chains, events=())

    @property
    def current(self) -> Attempt | None:
        """The candidate that stands for the image, if it has one."""
        found = (a for c in self.chains for a in c.attempts if a.candidate.id == self.image.current_candidate_id)
        return next(found, None)


def image_history(session: Session, image_id: int, blind: int | None = None) -> ImageHistory:
    """Everything about one image that may be told to who looks, in four statements; see ``hidden_answers.py`` for ``blind``.

    Raises NotFound.
    """
    hides = false() if blind is None else hidden(col(Image.id), blind)
    rows = session.execute(
        select(Image, Source, SourceFile, _meta_version(), hides, Refusal, Method)
        .join(Source, col(Source.id) == col(Image.source_id))
        .join(SourceFile, col(SourceFile.id) == col(Image.source_file_id))
        .outerjoin(Refusal, col(Refusal.image_id) == col(Image.id))
        .outerjoin(Method, col(Method.id) == col(Refusal.method_id))
        .where(col(Image.id) == image_id)
        .order_by(col(Refusal.id))
    ).all()
    if not rows:
        raise NotFound(f"There is no image {image_id}.")
    image, source, file, meta_version, hides_answers = rows[0][:5]
    refused = [(refusal, method) for *_, refusal, method in rows if refusal is not None]
    paper = PROMPTS.get(("meta", image.category))
    made, verdicts, reviews = _made(session, image_id)
    scores = _scores(session, image, [candidate for candidate, _, _ in made.values()])
    history = ImageHistory(
        image, source, file, chains(image, made, scores, verdicts, reviews, refused), _events(session, image_id, list(made)),
        meta_version or (paper.version if paper else 1),
    )  # fmt: skip
    return history.without_answers() if hides_answers else history


def _meta_version() -> ScalarSelect[Any]:
    """What :func:`app.services.prompts.in_use` says of the meta-prompt, without a statement of its own; None: unedited."""
    return (
        select(col(PromptVersion.version))
        .where(col(PromptVersion.kind) == "meta", col(PromptVersion.category) == col(Image.category))
        .order_by(col(PromptVersion.chosen_at).desc())
        .limit(1)
        .scalar_subquery()
    )


def _made(
    session: Session, image_id: int
) -> tuple[Made, dict[int | None, list[VerdictRow]], dict[int | None, list[ReviewRow]]]:
    """Candidates, verdicts and reviews in one statement: a candidate has few of either, so their product is small."""
    rows = session.execute(
        select(Candidate, CandidateSummary, Method, Verdict, Review, col(User.name))
        .join(CandidateSummary, col(CandidateSummary.candidate_id) == col(Candidate.id))
        .join(Method, col(Method.id) == col(Candidate.method_id))
        .outerjoin(Verdict, col(Verdict.candidate_id) == col(Candidate.id))
        .outerjoin(Review, col(Review.candidate_id) == col(Candidate.id))
        .outerjoin(User, col(User.id) == col(Review.user_id))
        .where(col(Candidate.image_id) == image_id)
        .order_by(col(Candidate.id), col(Verdict.id), col(Review.id))
    ).all()
    verdicts = {v.id: v for _, _, _, v, _, _ in rows if v is not None}
    reviews = {r.id: (r, who) for _, _, _, _, r, who in rows if r is not None}
    verdict_rows: dict[int | None, list[VerdictRow]] = {}
    review_rows: dict[int | None, list[ReviewRow]] = {}
    for verdict in verdicts.values():
        verdict_rows.setdefault(verdict.candidate_id, []).append(verdict_row(verdict))
    for r, who in reviews.values():
        row = ReviewRow(who, r.decision, tuple(r.reasons), r.note, r.created_at, r.undone_at)
        review_rows.setdefault(r.candidate_id, []).append(row)
    return {c.id: (c, s, m) for c, s, m, *_ in rows}, verdict_rows, review_rows


def _scores(session: Session, image: Image, candidates: Sequence[Candidate]) -> Scores:
    pixels = {image.pixel_sha256, *(c.pixel_sha256 for c in candidates)}
    rows = session.execute(
        select(Score)
        .where(col(Score.pixel_sha256).in_(pixels), col(Score.reference_sha256).in_(["", image.pixel_sha256]))
        .order_by(col(Score.id))
    ).scalars()
    return {(s.pixel_sha256, s.reference_sha256, s.metric): s for s in rows}


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
