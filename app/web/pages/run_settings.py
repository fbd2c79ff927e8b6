"""What a run was started with, as people read it: in the words of the form that starts such a run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from app.catalog.categories import CATEGORIES
from app.catalog.generators import GENERATORS
from app.catalog.judges import JUDGES
from app.catalog.screening import RULED, STEPS
from app.domain.sampling import DrawRule
from app.domain.screening import LEVELS, OFF, StepRule
from app.services import sampling, screening
from app.web.pages.screening_words import answered_by, limits_of

TOLD_ELSEWHERE = ("report", "taken", "rules", "question", "source_id")
"""What has a place of its own on the page of a run."""
SCALES = {1: "kept", 4: "reduced to a quarter and back"}
"""What becomes of an image's size by the scale of its degradation."""
SHORT: dict[str, str] = {"fix": "Fix", "fix-nc": "Fix-NC", "vlm-gemini": "Gemini", "vlm-gpt": "GPT"}
"""Strategies as the head of Table 1 names them."""
Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class RuleCell:
    """Who answers a step for a category, and what a patch stays by."""

    who: str
    limits: tuple[str, ...]
    off: bool


@dataclass(frozen=True)
class Rules:
    """The rules of a screening run: a column for each category, with the version of the question; a row for each step."""

    categories: tuple[tuple[str, str], ...]
    steps: tuple[tuple[str, tuple[RuleCell, ...]], ...]


def facts_of(kind: str, params: Mapping[str, Any], source: str) -> Facts:
    """A run's settings by name. ``source`` is what the source is called that they are about."""
    if kind == "screen":
        return list(_screening(params, source))
    if kind == "retain":
        return list(_drawing(params))
    if kind == "degrade":
        return list(_degrading(params, source))
    if kind == "evaluation":
        return list(_evaluating(params))
    return [*([("source", source)] if source else []), *_others(params)]


def sets_of(kind: str, params: Mapping[str, Any]) -> tuple[int, ...]:
    """The ids of the image sets that a run is about."""
    if kind == "degrade":
        return (params["set_id"],)
    return tuple(params["set_ids"]) if kind == "evaluation" else ()


def rules_of(params: Mapping[str, Any]) -> Rules | None:
    """The rules of a screening run; None for any other."""
    if "rules" not in params:
        return None
    rules = {category: {rule.step: rule for rule in screening.rules_of(params, category)} for category in params["rules"]}
    asked = params.get("question", {})
    return Rules(
        tuple((_title(key), f"question version {asked[key]}" if key in asked else "") for key in rules),
        tuple((STEPS[step].title, tuple(_cell(found[step]) for found in rules.values())) for step in RULED),
    )


def next_of(kind: str, params: Mapping[str, Any]) -> tuple[str, str] | None:
    """Where what a run made is seen, and in which words; None where nothing comes after it."""
    if kind in ("ingest", "gather"):
        source = params.get("source_id", 0)
        return {
            "images": (f"/sources/{source}", "The source and its images"),
            "look": (f"/looks?source={source}", "Look at the photographs"),
            "screen": (f"/patches?state=waiting&source={source}", "Its patches"),
            "clean": ("/benchmarks/fidelity", "Make a fidelity set"),
        }.get(params.get("then", "images"))
    category = urlencode({"category": params["category"]} if params.get("category") else {})
    if kind == "screen":
        return f"/patches?{category}", "Its patches"
    if kind == "retain":
        return f"/images?{category}", "The images"
    return ("/benchmarks/mfm", "Table 1") if kind == "evaluation" else None


def _cell(rule: StepRule) -> RuleCell:
    limits = tuple(f"{limit.label} {limit.value:g}" for limit in limits_of(rule))
    return RuleCell(answered_by(rule.who), limits, rule.who == OFF)


def _screening(params: Mapping[str, Any], source: str) -> Iterator[tuple[str, str]]:
    yield "category", _title(params["category"]) if params["category"] else "all"
    yield "source", source or "all"
    yield "also what was screened before", "yes" if params["again"] else "no"


def _drawing(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "category", _title(params["category"])
    if not params["draws"]:
        yield "taken", "all that passed"
        return
    rule: DrawRule = sampling.rule_of(params)
    yield " to ".join(LEVELS), ":".join(str(rule.ratio[level]) for level in LEVELS)
    yield "images in all, at most", _number(rule.most)
    yield "of one photograph and level, at most", _number(rule.per_photo)
    yield "where a level has run out", "the others go on" if rule.fill else "the draw ends"
    yield "seed", str(rule.seed)
    if "taken" in params:
        yield "drawn so far, earlier draws included", ", ".join(f"{n:,} {level}" for level, n in params["taken"].items())
    if params.get("short"):
        yield "ran out first", params["short"]


def _degrading(params: Mapping[str, Any], source: str) -> Iterator[tuple[str, str]]:
    yield "clean photographs of", source
    yield "images", f"{params['images']:,}"
    yield "degraded by", f"{params['pipeline']}, second order"
    yield "size", SCALES[params["scale"]]
    yield "seed", str(params["seed"])


def _evaluating(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    settings: dict[str, list[str]] = {}
    for generator, strategy in params["also"]:
        settings.setdefault(generator, []).append(strategy)
    for generator, strategies in settings.items():
        title = GENERATORS[generator].title if generator in GENERATORS else generator
        yield title, ", ".join(SHORT.get(one, "local" if one == "none" else one) for one in strategies)
    yield "judged by", JUDGES[params["judge"]].title if params["judge"] in JUDGES else params["judge"] or "nobody"
    if params["batch"]:
        yield "in batches", "yes"


def _others(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Parameters worth reading of any other run; long lists are counted."""
    for name, value in params.items():
        if name in TOLD_ELSEWHERE or value in (None, "", [], {}):
            continue
        if isinstance(value, list) and len(value) > 8:
            text = f"{len(value)} of them"
        elif isinstance(value, list):
            text = ", ".join(" / ".join(part) if isinstance(part, list) else str(part) for part in value)
        elif isinstance(value, dict):
            text = ", ".join(f"{key} {part}" for key, part in value.items())
        else:
            text = _title(str(value)) if name == "category" else str(value)
        yield name.replace("_", " "), {"True": "yes", "False": "no"}.get(text, text)


def _title(category: str) -> str:
    return CATEGORIES[category].title if category in CATEGORIES else category


def _number(limit: int | None) -> str:
    return "no limit" if limit is None else f"{limit:,}"
