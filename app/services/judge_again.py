"""Another judge's opinion of candidates that are there: about the images of a gallery filter, in a run of its own.

An opinion moves no image; it stands in the history beside the verdict that decided.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlmodel import Session, col

from app import accounts, jobs
from app.accounts import MICROS
from app.catalog.judges import JUDGES
from app.catalog.vlms import VLMS
from app.config import settings
from app.errors import GgtError
from app.jobs import NewItem
from app.models import Image, Run, Verdict
from app.services import flow, prompts
from app.services.estimate import Estimate, Line
from app.services.options import PipelineOptions, check_options, images_of
from app.services.planning import PLAN_WINDOW, NotConfirmed
from app.services.quote import Quote, images, priced


@dataclass(frozen=True)
class JudgeAgain:
    """Who judges, and what: the current candidates of the images that pass ``query``. Stored as the run's parameters."""

    judge: str
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def stand_in(self) -> bool:
        vlm = JUDGES[self.judge].vlm
        return bool(vlm) and settings().stand_in(VLMS[vlm].provider)


def start(session: Session, wanted: JudgeAgain, *, user_id: int | None, title: str, confirmed: int = 0) -> Run:
    """Start a run. ``confirmed`` is the price, in millionths of a dollar, that somebody has seen and agreed to.

    Raises GgtError for a judge that is not there or lacks its key, and NotConfirmed where the run would cost more.
    """
    price = quote(session, wanted).estimate
    if price.micros > confirmed:
        raise NotConfirmed(f"This run costs money: {price.sentence()}. Confirm it to start.")
    run = jobs.start_run(session, "judge_again", title, {**asdict(wanted), "query": dict(wanted.query)}, user_id)
    jobs.add_items(session, run.id or 0, [_plan_item(0)])
    return run


def quote(session: Session, wanted: JudgeAgain) -> Quote:
    """How many candidates would be judged, what that costs, and what is left alone. Three statements; errors as in start."""
    if wanted.judge not in JUDGES:
        raise GgtError(f"Choose a judge: {', '.join(JUDGES)}.")
    check_options(PipelineOptions(judge=wanted.judge, compare=False))
    ids = images_of(PipelineOptions(query=wanted.query)).subquery()
    current = col(Image.current_candidate_id)
    matched, held, pending = session.execute(
        select(func.count(), func.count(current), func.count(case((_unjudged(wanted), 1))))
        .select_from(Image)
        .where(col(Image.id).in_(select(ids.c.id)))
    ).one()
    facts = [f"{pending:,} of {images(matched)} will be judged."]
    if held - pending:
        has = "has" if held - pending == 1 else "have"
        facts.append(f"{held - pending:,} {has} a verdict of {JUDGES[wanted.judge].title} already.")
    if matched - held:
        facts.append(f"{matched - held:,} {'has' if matched - held == 1 else 'have'} no candidate yet.")
    return priced(session, _estimate(session, wanted, pending), matched, tuple(facts))


def plan_window(session: Session, run_id: int, after: int) -> int:
    """Add a judgement for each candidate of the next window of images, and the item that plans the window after it.

    Returns how many the window held.
    """
    params = session.get_one(Run, run_id).params
    wanted = JudgeAgain(params["judge"], params["query"])
    ids = images_of(PipelineOptions(query=wanted.query)).subquery()
    rows = session.execute(
        select(col(Image.id), col(Image.current_candidate_id), col(Image.category))
        .where(col(Image.id).in_(select(ids.c.id)), col(Image.id) > after, _unjudged(wanted))
        .order_by(col(Image.id))
        .limit(PLAN_WINDOW)
    ).all()
    if rows:
        texts = prompts.in_use(session)
        items = [
            flow.judge_item(candidate_id, wanted.judge, texts["evaluator", category].version, decides=False)
            for _, candidate_id, category in rows
        ]
        jobs.add_items(session, run_id, [*items, _plan_item(rows[-1][0])])
    return len(rows)


def _plan_item(after: int) -> NewItem:
    return NewItem("plan_judge", f"plan_judge:{after}", priority=1, payload={"after": after})


def _unjudged(wanted: JudgeAgain) -> ColumnElement[bool]:
    """The image has a current candidate, and no verdict of the judge about it. A stand-in's is not the judge's own."""
    current: Any = col(Image.current_candidate_id)
    theirs = select(col(Verdict.id)).where(
        col(Verdict.judge) == wanted.judge,
        col(Verdict.candidate_id) == current,
        col(Verdict.stand_in).is_(wanted.stand_in),
    )
    unjudged: ColumnElement[bool] = current.is_not(None) & ~theirs.correlate(Image).exists()
    return unjudged


def _estimate(session: Session, wanted: JudgeAgain, pending: int) -> Estimate:
    judge = JUDGES[wanted.judge]
    lines: tuple[Line, ...] = ()
    if judge.vlm and pending:
        vlm = VLMS[judge.vlm]
        each = accounts.account(session, vlm.provider).prices.get(vlm.model, vlm.judge_price.call)
        lines = (Line(f"Judging by {judge.title}", vlm.provider, pending, round(each * MICROS), False),)
    most = sum(line.micros for line in lines)
    return Estimate(pending, lines, most, batch=False, stand_in=wanted.stand_in)
