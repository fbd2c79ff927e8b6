"""Batches: many generations handed to a provider as one job at half price, and collected when it is done (FACTS 2).

The job's row, its calls and the item that will collect it are committed before the job is sent, under a name of ours. So a
worker that dies while sending loses nothing: the collector looks for the job by that name.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import uuid4

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app import accounts, jobs, leasing, pacing
from app.catalog.generator_spec import Price
from app.catalog.generators import GENERATORS
from app.db import surely, unit_of_work
from app.domain.retrying import MOST_TRIES, what_next
from app.jobs import NewItem
from app.leasing import Lease
from app.models import ApiCall, BatchJob, BatchState, CallState, Image, utcnow
from app.services import flow, ledger, recipes
from app.services.ledger import Closing, Standing
from workers import paid
from workers.outcomes import Failure, Outcome, Parked, Postponed, Unresolved
from workers.providers.base import BatchProvider, CallFailed, ImageRequest, Trouble
from workers.tasks.generate import image_request

MOST_BYTES = 14 * 2**20
"""Bytes of images in one job: base64 makes them a third more, and a job must stay below 20 MB."""


@dataclass(frozen=True)
class Loaded:
    lease: Lease
    image: Image
    done: bool
    standing: Standing


def batch_price(model: str, limit: accounts.Limits) -> Price:
    """The batch price of a model: half of everything, an admin's correction too."""
    price = limit.price(model, next(g.price for g in GENERATORS.values() if g.model == model))
    return replace(price, call=price.call / 2, input_tokens=price.input_tokens / 2, output_tokens=price.output_tokens / 2)


