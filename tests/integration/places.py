"""The same three photographs as researchers keep them: in a folder, an archive, beside a list, in shards, in a bucket."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest

from tests.factories import picture
from tests.integration.photographs import png, write

PHOTOS = {f"{name}.png": png(picture(500 + number, 96)) for number, name in enumerate("abc")}
ANNOTATIONS = {
    "licenses": [{"id": 1, "url": "http://creativecommons.org/licenses/by/2.0/", "name": "Attribution License"}],
    "images": [
        {"id": n, "file_name": name, "license": 1, "flickr_url": f"https://example.org/{name}"}
        for n, name in enumerate(PHOTOS)
    ],
    "categories": [{"id": 1, "name": "rain"}],
    "annotations": [{"image_id": 0, "category_id": 1}],
}


def in_tar(path: Path, members: dict[str, bytes]) -> str:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return str(path)


def in_zip(path: Path, members: dict[str, bytes]) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return str(path)


def in_memory(path: Path) -> str:
    for name, data in PHOTOS.items():
        fsspec.filesystem("memory").pipe_file(f"/importers/{name}", data)
    return "memory://importers"


def in_parquet(path: Path) -> str:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    write(path, PHOTOS)
    parquet.write_table(pyarrow.table({"path": list(PHOTOS)}), path / "list.parquet")
    return str(path / "list.parquet")


EACH_LAYOUT: dict[str, Callable[[Path], str]] = {
    "folder": lambda path: str(write(path, PHOTOS)),
    "zip": lambda path: in_zip(path / "a.zip", PHOTOS),
    "tar": lambda path: in_tar(path / "a.tar", PHOTOS),
    "tar.gz": lambda path: in_tar(path / "a.tar.gz", PHOTOS),
    "csv": lambda path: str(write(path, {**PHOTOS, "l.csv": b"path\n" + "\n".join(PHOTOS).encode()}) / "l.csv"),
    "jsonl": lambda path: str(
        write(path, {**PHOTOS, "l.jsonl": "\n".join(json.dumps({"path": n}) for n in PHOTOS).encode()}) / "l.jsonl"
    ),
    "parquet": in_parquet,
    "bucket": in_memory,
    "webdataset": lambda path: in_tar(
        path / "s-0.tar", {part: data for n, d in PHOTOS.items() for part, data in ((n, d), (n[0] + ".json", b"{}"))}
    ),
    "imagenet": lambda path: str(write(path, {f"train/n01440764/{name}": data for name, data in PHOTOS.items()})),
    "coco": lambda path: str(write(path, {**PHOTOS, "annotations/i.json": json.dumps(ANNOTATIONS).encode()})),
}
