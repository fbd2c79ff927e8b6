"""Generation: one LQ master in, one candidate out, its bytes stored before a row names them.

A candidate of a provider is made in two steps, by two workers: one on the api queue asks, stores the bytes as they came and
hands the item over; one on the cpu queue takes them in. So a file that crashes a decoder never takes calls down with it, and
decoding never holds up calls.
"""

import importlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session

from app import leasing, pacing
from app.catalog.generator_spec import GeneratorSpec
from app.catalog.generators import GENERATORS
from app.db import unit_of_work
from app.domain.geometry import canvas
from app.errors import GenerationError, WeightsMissing
from app.imaging import decode, encode_png, pixel_hash, thumbnail_webp
from app.leasing import Lease
from app.models import Candidate, Image
from app.services import flow, ledger, recipes
from app.services.ledger import Standing
from app.services.photograph import THUMBNAIL_SIDE
from app.storage import storage
from workers import arrival, paid
from workers.generators.base import Generator, Request
from workers.outcomes import Failure, Outcome, Parked
from workers.paid import Answered, Ask, Refused
from workers.pixels import ANY_SIZE, stored_pixels
from workers.providers.base import Accepted, ImageAnswer, ImageRequest, Provider

Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Loaded:
    """What one generation needs; ``candidate`` is set when this recipe was made before and nothing is left to do."""

    lease: Lease
    image: Image
    candidate: Candidate | None
    standing: Standing

    @property
    def spec(self) -> GeneratorSpec:
        return GENERATORS[self.lease.payload["recipe"]["generator"]]


@dataclass(frozen=True)
class NoImage:
    """A generation that ended, for good, without a usable image."""

    reason: str
    message: str
    raw_sha256: str = ""


@lru_cache(maxsize=4)
def generator(key: str) -> Generator:
    """A generator's backend, loaded once per process."""
    module, name = GENERATORS[key].target.split(":")
    loaded: Generator = getattr(importlib.import_module(module), name)()
    return loaded


