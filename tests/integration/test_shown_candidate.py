"""Which candidate of an image lists show. If the marks were wrong, the gallery would hide images or show them twice."""

import pytest
from sqlmodel import Session, col, select

from app import db
from app.models import Candidate, CandidateSummary, Image, Run, Stage
from app.services import flow
from tests import factories

pytestmark = pytest.mark.usefixtures("redis")


def made(session: Session, image: Image, method: str, *, chosen: bool, parent: int | None = None) -> Candidate:
    """A candidate as a worker saves it."""
    number = len(session.exec(select(Candidate.id)).all())
    candidate = Candidate(
        image_id=image.id or 0, method_id=factories.make_method(session, method).id or 0, recipe_hash=f"{number}", recipe={},
        file_sha256="f", media_type="image/png", pixel_sha256=f"{number}", thumbnail_sha256="t", width=64, height=64,
    )  # fmt: skip
    flow.candidate_made(session, 1, candidate, {"chosen": chosen, "attempt": 1, "parent_id": parent})
    session.flush()
    return candidate


def test_the_current_one_and_each_methods_latest_are_marked(database: str) -> None:
    with db.unit_of_work() as session:
        session.add(Run(kind="pipeline", title="x"))
        image, other = factories.make_image(session), factories.make_candidate(session)
        first = made(session, image, "local-nlm", chosen=True)
        compared = made(session, image, "local-tv", chosen=False)
        session.get_one(Image, image.id).stage = Stage.REFINING
        second = made(session, image, "local-nlm", chosen=True, parent=first.id)
        late = made(session, image, "local-tv", chosen=True)  # another run was faster: for comparison only
    with db.reading() as session:
        rows = session.exec(select(CandidateSummary).order_by(col(CandidateSummary.candidate_id)))
        marks = {row.candidate_id: (row.is_current, row.is_latest) for row in rows}
        assert session.get_one(Image, image.id).current_candidate_id == second.id
    assert marks == {
        other.id: (True, True), first.id: (False, False), compared.id: (False, False), second.id: (True, True),
        late.id: (False, True),
    }  # fmt: skip
