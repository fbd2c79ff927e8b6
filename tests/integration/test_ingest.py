"""Ingest: what a lab loses if this breaks is photographs that vanish without a word, pixels that changed, or doubles."""

import io
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PilImage
from PIL import ImageOps
from sqlalchemy import event
from sqlmodel import col, func, select

from app.db import engine, reading, unit_of_work
from app.errors import Conflict, GgtError
from app.models import Image, ItemState, Run, RunState, Source, SourceFile, WorkItem
from app.services import ingest
from app.services.duplicates import at_address, here_from
from app.services.ingest import SourceInput
from app.storage import storage
from tests.factories import picture
from tests.integration.photographs import Pixels, bomb, ingest_folder, jpeg, png, wide, write

pytestmark = pytest.mark.usefixtures("database")
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)

GOOD = {
    "a.jpg": jpeg(picture(101, 256)),
    "b.png": png(picture(102, 200)),
    "Großmutter 祖母 1931.jpg": jpeg(picture(103, 160)),
    "turned.jpg": jpeg(picture(104, 256)[:192], orientation=6),
}


def rows(table: type[Image] | type[SourceFile] | type[Source]) -> int:
    with reading() as session:
        return session.exec(select(func.count()).select_from(table)).one()


def images() -> list[tuple[SourceFile, Image]]:
    with reading() as session:
        query = select(SourceFile, Image).join(Image, col(Image.source_file_id) == col(SourceFile.id))
        return list(session.exec(query.order_by(col(Image.id))).all())


