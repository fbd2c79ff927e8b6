"""What the licence policy lets through, counted: photographs and images of each licence, and what a change would touch."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Integer, case, func, select
from sqlmodel import Session, col

from app.catalog.licences import LICENCES, LicenceSpec
from app.models import Image, Setting, Source, SourceFile, Stage, User
from app.services import collection_counts
from app.services.licence_policy import KEY, LicencePolicy


@dataclass(frozen=True)
class Usage:
    """Photographs, images and pairs under one licence."""

    photographs: int = 0
    images: int = 0
    pairs: int = 0

    def plus(self, photographs: int = 0, images: int = 0, pairs: int = 0) -> "Usage":
        return Usage(self.photographs + photographs, self.images + images, self.pairs + pairs)


@dataclass(frozen=True)
class Stray:
    """Photographs of a source whose licence is missing (``licence`` is empty) or no licence of the catalogue."""

    licence: str
    source_id: int
    source: str
    photographs: int
    own: bool


@dataclass(frozen=True)
class Uses:
    """Usage by the licence that holds; ``strays`` are those under none of the catalogue."""

    by_licence: Mapping[str, Usage]
    strays: tuple[Stray, ...]

    def of(self, licence: str) -> Usage:
        return self.by_licence.get(licence, Usage())


@dataclass(frozen=True)
class Change:
    """What a changed policy does with one licence; ``warnings`` say where its terms stand against it."""

    licence: LicenceSpec
    what: Literal["release", "withhold", "collect", "refuse"]
    usage: Usage
    warnings: tuple[str, ...] = ()


def uses(session: Session) -> Uses:
    """Count by licence. Four statements."""
    sources = {row[0]: row for row in session.execute(select(col(Source.id), col(Source.name), col(Source.licence)))}
    of_source: dict[int, dict[str, int]] = {}
    for (source_id, own), number in collection_counts.photographs(session).items():
        of_source.setdefault(source_id, {})[own] = number
    found: dict[str, Usage] = {}
    strays = []
    for source_id, counts in of_source.items():
        _, name, licence = sources[source_id]
        for own, number in counts.items():
            holds = own or licence
            found[holds] = found.get(holds, Usage()).plus(photographs=number)
            if holds not in LICENCES:
                strays.append(Stray(holds, source_id, name, number, bool(own)))
    several = [source_id for source_id, counts in of_source.items() if len(counts) > 1]
    for (source_id, _), stages in collection_counts.image_stages(session).items():
        if source_id not in several:
            own = next(iter(of_source.get(source_id, {"": 0})))
            holds = own or sources[source_id][2]
            found[holds] = found.get(holds, Usage()).plus(images=stages.total(), pairs=stages[Stage.VERIFIED])
    for source_id, own, images, pairs in _images_of(session, several):
        holds = own or sources[source_id][2]
        found[holds] = found.get(holds, Usage()).plus(images=images, pairs=pairs)
    strays.sort(key=lambda stray: (-stray.photographs, stray.source))
    return Uses(found, tuple(strays))


def _images_of(session: Session, sources: Sequence[int]) -> Sequence[tuple[int, str, int, int]]:
    """Images and pairs of sources whose photographs have licences of their own, by source and licence."""
    if not sources:
        return []
    pairs = func.sum(case((col(Image.stage) == Stage.VERIFIED, 1), else_=0)).cast(Integer)
    by = (col(Image.source_id), col(SourceFile.licence))
    rows = session.execute(
        select(*by, func.count(), pairs)
        .join(SourceFile, col(SourceFile.id) == col(Image.source_file_id))
        .where(col(Image.source_id).in_(sources), col(Image.stage) != Stage.BENCHMARK)
        .group_by(*by)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def changes(policy: LicencePolicy, collect: Collection[str], release: Collection[str], counted: Uses) -> tuple[Change, ...]:
    """What is different from ``policy``, in the catalogue's order, what concerns releases first."""
    found = []
    for key, spec in LICENCES.items():
        usage = counted.of(key)
        if (key in release) != policy.may_release(key):
            allowed = key in release
            found.append(Change(spec, "release" if allowed else "withhold", usage, _warnings(spec) if allowed else ()))
        if (key in collect) != policy.may_collect(key):
            found.append(Change(spec, "collect" if key in collect else "refuse", usage))
    return tuple(sorted(found, key=lambda change: change.what in ("collect", "refuse")))


def _warnings(spec: LicenceSpec) -> tuple[str, ...]:
    told = []
    if not spec.share:
        told.append("Its terms do not let copies be passed on as a collection.")
    if not spec.adapt:
        told.append("Its terms do not let adaptations be passed on, and an HQ is one.")
    if not spec.commercial:
        told.append("For non-commercial use only: whoever takes the release must be told.")
    if spec.share_alike:
        told.append("What is made of it must come under the same licence.")
    return tuple(told)


def last_changed(session: Session) -> tuple[datetime, str] | None:
    """When the policy was changed last, and by whom; None where it is the paper's."""
    row = session.execute(
        select(col(Setting.changed_at), func.coalesce(col(User.name), ""))
        .outerjoin(User, col(User.id) == col(Setting.changed_by))
        .where(col(Setting.key) == KEY)
    ).first()
    return (row[0], row[1]) if row else None
