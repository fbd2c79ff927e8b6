"""Checking a provider: one cheap real call, whose outcome is the item's. Nothing is asked twice."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from textwrap import shorten

import numpy as np
from sqlmodel import Session

from app import job_control
from app.imaging import encode_png
from app.leasing import Lease
from app.services import ledger, provider_checks
from app.services.ledger import Standing
from workers import paid
from workers.outcomes import Failure, Outcome, Postponed, Unresolved
from workers.paid import Answered, Ask, Refused
from workers.providers.base import Accepted, ImageAnswer, ImageRequest, Provider, TextAnswer, TextRequest

QUESTION = "Answer with the word ready."
PROMPT = "Make this picture slightly brighter. Change nothing else."
SIDE = 320
"""Pixels of the picture that is edited: Kling takes none with a side below 300."""


@dataclass(frozen=True)
class Loaded:
    lease: Lease
    provider: str
    standing: Standing


class CheckTask:
    """Makes the one call of a check."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        return [Loaded(lease, lease.key.split(":")[1], ledger.standing(session, lease.key)) for lease in leases]

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[str | Outcome]:
        for one in loaded:
            yield self._check(one)

    def _check(self, one: Loaded) -> str | Outcome:
        """What came of it in words, or the failure. Only a check whose turn has not come yet is postponed."""
        plan, began = provider_checks.plan(one.provider), 0.0

        def send(provider: Provider, reference: str, remote_id: str, accepted: Accepted) -> ImageAnswer | TextAnswer:
            nonlocal began
            began = time.perf_counter()
            if not plan.image:
                return provider.ask(TextRequest(plan.model, "", QUESTION, ()))
            request = ImageRequest(plan.model, _picture(), "image/png", SIDE, SIDE, PROMPT, reference, remote_id)
            return provider.edit_image(request, accepted)

        request = Ask(one.lease, one.provider, plan.model, "check", plan.price, image=plan.image, standing=one.standing)
        outcome = paid.ask(request, send)
        seconds = time.perf_counter() - began if began else 0.0
        if isinstance(outcome, Answered):
            said = "an image" if plan.image else shorten(outcome.text, 48, placeholder="…")
            return f"answered in {seconds:.1f} s: {said}"
        if isinstance(outcome, Refused):
            return Failure(f"It answered and refused ({outcome.reason}): {outcome.message}", final=True)
        if isinstance(outcome, Unresolved):
            return Failure(outcome.error, final=True)  # the call counts as spent; for a check nobody has to decide more
        if isinstance(outcome, Postponed) and began:
            return Failure(outcome.why, final=True)
        return outcome

    def save(self, session: Session, lease: Lease, outcome: str) -> None:
        provider_checks.record(session, lease.run_id, True, outcome)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        job_control.calls_lost(session, [lease.id])  # a call that its worker's death left open: no attempt is left for it
        provider_checks.record(session, lease.run_id, False, error)


def _picture() -> bytes:
    """A smooth grey picture: a few kilobytes, and nothing that anybody could object to."""
    ramp = np.linspace(40, 215, SIDE, dtype=np.uint8)
    return encode_png(np.stack([np.broadcast_to(ramp, (SIDE, SIDE))] * 3, axis=-1))
