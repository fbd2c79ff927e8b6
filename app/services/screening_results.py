"""What came of screening a patch: measured, answered by a VLM, refused by one. Doing it twice changes nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import and_
from sqlmodel import Session, col, select

from app import jobs
from app.catalog.screening import MEASURED_AS, MEASURES
from app.catalog.vlms import VLMS
from app.domain.screening import Outcome, StepRule, screen
from app.domain.screening_reply import Answers
from app.jobs import NewItem
from app.models import Json, Patch, PatchState, Run
from app.services.recipes import stand_in_mark
from app.services.screening import rules_of, takeable, wants_metrics

_STATES = {
    "passed": PatchState.PASSED, "out": PatchState.OUT, "flagged": PatchState.FLAGGED, "grading": PatchState.GRADING,
    "ask": PatchState.WAITING,
}  # fmt: skip
_ANSWERS = ("asked_by", "refused_by", "level_asked", "why", "content_poor", "overly_degraded", "unsafe_or_private",
            "artifact_visible")  # fmt: skip
_KEPT = ("unsafe_by", "level_by", "level", "before")
"""What a person's decisions leave in a patch's measures; no measurement touches it."""


@dataclass(frozen=True)
class Screened:
    """One patch as a worker measured it. ``thumbnail`` is the hash of its picture, empty where it is out."""

    patch_id: int
    found: Mapping[str, Any]
    outcome: Outcome
    thumbnail: str


def asker(params: Mapping[str, Any], category: str) -> str:
    """Who answers a run's question about a category, with the version of the question; empty: no VLM.

    As "gemini/1", or "gemini/1 (stand-in)" where a local server answers in Gemini's place.
    """
    vlm = next((rule.who for rule in rules_of(params, category) if rule.vlm), "")
    if not vlm:
        return ""
    return f"{vlm}/{params['question'][category]}" + (" (stand-in)" if stand_in_mark(VLMS[vlm].provider) else "")


def taken_up(session: Session, params: Mapping[str, Any], file_id: int, category: str) -> list[Patch]:
    """The patches of a photograph that a run takes up, in order."""
    mine = and_(col(Patch.source_file_id) == file_id, col(Patch.category) == category, takeable(params["again"]))
    return list(session.exec(select(Patch).where(mine).order_by(col(Patch.id))))


def known_of(patch: Patch, who: str) -> Json:
    """What is known of a patch before it is measured: people's decisions, and the answers of ``who``."""
    names = (
        (*_KEPT, *_ANSWERS) if who and who in (patch.measures.get("asked_by"), patch.measures.get("refused_by")) else _KEPT
    )
    return {name: patch.measures[name] for name in names if name in patch.measures}


def numbers_of(patch: Patch, rules: tuple[StepRule, ...]) -> dict[str, float] | None:
    """The numbers that an earlier run measured, where they are of this version and all that the rules name; else None."""
    named = {name for rule in rules for limits in (rule.least, rule.most) for name in limits if name in MEASURES}
    if patch.measures.get("measured") != MEASURED_AS or not named <= patch.measures.keys():
        return None
    return {name: patch.measures[name] for name in MEASURES if name in patch.measures}


def save_screened(session: Session, run_id: int, results: Iterable[Screened]) -> None:
    """Keep what was measured of a photograph's patches and what follows; ask a VLM about those that need its answer.

    A patch on which a person or another run was faster is left alone.
    """
    params = session.get_one(Run, run_id).params
    by_id = {one.patch_id: one for one in results}
    mine = and_(col(Patch.id).in_(by_id), takeable(params["again"]))
    rows = session.exec(select(Patch).where(mine).order_by(col(Patch.id)).with_for_update()).all()
    items = []
    for patch in rows:
        one = by_id[patch.id or 0]
        patch.thumbnail_sha256 = one.thumbnail or patch.thumbnail_sha256
        settle(patch, {**one.found, "run": run_id}, one.outcome)
        session.add(patch)
        if one.outcome.to == "ask":
            items.append(_question(params, patch))
    jobs.add_items(session, run_id, items)


def settle(patch: Patch, found: Mapping[str, Any], outcome: Outcome) -> None:
    """Write on a patch what is known of it and what follows."""
    patch.measures, patch.state = dict(found), _STATES[outcome.to]
    patch.step, patch.reason, patch.level = outcome.step, outcome.reason, outcome.level


def _question(params: Mapping[str, Any], patch: Patch) -> NewItem:
    """The item that shows a patch to a VLM. Its key holds what makes an answer another one."""
    vlm = next(rule.who for rule in rules_of(params, patch.category) if rule.vlm)
    provider, version = VLMS[vlm].provider, params["question"][patch.category]
    return NewItem(
        "ask_screen",
        f"screen:{patch.id}:{vlm}:{version}" + stand_in_mark(provider),
        queue="api",
        shape=vlm,
        lane=provider,
        payload={"patch_id": patch.id, "vlm": vlm, "version": version},
    )


def answered(session: Session, run_id: int, patch_id: int, answers: Answers) -> None:
    """A VLM answered: what follows from all that is known of the patch now."""
    found: Json = asdict(answers)
    found["level_asked"] = found.pop("level")
    _told(session, run_id, patch_id, "asked_by", found)


def refused(session: Session, run_id: int, patch_id: int, message: str) -> None:
    """A VLM would not look at a patch: a person does."""
    _told(session, run_id, patch_id, "refused_by", {"why": {"refused": message[:120]}})


def _told(session: Session, run_id: int, patch_id: int, by: str, found: Json) -> None:
    params = session.get_one(Run, run_id).params
    patch = session.get_one(Patch, patch_id, with_for_update=True, populate_existing=True)
    if patch.state != PatchState.WAITING:
        return
    known = {name: value for name, value in patch.measures.items() if name not in _ANSWERS}
    known |= {**found, by: asker(params, patch.category)}
    settle(patch, known, screen(rules_of(params, patch.category), known))
    session.add(patch)


def not_answered(session: Session, patch_id: int, why: str) -> None:
    """No answer came: the patch goes on waiting, and says why."""
    patch = session.get_one(Patch, patch_id, with_for_update=True, populate_existing=True)
    if patch.state == PatchState.WAITING:
        patch.reason = why[:200]
        session.add(patch)


def to_measure(rules: tuple[StepRule, ...]) -> tuple[bool, bool, list[str]]:
    """What else the rules need beyond the numbers every patch gets: the artifact, faces, no-reference metrics."""
    named = {name for rule in rules for limits in (rule.least, rule.most) for name in limits}
    return "artifact" in named, "faces" in named, wants_metrics(rules)
