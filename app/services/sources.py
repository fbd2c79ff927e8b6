"""Sources of photographs: what is on record of each, how far its photographs came, and who changed it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.catalog.categories import SOURCE_KINDS
from app.catalog.licences import LICENCES
from app.domain.licence_names import licence_key
from app.errors import Conflict, GgtError, NotFound
from app.models import Image, Json, Pair, PatchState, Run, Source, SourceFile, Stage
from app.services import collection_counts, events, licence_policy
from app.services.licence_policy import LicencePolicy
from app.services.source_photos import licence_title

AUTHORS_SHOWN = 12
RUNS_SHOWN = 8
Released = Literal["yes", "some", "no", "none"]


class LicenceInUse(Conflict):
    """Pairs could be released under the licence that is about to be changed; somebody has to say that it is meant."""


@dataclass(frozen=True)
class LicenceCount:
    """Photographs under a licence. ``key`` is empty where there is none on record; ``own``: each says it of itself."""

    key: str
    number: int
    released: bool
    own: bool = False

    @property
    def title(self) -> str:
        return licence_title(self.key)


@dataclass(frozen=True)
class SourceLine:
    """A source as lists show it. ``licences`` are those that hold for its photographs, the most frequent first."""

    id: int
    name: str
    kind: str
    author: str
    terms: str
    held_out: bool
    licences: tuple[LicenceCount, ...]
    photographs: int
    waiting: int
    passed: int
    out: int
    images: int
    pairs: int

    @property
    def released(self) -> Released:
        """Whether the policy lets its photographs leave: yes, some, no; none where no licence is on record at all."""
        if not any(licence.key for licence in self.licences):
            return "none"
        leaving = {licence.released for licence in self.licences}
        return "some" if len(leaving) > 1 else ("yes" if leaving == {True} else "no")


@dataclass(frozen=True)
class SourcesFilter:
    """Which sources a list shows, as in its address. Empty strings filter nothing; ``q`` is part of a name or author."""

    q: str = ""
    kind: str = ""
    released: str = ""
    held_out: str = ""

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> "SourcesFilter":
        """Raises GgtError for a value that cannot be."""
        known = {"kind": (*SOURCE_KINDS,), "released": ("yes", "some", "no", "none"), "held_out": ("yes", "no")}
        for name, values in known.items():
            if (value := query.get(name, "")) and value not in values:
                raise GgtError(f"There is no {name} {value[:40]!r}. Choose one of: {', '.join(values)}.")
        return cls(query.get("q", "").strip()[:100], *(query.get(name, "") for name in known))

    def url(self, path: str = "/sources") -> str:
        query = {name: value for name, value in asdict(self).items() if value}
        return f"{path}?{urlencode(query)}" if query else path

    def matches(self, line: SourceLine) -> bool:
        words = f"{line.name} {line.author}".lower()
        return (
            self.q.lower() in words
            and self.kind in ("", line.kind)
            and self.released in ("", line.released)
            and self.held_out in ("", "yes" if line.held_out else "no")
        )


def lines(session: Session, wanted: SourcesFilter = SourcesFilter()) -> tuple[SourceLine, ...]:
    """Sources by name, those that match. Five statements."""
    policy = licence_policy.current(session)
    sources = session.execute(select(Source).order_by(func.lower(col(Source.name)))).scalars().all()
    photographs = collection_counts.photographs(session)
    patches: dict[int, Counter[str]] = {}
    for group in collection_counts.patch_groups(session):
        patches.setdefault(group.source_id, Counter())[group.state] += group.number
    images: dict[int, Counter[str]] = {}
    for (source_id, _), stages in collection_counts.image_stages(session).items():
        images.setdefault(source_id, Counter()).update(stages)
    of_source: dict[int, dict[str, int]] = {}
    for (source_id, licence), number in photographs.items():
        of_source.setdefault(source_id, {})[licence] = number
    found = (
        _line(one, policy, of_source.get(one.id or 0, {}), patches.get(one.id or 0, Counter()),
              images.get(one.id or 0, Counter()))
        for one in sources
    )  # fmt: skip
    return tuple(line for line in found if wanted.matches(line))


def _line(
    source: Source, policy: LicencePolicy, photographs: Mapping[str, int], patches: Counter[str], images: Counter[str]
) -> SourceLine:
    return SourceLine(
        source.id or 0, source.name, source.kind, source.author, source.terms, source.held_out,
        _licences(source, policy, photographs), sum(photographs.values()),
        patches[PatchState.HELD] + patches[PatchState.WAITING] + patches[PatchState.FLAGGED] + patches[PatchState.GRADING],
        patches[PatchState.PASSED] + patches[PatchState.NOT_DRAWN] + patches[PatchState.RETAINED],
        patches[PatchState.OUT], sum(images.values()), images[Stage.VERIFIED],
    )  # fmt: skip


def _licences(source: Source, policy: LicencePolicy, photographs: Mapping[str, int]) -> tuple[LicenceCount, ...]:
    """The licences that hold; without any photograph that of the source."""
    found = [
        LicenceCount(own or source.licence, number, policy.may_release(own or source.licence), bool(own))
        for own, number in (photographs or {"": 0}).items()
    ]
    return tuple(sorted(found, key=lambda licence: (-licence.number, licence.title)))


@dataclass(frozen=True)
class Author:
    """``name`` is empty where no author is on record."""

    name: str
    number: int


@dataclass(frozen=True)
class SourceFacts:
    """A source with what its photographs say of themselves. ``others``: photographs of authors beyond those listed."""

    source: Source
    licences: tuple[LicenceCount, ...]
    authors: tuple[Author, ...]
    others: int
    runs: tuple[tuple[int, str, str, datetime], ...]

    @property
    def photographs(self) -> int:
        return sum(licence.number for licence in self.licences)


def facts(session: Session, source_id: int) -> SourceFacts:
    """A source, its photographs' licences and authors, its newest runs. Four statements. Raises NotFound."""
    source = get(session, source_id)
    policy = licence_policy.current(session)
    by = (col(SourceFile.licence), col(SourceFile.author))
    counted = select(*by, func.count()).where(col(SourceFile.source_id) == source_id).group_by(*by)
    licences, authors = Counter[str](), Counter[str]()
    for licence, author, number in session.execute(counted):
        licences[licence] += number
        authors[author or source.author] += number
    shown = authors.most_common(AUTHORS_SHOWN)
    return SourceFacts(
        source, _licences(source, policy, licences), tuple(Author(*one) for one in shown),
        authors.total() - sum(number for _, number in shown), _runs(session, source_id),
    )  # fmt: skip