def master(image: Image) -> Pixels:
    """The stored master as Pillow, not we, decodes it."""
    return np.asarray(PilImage.open(io.BytesIO(storage().get(image.master_sha256))))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Good photographs among everything that goes wrong in a real folder."""
    root = write(tmp_path / "photos", GOOD)
    bad = {
        "bad/truncated.jpg": jpeg(picture(105, 256))[:3000],
        "bad/nothing.png": b"",
        "bad/letter.jpg": b"Dear Sir or Madam, this is not a photograph.",
        "bad/bomb.png": bomb(),
        "copy of a.jpg": GOOD["a.jpg"],
        "smaller file.jpg": jpeg(picture(102, 200), quality=50),
    }
    write(root, bad)
    secret = write(tmp_path, {"secret.png": png(picture(106))}) / "secret.png"
    (root / "bad" / "outside.png").symlink_to(secret)
    (root / "bad" / "broken.png").symlink_to(root / "gone.png")
    (root / "bad" / "circle.png").symlink_to(root / "bad" / "circle.png")
    (root / "inside.png").symlink_to(root / "b.png")
    (root / "more").symlink_to(root / "bad")
    return root


def test_every_file_has_an_outcome_with_its_reason_and_the_rest_goes_on(folder: Path) -> None:
    report = ingest_folder(folder)
    reasons = {row["file"]: row["reason"] for row in report["rejected"]}
    assert reasons.pop("bad/truncated.jpg").startswith("truncated")
    assert reasons.pop("bad/nothing.png") == "empty file (0 bytes)"
    assert reasons.pop("bad/letter.jpg") == "not a JPEG, PNG, WebP, TIFF or BMP image"
    assert reasons.pop("bad/bomb.png").startswith("too large: 60000x60000")
    assert reasons.pop("bad/outside.png") == "a link that leads out of the folder"
    assert reasons.pop("bad/broken.png") == reasons.pop("bad/circle.png") == "a broken link"
    assert reasons.pop("more") == "a link to a folder"
    assert reasons == {}
    duplicates = {row["file"]: (row["of"], row["kind"]) for row in report["duplicates"]}
    assert duplicates == {
        "copy of a.jpg": ("a.jpg", "exact"),
        "inside.png": ("b.png", "exact"),
        "smaller file.jpg": ("b.png", "near"),
    }
    assert (report["ingested"], report["files"], report["known"]) == (4, 4, 0)
    assert [file.name for file, _ in images()] == sorted(GOOD)
    with reading() as session:
        run = session.exec(select(Run)).one()
        assert (run.state, run.total, run.done, run.failed) == (RunState.FINISHED, 15, 7, 8)
        assert run.params["report"] == report
        failed = session.exec(select(WorkItem).where(col(WorkItem.state) == ItemState.FAILED)).all()
        assert all(item.error for item in failed)


def test_running_twice_adds_nothing(folder: Path) -> None:
    first = ingest_folder(folder)
    before = rows(SourceFile), rows(Image), len(list(storage().listing()))
    second = ingest_folder(folder)
    assert (rows(SourceFile), rows(Image), len(list(storage().listing()))) == before
    assert (second["ingested"], second["files"], second["known"]) == (0, 0, 4)
    assert second["rejected"] == first["rejected"]
    assert {d["file"] for d in second["duplicates"]} == {d["file"] for d in first["duplicates"]}


@on_sqlite
def test_masters_hold_the_very_pixels_and_the_original_bytes_are_kept(tmp_path: Path) -> None:
    ingest_folder(write(tmp_path / "photos", GOOD))
    for file, image in images():
        data = GOOD[file.name]
        assert storage().get(file.file_sha256) == data
        upright = ImageOps.exif_transpose(PilImage.open(io.BytesIO(data)))
        expected = np.asarray(upright.convert("RGB")).astype(int)
        found = master(image)
        assert found.shape == expected.shape  # the turned one as well
        assert np.abs(found - expected).max() <= (0 if file.format == "PNG" else 2)
        assert image.undersized
        assert (image.box_width, image.box_height) == (expected.shape[1], expected.shape[0])


@on_sqlite
def test_a_large_old_photo_is_cropped_and_never_resized(tmp_path: Path) -> None:
    pixels = wide(110, 2100, 1100)
    report = ingest_folder(write(tmp_path / "photos", {"large.png": png(pixels)}), "old_photo")
    assert (report["ingested"], report["files"]) == (2, 1)
    for _, image in images():
        assert (image.resized_width, image.undersized) == (None, False)
        box = pixels[image.box_y : image.box_y + 1024, image.box_x : image.box_x + 1024]
        assert np.array_equal(master(image), box)
    assert [image.box_x for _, image in images()] == [0, 1076]


@on_sqlite
def test_a_large_photo_of_rain_is_reduced_to_patch_height_first(tmp_path: Path) -> None:
    pixels = wide(111, 2400, 1200)
    assert ingest_folder(write(tmp_path / "photos", {"large.png": png(pixels)}))["ingested"] == 2
    reduced = PilImage.fromarray(pixels).resize((2048, 1024), PilImage.Resampling.LANCZOS)
    for _, image in images():
        assert (image.resized_width, image.resized_height) == (2048, 1024)
        found = master(image)
        assert found.shape == (1024, 1024, 3)
        box = np.asarray(reduced)[:, image.box_x : image.box_x + 1024].astype(int)
        assert np.abs(found - box).mean() < 1.5


@on_sqlite
def test_the_same_bytes_under_another_source_or_name_are_a_duplicate(tmp_path: Path) -> None:
    ingest_folder(write(tmp_path / "one", {"a.png": GOOD["b.png"]}))
    report = ingest_folder(write(tmp_path / "two", {"z.png": GOOD["b.png"]}), source="another archive", licence="MIT")
    assert report["ingested"] == 0
    assert report["duplicates"] == [{"file": "z.png", "of": "a.png", "kind": "exact", "distance": 0}]


@on_sqlite
def test_near_duplicates_are_added_when_asked_for(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", {"a.png": png(picture(120, 256)), "b.jpg": jpeg(picture(120, 256), quality=50)})
    report = ingest_folder(folder)
    assert [(d["file"], d["of"], d["kind"]) for d in report["duplicates"]] == [("b.jpg", "a.png", "near")]
    assert report["duplicates"][0]["distance"] <= 6
    again = ingest_folder(folder, keep_near=True)
    assert (again["ingested"], again["known"], again["duplicates"]) == (1, 1, [])


@on_sqlite
def test_blank_photographs_are_not_each_others_near_duplicates(tmp_path: Path) -> None:
    blank = {f"{level}.png": png(np.full((96, 96, 3), level, np.uint8)) for level in (0, 90, 255)}
    assert ingest_folder(write(tmp_path / "photos", blank))["ingested"] == 3


@on_sqlite
def test_a_name_that_is_not_utf8_is_taken_and_told_escaped(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", {"after.png": GOOD["b.png"]})
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(png(picture(130, 128)))
    assert ingest_folder(folder)["ingested"] == 2
    assert ingest_folder(folder)["known"] == 2
    assert "caf\\xe9.png" in [file.name for file, _ in images()]


def test_a_path_too_long_to_be_stored_is_refused_alone(tmp_path: Path) -> None:
    deep = "/".join(["d" * 120] * 5)
    report = ingest_folder(write(tmp_path / "p", {f"{deep}/a.png": GOOD["b.png"], "b.png": GOOD["b.png"]}))
    assert report["ingested"] == 1
    assert report["rejected"] == [{"file": f"{deep}/a.png", "reason": "a path of 610 characters; at most 500 are kept"}]


def test_a_source_keeps_its_licence(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", {"a.png": GOOD["b.png"]})
    ingest_folder(folder, licence="CC0-1.0")
    with pytest.raises(Conflict, match=r"on record with licence 'CC0-1\.0', not 'CC-BY-4\.0'"):
        ingest_folder(folder, licence="CC-BY-4.0")
    assert ingest_folder(folder, licence="")["known"] == 1
    assert rows(Source) == 1


@on_sqlite
@pytest.mark.parametrize(("category", "source", "told"), [("fog", "x", "no category 'fog'"), ("rain", " ", "needs a name")])
def test_what_cannot_be_opened_is_refused_before_any_file(category: str, source: str, told: str) -> None:
    with pytest.raises(GgtError, match=told), unit_of_work() as session:
        ingest.start_ingest(session, user_id=None, category=category, source=SourceInput(source), title="x")
    assert rows(Source) == 0


def test_two_ingests_of_one_folder_at_once_add_each_photo_once(tmp_path: Path) -> None:
    photos = {f"{number}.png": png(picture(140 + number, 96)) for number in range(8)}
    folder = write(tmp_path / "photos", photos)
    assert rows(Source) == 0  # opens the engine that both threads share
    barrier = threading.Barrier(2)
    reports, errors = [], []

    def work() -> None:
        barrier.wait()
        try:
            reports.append(ingest_folder(folder))
        except Exception as error:  # a thread's exception would be lost
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (rows(Source), rows(SourceFile), rows(Image)) == (1, 8, 8)
    assert sum(report["ingested"] for report in reports) == 8
    assert sum(report["known"] for report in reports) == 8


@on_sqlite
def test_an_address_that_is_here_is_found_by_its_index() -> None:
    """Asked for each row of a manifest, before it is fetched: reading all of a source each time takes days at a million."""
    sent: list[tuple[str, Any]] = []
    event.listen(engine(), "before_cursor_execute", lambda *call: sent.append((call[2], call[3])))
    with reading() as session:
        assert not here_from(session, 1, "a.jpg", "https://example.org/a.jpg")
        session.exec(select(SourceFile.id).where(at_address("https://example.org/b.jpg"))).all()
    found = [(statement, given) for statement, given in sent if "source_file.url = ?" in statement]
    assert len(found) == 2
    for statement, given in found:
        with engine().connect() as connection:
            plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given).all())
        assert "ix_source_file_url (url=?" in plan, plan
