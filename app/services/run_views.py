"""Runs as people look at them: progress, rate and time left, what failed and what to do about it, and a log."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select, union_all
from sqlmodel import Session, col

from app.errors import NotFound
from app.models import ItemState, Json, Run, RunState, Source, User, WorkItem, utcnow
from app.services import ingest_report
from app.services.estimate import dollars
from app.services.run_advice import Wait, advice, waits

RATE_WINDOW_SECONDS = 60
PAGE_SIZE = 40
LOG_SIZE = 40
FAILED_SIZE = 100
OPEN = (RunState.RUNNING, RunState.CANCELLING)
OUTCOME = "ingest"
"""Kind of the closed items that keep what became of one photograph."""


@dataclass(frozen=True)
class RunProgress:
    """A run and how fast it goes. ``rate`` is items per second over the last minute; 0 when nothing finished in it.

    ``by`` started it, whose id is ``user_id``.
    """

    id: int
    kind: str
    title: str
    state: str
    total: int
    done: int
    failed: int
    cancelled: int
    created_at: datetime
    finished_at: datetime | None
    by: str
    rate: float
    unknown: int = 0
    spent_micros: int = 0
    user_id: int | None = None

    @property
    def closed(self) -> int:
        return self.done + self.failed + self.cancelled + self.unknown

    @property
    def share(self) -> float:
        """Closed items per item, 0 to 1."""
        return self.closed / self.total if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Time left at the present rate; None while that is unknown. A pipeline adds items as it goes, so it may grow."""
        left = self.total - self.closed
        return left / self.rate if self.rate and self.state == RunState.RUNNING else None

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def failed_word(self) -> str:
        """What its failed items are: files refused, work that failed, or both where a run fetches what it takes in."""
        return {"ingest": "rejected", "gather": "rejected or failed"}.get(self.kind, "failed")

    @property
    def resumable(self) -> bool:
        return self.cancelled > 0 and self.kind != "ingest" and self.state != RunState.CANCELLING

    @property
    def cancellable(self) -> bool:
        return self.state == RunState.RUNNING and self.kind != "ingest"

    @property
    def undecided(self) -> bool:
        """Whether somebody has to decide about items whose paid call may or may not have gone through."""
        return self.unknown > 0 and self.state != RunState.CANCELLING

    @property
    def spent(self) -> str:
        """What its calls have cost so far, as "$1.23"; empty where nothing was paid."""
        return dollars(self.spent_micros) if self.spent_micros else ""


@dataclass(frozen=True)
class KindRow:
    """Items of one kind by state."""

    kind: str
    waiting: int
    leased: int
    done: int
    failed: int
    cancelled: int
    unknown: int
    remote: int
    seconds: float | None


@dataclass(frozen=True)
class ItemRow:
    """One item that ended. ``image_id``, ``candidate_id`` or ``file`` say what it worked on, ``by`` who did the work."""

    id: int
    key: str
    kind: str
    state: str
    attempts: int
    error: str
    seconds: float | None
    finished_at: datetime | None
    image_id: int | None
    candidate_id: int | None
    file: str | None
    by: str = ""

    @property
    def what_to_do(self) -> str:
        return advice(self.state, self.error)


@dataclass(frozen=True)
class Rejected:
    file: str
    reason: str


@dataclass(frozen=True)
class Duplicate:
    file: str
    of: str
    kind: str
    distance: int | None


@dataclass(frozen=True)
class IngestReport:
    """What an ingest run took in (patches, of so many files), and the files it did not."""

    ingested: int
    known: int
    rejected: tuple[Rejected, ...]
    duplicates: tuple[Duplicate, ...]
    files: int = 0

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> "IngestReport | None":
        """The report in a run's parameters, if it has one."""
        report = params.get("report")
        if not report:
            return None
        return cls(
            report.get("ingested", 0),
            report.get("known", 0),
            tuple(Rejected(r["file"], r["reason"]) for r in report.get("rejected", ())),
            tuple(Duplicate(d["file"], d["of"], d.get("kind", ""), d.get("distance")) for d in report.get("duplicates", ())),
            report.get("files", 0),
        )


