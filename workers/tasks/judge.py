"""Judging: one LQ-HQ pair in, five aspect scores and a decision out. By measurement here, or by asking a VLM."""

import importlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sqlmodel import Session

from app.catalog.judges import JUDGES, MOST_ASKS
from app.catalog.quality import ACCEPT_RULE
from app.catalog.vlms import VLMS
from app.domain.verdict import rule_decision
from app.domain.verdict_reply import UnreadableReply, read_verdict
from app.errors import NotFound
from app.leasing import Lease
from app.models import ApiCall, Candidate, Image, Verdict
from app.services import flow, ledger, prompts, recipes
from app.services.ledger import Standing
from app.services.prompts import InUse
from app.storage import storage
from workers import paid
from workers.judges.base import Judge
from workers.judges.vlm import VERDICT_SCHEMA
from workers.outcomes import Failure, Outcome, Postponed
from workers.paid import Ask, Refused
from workers.pixels import stored_pixels
from workers.providers.base import Accepted, Provider, TextAnswer, TextRequest


@dataclass(frozen=True)
class Loaded:
    """What one judgement needs."""

    lease: Lease
    candidate: Candidate
    image: Image
    evaluator: InUse
    standing: Standing


@lru_cache(maxsize=4)
def judge(key: str) -> Judge:
    """A local judge's backend, loaded once per process."""
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
            if JUDGES[lease.payload["judge"]].vlm:
                evaluator = prompts.version(session, "evaluator", image.category, lease.payload["evaluator"])
                if evaluator is None:
                    raise NotFound(f"There is no version {lease.payload['evaluator']} of the evaluator's prompt.")
                loaded.append(Loaded(lease, candidate, image, evaluator, ledger.standing(session, lease.key)))
            else:
                loaded.append(Loaded(lease, candidate, image, InUse(0, "", ""), Standing()))
        return loaded

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[Verdict | Outcome]:
        for one in loaded:
            yield self._asked(one) if JUDGES[one.lease.payload["judge"]].vlm else self._measured(one)

    def _measured(self, one: Loaded) -> Verdict:
        key, started = one.lease.payload["judge"], time.perf_counter()
        lq, hq = stored_pixels(one.image.master_sha256), stored_pixels(one.candidate.file_sha256)
        answer = judge(key).judge(lq, hq, one.image.category)
        return Verdict(
            candidate_id=one.candidate.id or 0,
            judge=key,
            version=JUDGES[key].version,
            scores={str(k): v for k, v in answer.scores.items()},
            reasons={str(k): v for k, v in answer.reasons.items()},
            decision=answer.decision,
            rule_decision=rule_decision(answer.scores, ACCEPT_RULE),
            raw=answer.raw,
            seconds=time.perf_counter() - started,
        )

    def _asked(self, one: Loaded) -> Verdict | Outcome:
        """A VLM's verdict: from the last reply that is there, else from another. An unreadable one is never guessed."""
        title = JUDGES[one.lease.payload["judge"]].title
        why = ""
        if one.standing.answers:
            try:
                return self._verdict(one, _text_and_seconds(one.standing.answers[-1]))
            except UnreadableReply as error:
                why = str(error)
        if len(one.standing.answers) >= MOST_ASKS:
            return Failure(f"{title}'s replies were unreadable {MOST_ASKS} times, the last one: {why}", final=True)
        spec = VLMS[JUDGES[one.lease.payload["judge"]].vlm]
        request = Ask(
            one.lease, spec.provider, spec.model, "judge", spec.judge_price, image=False, standing=one.standing,
            stand_in=recipes.of_stand_in(one.lease.key),
        )  # fmt: skip

        def send(provider: Provider, _reference: str, _remote: str, _accepted: Accepted) -> TextAnswer:
            lq = (storage().get(one.image.master_sha256), "image/png")
            hq = (storage().get(one.candidate.file_sha256), one.candidate.media_type)
            question = TextRequest(spec.model, one.evaluator.system, one.evaluator.user, (lq, hq), VERDICT_SCHEMA)
            return provider.ask(question)

        started = time.perf_counter()
        outcome = paid.ask(request, send)
        if isinstance(outcome, Refused):
            return Failure(f"{title} would not judge this pair: {outcome.message}", final=True)
        if not isinstance(outcome, paid.Answered):
            return outcome
        try:
            return self._verdict(one, (outcome.text, time.perf_counter() - started))
        except UnreadableReply as error:
            return Postponed(0.0, f"{title}'s reply was unreadable and is asked for again: {error}")

    def _verdict(self, one: Loaded, reply: tuple[str, float]) -> Verdict:
        """The verdict in a reply that took so many seconds. Raises UnreadableReply."""
        key, (text, seconds) = one.lease.payload["judge"], reply
        read = read_verdict(text)
        return Verdict(
            candidate_id=one.candidate.id or 0,
            judge=key,
            version=f"{JUDGES[key].version}, evaluator {one.evaluator.version}",
            scores={str(k): v for k, v in read.scores.items()},
            reasons={str(k): v for k, v in read.reasons.items()},
            decision=read.decision,
            rule_decision=rule_decision(read.scores, ACCEPT_RULE),
            raw=text,
            stand_in=recipes.of_stand_in(one.lease.key),
            seconds=seconds,
        )

    def save(self, session: Session, lease: Lease, outcome: Verdict) -> None:
        flow.judged(session, lease.run_id, outcome, decides=lease.payload.get("decides", True))

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        if lease.payload.get("decides", True):
            flow.step_failed(session, lease.payload["candidate_id"], f"Judging failed: {error}")


def _text_and_seconds(call: ApiCall) -> tuple[str, float]:
    return call.answer_text, (call.finished_at - call.sent_at).total_seconds() if call.finished_at else 0.0
