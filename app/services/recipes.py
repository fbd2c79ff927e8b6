"""Recipes: what exactly a method did to an image, as part of a candidate's identity, and the work item that asks for it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlmodel import Session, col, select

from app.catalog.generators import GENERATORS
from app.db import insert_ignore
from app.jobs import NewItem
from app.models import Candidate, Image, Method


def first_recipe(generator: str, category: str) -> dict[str, Any]:
    """What a first attempt with ``generator`` does to an image of ``category``."""
    spec = GENERATORS[generator]
    return {
        "generator": generator,
        "version": spec.version,
        "strategy": "none",
        "prompt": "",
        "params": spec.params_for(category),
    }


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def generate_item(
    image: Image,
    generator: str,
    recipe: Mapping[str, Any],
    *,
    chosen: bool,
    sample: int = 0,
    parent_id: int | None = None,
    attempt: int = 1,
    why: str = "",
) -> NewItem:
    """The work item that makes one candidate. Small images go first, and chosen chains before comparisons."""
    digest = recipe_hash(recipe)
    size_rank = min(30, image.width * image.height // 32_768)
    spec = GENERATORS[generator]
    return NewItem(
        kind="generate",
        key=f"generate:{image.id}:{generator}:{digest[:16]}:{sample}",
        queue=spec.queue,
        shape=generator,
        priority=(20 if chosen else 200) + size_rank,
        paid=not spec.local and spec.queue == "api",
        payload={
            "image_id": image.id, "recipe": dict(recipe), "recipe_hash": digest, "sample": sample,
            "parent_id": parent_id, "chosen": chosen, "attempt": attempt, "why": why,
        },
    )  # fmt: skip


def existing_candidate(session: Session, payload: Mapping[str, Any]) -> Candidate | None:
    """The candidate that this generate item would make, if it is there already."""
    return session.exec(
        select(Candidate)
        .join(Method, col(Method.id) == col(Candidate.method_id))
        .where(
            col(Candidate.image_id) == payload["image_id"],
            col(Candidate.recipe_hash) == payload["recipe_hash"],
            col(Candidate.sample) == payload["sample"],
            col(Method.generator) == payload["recipe"]["generator"],
        )
    ).first()


def method_for(session: Session, recipe: Mapping[str, Any]) -> Method:
    """The method row of a recipe, made on first use."""
    generator, strategy = recipe["generator"], recipe["strategy"]
    where = (col(Method.generator) == generator, col(Method.strategy) == strategy)
    found = session.exec(select(Method).where(*where)).first()
    if found:
        return found
    name = generator if strategy == "none" else f"{generator} / {strategy}"
    insert_ignore(session, Method, [{"name": name, "kind": "generator", "generator": generator, "strategy": strategy}])
    return session.exec(select(Method).where(*where)).one()
