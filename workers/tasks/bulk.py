"""Bulk actions that are too long for one request: one window of images at a time."""

from sqlmodel import Session

from app.leasing import Lease
from app.services import set_aside
from workers.tasks.plan import PlanTask


class BulkTask(PlanTask):
    """Moves the next window of a bulk action's images."""

    def save(self, session: Session, lease: Lease, outcome: None) -> None:
        set_aside.work_window(session, lease.payload["action_id"], lease.payload["after"])
