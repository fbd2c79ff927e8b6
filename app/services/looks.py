"""A person's look at whole photographs before their patches are screened (paper, Appendix A: "we manually inspect the
full-resolution images and discard those without clearly visible artifacts")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, func, literal_column, select, update
from sqlmodel import Session, col

from app.domain.screening import REASON
from app.errors import Conflict, NotAllowed, NotFound
from app.models import Look, Patch, PatchState, Source, SourceFile, User, utcnow
from app.services import events

PAGE_SIZE = 60


@dataclass(frozen=True)
class Photograph:
    """A photograph to look at. ``thumbnail_sha256`` is its picture, ``patches`` how many it was laid out in."""

    id: int
    name: str
    source: str
    licence: str
    author: str
    url: str
    keywords: Sequence[str]
    thumbnail_sha256: str
    width: int
    height: int
    category: str
    patches: int
    look: str
    reason: str
    by: str


@dataclass(frozen=True)
class Page:
    """Some photographs, and the id after which the next ones come; None at the end."""

    photographs: tuple[Photograph, ...]
    after: int | None


def look_is(state: str) -> ColumnElement[bool]:
    """Whether that came of a photograph's look, said so that SQLite's index of those that were to be looked at serves."""
    return and_(col(SourceFile.look) == state, col(SourceFile.look) != literal_column("''"))


def looks(
    session: Session, state: Look = Look.WAITING, *, category: str = "", source_id: int | None = None, after: int = 0
) -> Page:
    """Photographs that wait for a look (or were kept, or discarded), oldest first, ids above ``after``. One statement."""
    of_file = select(func.count()).where(col(Patch.source_file_id) == col(SourceFile.id))
    number = of_file.correlate(SourceFile).scalar_subquery()
    query = (
        select(SourceFile, Source, col(User.name), number)
        .join(Source, col(Source.id) == col(SourceFile.source_id))
        .outerjoin(User, col(User.id) == col(SourceFile.looked_by))
        .where(look_is(state), col(SourceFile.id) > after)
        .order_by(col(SourceFile.id))
        .limit(PAGE_SIZE + 1)
    )
    if category:
        query = query.where(col(SourceFile.category) == category)
    if source_id is not None:
        query = query.where(col(SourceFile.source_id) == source_id)
    rows = session.execute(query).all()
    found = tuple(
        Photograph(
            file.id, file.name, source.name, file.licence or source.licence, file.author or source.author,
            file.url or source.url, file.keywords, file.thumbnail_sha256, file.width, file.height, file.category, patches,
            file.look, file.look_reason, by or "",
        )
        for file, source, by, patches in rows[:PAGE_SIZE]
    )  # fmt: skip
    return Page(found, found[-1].id if len(rows) > PAGE_SIZE else None)


def look(session: Session, user_id: int, source_file_id: int, *, keep: bool, why: str = "") -> None:
    """Keep a photograph, so that its patches are screened, or discard it. The same said twice is said once.

    Raises NotFound, and Conflict where it waits for no look, or somebody looked at it before.
    """
    file = _locked(session, source_file_id)
    wanted, why = Look.KEPT if keep else Look.DISCARDED, why.strip()[:REASON]
    if file.look != Look.WAITING:
        if file.look == wanted and file.looked_by == user_id:
            return
        raise Conflict(_told(session, file))
    file.look, file.look_reason, file.looked_by, file.looked_at = wanted, why, user_id, utcnow()
    session.add(file)
    after = {"state": PatchState.WAITING} if keep else {
        "state": PatchState.OUT, "step": "look", "reason": why or "discarded at the look", "decided_by": user_id,
    }  # fmt: skip
    _move(session, source_file_id, PatchState.HELD, "", after)
    events.record(session, user_id, f"photograph.{wanted}", f"source_file:{source_file_id}", why)


def unlook(session: Session, user_id: int, source_file_id: int, *, any_of: bool = False) -> None:
    """Take a look back: the photograph waits for one again. Taking back twice takes back once.

    ``any_of``: somebody else's too. Raises NotFound, NotAllowed, and Conflict where its patches were screened since.
    """
    file = _locked(session, source_file_id)
    if file.look in ("", Look.WAITING):
        return
    if file.looked_by != user_id and not any_of:
        raise NotAllowed(f"{_told(session, file)} They, or an admin, can take it back.")
    kept = file.look == Look.KEPT
    state, step = (PatchState.WAITING, "") if kept else (PatchState.OUT, "look")
    moved_on = select(col(Patch.id)).where(
        col(Patch.source_file_id) == source_file_id, (col(Patch.state) != state) | (col(Patch.step) != step)
    )
    if session.execute(moved_on.limit(1)).first() is not None:
        raise Conflict(f"Patches of {file.name} were screened since: grade those out instead.")
    before = {"state": PatchState.HELD, "step": "", "reason": "", "decided_by": None}
    _move(session, source_file_id, state, step, before)
    file.look, file.look_reason, file.looked_by, file.looked_at = Look.WAITING, "", None, None
    session.add(file)
    events.record(session, user_id, "photograph.look_undone", f"source_file:{source_file_id}")


def _move(session: Session, file_id: int, state: PatchState, step: str, values: Mapping[str, object]) -> None:
    session.execute(
        update(Patch)
        .where(col(Patch.source_file_id) == file_id, col(Patch.state) == state, col(Patch.step) == step)
        .values(dict(values)),
        execution_options={"synchronize_session": False},
    )


def _locked(session: Session, source_file_id: int) -> SourceFile:
    file = session.get(SourceFile, source_file_id, with_for_update=True, populate_existing=True)
    if file is None:
        raise NotFound(f"There is no photograph {source_file_id}.")
    return file


def _told(session: Session, file: SourceFile) -> str:
    if file.looked_by is None:
        return f"{file.name} waits for no look."
    by = session.execute(select(col(User.name)).where(col(User.id) == file.looked_by)).scalar_one()
    return f"{by} was faster with {file.name} and {file.look} it{f' ({file.look_reason})' if file.look_reason else ''}."