@dataclass(frozen=True)
class RunDetail:
    """Everything about one run. ``failed`` holds items whose outcome is unknown too, and those first. ``source`` is the name
    of the source that its parameters are about."""

    progress: RunProgress
    params: Json
    kinds: tuple[KindRow, ...]
    failed: tuple[ItemRow, ...]
    log: tuple[ItemRow, ...]
    report: IngestReport | None
    waits: tuple[Wait, ...] = ()
    source: str = ""

    @property
    def retries(self) -> int:
        """Failed items that can be given fresh attempts. A photograph that was refused cannot."""
        return sum(kind.failed for kind in self.kinds if kind.kind != OUTCOME)

    @property
    def retryable(self) -> bool:
        return self.retries > 0 and self.progress.state != RunState.CANCELLING

    @property
    def taken(self) -> tuple[int, int] | None:
        """Photographs taken, and how many at most; None for a run that does not collect."""
        return (self.params["taken"], self.params["most"]) if self.progress.kind == "gather" else None

    @property
    def unreported(self) -> tuple[ItemRow, ...]:
        """``failed`` without what the report has."""
        return self.failed if self.report is None else tuple(item for item in self.failed if item.kind != OUTCOME)

    @property
    def unknown_items(self) -> tuple[ItemRow, ...]:
        return tuple(item for item in self.unreported if item.state == ItemState.UNKNOWN)

    @property
    def failed_items(self) -> tuple[ItemRow, ...]:
        return tuple(item for item in self.unreported if item.state == ItemState.FAILED)

    @property
    def remote(self) -> int:
        """Items that are part of a batch at a provider."""
        return sum(kind.remote for kind in self.kinds)


def runs(
    session: Session, *, before: int | None = None, only_open: bool = False, size: int = PAGE_SIZE
) -> list[RunProgress]:
    """Runs, newest first, with ids below ``before``. Two statements at most."""
    query = select(Run, col(User.name)).outerjoin(User, col(User.id) == col(Run.created_by))
    if before is not None:
        query = query.where(col(Run.id) < before)
    if only_open:
        query = query.where(col(Run.state).in_(OPEN))
    rows = session.execute(query.order_by(col(Run.id).desc()).limit(size)).all()
    rates = _rates(session, [run.id for run, _ in rows if run.state in OPEN])
    return [_progress(run, name, rates) for run, name in rows]


def run_detail(session: Session, run_id: int) -> RunDetail:
    """Everything about one run, in seven statements at most. Raises NotFound.

    A run that was cancelled while it collected has a report like one that is finished: of what came of it so far.
    """
    progress, params, source = run_progress(session, run_id)
    if progress.kind == "gather" and progress.state in (RunState.CANCELLING, RunState.CANCELLED):
        params = {**params, "report": ingest_report.capped(ingest_report.report(session, run_id))}
    unknown_first = case((col(WorkItem.state) == ItemState.UNKNOWN, 0), else_=1)
    failed = session.execute(
        _items(run_id, [ItemState.FAILED, ItemState.UNKNOWN])
        .order_by(unknown_first, case((col(WorkItem.kind) == OUTCOME, 1), else_=0), col(WorkItem.id))
        .limit(FAILED_SIZE)
    ).all()  # fmt: skip
    kinds = _kinds(session, run_id)
    waiting = waits(session, run_id) if progress.open and any(kind.waiting for kind in kinds) else ()
    return RunDetail(
        progress, params, kinds, tuple(map(_item, failed)), _log(session, run_id), IngestReport.of(params), waiting, source
    )


