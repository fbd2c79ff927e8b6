"""Export of verified pairs: ``lq/``, ``gt/``, ``metadata.jsonl`` with the whole provenance, and checksums.

The folder appears at its name only when it is complete. What an interrupted export had written is taken up again.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlmodel import Session, SQLModel, col, select

from app.catalog.categories import CATEGORIES
from app.errors import Conflict, GgtError
from app.models import Candidate, Image, Method, Pair, Review, Score, Source, SourceFile, User, Verdict, table_of
from app.storage import storage

WINDOW = 200
CHECKSUMS = "SHA256SUMS"
Row = TypeVar("Row", bound=SQLModel)


@dataclass(frozen=True)
class Exported:
    """What an export wrote: pairs in all, and how many of their files an earlier, interrupted export had left."""

    pairs: int
    reused_files: int
    folder: Path


def export_pairs(
    session: Session,
    folder: Path,
    *,
    categories: Sequence[str] = (),
    full_size_only: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Exported:
    """Write all verified pairs (of ``categories``, if given) to ``folder``, which must not exist yet.

    Raises Conflict when the folder exists, GgtError when no pair is verified.
    """
    unknown = [category for category in categories if category not in CATEGORIES]
    if unknown:
        raise GgtError(f"There is no category {unknown[0]!r}; choose from {', '.join(CATEGORIES)}.")
    if folder.exists():
        raise Conflict(f"{folder} exists already; name a new folder (an export never changes an old one).")
    staging = folder.with_name(f".{folder.name}.partial")
    for part in ("lq", "gt"):
        (staging / part).mkdir(parents=True, exist_ok=True)
    pairs = reused = 0
    sums: dict[str, str] = {}
    with (staging / "metadata.jsonl").open("w", encoding="utf-8") as metadata:
        for record in _records(session, categories, full_size_only):
            for side in ("lq", "gt"):
                reused += _place(record[side]["sha256"], staging / record[side]["file"])
                sums[record[side]["file"]] = record[side]["sha256"]
            metadata.write(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n")
            pairs += 1
            progress(pairs)
        metadata.flush()
        os.fsync(metadata.fileno())
    if not pairs:
        shutil.rmtree(staging)
        raise GgtError("No pair is verified yet, so there is nothing to export. Verify some at /review.")
    _remove_strangers(staging, set(sums))
    sums["metadata.jsonl"] = hashlib.sha256((staging / "metadata.jsonl").read_bytes()).hexdigest()
    lines = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(sums.items()))
    (staging / CHECKSUMS).write_text(lines, encoding="utf-8")
    staging.rename(folder)
    return Exported(pairs, reused, folder)


EXTENSIONS = {"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/tiff": ".tif", "image/bmp": ".bmp"}
"""Names say what a file is: an HQ is exported as its provider made it, which may be a JPEG."""
ORIGINAL_FIELDS = {"name", "size", "format", "width", "height", "notes", "exif", "author_url", "url", "keywords"}
VERDICT_FIELDS = {"judge", "version", "stand_in", "scores", "reasons", "decision", "rule_decision"}


def _place(sha256: str, target: Path) -> int:
    """Write one stored file. Returns 1 when it is there already: an earlier decision may have left another one."""
    if target.exists() and hashlib.sha256(target.read_bytes()).hexdigest() == sha256:
        return 1
    temporary = target.with_name(f".{target.name}")
    source = storage().path(sha256)
    if source is None:
        temporary.write_bytes(storage().get(sha256))
    else:
        shutil.copyfile(source, temporary)
    if hashlib.sha256(temporary.read_bytes()).hexdigest() != sha256:
        temporary.unlink()
        raise GgtError(
            f"File {sha256[:12]} in the storage is damaged: its bytes do not match its hash. Nothing was exported."
        )
    temporary.rename(target)
    return 0


def _remove_strangers(staging: Path, wanted: set[str]) -> None:
    """Files an interrupted export left that are no longer among the pairs (a decision was undone since)."""
    for part in ("lq", "gt"):
        for path in (staging / part).iterdir():
            if f"{part}/{path.name}" not in wanted:
                path.unlink()


def _records(session: Session, categories: Sequence[str], full_size_only: bool) -> Iterator[dict[str, Any]]:
    after = 0
    while True:
        query = (
            select(Pair, Image)
            .join(Image, col(Image.id) == col(Pair.image_id))
            .where(col(Pair.image_id) > after)
            .order_by(col(Pair.image_id))
            .limit(WINDOW)
        )
        if categories:
            query = query.where(col(Image.category).in_(categories))
        if full_size_only:
            query = query.where(col(Image.undersized).is_(False))
        window = session.exec(query).all()
        if not window:
            return
        yield from _describe(session, window)
        after = window[-1][0].image_id


def _by_id(session: Session, table: type[Row], ids: set[int]) -> dict[int, Row]:
    key = table_of(table).primary_key.columns[0]
    return {getattr(row, key.name): row for row in session.exec(select(table).where(key.in_(ids)))}


def _describe(session: Session, window: Sequence[tuple[Pair, Image]]) -> Iterator[dict[str, Any]]:
    image_ids = [image.id for _, image in window]
    files = _by_id(session, SourceFile, {image.source_file_id for _, image in window})
    sources = _by_id(session, Source, {image.source_id for _, image in window})
    reviews = _by_id(session, Review, {pair.review_id for pair, _ in window})
    users = _by_id(session, User, {review.user_id for review in reviews.values()})
    candidates = {c.id: c for c in session.exec(select(Candidate).where(col(Candidate.image_id).in_(image_ids)))}
    methods = _by_id(session, Method, {c.method_id for c in candidates.values()})
    verdicts = session.exec(select(Verdict).where(col(Verdict.candidate_id).in_(candidates))).all()
    pixels = {image.pixel_sha256 for _, image in window} | {candidates[p.candidate_id].pixel_sha256 for p, _ in window}
    scores = session.exec(select(Score).where(col(Score.pixel_sha256).in_(pixels))).all()
    for pair, image in window:
        candidate = candidates[pair.candidate_id]
        name = f"{image.category}_{image.id:07d}"
        gt = f"gt/{name}{EXTENSIONS[candidate.media_type]}"
        source, file, review = sources[image.source_id], files[image.source_file_id], reviews[pair.review_id]
        chain = [candidate]
        while chain[0].parent_id is not None:
            chain.insert(0, candidates[chain[0].parent_id])
        yield {
            "id": image.id,
            "category": image.category,
            "width": image.width,
            "height": image.height,
            "undersized": image.undersized,
            "lq": {"file": f"lq/{name}.png", "sha256": image.master_sha256, "pixels": image.pixel_sha256},
            "gt": {
                "file": gt,
                "sha256": candidate.file_sha256,
                "pixels": candidate.pixel_sha256,
            },
            "source": source.model_dump(include={"name", "kind", "licence", "author", "url", "terms", "note"}),
            "original": {
                **file.model_dump(include=ORIGINAL_FIELDS),
                "licence": file.licence or source.licence,
                "author": file.author or source.author,
                "fetched_at": file.fetched_at.isoformat() if file.fetched_at else None,
                "sha256": file.file_sha256,
                "resized": [image.resized_width, image.resized_height] if image.resized_width else None,
                "box": [image.box_x, image.box_y, image.box_width, image.box_height],
            },
            "attempts": [
                {
                    "method": methods[c.method_id].name,
                    "recipe": c.recipe,
                    "sample": c.sample,
                    "created_at": c.created_at.isoformat(),
                    "verdicts": [v.model_dump(include=VERDICT_FIELDS) for v in verdicts if v.candidate_id == c.id],
                }
                for c in chain
            ],
            "scores": [
                {
                    "of": "gt" if s.pixel_sha256 == candidate.pixel_sha256 else "lq",
                    **s.model_dump(include={"metric", "version", "value", "note"}),
                }
                for s in scores
                if (s.pixel_sha256, s.reference_sha256)
                in {
                    (candidate.pixel_sha256, ""),
                    (candidate.pixel_sha256, image.pixel_sha256),
                    (image.pixel_sha256, ""),
                }
            ],
            "review": {
                "by": users[review.user_id].name,
                "at": review.created_at.isoformat(),
                "decision": review.decision,
                "note": review.note,
            },
        }
