"""Degrading: the LQ image of a clean photograph's patch, for a fidelity set."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlmodel import Session

from app import imaging
from app.catalog.categories import CATEGORIES
from app.domain.degradation_recipe import SecondOrder, image_seed, sample_recipe
from app.leasing import Lease
from app.models import SourceFile
from app.services import image_sets
from app.services.photograph import stored
from app.storage import storage
from workers.degradations.second_order import degrade
from workers.pixels import ANY_SIZE

_PATCH = replace(CATEGORIES[image_sets.FIDELITY_CATEGORY].policy, max_per_photo=1)


@dataclass(frozen=True)
class Loaded:
    """A clean photograph, and how a set's images are degraded: parameters and the set's seed."""

    file_sha256: str
    params: SecondOrder
    seed: int


class DegradeTask:
    """Cuts one patch out of a clean photograph, degrades it by a recipe drawn from the set's seed, stores both."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Loaded]:
        return [self._load_one(session, lease.payload) for lease in leases]

    def _load_one(self, session: Session, payload: Any) -> Loaded:
        recipe = image_sets.get(session, payload["set_id"]).recipe
        file = session.get_one(SourceFile, payload["file_id"])
        return Loaded(file.file_sha256, image_sets.degradation(recipe), recipe["seed"])

    def compute(self, loaded: Sequence[Loaded]) -> Iterator[dict[str, Any]]:
        for one in loaded:
            photograph = imaging.decode(storage().get(one.file_sha256), ANY_SIZE)
            plan = _PATCH.plan(photograph.width, photograph.height)
            [(box, clean)] = imaging.cut(photograph.pixels, plan)
            clean_hash = imaging.pixel_hash(clean)
            recipe = sample_recipe(image_seed(one.seed, clean_hash), one.params)
            made = stored(box, degrade(clean, recipe))
            text = recipe.to_json()
            yield {
                "box_x": box.x, "box_y": box.y, "box_width": box.width, "box_height": box.height,
                "undersized": plan.undersized, "master_sha256": made.master_sha256, "pixel_sha256": made.pixel_sha256,
                "thumbnail_sha256": made.thumbnail_sha256, "reference_pixel_sha256": clean_hash,
                "reference_master_sha256": storage().put(imaging.encode_png(clean)), "degradation": json.loads(text),
                "variant": hashlib.sha256(text.encode()).hexdigest(),
            }  # fmt: skip

    def save(self, session: Session, lease: Lease, outcome: dict[str, Any]) -> None:
        payload = lease.payload
        image_sets.degraded(session, payload["set_id"], payload["position"], payload["file_id"], outcome)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        """Nothing to tell beyond the item's error: the set lacks the image until the run is retried."""