def get(session: Session, source_id: int) -> Source:
    source = session.get(Source, source_id)
    if source is None:
        raise NotFound(f"There is no source {source_id}.")
    return source


def _runs(session: Session, source_id: int) -> tuple[tuple[int, str, str, datetime], ...]:
    """Its newest runs: id, title, state, when."""
    rows = session.execute(
        select(col(Run.id), col(Run.title), col(Run.state), col(Run.created_at))
        .where(col(Run.params)["source_id"].as_integer() == source_id)
        .order_by(col(Run.id).desc())
        .limit(RUNS_SHOWN)
    )
    return tuple((row[0], row[1], row[2], row[3]) for row in rows)


@dataclass(frozen=True)
class SourceEdit:
    """What a person may change of a source."""

    licence: str = ""
    author: str = ""
    url: str = ""
    terms: str = ""
    note: str = ""
    held_out: bool = False

    @classmethod
    def of(cls, source: Source) -> "SourceEdit":
        return cls(source.licence, source.author, source.url, source.terms, source.note, source.held_out)


def change(session: Session, user_id: int, source_id: int, edit: SourceEdit, *, sure: bool = False) -> Source:
    """Change what is on record of a source; the event says what it was.

    Raises NotFound, GgtError for an address that is none, LicenceInUse when pairs could be released under the licence until
    now and nobody is ``sure``.
    """
    source = get(session, source_id)
    edit = replace(edit, licence=licence_key(edit.licence, LICENCES))
    for address in (edit.url, edit.terms):
        if address and not address.startswith(("http://", "https://")):
            raise GgtError(f"An address begins with https:// or http://, not as {address[:40]!r} does.")
    before, after = asdict(SourceEdit.of(source)), asdict(edit)
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    if not changed:
        return source
    if "licence" in changed and not sure:
        _ask(session, source)
    for name, (_, value) in changed.items():
        setattr(source, name, value)
    session.add(source)
    why = "; ".join(f"{name.replace('_', '-')}: {old or 'empty'} → {new or 'empty'}" for name, (old, new) in changed.items())
    details: Json = {"before": before, "after": after}
    events.record(session, user_id, "source.changed", f"source:{source_id}", why, details)
    return source


def _ask(session: Session, source: Source) -> None:
    if not licence_policy.current(session).may_release(source.licence):
        return
    number = pairs_under_licence_of(session, source)
    if number:
        pairs, was = ("pair", "was") if number == 1 else ("pairs", "were")
        raise LicenceInUse(
            f"{number:,} {pairs} of this source could be released under {licence_title(source.licence)} until now. "
            f"What {was} exported so far keeps saying so; tell whoever has a copy."
        )


def pairs_under_licence_of(session: Session, source: Source) -> int:
    """Pairs whose photograph has no licence of its own, so that the source's holds."""
    number: int = session.execute(
        select(func.count())
        .select_from(Pair)
        .join(Image, col(Image.id) == col(Pair.image_id))
        .join(SourceFile, col(SourceFile.id) == col(Image.source_file_id))
        .where(col(Image.source_id) == source.id, col(SourceFile.licence) == "")
    ).scalar_one()
    return number


def names(session: Session) -> Sequence[tuple[int, str]]:
    """Ids and names of all sources, by name."""
    rows = session.execute(select(col(Source.id), col(Source.name)).order_by(func.lower(col(Source.name))))
    return [(row[0], row[1]) for row in rows]
