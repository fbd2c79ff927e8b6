"""One step of a run that collects: a page of results, its photographs fetched one by one and saved in a short unit of work
each. Doing a step twice, or again after its worker was killed, takes no photograph twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from sqlalchemy import literal_column
from sqlmodel import Session, col, select

from app import jobs
from app.config import settings
from app.db import reading, unit_of_work
from app.domain import gather_order
from app.domain.gather_order import Step
from app.errors import BadImage, Later
from app.models import Run, RunState, SourceFile, WorkItem
from app.platforms import platform as speaker
from app.platforms.base import Found, NotAnswered
from app.services import gathering, ingest, ingest_report, licence_policy
from app.services.fetching import fetch
from app.services.photograph import FileOutcome, How, Prepared, Provenance, how, prepare

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
LONGEST_ADDRESS = 1000
"""Longest address of a photograph or an author in characters, as the table has them."""


@dataclass(frozen=True)
class Work:
    """What a step needs to know of its run. ``licences`` are those that may be collected now."""

    run_id: int
    platform: str
    keyword: str
    page: int
    per_page: int
    licences: frozenset[str]
    how: How


@dataclass(frozen=True)
class Done:
    """What came of a step: whether its keyword has more results, whether the run has what it wanted, and what was wrong."""

    more: bool = False
    enough: bool = False
    problem: str = ""


def load(session: Session, run_id: int, payload: Mapping[str, Any]) -> Work:
    """What a step is about."""
    params = session.get_one(Run, run_id).params
    spec = gathering.spec_of(params["platform"])
    return Work(
        run_id, spec.key, params["keywords"][payload["keyword"]], payload["page"], params["per_page"],
        gathering.allowed(spec, licence_policy.current(session)), how(params),
    )  # fmt: skip


def do(work: Work) -> Done:
    """Ask for the page and take its photographs. Owns its units of work.

    Raises Later where the platform or a host wants to be asked later, or the run is being cancelled, and KeyRefused.
    """
    if not work.licences:
        return Done(problem="none of its licences may be collected any more")
    try:
        results = speaker(work.platform).search(work.keyword, work.page, work.per_page, work.licences)
    except NotAnswered as error:
        return Done(problem=str(error))
    for found in _new(work, results.found):
        if _take(work, found) == "enough":
            return Done(enough=True)
    return Done(more=results.more and bool(results.found))


def go_on(session: Session, run_id: int, payload: Mapping[str, Any], done: Done) -> None:
    """Queue the next step, or close the run's report when there is none."""
    run = session.get_one(Run, run_id)
    step = Step(payload["keyword"], payload["page"], tuple(payload["ended"]))
    if done.problem:
        name = gathering.step_name(run.params["platform"], run.params["keywords"][step.keyword], step.page)
        ingest.reject(session, run_id, name, done.problem)
    following = None if done.enough else gather_order.after(step, len(run.params["keywords"]), done.more)
    if following is None:
        ingest_report.finish_ingest(session, run_id)
    else:
        jobs.add_items(session, run_id, [gathering.item_of(run.params, following)])


def _new(work: Work, found: Sequence[Found]) -> list[Found]:
    """Those that this run has not dealt with and that are not here. What is here by its page is recorded as known."""
    names = {_name(work, one): one for one in found if one.id}
    keys = {ingest.outcome_key(name): name for name in names}
    pages = [one.page_url for one in names.values() if one.page_url]
    with reading() as session:
        outcomes = select(WorkItem.key).where(col(WorkItem.run_id) == work.run_id, col(WorkItem.key).in_(keys))
        dealt_with = {keys[key] for key in session.exec(outcomes)}
        on_record = select(SourceFile.url, SourceFile.name).where(
            col(SourceFile.url) != literal_column("''"), col(SourceFile.url).in_(pages)
        )
        here = dict(session.exec(on_record).all())
    left = {name: one for name, one in names.items() if name not in dealt_with}
    known = {name: here[one.page_url] for name, one in left.items() if one.page_url in here}
    if known:
        with unit_of_work() as session:
            for name, of in known.items():
                ingest.record(session, work.run_id, FileOutcome(name, "known", of=of))
    return [one for name, one in left.items() if name not in known]


def _take(work: Work, found: Found) -> Literal["taken", "enough"]:
    """Fetch, check and save one photograph, or record why not."""
    name, reason = _name(work, found), ""
    prepared: Prepared | None = None
    try:
        prepared = _prepared(work, found, name)
    except (BadImage, NotAnswered) as error:
        reason = str(error)
    with unit_of_work() as session:
        # Locked: were this step done twice at once, the run would get more photographs than it may.
        run = session.exec(select(Run).where(col(Run.id) == work.run_id).with_for_update()).one()
        taken, most = run.params["taken"], run.params["most"]
        if run.state != RunState.RUNNING:
            raise Later(0.0, "The run is being cancelled.")
        if taken >= most:
            return "enough"
        if prepared is None:
            ingest.reject(session, work.run_id, name, reason)
        elif ingest.save(session, work.run_id, prepared).status == "added":
            taken += 1
            run.params = {**run.params, "taken": taken}
            session.add(run)
    return "enough" if taken >= most else "taken"


def _prepared(work: Work, found: Found, name: str) -> Prepared:
    """A photograph as it is saved. Raises BadImage with the reason, NotAnswered, and what :func:`do` raises."""
    if reason := _unfit(work, found):
        raise BadImage(reason)
    speaker(work.platform).used(found)
    fetched = fetch(found.download_url)
    keywords = tuple(dict.fromkeys([work.keyword, *found.tags]))
    author_url = found.author_url if len(found.author_url) <= LONGEST_ADDRESS else ""  # half of one leads nowhere
    known = Provenance(found.licence, found.author[:200], found.page_url, keywords, fetched.fetched_at, author_url)
    return prepare(fetched.data, name, work.how, known)


def _unfit(work: Work, found: Found) -> str:
    """Why a photograph is not even fetched; empty where it is."""
    if found.licence not in work.licences:
        return f"its licence ({found.licence or 'unknown'}) may not be collected"
    if found.unfit:
        return found.unfit
    if not found.download_url or not found.page_url or len(found.page_url) > LONGEST_ADDRESS:
        return "the platform gives no usable address of it"
    if found.width and found.height:
        if min(found.width, found.height) < settings().min_side:
            return f"too small: {found.width}x{found.height}"
        if not work.how.policy.plan(found.width, found.height).boxes:
            return f"smaller than a patch: {found.width}x{found.height}"
    return ""


def _name(work: Work, found: Found) -> str:
    suffix = next((s for s in SUFFIXES if urlsplit(found.download_url).path.lower().endswith(s)), ".jpg")
    return f"{work.platform}/{found.id[:100]}{suffix}"
