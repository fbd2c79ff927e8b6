"""Prompts: which version is in use, new versions, and the prompts VLMs wrote for single images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session, col

from app.catalog.prompt_texts import PROMPTS, PromptText
from app.catalog.vlms import VLMS
from app.db import insert_ignore
from app.errors import GgtError, NotFound
from app.models import Image, PromptVersion, User, WrittenPrompt, utcnow
from app.services import events

KINDS = {
    "fix": "Fixed",
    "fix-nc": "Fixed, no change",
    "meta": "Meta-prompt for VLMs",
    "evaluator": "Evaluator (judge)",
    "screening": "Screening of patches",
}
LONGEST = 20_000
"""Characters a person may store as a prompt."""


@dataclass(frozen=True)
class InUse:
    """The texts of one kind for one category that runs use now."""

    version: int
    system: str
    user: str


PromptSet = Mapping[tuple[str, str], InUse]


def in_use(session: Session) -> PromptSet:
    """Every prompt in use by (kind, category): the catalogue's where nobody has edited it. One statement."""
    found = {key: InUse(text.version, text.system, text.user) for key, text in PROMPTS.items()}
    newest = (
        select(col(PromptVersion.kind), col(PromptVersion.category), func.max(col(PromptVersion.chosen_at)).label("at"))
        .group_by(col(PromptVersion.kind), col(PromptVersion.category))
        .subquery()
    )
    rows = session.execute(
        select(PromptVersion).join(
            newest,
            (newest.c.kind == col(PromptVersion.kind))
            & (newest.c.category == col(PromptVersion.category))
            & (newest.c.at == col(PromptVersion.chosen_at)),
        )
    ).scalars()
    for row in rows:
        found[row.kind, row.category] = InUse(row.version, row.system, row.user)
    return found


def version(session: Session, kind: str, category: str, number: int) -> InUse | None:
    """One version of a prompt, in use or not; None when it is not stored (the catalogue's own may not be)."""
    row = session.execute(
        select(PromptVersion).where(
            col(PromptVersion.kind) == kind,
            col(PromptVersion.category) == category,
            col(PromptVersion.version) == number,
        )
    ).scalar_one_or_none()
    if row is not None:
        return InUse(row.version, row.system, row.user)
    text = _catalogue(kind, category)
    return InUse(text.version, text.system, text.user) if text.version == number else None


@dataclass(frozen=True)
class Version:
    """One version of a prompt as people look at it."""

    version: int
    system: str
    user: str
    source: str
    note: str
    by: str
    created_at: datetime | None
    used: bool


def versions(session: Session, kind: str, category: str) -> list[Version]:
    """All versions of a prompt, newest first. Raises NotFound."""
    text = _catalogue(kind, category)
    rows = session.execute(
        select(PromptVersion, col(User.name))
        .outerjoin(User, col(User.id) == col(PromptVersion.created_by))
        .where(col(PromptVersion.kind) == kind, col(PromptVersion.category) == category)
        .order_by(col(PromptVersion.version).desc())
    ).all()
    if not rows:
        return [Version(text.version, text.system, text.user, text.source, "", made_by(text.source), None, used=True)]
    newest = max(row.chosen_at for row, _ in rows)
    return [
        Version(
            row.version, row.system, row.user, row.source, row.note, name or made_by(row.source),
            row.created_at, used=row.chosen_at == newest,
        )
        for row, name in rows
    ]  # fmt: skip


def made_by(source: str) -> str:
    """Who made a version that no person made, by its ``source``."""
    return "the paper" if source else "system"


def edit(session: Session, user_id: int | None, kind: str, category: str, *, system: str, user: str, note: str = "") -> int:
    """Store a new version and put it in use; returns its number. Earlier ones stay as they are.

    Raises NotFound for an unknown prompt, GgtError for an empty or over-long text, or one that changes nothing.
    """
    text = _catalogue(kind, category)
    system, user = _normal(system), _normal(user)
    if not user or (text.system and not system):
        raise GgtError("A prompt needs a text. To go back to an earlier version, choose that version.")
    if max(len(system), len(user)) > LONGEST:
        raise GgtError(f"A prompt may have at most {LONGEST:,} characters.")
    _copy_catalogue(session, text)
    last = versions(session, kind, category)
    used = next(v for v in last if v.used)
    if (used.system, used.user) == (system, user):
        raise GgtError(f"This is version {used.version} word for word: there is nothing to store.")
    version = last[0].version + 1
    session.add(
        PromptVersion(
            kind=kind, category=category, version=version, system=system if text.system else "", user=user,
            note=note[:500], created_by=user_id,
        )
    )  # fmt: skip
    events.record(session, user_id, "prompt.edited", f"prompt:{kind}/{category}", note, {"version": version})
    return version


