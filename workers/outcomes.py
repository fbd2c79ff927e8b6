"""What may come of one work item besides a result to save."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """One item that could not be done. ``final`` means that trying again would not help."""

    error: str
    final: bool


@dataclass(frozen=True)
class Postponed:
    """One item that has to wait ``seconds``, through no fault of its own: a limit, a budget, a provider that is busy."""

    seconds: float
    why: str


@dataclass(frozen=True)
class Unresolved:
    """One item whose paid call may or may not have gone through: a person decides what follows."""

    error: str


@dataclass(frozen=True)
class Parked:
    """One item that was handed over (as part of a batch): its state was set elsewhere, and nothing is left to save."""


Outcome = Failure | Postponed | Unresolved | Parked
