"""Image sets: drawn from the collection by category, or made of clean photographs; changed until they are frozen."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, distinct, func, select
from sqlmodel import Session, col

from app import jobs
from app.catalog.categories import CATEGORIES
from app.db import insert_ignore
from app.domain.degradation_recipe import REAL_ESRGAN, SecondOrder
from app.domain.sampling import Candidate, DrawRule, eligible, place
from app.errors import Conflict, GgtError, NotFound
from app.jobs import NewItem
from app.models import Image, ImageSet, ImageSetItem, Run, RunState, Source, SourceFile, Stage, utcnow
from app.services import events

FIDELITY, PERCEPTUAL = "fidelity", "perceptual"
PAPER_PERCEPTUAL = {"rain": 20, "haze": 20, "snow": 20, "low_light": 20, "old_photo": 20, "general_mixed": 100}
"""Images by category of the paper's perceptual set (Sec. 3.2)."""
PAPER_FIDELITY = 100
FIDELITY_CATEGORY = "general_mixed"
"""Images made of clean ones are restored with the prompts of this category, as their degradations are of its kind."""
MOST = 5_000
"""Most images of a set: tables are computed over all of them at once."""
SCALES = (1, 4)


class TooFew(GgtError):
    """Categories have fewer photographs than were asked for. ``short``: by category, how many are wanted and are there."""

    def __init__(self, short: Mapping[str, tuple[int, int]]) -> None:
        told = (f"{CATEGORIES[key].title}: {n} wanted, {_photographs(there)} here" for key, (n, there) in short.items())
        super().__init__(f"Too few images to draw from. {'; '.join(told)}. Ask for fewer, or take in more.")
        self.short = dict(short)


def get(session: Session, set_id: int) -> ImageSet:
    """Raises NotFound."""
    found = session.get(ImageSet, set_id)
    if found is None:
        raise NotFound(f"There is no image set {set_id}.")
    return found


def members(session: Session, set_id: int) -> list[Image]:
    """The images of a set, in its order."""
    return list(
        session.execute(
            select(Image)
            .join(ImageSetItem, col(ImageSetItem.image_id) == col(Image.id))
            .where(col(ImageSetItem.set_id) == set_id)
            .order_by(col(ImageSetItem.position))
        ).scalars()
    )


def available(session: Session, source_id: int | None = None) -> dict[str, int]:
    """Most images that a perceptual set can be drawn of, by category: one of each photograph."""
    photographs = func.count(distinct(col(Image.source_file_id)))
    rows = session.execute(
        select(col(Image.category), photographs).where(*_drawable(source_id)).group_by(col(Image.category))
    )
    found = {row[0]: row[1] for row in rows}
    return {category: found.get(category, 0) for category in CATEGORIES}


def draw_perceptual(
    session: Session, name: str, wanted: Mapping[str, int], *, seed: int, user_id: int | None, source_id: int | None = None
) -> ImageSet:
    """A set of so many real LQ images by category, at most one of a photograph, in the order that the seed gives.

    Raises GgtError for numbers that cannot be, TooFew with each category that has too few, Conflict for a name in use.
    """
    chosen = _draw(session, wanted, seed=seed, source_id=source_id)
    asked = {category: number for category, number in wanted.items() if number}
    recipe = {"wanted": asked, "seed": seed, "source_id": source_id, "per_photo": 1}
    made = _new_set(session, name, PERCEPTUAL, recipe, user_id)
    _add(session, made.id or 0, chosen)
    return made


def _draw(session: Session, wanted: Mapping[str, int], *, seed: int, source_id: int | None) -> list[int]:
    if unknown := [category for category in wanted if category not in CATEGORIES]:
        raise GgtError(f"There is no category {unknown[0]!r}; choose from {', '.join(CATEGORIES)}.")
    asked = {category: wanted[category] for category in CATEGORIES if wanted.get(category)}
    if not asked or min(asked.values()) < 1 or sum(asked.values()) > MOST:
        raise GgtError(f"A set has at least one image and at most {MOST:,}.")
    chosen: list[int] = []
    short: dict[str, tuple[int, int]] = {}
    for category, number in asked.items():
        rows = session.execute(
            select(col(Image.id), col(Image.source_file_id)).where(*_drawable(source_id), col(Image.category) == category)
        )
        found = [Candidate(image_id, photo, category) for image_id, photo in rows]
        ids = [c.id for c in eligible(found, category, DrawRule(seed=seed, per_photo=1))][:number]
        if len(ids) < number:
            short[category] = (number, len(ids))
        chosen += ids
    if short:
        raise TooFew(short)
    return chosen


