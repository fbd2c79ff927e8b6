"""The rules of screening in people's words, the same on the form that starts a run and on the run's page."""

from dataclasses import dataclass

from app.catalog.screening import MEASURES
from app.catalog.vlms import VLMS
from app.domain.screening import MEASURE, OFF, PERSON, StepRule

ANSWERER_TITLES = {MEASURE: "Measured here", PERSON: "A person", OFF: "Nobody: left out"}


@dataclass(frozen=True)
class RuleLimit:
    """One limit of a rule: "Structure at least", its value, and what the number is. ``side`` is least or most."""

    side: str
    number: str
    label: str
    value: float
    note: str


def limits_of(rule: StepRule) -> tuple[RuleLimit, ...]:
    """What is asked of a step's answer."""
    found = []
    for side, limits, word in (("least", rule.least, "at least"), ("most", rule.most, "at most")):
        for number, value in limits.items():
            spec = MEASURES.get(number)
            title = spec.title if spec else number.replace("_", " ").capitalize()
            note = f"{spec.meaning} ({spec.range})" if spec else ""
            found.append(RuleLimit(side, number, f"{title} {word}", value, note))
    return tuple(found)


def answered_by(who: str) -> str:
    """Who answers a step."""
    return ANSWERER_TITLES.get(who) or (VLMS[who].title if who in VLMS else who)
