"""Screening by a VLM: one question about a patch answers every step that the VLM was given (paper, Appendix A)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.catalog.judges import MOST_ASKS
from app.catalog.vlms import VLMS
from app.domain.screening_reply import Answers, read_answers
from app.domain.verdict_reply import UnreadableReply
from app.errors import NotFound
from app.imaging import encode_png
from app.leasing import Lease
from app.models import Patch, PatchState, SourceFile
from app.services import ledger, prompts, recipes, screening_results
from app.services.ledger import Standing
from app.services.prompts import InUse
from workers import paid, patches
from workers.outcomes import Failure, Outcome, Postponed
from workers.paid import Ask, Refused
from workers.providers.base import Accepted, Provider, TextAnswer, TextRequest
from workers.screening.question import SCREENING_SCHEMA


@dataclass(frozen=True)
class Loaded:
    """What one question needs."""

    lease: Lease
    patch: Patch
    file_sha256: str
    question: InUse
    standing: Standing


@dataclass(frozen=True)
class NotNeeded:
    """Somebody decided on the patch in the meantime: nothing is asked, and nothing paid."""


class AskScreenTask:
    """Shows one patch to a VLM."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        return [self._load(session, lease) for lease in leases]

    def _load(self, session: Session, lease: Lease) -> Loaded:
        patch = session.get_one(Patch, lease.payload["patch_id"])
        question = prompts.version(session, "screening", patch.category, lease.payload["version"])
        if question is None:
            raise NotFound(f"There is no version {lease.payload['version']} of the screening's question.")
        file = session.get_one(SourceFile, patch.source_file_id)
        return Loaded(lease, patch, file.file_sha256, question, ledger.standing(session, lease.key))

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[Answers | Refused | NotNeeded | Outcome]:
        for one in loaded:
            yield self._asked(one) if one.patch.state == PatchState.WAITING else NotNeeded()

    def _asked(self, one: Loaded) -> Answers | Refused | Outcome:
        """The answers in the last reply that is there, else in another. An unreadable one is never guessed."""
        spec, why = VLMS[one.lease.payload["vlm"]], ""
        if one.standing.answers:
            try:
                return read_answers(one.standing.answers[-1].answer_text)
            except UnreadableReply as error:
                why = str(error)
        if len(one.standing.answers) >= MOST_ASKS:
            return Failure(f"{spec.title}'s replies were unreadable {MOST_ASKS} times, the last one: {why}", final=True)
        request = Ask(
            one.lease, spec.provider, spec.model, "screen", spec.prompt_price, image=False, standing=one.standing,
            stand_in=recipes.of_stand_in(one.lease.key),
        )  # fmt: skip
        # Cut before anything is on record: a photograph that cannot be read must not look like a call that was lost.
        picture = (encode_png(patches.cut_one(one.file_sha256, one.patch)), "image/png")

        def send(provider: Provider, _reference: str, _remote: str, _accepted: Accepted) -> TextAnswer:
            question = TextRequest(spec.model, one.question.system, one.question.user, (picture,), SCREENING_SCHEMA)
            return provider.ask(question)

        outcome = paid.ask(request, send)
        if not isinstance(outcome, paid.Answered):
            return outcome
        try:
            return read_answers(outcome.text)
        except UnreadableReply as error:
            return Postponed(0.0, f"{spec.title}'s reply was unreadable and is asked for again: {error}")

    def save(self, session: Session, lease: Lease, outcome: Answers | Refused | NotNeeded) -> None:
        patch_id = lease.payload["patch_id"]
        if isinstance(outcome, Refused):
            screening_results.refused(session, lease.run_id, patch_id, outcome.message)
        elif isinstance(outcome, Answers):
            screening_results.answered(session, lease.run_id, patch_id, outcome)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        screening_results.not_answered(session, lease.payload["patch_id"], f"Not screened: {error}")
