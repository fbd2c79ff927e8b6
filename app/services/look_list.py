"""What the page of looks shows around the photographs themselves: how many wait, one of them, and many decided at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.errors import Conflict, GgtError, NotAllowed, NotFound
from app.models import Patch, Source, SourceFile, User
from app.services import looks
from app.services.source_photos import Photo

REASONS = {
    "no_artifact": "no visible artifact", "duplicate": "duplicate", "not_photograph": "not a photograph",
    "unsafe": "private or unsafe", "other": "other",
}  # fmt: skip
"""Why a photograph is discarded, in the order of the keys 1 to 5."""
KEEP, WAIT = "keep", "waiting"
MOST_AT_ONCE = 200
COUNT_CAP = 10_000


@dataclass(frozen=True)
class Late:
    """A photograph or patch that was left alone: somebody was faster, or it has moved on, as ``told``."""

    id: int
    told: str


@dataclass(frozen=True)
class Decided:
    """What came of a decision about several at once."""

    done: tuple[int, ...]
    late: tuple[Late, ...]


def decide(session: Session, user_id: int, photo_ids: Sequence[int], answer: str, *, any_of: bool = False) -> Decided:
    """Keep photographs, discard them for a reason of REASONS, or have them wait again. The same twice changes nothing.

    ``any_of``: somebody else's look may be taken back. Raises GgtError for another answer or too many at once, NotFound.
    """
    if answer not in (KEEP, WAIT, *REASONS):
        raise GgtError(f"A photograph is kept, discarded, or waits again; {answer[:40]!r} is none of these.")
    if len(photo_ids) > MOST_AT_ONCE:
        raise GgtError(f"At most {MOST_AT_ONCE} photographs are decided on at once.")
    done, late = [], []
    for photo_id in dict.fromkeys(photo_ids):
        try:
            if answer == WAIT:
                looks.unlook(session, user_id, photo_id, any_of=any_of)
            else:
                looks.look(session, user_id, photo_id, keep=answer == KEEP, why=REASONS.get(answer, ""))
            done.append(photo_id)
        except (Conflict, NotAllowed) as error:  # raised before anything was changed
            late.append(Late(photo_id, str(error)))
    return Decided(tuple(done), tuple(late))


def counts(session: Session) -> dict[str, int]:
    """Photographs by what came of their look; those that nobody was asked to look at are in none."""
    look = col(SourceFile.look)
    rows = session.execute(select(look, func.count()).where(look != "").group_by(look))
    return {row[0]: row[1] for row in rows}


def number_of(session: Session, state: str, *, category: str = "", source_id: int = 0) -> int:
    """Photographs of one category or source (or both), at most ``COUNT_CAP + 1``."""
    query = select(col(SourceFile.id)).where(looks.look_is(state))
    if category:
        query = query.where(col(SourceFile.category) == category)
    if source_id:
        query = query.where(col(SourceFile.source_id) == source_id)
    number: int = session.execute(select(func.count()).select_from(query.limit(COUNT_CAP + 1).subquery())).scalar_one()
    return number


@dataclass(frozen=True)
class PatchOf:
    """A patch of a photograph: how far it came."""

    id: int
    state: str
    step: str
    reason: str
    level: str
    image_id: int | None


@dataclass(frozen=True)
class PhotoFacts:
    """One photograph with what is on record of it, and its patches."""

    photo: Photo
    source_id: int
    source: str
    category: str
    reason: str
    by: str
    looked_at: datetime | None
    notes: tuple[str, ...]
    patches: tuple[PatchOf, ...]


def photograph(session: Session, photo_id: int) -> PhotoFacts:
    """Two statements. Raises NotFound."""
    row = session.execute(
        select(SourceFile, Source, col(User.name))
        .join(Source, col(Source.id) == col(SourceFile.source_id))
        .outerjoin(User, col(User.id) == col(SourceFile.looked_by))
        .where(col(SourceFile.id) == photo_id)
    ).first()
    if row is None:
        raise NotFound(f"There is no photograph {photo_id}.")
    file, source, by = row
    patches = session.execute(select(Patch).where(col(Patch.source_file_id) == photo_id).order_by(col(Patch.id))).scalars()
    found = list(patches)
    photo = Photo(
        photo_id, file.name, file.licence or source.licence, file.author or source.author, file.url, tuple(file.keywords),
        file.exif, file.width, file.height, file.size, file.look, file.fetched_at, file.created_at,
        file.author_url,
    )  # fmt: skip
    return PhotoFacts(
        photo, file.source_id, source.name, file.category, file.look_reason, by or "", file.looked_at,
        tuple(file.notes), tuple(PatchOf(p.id or 0, p.state, p.step, p.reason, p.level, p.image_id) for p in found),
    )  # fmt: skip