def start_fidelity(
    session: Session, name: str, source_id: int, number: int, *, seed: int, scale: int, user_id: int | None
) -> tuple[ImageSet, Run]:
    """A set made of a source's clean photographs, one patch of each, and the run that degrades them.

    Raises GgtError where the source has too few, or is not one of clean photographs that are held out.
    """
    source = session.get(Source, source_id)
    if source is None:
        raise NotFound(f"There is no source {source_id}.")
    if not source.held_out:
        raise GgtError(
            f"{source.name} is not held out. Take clean photographs in as a source that is, so that none is trained on."
        )
    if scale not in SCALES:
        raise GgtError(f"The scale is {' or '.join(map(str, SCALES))}.")
    chosen = _chosen_files(session, source, number, seed)
    recipe = {"source_id": source_id, "images": number, "seed": seed, "scale": scale, "pipeline": "Real-ESRGAN"}
    made = _new_set(session, name, FIDELITY, recipe, user_id)
    return made, _start_degrading(session, made, chosen, user_id)


def _chosen_files(session: Session, source: Source, number: int, seed: int) -> list[int]:
    files = session.execute(select(col(SourceFile.id)).where(col(SourceFile.source_id) == source.id)).scalars()
    ordered = sorted((file_id or 0 for file_id in files), key=lambda file_id: (place(seed, file_id), file_id))
    if not ordered:
        raise GgtError(f"{source.name} has no photograph yet.")
    if not 1 <= number <= min(MOST, len(ordered)):
        raise GgtError(f"{source.name} has {_photographs(len(ordered))}: ask for 1 to {min(MOST, len(ordered)):,}.")
    return ordered[:number]


def _start_degrading(session: Session, made: ImageSet, file_ids: Sequence[int], user_id: int | None) -> Run:
    recipe = made.recipe
    run = jobs.start_run(session, "degrade", f"Make the images of {made.name}", {"set_id": made.id, **recipe}, user_id)
    jobs.add_items(
        session,
        run.id or 0,
        [
            NewItem("degrade", f"degrade:{file_id}", payload={"set_id": made.id, "file_id": file_id, "position": position})
            for position, file_id in enumerate(file_ids)
        ],
    )
    return run


def draw_again(session: Session, set_id: int, seed: int, user_id: int | None) -> Run | None:
    """Draw an open set anew, as it was asked for, with another seed; what was taken out counts no more.

    Returns the run that makes the images of a fidelity set. Raises Conflict when it is frozen or being made, and what
    drawing raises.
    """
    row = _open_set(session, set_id)
    if set_id in _making(session):
        raise Conflict("Its images are still being made: draw again when that run has ended.")
    recipe = {**row.recipe, "seed": seed}
    ids: list[int] = []
    if row.kind == PERCEPTUAL:
        ids = _draw(session, recipe["wanted"], seed=seed, source_id=recipe["source_id"])
    files: list[int] = []
    if row.kind == FIDELITY:
        files = _chosen_files(session, session.get_one(Source, recipe["source_id"]), recipe["images"], seed)
    session.execute(delete(ImageSetItem).where(col(ImageSetItem.set_id) == set_id))
    row.recipe = recipe
    session.add(row)
    session.flush()
    events.record(session, user_id, "image_set.drawn_again", f"image_set:{set_id}", details={"seed": seed})
    _add(session, set_id, ids)
    return _start_degrading(session, row, files, user_id) if files else None


def degradation(recipe: Mapping[str, Any]) -> SecondOrder:
    """The parameters that a fidelity set's images are degraded with."""
    return replace(REAL_ESRGAN, scale=recipe["scale"])


