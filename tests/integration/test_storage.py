"""Files by content: if this breaks, a row names bytes that are not there, or a clean-up deletes what is in use."""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from app.config import settings
from app.db import unit_of_work
from app.errors import NotFound
from app.models import Image
from app.services import doctor
from app.storage import LocalStorage, RemoteStorage, Storage, storage
from tests import factories

on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
DATA = b"a photograph" * 1000
KEY = hashlib.sha256(DATA).hexdigest()
OLD = doctor.GRACE_SECONDS + 60


@pytest.fixture(params=["local", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """A folder, and an object store (fsspec's in memory)."""
    if request.param == "local":
        yield LocalStorage(tmp_path / "files")
    else:
        yield RemoteStorage("memory://bucket/prefix")
        fsspec.filesystem("memory").store.clear()


def test_what_was_put_comes_back_under_its_hash(store: Storage) -> None:
    before = time.time()
    assert store.put(DATA) == KEY
    assert store.put(DATA) == KEY
    assert store.put(b"") == hashlib.sha256(b"").hexdigest()
    assert store.get(KEY) == DATA
    listed = dict(store.listing())
    assert set(listed) == {KEY, hashlib.sha256(b"").hexdigest()}
    assert abs(listed[KEY] - before) < 60
    path = store.path(KEY)
    assert path is None or path.read_bytes() == DATA
    store.delete(KEY)
    store.delete(KEY)
    assert KEY not in dict(store.listing())


def test_a_missing_file_says_so(store: Storage) -> None:
    with pytest.raises(NotFound, match=f"file {KEY[:12]} is missing"):
        store.get(KEY)
    assert store.path(KEY) is None


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "", "a" * 63, "A" * 64, f"{KEY}\n", f"/{KEY}", f"{KEY[:62]}/.", "é" * 64]
)
def test_what_is_no_hash_never_becomes_a_path(store: Storage, key: str) -> None:
    for use in (store.get, store.path, store.delete):
        with pytest.raises(NotFound, match="not a file key"):
            use(key)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a full disk: no half file at the name, no temporary one either, and the next attempt works."""
    store = LocalStorage(tmp_path / "files")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            store.put(DATA)
    assert store.path(KEY) is None
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []
    assert store.put(DATA) == KEY


def test_many_writers_of_one_file_and_readers_see_it_whole_or_not_at_all(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "files")
    big = os.urandom(2_000_000)
    key = hashlib.sha256(big).hexdigest()
    wrong: list[int] = []

    def read() -> None:
        for _ in range(300):
            try:
                if (found := store.get(key)) != big:
                    wrong.append(len(found))
            except NotFound:
                continue

    threads = [threading.Thread(target=read), *(threading.Thread(target=store.put, args=(big,)) for _ in range(4))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert [path.name for path in (tmp_path / "files").rglob("*") if path.is_file()] == [key]


def test_putting_an_old_file_again_makes_it_young(tmp_path: Path) -> None:
    """Else a clean-up between the put and the commit of its row would take it."""
    store = LocalStorage(tmp_path / "files")
    store.put(DATA)
    path = store.path(KEY)
    assert path
    os.utime(path, (1, 1))
    store.put(DATA)
    assert dict(store.listing())[KEY] > time.time() - 60


def age(sha256: str) -> None:
    path = storage().path(sha256)
    assert path
    os.utime(path, (time.time() - OLD, time.time() - OLD))


def files_check(*, collect: bool) -> doctor.Check:
    return next(check for check in doctor.examine(collect=collect) if check.what == "files")


@pytest.mark.usefixtures("database")
@on_sqlite
def test_only_old_files_that_no_row_names_are_collected() -> None:
    with unit_of_work() as session:
        candidate = factories.make_candidate(session)
        image = session.get_one(Image, candidate.image_id)
        named = {image.master_sha256, image.thumbnail_sha256, candidate.file_sha256, candidate.thumbnail_sha256}
    orphan, young = storage().put(b"orphan"), storage().put(b"young orphan")
    for sha256 in (*named, orphan):
        age(sha256)
    assert files_check(collect=False).told == "6 files, 1 orphans, 0 missing"
    assert files_check(collect=True).told == "6 files, 1 orphans deleted, 0 missing"
    assert {sha256 for sha256, _ in storage().listing()} == named | {young}


@pytest.mark.usefixtures("database")
@on_sqlite
def test_a_file_that_two_rows_share_outlives_the_withdrawal_of_one() -> None:
    shared = storage().put(b"a master of both")
    with unit_of_work() as session:
        images = [factories.make_image(session), factories.make_image(session)]
        for image in images:
            image.master_sha256 = shared
    for withdrawn, kept in zip(images, (True, False), strict=True):
        age(shared)
        with unit_of_work() as session:
            session.delete(session.get_one(Image, withdrawn.id))
        files_check(collect=True)
        assert (storage().path(shared) is not None) == kept


@pytest.mark.usefixtures("database")
@on_sqlite
def test_a_lost_file_is_found_out() -> None:
    with unit_of_work() as session:
        storage().delete(factories.make_image(session).master_sha256)
    check = files_check(collect=False)
    assert not check.ok
    assert "1 missing" in check.told


def test_the_storage_is_where_the_settings_say() -> None:
    assert isinstance(storage(), LocalStorage)
    storage().put(DATA)
    assert (settings().data_dir / "files" / KEY[:2] / KEY[2:4] / KEY).read_bytes() == DATA
