"""Generation: one LQ master in, one candidate out, its bytes stored before a row names them."""

import importlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlmodel import Session

from app.catalog.generators import GENERATORS
from app.errors import GenerationError
from app.imaging import decode, encode_png, pixel_hash, thumbnail_webp
from app.jobs import Lease
from app.models import Candidate, Image
from app.services import flow, recipes
from app.services.ingest import THUMBNAIL_SIDE
from app.storage import storage
from workers.generators.base import Generator, Request
from workers.pixels import ANY_SIZE, stored_pixels
from workers.runtime import Failure


@dataclass(frozen=True)
class Loaded:
    """What one generation needs; ``candidate`` is set when this recipe was made before and nothing is left to do."""

    payload: dict[str, Any]
    run_id: int
    category: str
    master_sha256: str
    candidate: Candidate | None


@lru_cache(maxsize=4)
def generator(key: str) -> Generator:
    """A generator's backend, loaded once per process."""
    module, name = GENERATORS[key].target.split(":")
    loaded: Generator = getattr(importlib.import_module(module), name)()
    return loaded


class GenerateTask:
    """Makes one candidate."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        loaded = []
        for lease in leases:
            image = session.get_one(Image, lease.payload["image_id"])
            candidate = recipes.existing_candidate(session, lease.payload)
            loaded.append(Loaded(lease.payload, lease.run_id, image.category, image.master_sha256, candidate))
        return loaded

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[Candidate | Failure]:
        for one in loaded:
            if one.candidate is not None:
                yield one.candidate
                continue
            try:
                yield self._generate(one)
            except GenerationError as error:
                yield Failure(str(error), final=True)

    def _generate(self, one: Loaded) -> Candidate:
        recipe = one.payload["recipe"]
        started = time.perf_counter()
        lq = stored_pixels(one.master_sha256)
        output = generator(recipe["generator"]).generate(
            Request(
                lq=lq,
                category=one.category,
                prompt=recipe["prompt"],
                params=recipe["params"],
                seed=int(one.payload["recipe_hash"][:8], 16) + one.payload["sample"],
            )
        )
        seconds = time.perf_counter() - started
        pixels = output.pixels if output.pixels is not None else decode(output.data or b"", ANY_SIZE).pixels
        data = output.data or encode_png(pixels)
        return Candidate(
            image_id=one.payload["image_id"],
            method_id=0,
            recipe_hash=one.payload["recipe_hash"],
            recipe=recipe,
            sample=one.payload["sample"],
            parent_id=one.payload["parent_id"],
            run_id=one.run_id,
            file_sha256=storage().put(data),
            media_type=output.media_type,
            pixel_sha256=pixel_hash(pixels),
            thumbnail_sha256=storage().put(thumbnail_webp(pixels, THUMBNAIL_SIDE)),
            width=pixels.shape[1],
            height=pixels.shape[0],
            seconds=seconds,
        )

    def save(self, session: Session, lease: Lease, outcome: Candidate) -> None:
        if outcome.id is None:
            # A run beside this one may have made the same candidate in the meantime: identity decides, not the clock.
            found = recipes.existing_candidate(session, lease.payload)
            outcome.method_id = recipes.method_for(session, lease.payload["recipe"]).id or 0
            outcome = found or outcome
        flow.candidate_made(session, lease.run_id, outcome, lease.payload)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        flow.generation_failed(session, lease.payload, error)
