"""Collecting as work: one page of a platform's results at a time."""

from collections.abc import Iterator, Sequence

from sqlmodel import Session

from app import imaging
from app.errors import Later
from app.leasing import Lease
from app.platforms.base import KeyRefused
from app.services import gather_steps, ingest_report
from app.services.gather_steps import Done, Work
from workers.outcomes import Failure, Outcome, Postponed


class GatherTask:
    """Takes the photographs of a page. They are saved one by one as they come; what is left to save is the next step."""

    def load(self, session: Session, leases: Sequence[Lease]) -> list[Work]:
        return [gather_steps.load(session, lease.run_id, lease.payload) for lease in leases]

    def compute(self, loaded: Sequence[Work]) -> Iterator[Done | Outcome]:
        imaging.set_concurrency(1)  # other threads of this process are busy as well
        for work in loaded:
            try:
                yield gather_steps.do(work)
            except Later as error:
                yield Postponed(error.seconds, str(error))
            except KeyRefused as error:
                yield Failure(str(error), final=True)

    def save(self, session: Session, lease: Lease, outcome: Done) -> None:
        gather_steps.go_on(session, lease.run_id, lease.payload, outcome)

    def failed(self, session: Session, lease: Lease, error: str) -> None:
        """The chain ends here until somebody retries the step; what was taken until then is reported."""
        ingest_report.finish_ingest(session, lease.run_id)
