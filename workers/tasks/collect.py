"""Collecting a batch: look after one job until it is over, see which reply restores which LQ, and send its items on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from app import accounts, leasing, pacing
from app.domain.batch_matching import match
from app.errors import BadImage
from app.imaging import decode
from app.imaging.alignment import likeness, structure
from app.leasing import Lease
from app.models import ApiCall, BatchJob, BatchState, CallState, Image, utcnow
from app.services import ledger
from app.services.ledger import Closing
from app.storage import storage
from workers import paid
from workers.outcomes import Outcome, Postponed
from workers.pixels import ANY_SIZE, stored_pixels
from workers.providers.base import BatchProvider, BatchReply, CallFailed, ImageAnswer, Trouble, Usage
from workers.tasks.batch import batch_price, open_calls

GIVE_UP_AFTER = timedelta(minutes=10)
"""A job that cannot be found by its name after this time was never created."""


Stored = tuple[str, Usage]
"""The SHA-256 of an image as it came, and what the provider says it charged for."""


@dataclass(frozen=True)
class Collected:
    """What came of a job: per call the stored image, or why there is none. Calls not named got no reply.

    ``strays`` are images that came in a call's name and restore nothing that was asked for: paid for, and kept with it.
    """

    job: BatchJob
    state: BatchState
    error: str = ""
    answers: Mapping[int, Stored] = field(default_factory=dict)
    strays: Mapping[int, Stored] = field(default_factory=dict)
    refusals: Mapping[int, CallFailed] = field(default_factory=dict)


class CollectTask:
    """Looks after one job until it is over."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[tuple[BatchJob, list[tuple[ApiCall, Image]]]]:
        loaded = []
        for lease in leases:
            job = session.get_one(BatchJob, lease.payload["job_id"])
            calls = open_calls(session, job.id)
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
                return Collected(job, BatchState.FAILED, "The provider never had this batch.")
            job.remote_id = remote_id
        result = provider.collect(job.remote_id)
        if result.state == "running":
            return Postponed(pause, "The provider is working on this batch.")
        if result.state != "done":
            return Collected(job, BatchState.FAILED, f"The batch ended as {result.state}. {result.error}".strip())
        return _sorted(job, calls, result.replies)

    def save(self, session: Session, lease: Lease, outcome: Collected | None) -> None:
        if outcome is None:
            return
        job = session.get_one(BatchJob, outcome.job.id)
        job.state, job.error, job.finished_at = outcome.state, outcome.error[:1000], utcnow()
        job.remote_id = outcome.job.remote_id
        session.add(job)
        for call in open_calls(session, job.id):
            self._close(session, call, outcome)

    def _close(self, session: Session, call: ApiCall, outcome: Collected) -> None:
        """Close one call of a finished job, and send its item on: to be taken in, to be told, or into another batch."""
        call_id, item_id = call.id or 0, call.item_id or 0
        price = batch_price(call.model, accounts.limits(session)[call.provider])
        failed = outcome.refusals.get(call_id)
        sha256, used = outcome.answers.get(call_id) or outcome.strays.get(call_id) or ("", Usage())
        cost = price.micros(used.input_tokens, used.output_tokens) if sha256 else 0
        if failed is not None and not sha256 and failed.usage is not None:
            used = failed.usage
            cost = price.micros(used.input_tokens, used.output_tokens) if used.input_tokens or used.output_tokens else 0
        told = Closing(CallState.ANSWERED, cost, used.input_tokens, used.output_tokens, sha256)
        if call_id in outcome.answers:
            ledger.close(session, call_id, told)
            leasing.unpark(session, item_id, kind="generate", queue="cpu", priority=paid.ARRIVED)
            return
        if failed is not None and failed.trouble == Trouble.REFUSED:
            ledger.close(session, call_id, replace(told, state=CallState.REFUSED, reason=failed.reason, error=str(failed)))
            leasing.unpark(session, item_id, kind="generate", queue="api", priority=paid.ARRIVED)
            return
        error = str(failed) if failed else outcome.error or "The batch has no reply to this, or one for another image."
        ledger.close(session, call_id, replace(told, state=CallState.FAILED, reason=ledger.MISSED, error=error))
        leasing.unpark(session, item_id, kind="batch", queue="api", lane=pacing.image_lane(call.provider))

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        """The item's error says it; the calls stay open, and a retry of the item looks again."""


def _sorted(job: BatchJob, calls: Sequence[tuple[ApiCall, Image]], replies: Sequence[BatchReply]) -> Collected:
    """Keep the images of a job that is done, and say whose each is."""
    refusals: dict[int, CallFailed] = {}
    came: list[tuple[int | None, ImageAnswer]] = []
    place = {call.request_key: index for index, (call, _) in enumerate(calls)}
    for reply in replies:
        own = place.get(reply.key)
        if isinstance(reply.answer, ImageAnswer):
            came.append((own, reply.answer))
        elif own is not None:
            refusals[calls[own][0].id or 0] = reply.answer
    answers: dict[int, Stored] = {}
    strays: dict[int, Stored] = {}
    owners = _whose(came, [image for _, image in calls])
    for (own, answer), owner in zip(came, owners, strict=True):
        place_of, index = (strays, own) if owner is None else (answers, owner)
        if index is not None:
            place_of[calls[index][0].id or 0] = (storage().put(answer.data), answer.usage or Usage())
    return Collected(job, BatchState.DONE, answers=answers, strays=strays, refusals=refusals)


def _whose(came: Sequence[tuple[int | None, ImageAnswer]], images: Sequence[Image]) -> list[int | None]:
    """For each image that came the place of the LQ it restores, or None where it is nobody's for certain."""
    shapes = [_structure(answer.data) for _, answer in came]
    lqs = [structure(stored_pixels(image.thumbnail_sha256)) for image in images] if came else []
    readable = [place for place, shape in enumerate(shapes) if shape is not None]
    table = [[likeness(shape, lq) for lq in lqs] for shape in shapes if shape is not None]
    owners: list[int | None] = [None] * len(came)
    for place, owner in zip(readable, match([came[place][0] for place in readable], table), strict=True):
        owners[place] = owner
    for place, (own, _) in enumerate(came):
        if shapes[place] is None and own not in owners:
            owners[place] = own  # taken in as what it is: no image
    return owners


def _structure(data: bytes) -> NDArray[np.float64] | None:
    """What an image looks like, None where it cannot be read."""
    try:
        return structure(decode(data, ANY_SIZE).pixels)
    except BadImage:
        return None
