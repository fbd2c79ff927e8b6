"""Batches: many generations handed to a provider as one job at half price, and collected when it is done (FACTS 2).

The job's row, its calls and the item that will collect it are committed before the job is sent, under a name of ours. So a
worker that dies while sending loses nothing: the collector looks for the job by that name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

from sqlmodel import Session, col, select

from app import accounts, jobs, pacing
from app.catalog.generator_spec import Price
from app.catalog.generators import GENERATORS
from app.db import unit_of_work
from app.domain.batch_matching import match
from app.domain.retrying import MOST_TRIES, what_next
from app.errors import BadImage
from app.imaging import decode
from app.imaging.alignment import likeness, structure
from app.jobs import Lease, NewItem
from app.models import ApiCall, BatchJob, BatchState, CallState, Image, utcnow
from app.services import flow, ledger, recipes
from app.services.ledger import Closing, Standing
from app.storage import storage
from workers import paid
from workers.outcomes import Failure, Outcome, Parked, Postponed, Unresolved
from workers.pixels import ANY_SIZE, stored_pixels
from workers.providers.base import BatchProvider, CallFailed, ImageAnswer, ImageRequest, Trouble, Usage
from workers.tasks.generate import image_request

MOST_BYTES = 14 * 2**20
"""Bytes of images in one job: base64 makes them a third more, and a job must stay below 20 MB."""
GIVE_UP_AFTER = timedelta(minutes=10)
"""A job that cannot be found by its name after this time was never created."""


@dataclass(frozen=True)
class Loaded:
    lease: Lease
    image: Image
    done: bool
    standing: Standing


def half(price: Price) -> Price:
    """The batch price: half of everything."""
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
                jobs.hand_over(session, one.lease, "cpu" if one.standing.answers else "api", kind="generate")
            return Parked()
        if one.standing.unknown:
            return Unresolved("An earlier call for this has an unknown outcome; retry it to ask again.")
        if one.standing.under_way:
            return Postponed(30.0, "The same is being asked for by another run.")
        if one.standing.tries >= MOST_TRIES["broken"]:
            return Failure(f"No batch gave an answer for it, {one.standing.tries} times.", final=True)
        return None

    def _submit(self, ready: Sequence[tuple[Loaded, ImageRequest]]) -> dict[int, Outcome] | int:
        """Record and send one job. Returns the outcome per item, or how many items to try instead when money is short."""
        spec = GENERATORS[ready[0][0].lease.shape]
        limit = paid.limits()[spec.provider]
        ticket = pacing.acquire(spec.provider, limit, image=False, lifetime=paid.access(spec.provider).timeout + 60)
        if limit.paused or isinstance(ticket, float):
            wait = paid.BUDGET_PAUSE if limit.paused else cast(float, ticket)
            return {one.lease.id: Postponed(wait, limit.paused or "Waiting for its turn.") for one, _ in ready}
        healthy: bool | None = None
        try:
            job = self._record(ready)
            if isinstance(job, int):
                return job
            healthy, outcomes = self._send(job, ready, limit)
            return outcomes
        finally:
            pacing.report(ticket, healthy)

    def _record(self, ready: Sequence[tuple[Loaded, ImageRequest]]) -> BatchJob | int:
        first = ready[0][0].lease
        spec = GENERATORS[first.shape]
        try:
            with unit_of_work() as session:
                job = BatchJob(
                    provider=spec.provider, model=spec.model, name=f"ggt-{uuid4().hex}", run_id=first.run_id, size=len(ready)
                )
                session.add(job)
                session.flush()
                micros = round(half(spec.price).call * 1e6)
                for one, _ in ready:
                    ledger.begin(
                        session, one.lease, provider=spec.provider, model=spec.model, purpose="generate", micros=micros,
                        batch_job_id=job.id,
                    )  # fmt: skip
                collector = NewItem(
                    "collect", f"collect:{job.name}", queue="api", lane=spec.provider, priority=1, delay=30,
                    payload={"job_id": job.id},
                )  # fmt: skip
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
                return failed.trouble == Trouble.BUSY or None, self._refused(job, ready, failed, limit)
            remote_id = ""  # the collector looks for it by its name
        with unit_of_work() as session:
            found = session.get_one(BatchJob, job.id)
            found.remote_id, found.state = remote_id, BatchState.RUNNING if remote_id else BatchState.SENDING
            session.add(found)
            jobs.park(session, leases)
        return True, {lease.id: Parked() for lease in leases}

    def _refused(
        self, job: BatchJob, ready: Sequence[tuple[Loaded, ImageRequest]], failed: CallFailed, limit: accounts.Limits
    ) -> dict[int, Outcome]:
        """The provider took nothing: close the job, and have each item come again or give up."""
        outcomes: dict[int, Outcome] = {}
        with unit_of_work() as session:
            found = session.get_one(BatchJob, job.id)
            found.state, found.error, found.finished_at = BatchState.FAILED, str(failed)[:1000], utcnow()
            session.add(found)
            for call in _open_calls(session, job.id):
                ledger.close(session, call.id or 0, Closing(CallState.FAILED, reason=failed.reason, error=str(failed)))
            if failed.trouble == Trouble.ACCOUNT:
                accounts.ensure(session, job.provider).paused = f"It refuses this account: {failed}"[:500]
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


@dataclass(frozen=True)
class Collected:
    """What came of a job: per call the stored image, or why there is none. Calls not named got no reply."""

    job: BatchJob
    answers: Mapping[int, tuple[str, Usage | None]]
    refusals: Mapping[int, CallFailed]
    state: BatchState
    error: str


class CollectTask:
    """Looks after one job until it is over."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[tuple[BatchJob, list[tuple[ApiCall, Image]]]]:
        loaded = []
        for lease in leases:
            job = session.get_one(BatchJob, lease.payload["job_id"])
            calls = _open_calls(session, job.id)
            images = [session.get_one(Image, int(call.request_key.split(":")[1])) for call in calls]
            loaded.append((job, list(zip(calls, images, strict=True))))
        return loaded

    def compute(
        self, loaded: Sequence[tuple[BatchJob, list[tuple[ApiCall, Image]]]]
    ) -> Iterator[Collected | Outcome | None]:
        for job, calls in loaded:
            if job.state in (BatchState.DONE, BatchState.FAILED) or not calls:
                yield None
                continue
            try:
                yield self._collect(job, calls)
            except CallFailed as failed:
                yield Postponed(failed.retry_after or 10 * paid.access(job.provider).poll_seconds, str(failed))

    def _collect(self, job: BatchJob, calls: Sequence[tuple[ApiCall, Image]]) -> Collected | Outcome:
        provider = cast(BatchProvider, paid.provider(job.provider))
        pause = 15 * paid.access(job.provider).poll_seconds
        if not job.remote_id:
            remote_id = provider.find(job.name)
            if remote_id is None:
                if utcnow() - job.sent_at < GIVE_UP_AFTER:
                    return Postponed(pause, "Looking for this batch at the provider.")
                return Collected(job, {}, {}, BatchState.FAILED, "The provider never had this batch.")
            job.remote_id = remote_id
        result = provider.collect(job.remote_id)
        if result.state == "running":
            return Postponed(pause, "The provider is working on this batch.")
        if result.state != "done":
            return Collected(job, {}, {}, BatchState.FAILED, f"The batch ended as {result.state}. {result.error}".strip())
        refusals: dict[int, CallFailed] = {}
        came: list[tuple[int | None, ImageAnswer]] = []
        place = {call.request_key: index for index, (call, _) in enumerate(calls)}
        for reply in result.replies:
            own = place.get(reply.key)
            if isinstance(reply.answer, ImageAnswer):
                came.append((own, reply.answer))
            elif own is not None:
                refusals[calls[own][0].id or 0] = reply.answer
        answers = {
            calls[index][0].id or 0: (storage().put(answer.data), answer.usage)
            for index, answer in _whose(came, [image for _, image in calls])
        }
        return Collected(job, answers, refusals, BatchState.DONE, "")

    def save(self, session: Session, lease: Lease, outcome: Collected | None) -> None:
        if outcome is None:
            return
        job = session.get_one(BatchJob, outcome.job.id)
        job.state, job.error, job.finished_at = outcome.state, outcome.error[:1000], utcnow()
        job.remote_id = outcome.job.remote_id
        session.add(job)
        for call in _open_calls(session, job.id):
            self._close(session, call, outcome)

    def _close(self, session: Session, call: ApiCall, outcome: Collected) -> None:
        """Close one call of a finished job, and send its item on: to be taken in, to be told, or into another batch."""
        call_id, item_id = call.id or 0, call.item_id or 0
        price = half(next(g.price for g in GENERATORS.values() if g.model == call.model))
        if call_id in outcome.answers:
            sha256, told = outcome.answers[call_id]
            used = told or Usage()
            cost = price.micros(used.input_tokens, used.output_tokens)
            ledger.close(session, call_id, Closing(CallState.ANSWERED, cost, used.input_tokens, used.output_tokens, sha256))
            jobs.unpark(session, item_id, kind="generate", queue="cpu", priority=paid.ARRIVED)
            return
        failed = outcome.refusals.get(call_id)
        if failed is not None and failed.trouble == Trouble.REFUSED:
            ledger.close(session, call_id, Closing(CallState.REFUSED, reason=failed.reason, error=str(failed)))
            jobs.unpark(session, item_id, kind="generate", queue="api", priority=paid.ARRIVED)
            return
        error = str(failed) if failed else outcome.error or "The batch has no reply to this, or one for another image."
        ledger.close(session, call_id, Closing(CallState.FAILED, error=error))
        jobs.unpark(session, item_id, kind="batch", queue="api", lane=pacing.image_lane(call.provider))

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        """The item's error says it; the calls stay open, and a retry of the item looks again."""


def _open_calls(session: Session, job_id: int | None) -> list[ApiCall]:
    return list(
        session.exec(
            select(ApiCall)
            .where(col(ApiCall.batch_job_id) == job_id, col(ApiCall.state) == CallState.SENT)
            .order_by(col(ApiCall.id))
        )
    )


def _whose(came: Sequence[tuple[int | None, ImageAnswer]], images: Sequence[Image]) -> Iterator[tuple[int, ImageAnswer]]:
    """Each image that came with the place of the LQ it restores; one that is nobody's for certain is left out."""
    readable = []
    for own, answer in came:
        try:
            readable.append((own, answer, structure(decode(answer.data, ANY_SIZE).pixels)))
        except BadImage:
            if own is not None:
                yield own, answer  # taken in as what it is: no image
    if not readable:
        return
    lqs = [structure(stored_pixels(image.thumbnail_sha256)) for image in images]
    table = [[likeness(shape, lq) for lq in lqs] for _, _, shape in readable]
    for index, (_, answer, _) in zip(match([own for own, _, _ in readable], table), readable, strict=True):
        if index is not None:
            yield index, answer