def choose(session: Session, user_id: int | None, kind: str, category: str, version: int) -> None:
    """Put an earlier version in use again. Raises NotFound."""
    _copy_catalogue(session, _catalogue(kind, category))
    found = session.execute(
        select(PromptVersion).where(
            col(PromptVersion.kind) == kind,
            col(PromptVersion.category) == category,
            col(PromptVersion.version) == version,
        )
    ).scalar_one_or_none()
    if found is None:
        raise NotFound(f"There is no version {version} of this prompt.")
    found.chosen_at = utcnow()
    session.add(found)
    events.record(session, user_id, "prompt.chosen", f"prompt:{kind}/{category}", details={"version": version})


def _catalogue(kind: str, category: str) -> PromptText:
    found = PROMPTS.get((kind, category))
    if found is None:
        raise NotFound(f"There is no prompt {kind!r} for {category!r}.")
    return found


def _copy_catalogue(session: Session, text: PromptText) -> None:
    """The catalogue's text as the first version, so that the history is whole."""
    if session.execute(
        select(col(PromptVersion.id)).where(
            col(PromptVersion.kind) == text.kind, col(PromptVersion.category) == text.category
        )
    ).first():
        return
    session.add(
        PromptVersion(
            kind=text.kind, category=text.category, version=text.version, system=text.system, user=text.user,
            source=text.source[:300],
        )
    )  # fmt: skip
    session.flush()


def _normal(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


# --- prompts written for single images -------------------------------------------------------------------------------


def written(
    session: Session, image_ids: Sequence[int | None], vlm: str, *, stand_in: bool
) -> dict[tuple[int, int], WrittenPrompt]:
    """The newest edition by (image, version of the meta-prompt) of what ``vlm`` wrote for these images."""
    rows = session.execute(
        select(WrittenPrompt)
        .where(
            col(WrittenPrompt.image_id).in_(image_ids),
            col(WrittenPrompt.vlm) == vlm,
            col(WrittenPrompt.stand_in).is_(stand_in),
        )
        .order_by(col(WrittenPrompt.edition))
    ).scalars()
    return {(row.image_id, row.meta_version): row for row in rows}


def store_written(
    session: Session, image_id: int, vlm: str, meta_version: int, text: str, call_id: int, *, stand_in: bool
) -> WrittenPrompt:
    """Keep what a VLM wrote; what another run was faster with stays. Returns the newest edition."""
    row = WrittenPrompt(image_id=image_id, vlm=vlm, meta_version=meta_version, text=text, call_id=call_id, stand_in=stand_in)
    insert_ignore(session, WrittenPrompt, [row.model_dump(exclude={"id"})])
    return written(session, [image_id], vlm, stand_in=stand_in)[image_id, meta_version]


@dataclass(frozen=True)
class WrittenRow:
    """A prompt of one image as people look at it."""

    vlm: str
    title: str
    meta_version: int
    edition: int
    text: str
    by: str
    stand_in: bool
    created_at: datetime


def written_for(session: Session, image_id: int) -> list[WrittenRow]:
    """Everything that was written for an image, newest edition of each VLM first."""
    rows = session.execute(
        select(WrittenPrompt, col(User.name))
        .outerjoin(User, col(User.id) == col(WrittenPrompt.author_id))
        .where(col(WrittenPrompt.image_id) == image_id)
        .order_by(col(WrittenPrompt.vlm), col(WrittenPrompt.meta_version).desc(), col(WrittenPrompt.edition).desc())
    ).all()
    return [
        WrittenRow(
            row.vlm, VLMS[row.vlm].title if row.vlm in VLMS else row.vlm, row.meta_version, row.edition, row.text,
            name or "", row.stand_in, row.created_at,
        )
        for row, name in rows
    ]  # fmt: skip


def edit_written(
    session: Session, user_id: int | None, image_id: int, vlm: str, meta_version: int, text: str, *, stand_in: bool
) -> int:
    """Store a person's edition of an image's prompt; generations from now on use it. Returns its number.

    A person may also write the first one: then no VLM is asked. Raises NotFound for an unknown image or VLM, GgtError for
    an empty or over-long text, or one that changes nothing.
    """
    if session.get(Image, image_id) is None or vlm not in VLMS:
        raise NotFound(f"There is no image {image_id}, or no VLM {vlm!r}.")
    text = _normal(text)
    if not text or len(text) > LONGEST:
        raise GgtError(f"A prompt needs between 1 and {LONGEST:,} characters.")
    before = written(session, [image_id], vlm, stand_in=stand_in).get((image_id, meta_version))
    if before is not None and before.text == text:
        raise GgtError("This is the prompt word for word as it was: there is nothing to store.")
    edition = before.edition + 1 if before else 1
    session.add(
        WrittenPrompt(
            image_id=image_id, vlm=vlm, meta_version=meta_version, text=text, edition=edition, author_id=user_id,
            stand_in=stand_in,
        )
    )  # fmt: skip
    events.record(session, user_id, "prompt.edited", f"image:{image_id}", details={"vlm": vlm, "edition": edition})
    return edition
