"""Rows for tests, with real small files behind them. Each function adds to the caller's session and flushes.

Pictures are drawn from a counter: every image and candidate has pixels of its own, the same in every run of a test.
"""

from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlmodel import Session, col, select

from app.imaging import encode_png, pixel_hash, sha256, thumbnail_webp
from app.models import (
    Candidate,
    CandidateSummary,
    Image,
    Json,
    Look,
    Method,
    Patch,
    PatchState,
    Role,
    Run,
    Source,
    SourceFile,
    Stage,
    User,
)
from app.storage import storage

_numbers = count(1)
SIDE = 64
"""Side of a picture in pixels."""


def picture(number: int, side: int = SIDE) -> NDArray[np.uint8]:
    """A smooth (side, side, 3) picture with some noise: enough structure for metrics and perceptual hashes."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(2 * np.pi * (a * x + b * y) + c) for a, b, c in random.uniform(0.5, 3, (3, 3))]
    return np.clip(128 + 70 * np.stack(waves, -1) + random.normal(0, 6, (side, side, 3)), 0, 255).astype(np.uint8)


def make_user(
    session: Session, role: Role = Role.ANNOTATOR, name: str = "", email: str = "", password_hash: str = ""
) -> int:
    """An active person; returns the id."""
    number = next(_numbers)
    name = name or f"{role.title()} {number}"
    user = User(email=email or f"{role}{number}@example.org", name=name, role=role, password_hash=password_hash)
    session.add(user)
    session.flush()
    assert user.id is not None
    return user.id


def make_source(session: Session, name: str = "", licence: str = "CC0-1.0") -> Source:
    source = Source(name=name or f"source {next(_numbers)}", licence=licence)
    session.add(source)
    session.flush()
    return source


def make_image(
    session: Session,
    stage: Stage = Stage.COLLECTED,
    category: str = "rain",
    source: Source | None = None,
    side: int = SIDE,
) -> Image:
    """An image with a source file, a lossless master and a thumbnail in the storage."""
    source = source or make_source(session)
    number = next(_numbers)
    pixels = picture(number, side)
    master = encode_png(pixels)
    file = SourceFile(
        source_id=_id(source.id), category=category, name=f"photo-{number}.png", file_sha256=sha256(master),
        size=len(master), format="png", width=side, height=side,
    )  # fmt: skip
    session.add(file)
    session.flush()
    image = Image(
        source_file_id=_id(file.id), source_id=_id(source.id), category=category, box_x=0, box_y=0, box_width=side,
        box_height=side, undersized=side < 1024, master_sha256=storage().put(master), pixel_sha256=pixel_hash(pixels),
        thumbnail_sha256=storage().put(thumbnail_webp(pixels, 32)), stage=stage,
    )  # fmt: skip
    session.add(image)
    session.flush()
    return image


def make_photograph(
    session: Session,
    look: str = Look.WAITING,
    category: str = "rain",
    source: Source | None = None,
    side: int = SIDE,
    patches: int = 1,
    **known: Any,
) -> SourceFile:
    """A photograph with its original and thumbnail in the storage, laid out in patches one above the other.

    They are held where it waits for a look, and wait for screening otherwise. ``known`` are more of its columns.
    """
    source = source or make_source(session)
    number = next(_numbers)
    data = encode_png(picture(number, side))
    file = SourceFile(
        source_id=_id(source.id), category=category, name=f"{category}/photo-{number}.png",
        file_sha256=storage().put(data), size=len(data), format="PNG", width=side, height=side, look=look,
        thumbnail_sha256=storage().put(thumbnail_webp(data, 32)), **known,
    )  # fmt: skip
    session.add(file)
    session.flush()
    height = side // patches
    for place in range(patches):
        session.add(
            Patch(
                source_file_id=_id(file.id), source_id=_id(source.id), category=category, box_x=0, box_y=place * height,
                box_width=side, box_height=height, undersized=True,
                state=PatchState.HELD if look == Look.WAITING else PatchState.WAITING,
            )
        )  # fmt: skip
    session.flush()
    return file


def make_patch(session: Session, state: str = PatchState.GRADING, **known: Any) -> Patch:
    """A patch that a run brought into a state, of a photograph of its own unless ``file`` is given. ``known`` as above."""
    given = {name: known.pop(name) for name in ("category", "source") if name in known}
    file = known.pop("file", None) or make_photograph(session, look="", **given)
    patch = session.exec(select(Patch).where(col(Patch.source_file_id) == file.id)).first()
    assert patch is not None
    run = Run(kind="screen", title="Screen", params={"rules": {patch.category: []}}, state="finished")
    session.add(run)
    session.flush()
    patch.state, patch.measures = state, {"run": run.id}
    for name, value in known.items():
        setattr(patch, name, value)
    session.add(patch)
    session.flush()
    return patch


def make_method(session: Session, name: str = "local-nlm") -> Method:
    """The method of that name, made when it is not there yet."""
    method = session.execute(select(Method).where(col(Method.name) == name)).scalar_one_or_none()
    if method is None:
        method = Method(name=name, generator=name)
        session.add(method)
        session.flush()
    return method


def make_candidate(
    session: Session,
    image: Image | None = None,
    method: str = "local-nlm",
    metrics: Json | None = None,
    stage: Stage = Stage.AWAITING,
    chosen: bool = True,
    parent: Candidate | None = None,
) -> Candidate:
    """A candidate with its file, thumbnail and summary row. A chosen one becomes its image's current candidate."""
    image = image or make_image(session, stage)
    made_by = make_method(session, method)
    pixels = picture(next(_numbers), image.width)
    candidate = Candidate(
        image_id=_id(image.id), method_id=_id(made_by.id), recipe_hash=sha256(pixels.tobytes()), recipe={"test": True},
        parent_id=parent.id if parent else None, file_sha256=storage().put(encode_png(pixels)), media_type="image/png",
        pixel_sha256=pixel_hash(pixels), thumbnail_sha256=storage().put(thumbnail_webp(pixels, 32)), width=image.width,
        height=image.height,
    )  # fmt: skip
    session.add(candidate)
    session.flush()
    for other in session.exec(select(CandidateSummary).where(col(CandidateSummary.image_id) == _id(image.id))):
        other.is_latest = other.is_latest and other.method_id != made_by.id
        other.is_current = other.is_current and not chosen
    session.add(
        CandidateSummary(
            candidate_id=_id(candidate.id), image_id=_id(image.id), method_id=_id(made_by.id), source_id=image.source_id,
            category=image.category, chosen=chosen, attempt=2 if parent else 1, stage=stage, metrics=metrics or {},
            is_current=chosen, is_latest=True,
        )
    )  # fmt: skip
    if chosen:
        image.current_candidate_id, image.stage = candidate.id, stage
    session.flush()
    return candidate


def _id(value: int | None) -> int:
    assert value is not None
    return value
