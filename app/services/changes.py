"""What live pages look at: short digests of the funnel and of the runs, which differ exactly when what is shown does."""

from sqlalchemy import func, or_, select
from sqlmodel import Session, col

from app.models import ItemState, Run, WorkItem
from app.services.funnel import stage_counts
from app.services.run_views import OPEN


def digests(session: Session) -> dict[str, str]:
    """A digest per topic: ``funnel``, ``runs``, and ``run-<id>`` for every open run and the newest closed ones."""
    stages = sorted((category, sorted(counts.items())) for category, counts in stage_counts(session).items())
    recent = select(col(Run.id)).order_by(col(Run.id).desc()).limit(10).subquery()
    rows = session.execute(
        select(col(Run.id), col(Run.state), col(Run.total), col(Run.done), col(Run.failed), col(Run.cancelled))
        .where(or_(col(Run.state).in_(OPEN), col(Run.id).in_(select(recent.c.id))))
        .order_by(col(Run.id))
    ).all()
    unknown = session.execute(
        select(func.count()).select_from(WorkItem).where(col(WorkItem.state) == ItemState.UNKNOWN)
    ).scalar_one()
    runs = {f"run-{row[0]}": repr(tuple(row)) for row in rows}
    waiting = [counts for _, counts in stages]
    return {"funnel": repr(stages), "runs": repr((runs, unknown, waiting)), **runs}