def degraded(session: Session, set_id: int, position: int, file_id: int, made: Mapping[str, Any]) -> None:
    """An image was made of a clean photograph: name it and put it at its place. Doing it twice changes nothing.

    ``made`` has the fields of :class:`Image` that came of the pixels. A set that was frozen or removed meanwhile stays so.
    """
    row = session.get(ImageSet, set_id)
    if row is None or row.frozen_at is not None:
        raise Conflict("The image set was frozen or removed while its images were made.")
    file = session.get_one(SourceFile, file_id)
    insert_ignore(
        session,
        Image,
        [
            {
                "source_file_id": file_id, "source_id": file.source_id, "category": FIDELITY_CATEGORY,
                "resized_width": None, "resized_height": None, "stage": Stage.BENCHMARK,
                "stage_reason": "", "decisions_wanted": 1, "created_at": utcnow(), **made,
            }
        ],
    )  # fmt: skip
    image_id = session.execute(
        select(col(Image.id)).where(
            col(Image.source_file_id) == file_id,
            col(Image.category) == FIDELITY_CATEGORY,
            col(Image.variant) == made["variant"],
            col(Image.pixel_sha256) == made["pixel_sha256"],
        )
    ).scalar_one()
    insert_ignore(session, ImageSetItem, [{"set_id": set_id, "image_id": image_id, "position": position}])


def take_out(session: Session, set_id: int, image_id: int, user_id: int | None) -> None:
    """Leave an image out of a set that is not frozen."""
    _open_set(session, set_id)
    session.execute(delete(ImageSetItem).where(col(ImageSetItem.set_id) == set_id, col(ImageSetItem.image_id) == image_id))
    events.record(session, user_id, "image_set.reduced", f"image_set:{set_id}", details={"image_id": image_id})


def freeze(session: Session, set_id: int, user_id: int | None) -> ImageSet:
    """From here on the set changes no more. Raises Conflict while it is made, GgtError when it is empty."""
    row = _open_set(session, set_id)
    if set_id in _making(session):
        raise Conflict("Its images are still being made: freeze it when that run has ended.")
    number = session.execute(select(func.count()).where(col(ImageSetItem.set_id) == set_id)).scalar_one()
    if not number:
        raise GgtError("The set has no image.")
    row.frozen_at = utcnow()
    session.add(row)
    events.record(session, user_id, "image_set.frozen", f"image_set:{set_id}", details={"images": number})
    return row


def remove(session: Session, set_id: int, user_id: int | None) -> None:
    """Remove a set that is not frozen; the images and what was made of them stay."""
    row = _open_set(session, set_id)
    session.execute(delete(ImageSetItem).where(col(ImageSetItem.set_id) == set_id))
    events.record(session, user_id, "image_set.removed", f"image_set:{set_id}", details={"name": row.name})
    session.delete(row)


def _open_set(session: Session, set_id: int) -> ImageSet:
    row = get(session, set_id)
    if row.frozen_at is not None:
        raise Conflict(f"{row.name} is frozen: what was measured on it must stay true. Make another set.")
    return row


def _photographs(number: int) -> str:
    return f"{number:,} photograph{'' if number == 1 else 's'}"


def _making(session: Session) -> dict[int, int]:
    going = col(Run.kind) == "degrade", col(Run.state).in_((RunState.RUNNING, RunState.CANCELLING))
    return {run.params["set_id"]: run.id or 0 for run in session.execute(select(Run).where(*going)).scalars()}


def _drawable(source_id: int | None) -> list[Any]:
    found = [col(Image.stage).not_in((Stage.SET_ASIDE, Stage.BENCHMARK))]
    return found + ([col(Image.source_id) == source_id] if source_id is not None else [])


def _new_set(session: Session, name: str, kind: str, recipe: Mapping[str, Any], user_id: int | None) -> ImageSet:
    name = name.strip()
    if not 1 <= len(name) <= 100:
        raise GgtError("The set needs a name of at most 100 characters.")
    row = {
        "name": name, "kind": kind, "recipe": dict(recipe), "note": "", "frozen_at": None, "created_by": user_id,
        "created_at": utcnow(),
    }  # fmt: skip
    if not insert_ignore(session, ImageSet, [row]):
        raise Conflict(f"There is an image set called {name!r} already.")
    made: ImageSet = session.execute(select(ImageSet).where(col(ImageSet.name) == name)).scalar_one()
    return made


def _add(session: Session, set_id: int, image_ids: Sequence[int]) -> None:
    rows = [{"set_id": set_id, "image_id": image_id, "position": place} for place, image_id in enumerate(image_ids)]
    insert_ignore(session, ImageSetItem, rows)
