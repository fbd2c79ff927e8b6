"""Checks of a provider: one cheap real call, what it is, and what came of the last one.

A check is a run of kind "check" with one item. What came of it stands in the run's parameters, where its page shows it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.catalog.generator_spec import Price
from app.catalog.mfms import MFMS
from app.catalog.vlms import VLMS
from app.models import Run, RunState


@dataclass(frozen=True)
class CheckPlan:
    """The call a check makes: a question of one word, or (``image``) one image, of ``model`` at ``price``."""

    model: str
    title: str
    price: Price
    image: bool


@dataclass(frozen=True)
class LastCheck:
    """What came of a provider's newest check. ``ok`` is None while it is under way; ``when`` is when that began or ended."""

    run_id: int
    ok: bool | None
    result: str
    when: datetime


def plan(provider: str) -> CheckPlan:
    """A provider that answers questions is asked one; the others are asked for an image by their cheapest model."""
    vlm = next((v for v in VLMS.values() if v.provider == provider), None)
    if vlm is not None:
        return CheckPlan(vlm.model, vlm.title, vlm.prompt_price, image=False)
    mfm = min((m for m in MFMS if m.provider == provider), key=lambda m: m.price.call)
    return CheckPlan(mfm.model, mfm.title, mfm.price, image=True)


def record(session: Session, run_id: int, ok: bool, result: str) -> None:
    """Note on a check's run what came of it."""
    run = session.get_one(Run, run_id)
    run.params = {**run.params, "ok": ok, "result": result[:500]}


def last(session: Session) -> dict[str, LastCheck]:
    """The newest check of every provider that was ever checked, in one statement."""
    newest = select(func.max(col(Run.id))).where(col(Run.kind) == "check").group_by(col(Run.title))
    runs = session.execute(select(Run).where(col(Run.id).in_(newest))).scalars()
    return {run.params["provider"]: _told(run) for run in runs}


def _told(run: Run) -> LastCheck:
    run_id = run.id or 0
    if run.state in (RunState.RUNNING, RunState.CANCELLING):
        return LastCheck(run_id, None, "under way", run.created_at)
    ended = run.finished_at or run.created_at
    if run.cancelled:
        return LastCheck(run_id, False, "cancelled", ended)
    return LastCheck(run_id, bool(run.params.get("ok")), run.params.get("result") or "ended without an answer", ended)