class GenerateTask:
    """Makes one candidate."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        return [
            Loaded(
                lease,
                session.get_one(Image, lease.payload["image_id"]),
                recipes.existing_candidate(session, lease.payload),
                ledger.standing(session, lease.key) if self._paid(lease) else Standing(),
            )
            for lease in leases
        ]

    def _paid(self, lease: Lease) -> bool:
        return bool(GENERATORS[lease.payload["recipe"]["generator"]].provider)

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[Candidate | NoImage | Outcome]:
        for one in loaded:
            if one.candidate is not None:
                yield one.candidate
            elif one.spec.provider:
                yield from self._asked(one)
            else:
                try:
                    yield self._made(one)
                except (GenerationError, WeightsMissing) as error:
                    yield Failure(str(error), final=True)

    def _made(self, one: Loaded) -> Candidate:
        """A candidate from a generator that runs here."""
        payload, recipe = one.lease.payload, one.lease.payload["recipe"]
        started = time.perf_counter()
        output = generator(recipe["generator"]).generate(
            Request(
                lq=stored_pixels(one.image.master_sha256),
                category=one.image.category,
                prompt=recipe["prompt"],
                params=recipe["params"],
                seed=int(payload["recipe_hash"][:8], 16) + payload["sample"],
            )
        )
        seconds = time.perf_counter() - started
        pixels = output.pixels if output.pixels is not None else decode(output.data or b"", ANY_SIZE).pixels
        data = output.data or encode_png(pixels)
        return self._candidate(
            one, pixels, storage().put(data), output.media_type, seconds=seconds, checks=dict(output.details)
        )

    def _asked(self, one: Loaded) -> Iterator[Candidate | NoImage | Outcome]:
        """A candidate from a provider: its answer is taken in where it is there, and asked for where it is not."""
        if one.standing.answers:
            answer = one.standing.answers[-1]
            seconds = (answer.finished_at - answer.sent_at).total_seconds() if answer.finished_at else 0.0
            yield self._taken_in(one, answer.answer_sha256, seconds)
        elif one.lease.queue != "api":
            with unit_of_work() as session:
                leasing.hand_over(session, one.lease, "api", pacing.image_lane(one.spec.provider))
            yield Parked()
        else:
            outcome = paid.ask(self._ask(one), lambda *call: self._send(one, *call))
            if isinstance(outcome, Refused):
                yield NoImage(outcome.reason, outcome.message)
            elif isinstance(outcome, Answered):
                yield Failure("An answer came back to the worker that asked.", final=False)
            else:
                yield outcome

    def _ask(self, one: Loaded) -> Ask:
        spec = one.spec
        return Ask(
            one.lease, spec.provider, spec.model, "generate", spec.price, image=True, standing=one.standing,
            stand_in=bool(one.lease.payload["recipe"].get("stand_in")), hand_over="cpu",
        )  # fmt: skip

    def _send(self, one: Loaded, provider: Provider, reference: str, remote_id: str, accepted: Accepted) -> ImageAnswer:
        return provider.edit_image(image_request(one.image, one.lease.payload["recipe"], reference, remote_id), accepted)

    def _taken_in(self, one: Loaded, sha256: str, seconds: float) -> Candidate | NoImage:
        image = one.image
        wanted = canvas(image.width, image.height, one.spec.ratios)
        came = arrival.receive(storage().get(sha256), wanted, stored_pixels(image.thumbnail_sha256))
        if isinstance(came, arrival.Unusable):
            return NoImage(came.reason, came.message, sha256)
        file = storage().put(came.file) if came.file is not None else sha256
        return self._candidate(one, came.pixels, file, came.media_type, seconds=seconds, checks=came.checks, raw=sha256)

    def _candidate(
        self, one: Loaded, pixels: Rgb, file: str, media_type: str, *, seconds: float, checks: dict[str, Any], raw: str = ""
    ) -> Candidate:
        payload = one.lease.payload
        return Candidate(
            image_id=payload["image_id"],
            method_id=0,
            recipe_hash=payload["recipe_hash"],
            recipe=payload["recipe"],
            sample=payload["sample"],
            parent_id=payload["parent_id"],
            run_id=one.lease.run_id,
            file_sha256=file,
            media_type=media_type,
            pixel_sha256=pixel_hash(pixels),
            thumbnail_sha256=storage().put(thumbnail_webp(pixels, THUMBNAIL_SIDE)),
            width=pixels.shape[1],
            height=pixels.shape[0],
            raw_sha256=raw,
            checks=checks,
            seconds=seconds,
        )

    def save(self, session: Session, lease: Lease, outcome: Candidate | NoImage) -> None:
        if isinstance(outcome, NoImage):
            flow.refused(session, lease.run_id, lease.payload, outcome.reason, outcome.message, outcome.raw_sha256)
            return
        if outcome.id is None:
            # A run beside this one may have made the same candidate in the meantime: identity decides, not the clock.
            found = recipes.existing_candidate(session, lease.payload)
            outcome.method_id = recipes.method_for(session, lease.payload["recipe"]).id or 0
            outcome = found or outcome
        flow.candidate_made(session, lease.run_id, outcome, lease.payload)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        flow.generation_failed(session, lease.payload, error)


def image_request(image: Image, recipe: dict[str, Any], reference: str, remote_id: str = "") -> ImageRequest:
    """What a provider is sent for an image: its master's own bytes, unless its shape has to be extended first."""
    spec = GENERATORS[recipe["generator"]]
    wanted, data = canvas(image.width, image.height, spec.ratios), b""
    if wanted.padded:
        wanted, extended = arrival.shown(stored_pixels(image.master_sha256), spec.ratios)
        data = encode_png(extended) if extended is not None else b""
    return ImageRequest(
        model=recipe["model"],
        image=data or storage().get(image.master_sha256),
        media_type="image/png",
        width=wanted.width,
        height=wanted.height,
        prompt=recipe["prompt"],
        reference=reference,
        remote_id=remote_id,
    )
