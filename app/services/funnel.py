"""The funnel of Fig. 3: how many images have come how far, per category, and what waits for a person."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from sqlalchemy import String, and_, func, literal, or_, select, true, union_all
from sqlmodel import Session, col

from app.catalog.categories import CATEGORIES
from app.models import CandidateSummary, Image, ItemState, Run, Source, Stage, WorkItem
from app.services.collection_waits import NOTHING_WAITS, CollectionWaits, counted
from app.services.unindexed import unindexed

_DECIDED = (Stage.VERIFIED, Stage.REJECTED, Stage.REQUESTED)
_JUDGED_IN = (Stage.AWAITING, Stage.DISPUTED, *_DECIDED)
_FILTER_PASSED = (Stage.SCORED, Stage.REFINING, Stage.JUDGED_OUT, *_JUDGED_IN)
_SCORED = (Stage.FILTERED_OUT, *_FILTER_PASSED)
_GENERATED = (Stage.GENERATED, *_SCORED)


@dataclass(frozen=True)
class Counts:
    """Images by how far they have come. Cumulative: one that waits for verification was also generated and scored.

    ``judged_in`` are those a judge retained at any attempt, ``verified`` those a person decided on, ``pairs`` those
    accepted. ``filtered_out``, ``judged_out``, ``refining``, ``waiting``, ``failed`` and ``set_aside`` say where the others
    stopped.
    """

    collected: int = 0
    generated: int = 0
    scored: int = 0
    filter_passed: int = 0
    filtered_out: int = 0
    judged_in: int = 0
    judged_out: int = 0
    refining: int = 0
    waiting: int = 0
    verified: int = 0
    pairs: int = 0
    failed: int = 0
    set_aside: int = 0

    @property
    def share(self) -> float | None:
        """Pairs per collected image, 0 to 1 (the paper's yield); None before anything was collected."""
        return self.pairs / self.collected if self.collected else None


@dataclass(frozen=True)
class CategoryRow:
    key: str
    title: str
    sources: tuple[str, ...]
    counts: Counts


@dataclass(frozen=True)
class Funnel:
    """Counts of all images and of each category that has any. ``later_attempts``: judged in at attempt 2, at 3, ..."""

    total: Counts
    categories: tuple[CategoryRow, ...]
    later_attempts: Mapping[int, int]


@dataclass(frozen=True)
class FailedRun:
    run_id: int
    title: str
    failed: int
    unknown: int


@dataclass(frozen=True)
class NeedsPerson:
    """What goes no further without somebody: pairs to verify, runs with items that failed or may have, the collection."""

    waiting: int
    failed_images: int
    runs: tuple[FailedRun, ...]
    collection: CollectionWaits = NOTHING_WAITS

    def __bool__(self) -> bool:
        return bool(self.waiting or self.failed_images or self.runs or self.collection.people)


def funnel(session: Session) -> Funnel:
    """Count images per category. Three statements, each over an index alone."""
    stages = stage_counts(session)
    names = _source_names(session)
    rows = tuple(
        CategoryRow(key, category.title, names.get(key, ()), cumulative(stages[key]))
        for key, category in CATEGORIES.items()
        if key in stages
    )
    return Funnel(_sum(row.counts for row in rows), rows, _later_attempts(session))


def totals(session: Session) -> Counts:
    """Counts of all images, in one statement."""
    return _sum(cumulative(stages) for stages in stage_counts(session).values())


def stage_counts(session: Session) -> dict[str, Counter[str]]:
    """Images per category and stage; not those that were made for a benchmark."""
    by = (col(Image.category), col(Image.stage))
    rows = session.execute(select(*by, func.count()).where(col(Image.stage) != Stage.BENCHMARK).group_by(*by)).all()
    counts: dict[str, Counter[str]] = {}
    for category, stage, number in rows:
        counts.setdefault(category, Counter())[stage] = number
    return counts


def cumulative(stages: Mapping[str, int]) -> Counts:
    """Counts of the funnel from the images at each stage. One that failed or was set aside counts as collected only."""

    def among(wanted: Iterable[str]) -> int:
        return sum(stages.get(stage, 0) for stage in wanted)

    return Counts(
        collected=sum(stages.values()),
        generated=among(_GENERATED),
        scored=among(_SCORED),
        filter_passed=among(_FILTER_PASSED),
        filtered_out=among([Stage.FILTERED_OUT]),
        judged_in=among(_JUDGED_IN),
        judged_out=among([Stage.JUDGED_OUT]),
        refining=among([Stage.REFINING]),
        waiting=among([Stage.AWAITING, Stage.DISPUTED]),
        verified=among(_DECIDED),
        pairs=among([Stage.VERIFIED]),
        failed=among([Stage.FAILED]),
        set_aside=among([Stage.SET_ASIDE]),
    )


def needs_person(session: Session, waiting: int, failed_images: int) -> NeedsPerson:
    """Runs with failed or unknown items, newest first, beside the two numbers the funnel already knows. One statement.

    A photograph that was refused is in its run's report, and a provider's failed check on its page: there is nothing to
    retry.
    """
    unknown = (
        select(col(WorkItem.run_id), func.count().label("n"))
        .where(col(WorkItem.state) == ItemState.UNKNOWN)
        .group_by(col(WorkItem.run_id))
        .subquery()
    )
    runs = (
        select(col(Run.title), col(Run.id), col(Run.failed), func.coalesce(unknown.c.n, 0).label("unknown"))
        .outerjoin(unknown, unknown.c.run_id == col(Run.id))
        .where(col(Run.kind).not_in(["ingest", "gather", "check"]), or_(col(Run.failed) > 0, unknown.c.n > 0))
        .order_by(col(Run.id).desc())
        .limit(5)
        .subquery()
    )
    no_run = (literal(0), literal(0))
    rows = session.execute(union_all(select(runs), *(one.add_columns(*no_run) for one in counted()))).all()
    failed = sorted((FailedRun(row[1], row[0], *row[2:]) for row in rows if row[2:] != (0, 0)), key=lambda run: -run.run_id)
    return NeedsPerson(
        waiting, failed_images, tuple(failed), CollectionWaits.of({row[0]: row[1] for row in rows if row[2:] == (0, 0)})
    )


def _source_names(session: Session) -> dict[str, tuple[str, ...]]:
    """Names of the sources of each category: one index probe per source and category, however many images there are."""
    keys = union_all(*(select(literal(key, String).label("category")) for key in CATEGORIES)).subquery()
    of_both = col(Image.source_id) == col(Source.id), col(Image.category) == keys.c.category
    probe = select(literal(1)).where(*of_both, col(Image.stage) != Stage.BENCHMARK)
    rows = session.execute(
        select(keys.c.category, col(Source.name))
        .select_from(keys)
        .join(Source, true())  # every category with every source, on purpose: both are few
        .where(probe.exists())
        .order_by(col(Source.name))
    ).all()
    names: dict[str, tuple[str, ...]] = {}
    for category, name in rows:
        names[category] = (*names.get(category, ()), name)
    return names


def _later_attempts(session: Session) -> dict[int, int]:
    """Images retained at an attempt after the first (Fig. C.2), by attempt."""
    rows = session.execute(
        select(col(CandidateSummary.attempt), func.count().label("number"))
        .where(
            and_(
                col(CandidateSummary.attempt) > 1,
                col(CandidateSummary.chosen),
                unindexed(col(CandidateSummary.stage)).in_(_JUDGED_IN),  # the index on attempts has all that is asked for
            )
        )
        .group_by(col(CandidateSummary.attempt))
        .order_by(col(CandidateSummary.attempt))
    ).all()
    return {row.attempt: row.number for row in rows}


def _sum(rows: Iterable[Counts]) -> Counts:
    rows = list(rows)
    return Counts(**{f.name: sum(getattr(row, f.name) for row in rows) for f in fields(Counts)})