class SubmitTask:
    """Hands a batch of generations to their provider."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        return [
            Loaded(
                lease,
                session.get_one(Image, lease.payload["image_id"]),
                recipes.existing_candidate(session, lease.payload) is not None,
                ledger.standing(session, lease.key),
            )
            for lease in leases
        ]

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[Outcome]:
        outcomes: dict[int, Outcome] = {}
        ready: list[tuple[Loaded, ImageRequest]] = []
        size = 0
        for one in loaded:
            settled = self._settled(one)
            if settled is None and any(one.lease.key == other.lease.key for other, _ in ready):
                settled = Postponed(30.0, "The same is being asked for by another run.")
            if settled is not None:
                outcomes[one.lease.id] = settled
                continue
            request = image_request(one.image, one.lease.payload["recipe"], one.lease.key)
            if ready and size + len(request.image) > MOST_BYTES:
                outcomes[one.lease.id] = Postponed(0.0, "It goes with the next batch.")
                continue
            size += len(request.image)
            ready.append((one, request))
        while ready:
            sent = self._submit(ready)
            if isinstance(sent, int):  # the budget covers only so many
                for one, _ in ready[sent:]:
                    outcomes[one.lease.id] = Postponed(paid.BUDGET_PAUSE, "The budget does not cover another batch.")
                ready = ready[:sent]
                continue
            outcomes |= sent
            break
        for one in loaded:
            yield outcomes[one.lease.id]

    def _settled(self, one: Loaded) -> Outcome | None:
        """What follows where nothing has to be sent."""
        if one.done or one.standing.answers or one.standing.refusal:
            with unit_of_work() as session:
                leasing.hand_over(session, one.lease, "cpu" if one.standing.answers else "api", kind="generate")
            return Parked()
        if one.standing.unknown:
            return Unresolved("An earlier call for this has an unknown outcome; retry it to ask again.")
        if one.standing.under_way:
            return Postponed(30.0, "The same is being asked for by another run.")
        if one.standing.missed >= MOST_TRIES["broken"]:
            return Failure(f"No batch gave an answer for it, {one.standing.missed} times.", final=True)
        stand_in, provider = bool(one.lease.payload["recipe"].get("stand_in")), GENERATORS[one.lease.shape].provider
        if told := recipes.other_party(stand_in, provider):
            return Failure(told, final=True)
        return None

    def _submit(self, ready: Sequence[tuple[Loaded, ImageRequest]]) -> dict[int, Outcome] | int:
        """Record and send one job. Returns the outcome per item, or how many items to try instead when money is short."""
        spec = GENERATORS[ready[0][0].lease.shape]
        limit = paid.limits()[spec.provider]
        if limit.paused:
            return {one.lease.id: Postponed(paid.BUDGET_PAUSE, limit.paused) for one, _ in ready}
        ticket = pacing.acquire(spec.provider, limit, image=False, lifetime=paid.access(spec.provider).timeout + 60)
        if isinstance(ticket, float):
            return {one.lease.id: Postponed(ticket, "Waiting for its turn.") for one, _ in ready}
        healthy: bool | None = None
        try:
            try:
                job = self._record(ready, limit)
            except (IntegrityError, ledger.Overtaken):  # of one of them; who comes again is looked at again
                told = "The same was asked for by another run."
                return {one.lease.id: Postponed(1.0, told) for one, _ in ready}
            if isinstance(job, int):
                return job
            healthy, outcomes = self._send(job, ready, limit)
            return outcomes
        finally:
            pacing.report(ticket, healthy)

    def _record(self, ready: Sequence[tuple[Loaded, ImageRequest]], limit: accounts.Limits) -> BatchJob | int:
        first = ready[0][0].lease
        spec = GENERATORS[first.shape]
        try:
            with unit_of_work() as session:
                job = BatchJob(
                    provider=spec.provider, model=spec.model, name=f"ggt-{uuid4().hex}", run_id=first.run_id, size=len(ready)
                )
                session.add(job)
                session.flush()
                micros = round(batch_price(spec.model, limit).call * 1e6)
                for one, _ in ready:
                    ledger.begin(
                        session, one.lease, provider=spec.provider, model=spec.model, purpose="generate", micros=micros,
                        known=one.standing, batch_job_id=job.id,
                    )  # fmt: skip
                # Without a lane: what is paid for is collected however the provider's budget and limits stand.
                collector = NewItem(
                    "collect", f"collect:{job.name}", queue="api", priority=1, delay=30, payload={"job_id": job.id}
                )
                jobs.add_items(session, first.run_id, [collector])
                return job
        except ledger.BudgetSpent:
            return len(ready) // 2
        except ledger.LeaseLost:
            return 0

    def _send(
        self, job: BatchJob, ready: Sequence[tuple[Loaded, ImageRequest]], limit: accounts.Limits
    ) -> tuple[bool | None, dict[int, Outcome]]:
        leases = [one.lease for one, _ in ready]
        try:
            provider = cast(BatchProvider, paid.provider(job.provider))
            remote_id = provider.submit(job.name, [(request.reference, request) for _, request in ready])
        except CallFailed as failed:
            if failed.trouble != Trouble.LOST:
                if failed.trouble == Trouble.BUSY:
                    pacing.cool_down(job.provider, min(failed.retry_after or 1.0, 60.0))
                healthy = None if failed.trouble in (Trouble.BUSY, Trouble.BAD_REQUEST) else False
                return healthy, self._refused(job, ready, failed, limit)
            remote_id = ""  # the collector looks for it by its name

        def record(session: Session) -> None:
            found = session.get_one(BatchJob, job.id)
            found.remote_id, found.state = remote_id, BatchState.RUNNING if remote_id else BatchState.SENDING
            session.add(found)
            leasing.park(session, leases)

        surely(record)
        return True, {lease.id: Parked() for lease in leases}

    def _refused(
        self, job: BatchJob, ready: Sequence[tuple[Loaded, ImageRequest]], failed: CallFailed, limit: accounts.Limits
    ) -> dict[int, Outcome]:
        """The provider took nothing: close the job, and have each item come again or give up."""
        outcomes: dict[int, Outcome] = {}

        def record(session: Session) -> None:
            found = session.get_one(BatchJob, job.id)
            found.state, found.error, found.finished_at = BatchState.FAILED, str(failed)[:1000], utcnow()
            session.add(found)
            for call in open_calls(session, job.id):
                ledger.close(session, call.id or 0, Closing(CallState.FAILED, reason=failed.reason, error=str(failed)))
            if failed.trouble == Trouble.ACCOUNT:
                accounts.ensure(session, job.provider).paused = f"It refuses this account: {failed}"[:500]

        surely(record)
        if failed.trouble == Trouble.ACCOUNT:
            paid.limits.forget()
        for one, _ in ready:
            following = what_next(failed.trouble, one.standing.tries + 1, failed.retry_after, limit.on_lost, paid.RANDOM)
            if following.step == "give_up":
                outcomes[one.lease.id] = Failure(str(failed), final=True)
            else:
                outcomes[one.lease.id] = Postponed(following.wait or paid.BUDGET_PAUSE, str(failed))
        return outcomes

    def save(self, session: Session, lease: Lease, outcome: Any) -> None:
        """Nothing to save: every outcome of a submission is a state of its items."""

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        flow.generation_failed(session, lease.payload, error)


def open_calls(session: Session, job_id: int | None) -> list[ApiCall]:
    return list(
        session.exec(
            select(ApiCall)
            .where(col(ApiCall.batch_job_id) == job_id, col(ApiCall.state) == CallState.SENT)
            .order_by(col(ApiCall.id))
        )
    )
