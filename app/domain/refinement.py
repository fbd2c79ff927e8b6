"""VLM-assisted refinement: what to change when a judge rejects a candidate (Sec. 3.3, Appendix C, Fig. C.2)."""

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.aspects import Aspect
from app.domain.prompting import one_line

FAITHFULNESS: frozenset[Aspect] = frozenset({"object_consistency", "geometry_alignment", "content_reasonableness"})
"""Aspects that fail when a restoration did too much, as restoration quality fails when it did too little."""


@dataclass(frozen=True)
class RefinementRule:
    """How attempts differ.

    ``max_attempts`` counts the first one. The rest are the steps of the parameters every local generator understands:
    ``strength`` (0 and up, 1 is the method's own), ``keep_color`` and ``keep_detail`` (0 to 1: share of the LQ's colour
    and of its pixels blended back). ``instructions`` has one sentence per aspect for prompted generators.
    """

    max_attempts: int
    strength_up: float
    strength_down: float
    strength_range: tuple[float, float]
    keep_detail_step: float
    keep_color_step: float
    instructions: Mapping[Aspect, str]


@dataclass(frozen=True)
class NextAttempt:
    """The recipe of the next attempt.

    ``params`` are complete. ``appended_instructions`` go behind the prompt of the attempt just rejected (which already
    carries what earlier attempts appended). ``sample`` is the sample number, 0 for the first attempt of a chain; it
    grows with every attempt of a stochastic generator, so no two attempts of a chain share recipe and sample.
    """

    params: Mapping[str, float]
    appended_instructions: tuple[str, ...]
    sample: int
    why: str


def next_attempt(
    attempt: int,
    params: Mapping[str, float],
    failed: tuple[Aspect, ...],
    stochastic: bool,
    rule: RefinementRule,
    reasons: Mapping[Aspect, str] | None = None,
) -> NextAttempt | None:
    """The attempt that follows number ``attempt`` (1-based, rejected for ``failed``), or None when it was the last.

    Stochastic generators are prompted: their second attempt appends an instruction per failed aspect, with the judge's
    reason for it where ``reasons`` has one, and their third repeats that prompt with the next sample, as in Fig. C.2. A
    deterministic generator would give the same pixels again, so it has its parameters changed each time, and None is
    returned when they cannot change any further.
    Raises ValueError for an attempt below 1.
    """
    if attempt < 1:
        raise ValueError(f"attempts are counted from 1, not {attempt}")
    if attempt >= rule.max_attempts:
        return None
    if stochastic:
        added = tuple(_instruction(a, rule, reasons or {}) for a in rule.instructions if a in failed) if attempt == 1 else ()
        why = f"appended instructions for {_listed(failed)}" if added else "same prompt, next sample"
        return NextAttempt(dict(params), added, attempt, why)
    changes = _changes(params, frozenset(failed), rule)
    if not changes:
        return None
    told = ", ".join(f"{k} {old:.3g} to {new:.3g}" for k, (old, new) in changes.items())
    changed = {**params, **{k: new for k, (_, new) in changes.items()}}
    return NextAttempt(changed, (), 0, f"{_listed(failed)} failed: {told}")


def _instruction(aspect: Aspect, rule: RefinementRule, reasons: Mapping[Aspect, str]) -> str:
    reason = one_line(reasons.get(aspect, ""))
    return f"{rule.instructions[aspect]} What was found: {reason}" if reason else rule.instructions[aspect]


def weakest(scores: Mapping[Aspect, float]) -> tuple[Aspect, ...]:
    """The aspects with the lowest score: what to strengthen when a judge rejects though no score is below its minimum."""
    lowest = min(scores.values())
    return tuple(a for a, score in scores.items() if score == lowest)


def _changes(params: Mapping[str, float], failed: frozenset[Aspect], rule: RefinementRule) -> dict[str, tuple[float, float]]:
    """Old and new value of each parameter that moves. A value already outside its range never moves the wrong way."""
    strength, low, high = params.get("strength", 1.0), *rule.strength_range
    detail, color = params.get("keep_detail", 0.0), params.get("keep_color", 0.0)
    wanted = {"strength": (strength, strength), "keep_detail": (detail, detail), "keep_color": (color, color)}
    if failed & FAITHFULNESS:  # Wins over restoration quality: a beautiful HQ of another scene is worthless.
        wanted["strength"] = (strength, min(strength, max(low, strength * rule.strength_down)))
        wanted["keep_detail"] = (detail, max(detail, min(1.0, detail + rule.keep_detail_step)))
    elif "restoration_quality" in failed:
        wanted["strength"] = (strength, max(strength, min(high, max(low, strength * rule.strength_up))))
    if "color_consistency" in failed:
        wanted["keep_color"] = (color, max(color, min(1.0, color + rule.keep_color_step)))
    return {k: (old, new) for k, (old, new) in wanted.items() if new != old}


def _listed(failed: tuple[Aspect, ...]) -> str:
    return ", ".join(a.replace("_", " ") for a in failed)
