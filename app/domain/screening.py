"""Whether a patch stays, decided step by step from what was measured and answered (paper, Sec. 3.1 and Appendix A).

"Metric-based and VLM-based screening and subjective filtering": the numbers here come from measurement, a VLM or a person;
the thresholds from :mod:`app.catalog.screening` or from whoever starts a run.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

LEVELS = ("high", "medium", "low")
"""How good a patch still is: the paper's three levels, sampled 1:2:3."""
MEASURE, PERSON, OFF = "measure", "person", "off"
REASON = 200
"""Longest reason in characters."""


@dataclass(frozen=True)
class StepRule:
    """Who answers a step, and what is asked of the answer: ``least`` and ``most`` of the numbers named.

    ``who`` is measure, person, off, or a VLM's key. Of the step ``level``, ``least`` gives the least quality of the levels
    high and medium, where it is measured.
    """

    step: str
    who: str
    least: Mapping[str, float] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)

    @property
    def vlm(self) -> bool:
        return self.who not in (MEASURE, PERSON, OFF)


@dataclass(frozen=True)
class Outcome:
    """What becomes of a patch, at which step, and why in words. ``ask``: a VLM has to be shown it first."""

    to: Literal["passed", "out", "flagged", "grading", "ask"]
    step: str = ""
    reason: str = ""
    level: str = ""


def screen(rules: Sequence[StepRule], found: Mapping[str, Any]) -> Outcome:
    """What follows from what is known of a patch, with ``rules`` in the order of the steps.

    ``found`` holds numbers by name, the VLM's answers once it was asked (``asked_by``) or would not look (``refused_by``),
    and a person's, which are marked as theirs (``unsafe_by``, ``level_by``) and stand above all others. What is measured
    decides before a VLM is paid, and before it is shown what may be private. A number that is missing puts nothing out.
    """
    cleared = by_person(found, "unsafe")
    measured = [rule for rule in rules if rule.who == MEASURE and rule.step != "level"]
    first = _first(measured, found, cleared=cleared)
    if first is not None:
        return first
    unsafe = next((rule for rule in rules if rule.step == "unsafe"), None)
    if unsafe is not None and unsafe.who == PERSON and not cleared:
        return Outcome("flagged", "unsafe", "every patch is looked at by a person")
    asked = [rule for rule in rules if rule.vlm and not by_person(found, rule.step)]
    if asked and found.get("refused_by"):
        if not cleared:
            return Outcome("flagged", "unsafe", _cut(f"{found['refused_by']} would not look at it{_why(found, 'refused')}"))
    elif asked and not found.get("asked_by"):
        return Outcome("ask", asked[0].step)
    else:
        answered = _first([rule for rule in asked if rule.step != "level"], found, cleared=cleared)
        if answered is not None:
            return answered
    return _level(next((rule for rule in rules if rule.step == "level"), None), found)


def _first(rules: Sequence[StepRule], found: Mapping[str, Any], *, cleared: bool) -> Outcome | None:
    """The first step whose limits are missed: out, or flagged where the step is about what is unsafe or private."""
    for rule in rules:
        told = missed(rule, found)
        if told and rule.step != "unsafe":
            return Outcome("out", rule.step, told)
        if told and not cleared:
            return Outcome("flagged", rule.step, told)
    return None


def missed(rule: StepRule, found: Mapping[str, Any]) -> str:
    """In words, what of a rule's limits is missed; empty: nothing."""
    for limits, short in ((rule.least, "below"), (rule.most, "above")):
        for name, limit in limits.items():
            value = found.get(name)
            if not isinstance(value, int | float) or (value >= limit if short == "below" else value <= limit):
                continue  # missing, NaN, or as it should be: NaN is neither below nor above
            if value != value:
                continue
            words = name.replace("_", " ")
            if rule.vlm:
                told = words if isinstance(value, bool) else f"{words} {value:.3g}, {short} {limit:.3g}"
                return _cut(f"{told}, says {found.get('asked_by')}{_why(found, name)}")
            return _cut(f"{words} {value:.3g} is {short} {limit:.3g}, as measured")
    return ""


def _level(rule: StepRule | None, found: Mapping[str, Any]) -> Outcome:
    if by_person(found, "level"):
        return Outcome("passed", level=str(found["level"]))
    if rule is None or rule.who == OFF:
        return Outcome("passed")
    quality = found.get("quality")
    if rule.who == MEASURE and isinstance(quality, int | float):
        return Outcome("passed", level=next((name for name in LEVELS if quality >= rule.least.get(name, 0.0)), "low"))
    if rule.vlm and found.get("level_asked") in LEVELS and found.get("asked_by"):
        return Outcome("passed", level=found["level_asked"])
    return Outcome("grading", "level")


def by_person(found: Mapping[str, Any], step: str) -> bool:
    """Whether a person answered a step."""
    return str(found.get(f"{step}_by", "")).startswith(PERSON)


def _why(found: Mapping[str, Any], name: str) -> str:
    text = (found.get("why") or {}).get(name, "")
    return f": {text}" if text else ""


def _cut(text: str) -> str:
    return text if len(text) <= REASON else text[: REASON - 1] + "…"


@dataclass(frozen=True)
class StepCount:
    """Patches at one step: those that reached it, and what became of them. ``before`` is the sum of the others.

    ``out`` are screened out here (of the sampling: not drawn), ``flagged`` and ``waiting`` wait here for a person, a VLM
    or a run.
    """

    step: str
    before: int
    out: int = 0
    flagged: int = 0
    waiting: int = 0
    after: int = 0


def funnel_of(steps: Sequence[str], rows: Iterable[tuple[str, str, int]]) -> tuple[StepCount, ...]:
    """The way of patches through ``steps`` in order, from their numbers by (state, step).

    Patches that wait without a step have only been laid out: they stand before the second step, where screening begins.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for state, step, number in rows:
        at = {"held": "look", "passed": "sampling", "retained": "", "not_drawn": "sampling"}.get(state, step)
        counts[state, steps[1] if state == "waiting" and at not in steps else at] += number
    left, found = sum(counts.values()), []
    for step in steps:
        out = counts["out", step] + counts["not_drawn", step]
        flagged = counts["flagged", step]
        waiting = sum(counts[state, step] for state in ("held", "waiting", "grading", "passed"))
        after = left - out - flagged - waiting
        found.append(StepCount(step, left, out, flagged, waiting, after))
        left = after
    return tuple(found)
