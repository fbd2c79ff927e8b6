"""Writing prompts: a VLM looks at an LQ and writes what is to be restored in it (Appendix B, Fig. B.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlmodel import Session

from app.catalog.vlms import VLMS
from app.domain.prompting import clean_reply
from app.leasing import Lease
from app.models import Image, WrittenPrompt
from app.services import flow, ledger, planning, prompts, recipes
from app.services.ledger import Standing
from app.services.prompts import InUse
from app.storage import storage
from workers import paid
from workers.outcomes import Failure, Outcome
from workers.paid import Answered, Ask, Refused
from workers.providers.base import Accepted, Provider, TextAnswer, TextRequest


@dataclass(frozen=True)
class Loaded:
    """What writing one prompt needs; ``written`` is set when it was written before."""

    lease: Lease
    image: Image
    meta: InUse
    written: WrittenPrompt | None
    standing: Standing


class PromptTask:
    """Has one prompt written, and asks for the candidates that wait for it."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        texts = prompts.in_use(session)
        return [self._load(session, lease, texts) for lease in leases]

    def _load(self, session: Session, lease: Lease, texts: prompts.PromptSet) -> Loaded:
        image = session.get_one(Image, lease.payload["image_id"])
        vlm, version = lease.payload["vlm"], lease.payload["meta_version"]
        found = prompts.written(session, [image.id], vlm, stand_in=recipes.of_stand_in(lease.key))
        meta = prompts.version(session, "meta", image.category, version) or texts["meta", image.category]
        return Loaded(lease, image, meta, found.get((image.id or 0, version)), ledger.standing(session, lease.key))

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[Answered | WrittenPrompt | Refused | Outcome]:
        for one in loaded:
            yield one.written or self._ask(one)

    def _ask(self, one: Loaded) -> Answered | Refused | Outcome:
        spec = VLMS[one.lease.payload["vlm"]]
        request = Ask(
            one.lease, spec.provider, spec.model, "prompt", spec.prompt_price, image=False, standing=one.standing,
            stand_in=recipes.of_stand_in(one.lease.key),
        )  # fmt: skip

        def send(provider: Provider, _reference: str, _remote: str, _accepted: Accepted) -> TextAnswer:
            image = (storage().get(one.image.master_sha256), "image/png")
            return provider.ask(TextRequest(spec.model, one.meta.system, one.meta.user, (image,)))

        outcome = paid.ask(request, send)
        if isinstance(outcome, Answered) and not clean_reply(outcome.text):
            return Failure(f"{spec.title} wrote an empty prompt.", final=True)
        return outcome

    def save(self, session: Session, lease: Lease, outcome: Answered | WrittenPrompt | Refused) -> None:
        vlm, version, image_id = lease.payload["vlm"], lease.payload["meta_version"], lease.payload["image_id"]
        if isinstance(outcome, Refused):
            self._nothing_comes(session, lease, f"{VLMS[vlm].title} would not write a prompt: {outcome.message}")
            return
        if isinstance(outcome, Answered):
            text, stand_in = clean_reply(outcome.text), recipes.of_stand_in(lease.key)
            outcome = prompts.store_written(session, image_id, vlm, version, text, outcome.call_id, stand_in=stand_in)
        planning.prompt_written(session, lease.run_id, image_id, outcome, lease.payload["then"])

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        self._nothing_comes(session, lease, f"No prompt was written: {error}")

    def _nothing_comes(self, session: Session, lease: Lease, why: str) -> None:
        if any(then["chosen"] for then in lease.payload["then"]):
            payload = {"image_id": lease.payload["image_id"], "chosen": True, "parent_id": None}
            flow.generation_failed(session, payload, why)
