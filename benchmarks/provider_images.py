"""Image rows for the provider benchmarks: many images that share a few masters."""

from sqlmodel import Session

from app.db import insert_ignore
from app.imaging import decode, pixel_hash, sha256, thumbnail_webp
from app.models import Image, Source, SourceFile, Stage, utcnow
from app.services.photograph import THUMBNAIL_SIDE
from app.storage import storage


def add_images(session: Session, masters: list[bytes], count: int, side: int, category: str = "rain") -> None:
    """Add ``count`` images of ``side`` x ``side`` pixels, each with one of ``masters`` (PNG) in turn."""
    source = Source(name=f"benchmark {category}")
    session.add(source)
    session.flush()
    told = []
    for number, master in enumerate(masters):
        file = SourceFile(
            source_id=source.id or 0, category=category, name=f"{category}-{number}.png",
            file_sha256=sha256(master + category.encode()), size=len(master), format="png", width=side, height=side,
        )  # fmt: skip
        session.add(file)
        session.flush()
        thumbnail = storage().put(thumbnail_webp(master, THUMBNAIL_SIDE))
        told.append((file.id, storage().put(master), pixel_hash(decode(master).pixels), thumbnail))
    rows = []
    for number in range(count):
        file_id, master_sha256, pixels, thumbnail = told[number % len(told)]
        rows.append(
            Image(
                source_file_id=file_id or 0, source_id=source.id or 0, category=category, box_x=number, box_y=0,
                box_width=side, box_height=side, master_sha256=master_sha256, pixel_sha256=pixels,
                thumbnail_sha256=thumbnail, stage=Stage.COLLECTED, created_at=utcnow(),
            ).model_dump(exclude={"id"})
        )  # fmt: skip
    for start in range(0, count, 500):
        insert_ignore(session, Image, rows[start : start + 500])
