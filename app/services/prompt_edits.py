"""Edits of prompts as people make them: on top of what they saw, so that nobody overwrites somebody else unknowingly."""

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from app.errors import Conflict
from app.services import prompts


def edit(
    session: Session, user_id: int | None, kind: str, category: str, *, seen: int | None, system: str, user: str, note: str
) -> int:
    """Store a new version of a prompt and put it in use; returns its number.

    ``seen`` is the version that was in use when the person began, None where nobody can say. Raises Conflict when another
    is in use by now, and what :func:`app.services.prompts.edit` raises; nothing is stored then.
    """
    if seen is not None:
        used = next(v for v in prompts.versions(session, kind, category) if v.used)
        if used.version != seen:
            raise Conflict(
                f"{used.by} put version {used.version} in use while you were writing. "
                "Your text is below: compare the two, and save again to put yours in use all the same."
            )
    try:
        with session.begin_nested():
            return prompts.edit(session, user_id, kind, category, system=system, user=user, note=note)
    except IntegrityError:  # both read the same last version; the database let one of them in
        raise Conflict("Somebody else saved a version in the same moment. Compare it with yours, then save again.") from None


def edit_written(
    session: Session, user_id: int | None, image_id: int, vlm: str, meta_version: int, text: str,
    *, seen: int | None, stand_in: bool,
) -> int:  # fmt: skip
    """Store a person's edition of one image's prompt; returns its number.

    ``seen`` is the edition that was the newest when the person began, 0 for none. Raises Conflict when there is a newer one,
    and what :func:`app.services.prompts.edit_written` raises; nothing is stored then.
    """
    newest = prompts.written(session, [image_id], vlm, stand_in=stand_in).get((image_id, meta_version))
    if seen is not None and seen != (newest.edition if newest else 0):
        raise Conflict(
            f"Edition {newest.edition if newest else 0} was stored while you were writing. "
            "Your text is below: compare the two, and save again to use yours all the same."
        )
    try:
        with session.begin_nested():
            return prompts.edit_written(session, user_id, image_id, vlm, meta_version, text, stand_in=stand_in)
    except IntegrityError:
        raise Conflict(
            "Somebody else saved an edition in the same moment. Compare it with yours, then save again."
        ) from None
