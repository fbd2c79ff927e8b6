"""Photographs that are here already: the same bytes, or what people call the same picture; across all sources and splits."""

from sqlalchemy import ColumnElement, bindparam, literal_column, union
from sqlmodel import Session, and_, col, select

from app.domain.near_duplicates import BANDS, bands, hamming, is_near_duplicate, neighbours
from app.models import PhashBand, Run, Source, SourceFile
from app.services.photograph import FileOutcome, Prepared

_IDS = union(
    *(
        select(col(PhashBand.source_file_id)).where(
            col(PhashBand.band) == literal_column(str(number)),
            col(PhashBand.value).in_(bindparam(f"band{number}", expanding=True)),
        )
        for number in range(BANDS)
    )
).subquery()
_SHARING_A_BAND = select(col(SourceFile.name), col(SourceFile.phash), col(SourceFile.source_id)).join(
    _IDS, _IDS.c.source_file_id == col(SourceFile.id)
)
"""Photographs that share a band with a hash, give or take a bit. Each band is a range of the primary key's index alone."""


def exact_duplicate(session: Session, source_id: int, name: str, file_sha256: str) -> FileOutcome | None:
    """What a file repeats byte for byte, if anything: itself, where this source has it under this name."""
    row = session.exec(select(SourceFile).where(col(SourceFile.file_sha256) == file_sha256)).first()
    if row is None:
        return None
    if row.source_id == source_id and row.name == name:
        return FileOutcome(name, "known", of=name)
    return FileOutcome(name, "duplicate", of=row.name, reason="the same bytes")


def here_from(session: Session, source_id: int, name: str, url: str) -> bool:
    """Whether this source has a photograph of that name and address already."""
    # By the address alone, which few share: SQLite would rather walk all photographs of the source.
    here = select(SourceFile.source_id, SourceFile.name).where(at_address(url))
    return bool(url) and (source_id, name) in session.exec(here).all()


def at_address(url: str) -> ColumnElement[bool]:
    """Whether a photograph came from that address, said so that SQLite's index of those that have one serves."""
    return and_(col(SourceFile.url) == url, col(SourceFile.url) != literal_column("''"))


def near_duplicate(session: Session, run: Run, prepared: Prepared, *, across_only: bool = False) -> FileOutcome | None:
    """What a photograph looks like, if anything: the nearest one. ``across_only``: only from the other side of the split."""
    if prepared.phash is None:
        return None
    rows = session.execute(
        _SHARING_A_BAND, {f"band{number}": neighbours(value) for number, value in enumerate(bands(prepared.phash))}
    )
    near = [(hamming(prepared.phash, h), name, s) for name, h, s in rows if h and is_near_duplicate(prepared.phash, h)]
    if across_only and near:
        held_out = dict(session.exec(select(Source.id, Source.held_out)).all())
        here = held_out.get(run.params["source_id"])
        near = [one for one in near if held_out.get(one[2]) != here]
    if not near:
        return None
    distance, name, _ = min(near)
    reason = f"looks like it ({distance} of 64 bits differ)"
    return FileOutcome(prepared.name, "near_duplicate", of=name, distance=distance, reason=reason)
