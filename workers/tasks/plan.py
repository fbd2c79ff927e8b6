"""Planning as work: one window of images at a time, so that no transaction grows with the collection."""

from collections.abc import Iterator, Sequence

from sqlmodel import Session

from app.leasing import Lease
from app.services import judge_again, planning


class PlanTask:
    """Adds the items of the next window of a pipeline run."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[None]:
        return [None for _ in leases]

    def compute(self, loaded: Sequence[None]) -> Iterator[None]:
        yield from loaded

    def save(self, session: Session, lease: Lease, outcome: None) -> None:
        planning.plan_window(session, lease.run_id, lease.payload["after"])

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        """Nothing to tell beyond the item's error: the run shows it and offers the retry."""


class PlanJudgeTask(PlanTask):
    """Adds the judgements of the next window of a run that has candidates judged again."""

    def save(self, session: Session, lease: Lease, outcome: None) -> None:
        judge_again.plan_window(session, lease.run_id, lease.payload["after"])
