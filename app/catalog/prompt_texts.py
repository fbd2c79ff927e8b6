"""The paper's prompts (Appendices B and C), and the question of the screening, which is ours, as versioned data.

What people make of them later is in the database.
"""

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from app.catalog.categories import CATEGORIES

PromptKind = Literal["fix", "fix-nc", "meta", "evaluator", "screening"]


@dataclass(frozen=True)
class PromptText:
    """One prompt for one category. Fixed prompts have no ``system`` part; ``source`` says where in the paper it stands.

    It is empty where the text is ours.
    """

    kind: PromptKind
    category: str
    version: int
    system: str
    user: str
    source: str


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files("app.catalog") / "prompts" / name).read_text(encoding="utf-8"))


def load(read: Callable[[str], Mapping[str, Any]] = _read) -> dict[tuple[str, str], PromptText]:
    """Every kind for every category; ``read`` gives a file of app/catalog/prompts by its name.

    Raises KeyError where a file lacks a category, ValueError where it has an unknown one or a text is empty.
    """
    fixed, meta, evaluator, screening = (read(f"{name}.toml") for name in ("fixed", "meta", "evaluator", "screening"))
    named = {
        *fixed["fix"],
        *fixed["fix-nc"],
        *evaluator["tasks"],
        *screening["artifacts"],
        *(meta.keys() - {"version", "source"}),
    }
    if unknown := named - CATEGORIES.keys():
        raise ValueError(f"prompts for unknown categories: {', '.join(sorted(unknown))}")
    found: list[PromptText] = []
    for category in CATEGORIES:
        version, source = fixed["version"], fixed["source"]
        found.append(PromptText("fix", category, version, "", fixed["fix"][category], source))
        found.append(PromptText("fix-nc", category, version, "", fixed["fix-nc"][category], source))
        texts = meta[category]
        found.append(PromptText("meta", category, meta["version"], texts["system"], texts["user"], meta["source"]))
        task = evaluator["tasks"][category]
        # An evaluator without its task would judge something else: an empty one empties the whole prompt.
        system = evaluator["system"].replace("{task}", task) if task.strip() else ""
        found.append(PromptText("evaluator", category, evaluator["version"], system, evaluator["user"], evaluator["source"]))
        artifact = screening["artifacts"][category]
        system = screening["system"].replace("{artifact}", artifact) if artifact.strip() else ""
        system = system.replace("{title}", CATEGORIES[category].title)
        found.append(PromptText("screening", category, screening["version"], system, screening["user"], screening["source"]))
    for text in found:
        if not text.user.strip() or (text.kind in ("meta", "evaluator", "screening") and not text.system.strip()):
            raise ValueError(f"the prompt {text.kind} for {text.category} is empty")
    return {(text.kind, text.category): text for text in found}


PROMPTS: dict[tuple[str, str], PromptText] = load()
"""Every prompt by (kind, category)."""