def run_progress(session: Session, run_id: int) -> tuple[RunProgress, Json, str]:
    """A run's progress and parameters, and what the source is called that these name. Raises NotFound."""
    row = session.execute(
        select(Run, col(User.name), func.coalesce(col(Source.name), ""))
        .outerjoin(User, col(User.id) == col(Run.created_by))
        .outerjoin(Source, col(Source.id) == col(Run.params)["source_id"].as_integer())
        .where(col(Run.id) == run_id)
    ).first()
    if row is None:
        raise NotFound(f"There is no run {run_id}.")
    run, name, source = row
    rates = _rates(session, [run_id] if run.state in OPEN else [])
    return _progress(run, name, rates), run.params, source


def _progress(run: Run, name: str | None, rates: Mapping[int, float]) -> RunProgress:
    run_id = run.id or 0
    return RunProgress(
        run_id, run.kind, run.title, run.state, run.total, run.done, run.failed, run.cancelled, run.created_at,
        run.finished_at, name or "command line", rates.get(run_id, 0.0), run.unknown, run.spent_micros,
        run.created_by,
    )  # fmt: skip


def _rates(session: Session, run_ids: Sequence[int | None]) -> dict[int, float]:
    """Items closed per second in the last minute; a run younger than that is measured over its age."""
    if not run_ids:
        return {}
    now = utcnow()
    since = now - timedelta(seconds=RATE_WINDOW_SECONDS)
    rows = session.execute(
        select(col(WorkItem.run_id), func.count(), func.min(col(WorkItem.finished_at)))
        .where(
            col(WorkItem.run_id).in_(run_ids),
            col(WorkItem.state).in_([ItemState.DONE, ItemState.FAILED]),
            col(WorkItem.finished_at) >= since,
        )
        .group_by(col(WorkItem.run_id))
    ).all()
    return {run_id: number / max(1.0, (now - first).total_seconds()) for run_id, number, first in rows}


def _kinds(session: Session, run_id: int) -> tuple[KindRow, ...]:
    rows = session.execute(
        select(col(WorkItem.kind), col(WorkItem.state), func.count(), func.avg(col(WorkItem.seconds)))
        .where(col(WorkItem.run_id) == run_id)
        .group_by(col(WorkItem.kind), col(WorkItem.state))
    ).all()
    counts: dict[str, dict[str, int]] = {}
    seconds: dict[str, float | None] = {}
    for kind, state, number, mean in rows:
        counts.setdefault(kind, {})[state] = number
        if state == ItemState.DONE:
            seconds[kind] = mean
    return tuple(_kind_row(kind, counts[kind], seconds.get(kind)) for kind in sorted(counts))


def _kind_row(kind: str, by_state: Mapping[str, int], seconds: float | None) -> KindRow:
    counts = {state.value: by_state.get(state, 0) for state in ItemState}
    return KindRow(kind, **counts, seconds=seconds)


_COLUMNS: tuple[Any, ...] = (
    col(WorkItem.id), col(WorkItem.key), col(WorkItem.kind), col(WorkItem.state), col(WorkItem.attempts),
    col(WorkItem.error), col(WorkItem.seconds), col(WorkItem.finished_at),
    col(WorkItem.payload)["image_id"].as_integer().label("image_id"),
    col(WorkItem.payload)["candidate_id"].as_integer().label("candidate_id"),
    col(WorkItem.payload)["file"].as_string().label("file"), col(WorkItem.shape),
)  # fmt: skip


def _items(run_id: int, states: Sequence[ItemState]) -> Any:
    return select(*_COLUMNS).where(col(WorkItem.run_id) == run_id, col(WorkItem.state).in_(states))


def _log(session: Session, run_id: int) -> tuple[ItemRow, ...]:
    """The items that ended last: the newest of each state by its index, then the newest of those."""
    parts = [
        _items(run_id, [state]).order_by(col(WorkItem.finished_at).desc()).limit(LOG_SIZE).subquery()
        for state in (ItemState.DONE, ItemState.FAILED)
    ]
    both = union_all(*(select(part) for part in parts)).subquery()
    rows = session.execute(select(both).order_by(both.c.finished_at.desc()).limit(LOG_SIZE)).all()
    return tuple(map(_item, rows))


def _item(row: Any) -> ItemRow:
    return ItemRow(*row)
