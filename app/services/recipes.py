"""Recipes: what exactly a method did to an image, as part of a candidate's identity, and the work item that asks for it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam
from sqlmodel import Session, col, select

from app import pacing
from app.catalog.generators import GENERATORS, Strategy
from app.catalog.providers import PROVIDERS
from app.catalog.vlms import VLMS
from app.config import settings
from app.db import insert_ignore
from app.domain.prompting import fit_prompt
from app.errors import GgtError
from app.jobs import NewItem
from app.models import Candidate, Image, Method

CUDA = "cuda"
"""The lane of open models: only a worker that has a GPU claims from it, however long that takes to appear."""


@dataclass(frozen=True)
class Setting:
    """A generator with a prompt strategy: the paper's "setting" (a row of Table 1)."""

    generator: str
    strategy: Strategy = "none"

    @property
    def vlm(self) -> str:
        """The VLM that writes the prompt, or empty."""
        return self.strategy.removeprefix("vlm-") if self.strategy.startswith("vlm-") else ""


def is_stand_in(setting: Setting) -> bool:
    """Whether what a setting makes here is a stand-in's: its image, or its prompt."""
    provider = GENERATORS[setting.generator].provider
    return bool(provider and settings().stand_in(provider)) or bool(
        setting.vlm and settings().stand_in(VLMS[setting.vlm].provider)
    )


@dataclass(frozen=True)
class Prompt:
    """The text to send and what it is: "fix/1", or "meta/1 gemini/2" for the second edition of what Gemini wrote."""

    text: str
    version: str


NO_PROMPT = Prompt("", "")


def first_recipe(setting: Setting, category: str, prompt: Prompt = NO_PROMPT, extra: str = "") -> dict[str, Any]:
    """What a first attempt does to an image of ``category``. ``extra`` is an instruction appended to the prompt.

    A prompt longer than the model takes loses sentences at its end, and the recipe says so. Raises GgtError where the
    instruction alone is too long.
    """
    spec = GENERATORS[setting.generator]
    recipe: dict[str, Any] = {
        "generator": setting.generator,
        "version": spec.version,
        "strategy": setting.strategy,
        "prompt": prompt.text,
        "params": spec.params_for(category),
    }
    if not spec.prompted:
        return recipe
    try:
        text, cut = fit_prompt(prompt.text, spec.prompt_limit, (extra,) if extra else ())
    except ValueError as error:
        raise GgtError(f"{spec.title}: {error}.") from None
    recipe |= {"prompt": text, "prompt_version": prompt.version, "model": spec.model}
    if extra:
        recipe["extra"] = extra
    if cut:
        recipe["prompt_cut"] = True
    if spec.provider and settings().stand_in(spec.provider):
        recipe["stand_in"] = True
    elif setting.vlm and settings().stand_in(VLMS[setting.vlm].provider):
        recipe["stand_in_prompt"] = True
    return recipe


def recipe_hash(recipe: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


_STAND_IN = ":stand-in"


def stand_in_mark(provider: str) -> str:
    """The end of the key of a question that a stand-in of ``provider`` will answer; empty where the provider itself will."""
    return _STAND_IN if settings().stand_in(provider) else ""


def of_stand_in(key: str) -> bool:
    """Whether a question was planned for a stand-in: its answer is one's, whatever the settings have become since."""
    return key.endswith(_STAND_IN)


def other_party(stand_in: bool, provider: str) -> str:
    """Why a request planned for a stand-in (or for the provider itself) must not be sent from here; empty: it may."""
    if stand_in == settings().stand_in(provider):
        return ""
    title = PROVIDERS[provider].title
    planned, here = (f"a stand-in of {title}", title) if stand_in else (title, f"a stand-in of {title}")
    return f"This was planned for {planned}, and {here} would answer here. Start a new run."


@dataclass(frozen=True)
class Chain:
    """What is wanted of a candidate beyond its recipe; it is carried from item to item.

    ``chosen``: it may reach review. ``replaces``: it may take the place of a candidate that waits for a person.
    ``judge`` is the judge that decides on it, or only gives an opinion where it is not chosen; empty: none. ``batch`` asks
    at half price where the generator's provider has that.
    """

    chosen: bool
    judge: str = ""
    replaces: bool = False
    batch: bool = False


def generate_item(
    image: Image,
    recipe: Mapping[str, Any],
    chain: Chain,
    *,
    sample: int = 0,
    parent_id: int | None = None,
    attempt: int = 1,
    why: str = "",
) -> NewItem:
    """The work item that makes one candidate. Small images go first, and chosen chains before comparisons."""
    digest = recipe_hash(recipe)
    generator = recipe["generator"]
    size_rank = min(30, image.width * image.height // 32_768)
    spec = GENERATORS[generator]
    batch = chain.batch and bool(spec.provider) and PROVIDERS[spec.provider].batch
    return NewItem(
        kind="batch" if batch else "generate",
        key=f"generate:{image.id}:{generator}:{digest[:16]}:{sample}",
        queue=spec.queue,
        shape=generator,
        lane=pacing.image_lane(spec.provider) if spec.provider else CUDA if spec.model else "",
        priority=(20 if chain.chosen else 200) + size_rank,
        payload={
            "image_id": image.id, "recipe": dict(recipe), "recipe_hash": digest, "sample": sample,
            "parent_id": parent_id, "chosen": chain.chosen, "attempt": attempt, "why": why,
            "judge": chain.judge, "replaces": chain.replaces, "batch": batch,
        },
    )  # fmt: skip


_EXISTING = (
    select(Candidate)
    .join(Method, col(Method.id) == col(Candidate.method_id))
    .where(
        col(Candidate.image_id) == bindparam("image"),
        col(Candidate.recipe_hash) == bindparam("recipe"),
        col(Candidate.sample) == bindparam("sample"),
        col(Method.generator) == bindparam("generator"),
    )
)


def existing_candidate(session: Session, payload: Mapping[str, Any]) -> Candidate | None:
    """The candidate that this generate item would make, if it is there already."""
    made = {"image": payload["image_id"], "recipe": payload["recipe_hash"], "sample": payload["sample"]}
    return session.exec(_EXISTING, params=made | {"generator": payload["recipe"]["generator"]}).first()


def method_for(session: Session, recipe: Mapping[str, Any]) -> Method:
    """The method row of a recipe, made on first use."""
    generator, strategy = recipe["generator"], recipe["strategy"]
    stand_in = bool(recipe.get("stand_in") or recipe.get("stand_in_prompt"))
    where = (
        col(Method.generator) == generator,
        col(Method.strategy) == strategy,
        col(Method.stand_in).is_(stand_in),
    )
    found = session.exec(select(Method).where(*where)).first()
    if found:
        return found
    name = (generator if strategy == "none" else f"{generator} / {strategy}") + (" (stand-in)" if stand_in else "")
    row = {"name": name, "kind": "generator", "generator": generator, "strategy": strategy, "stand_in": stand_in}
    insert_ignore(session, Method, [row])
    return session.exec(select(Method).where(*where)).one()
