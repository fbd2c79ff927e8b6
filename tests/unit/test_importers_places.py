"""Places. If these fail, a bucket is not read to its end, or whoever types a wrong place is not told what is wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from app import importers
from app.errors import GgtError
from tests.unit.importer_samples import ONE, THREE, TWO, read, tar, zipped


@pytest.fixture
def store() -> Iterator[str]:
    """A store in memory, as fsspec has one. Returns the address of a prefix in it."""
    memory = fsspec.filesystem("memory")
    files = {"lab/p/b.png": ONE, "lab/p/a/c.png": TWO, "lab/p/a/.hidden": b"x", "lab/prefix.png": THREE, "lab/p/n": b"x"}
    for name, data in files.items():
        memory.pipe_file(f"/{name}", data)
    yield "memory://lab/p"
    memory.rm("/lab", recursive=True)


def test_a_prefix_gives_every_object_below_it_by_the_rest_of_its_key(store: str) -> None:
    for address in (store, f"{store}/"):
        assert list(read(importers.entries(address)).items()) == [("a/c.png", TWO), ("b.png", ONE), ("n", b"x")]
    assert read(importers.entries("memory://lab/prefix.png")) == {"prefix.png": THREE}


def test_objects_are_listed_folder_by_folder_and_read_when_they_are_asked_for(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    memory = type(fsspec.filesystem("memory"))

    def watched(call: str) -> Callable[..., Any]:
        real = getattr(memory, call)

        def asks(*given: Any, **more: Any) -> Any:
            asked.append(call)
            return real(*given, **more)

        return asks

    for call in ("ls", "cat_file"):
        monkeypatch.setattr(memory, call, watched(call))
    entries = importers.entries(store)
    assert asked == ["ls"]
    first = next(entries)
    assert asked == ["ls", "ls"]
    first.read()
    assert asked == ["ls", "ls", "cat_file"]


def test_an_object_beyond_the_limit_is_not_fetched(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_MAX_UPLOAD_MB", "1")
    fsspec.filesystem("memory").pipe_file("/lab/p/huge.png", bytes(2**20 + 1))
    assert read(importers.entries(store))["huge.png"] == "larger than 1 MiB"


def test_an_object_that_goes_away_is_its_own_trouble(store: str) -> None:
    entries = list(importers.entries(store))
    fsspec.filesystem("memory").rm("/lab/p/b.png")
    found = read(iter(entries))
    assert str(found["b.png"]).startswith("unreadable: FileNotFoundError")
    assert found["a/c.png"] == TWO


def test_archives_and_shards_are_read_where_they_lie(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/far/photos.zip", zipped(tmp_path / "a.zip", {"one.png": ONE}).read_bytes())
    memory.pipe_file("/far/s/0.tar", tar(tmp_path / "0.tar", {"a.png": TWO, "a.json": b"{}"}).read_bytes())
    assert read(importers.entries("memory://far/photos.zip")) == {"one.png": ONE}
    assert read(importers.entries("memory://far/s/0.tar")) == {"0/a.png": TWO}
    assert read(importers.entries("memory://far/s", "webdataset")) == {"0/a.png": TWO}
    memory.rm("/far", recursive=True)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("memory://nowhere/at/all", "memory://nowhere/at/all cannot be listed: FileNotFoundError"),
        ("gopher://host/x", "gopher://host/x is no address that can be read"),
        ("memory://nowhere/list.csv", "cannot be listed"),
    ],
)
def test_a_place_that_cannot_be_reached_is_said_in_one_line(address: str, reason: str) -> None:
    with pytest.raises(GgtError) as caught:
        importers.entries(address)
    assert str(caught.value).startswith(reason) or reason in str(caught.value)


def test_what_to_install_for_s3_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(GgtError, match=r"Type: \.venv/bin/uv pip install -r requirements/s3\.txt"):
        importers.entries("s3://bucket/prefix")


def test_what_cannot_be_a_location_is_said_with_what_can(tmp_path: Path) -> None:
    with pytest.raises(GgtError, match=r"is not there\. Name a folder, a zip or tar, a manifest"):
        importers.entries(str(tmp_path / "none"))
    with pytest.raises(GgtError, match="There is no layout 'x'; choose from auto, folder, archive"):
        importers.entries(str(tmp_path), "x")
    for layout in ("folder", "imagenet"):
        with pytest.raises(GgtError, match="none is not a folder"):
            importers.entries(str(tmp_path / "none"), layout)
    with pytest.raises(GgtError, match="is no manifest: its name ends in none of"):
        importers.entries(str(tmp_path), "manifest")
    with pytest.raises(GgtError, match=r"cannot be read: Is a directory"):
        importers.entries(str(tmp_path), "archive")
    with pytest.raises(GgtError, match=r"has no \.tar files"):
        importers.entries(str(tmp_path), "webdataset")
    with pytest.raises(GgtError, match="has no annotation files"):
        importers.entries(str(tmp_path), "coco")
