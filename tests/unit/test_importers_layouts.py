"""WebDataset, ImageNet and COCO. If these fail, photographs lack the licence and keywords that their data set has."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import importers
from app.errors import GgtError
from app.services.photograph import Provenance
from tests.integration.photographs import write
from tests.unit.importer_samples import NO_IMAGE, ONE, THREE, TWO, read, tar, told


def test_a_photograph_of_a_shard_has_what_its_json_says(tmp_path: Path) -> None:
    described = {
        "license": "https://creativecommons.org/licenses/by/2.0/", "author": "Ada", "url": "https://example.org/1",
        "author_url": "https://example.org/ada",
        "tags": ["rain", "street", "rain"], "caption": "a street",
    }  # fmt: skip
    files = {
        "dir/1.jpg": ONE, "dir/1.json": json.dumps(described).encode(), "dir/1.txt": b"a street",
        "2.json": b'{"licence": "cc0", "keywords": "fog; mist"}', "2.cls": b"7", "2.png": TWO,
        "3.left.png": THREE, "3.right.png": ONE + b"x", "3.npy": b"numbers",
        "4.json": b"{}",
        "5.png": TWO + b"x", "5.json": b"{broken",
    }  # fmt: skip
    place = str(tar(tmp_path / "shard-000.tar", files))
    assert importers.detected(place) == "webdataset"
    found = read(importers.entries(place))
    assert str(found.pop("shard-000/5.png")).startswith("shard-000/5.json cannot be read: ")
    assert found == {
        "shard-000/dir/1.jpg": ONE, "shard-000/2.png": TWO, "shard-000/3.left.png": THREE,
        "shard-000/3.right.png": ONE + b"x", "shard-000/3.npy": NO_IMAGE,
        "shard-000/4.json": "describes a photograph that is not beside it",
    }  # fmt: skip
    known = told(importers.entries(place))
    assert known["shard-000/dir/1.jpg"] == Provenance(
        "CC-BY-2.0", "Ada", "https://example.org/1", ("rain", "street"), author_url="https://example.org/ada"
    )
    assert known["shard-000/2.png"] == Provenance("CC0-1.0", keywords=("fog", "mist"))
    assert known["shard-000/3.left.png"] == Provenance()


def test_shards_come_by_range_and_by_folder_and_a_missing_one_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for number, data in ((0, ONE), (1, TWO), (3, THREE)):
        tar(folder / f"s-{number:03}.tar", {"a.png": data, "a.json": b"{}"})
    found = {"s-000/a.png": ONE, "s-001/a.png": TWO, "s-003/a.png": THREE}
    assert importers.detected(str(folder)) == "webdataset"
    assert read(importers.entries(str(folder))) == found
    missing = {"s-002.tar": "s-002.tar cannot be read: No such file or directory."}
    assert read(importers.entries(f"{folder}/s-{{000..003}}.tar")) == found | missing
    with pytest.raises(GgtError, match="is not there, and neither are the others"):
        importers.entries(f"{folder}/t-{{0..3}}.tar")
    with pytest.raises(GgtError, match="more than 100,000 shards"):
        importers.entries(f"{folder}/t-{{0..999999999}}.tar")


def test_the_class_of_a_photograph_is_a_keyword(tmp_path: Path) -> None:
    files = {
        "train/n01440764/a.png": ONE, "val/n01443537/b.png": TWO, "n09999999/c.png": THREE, "loose.png": ONE + b"x",
        "test/d.png": TWO + b"x",
        "LOC_synset_mapping.txt": b"n01440764 tench, Tinca tinca\r\nn01443537 goldfish, Carassius auratus\n\n",
    }  # fmt: skip
    folder = str(write(tmp_path / "imagenet", files))
    assert importers.detected(folder) == "imagenet"
    known = {name: provenance.keywords for name, provenance in told(importers.entries(folder)).items()}
    assert known == {
        "loose.png": (),
        "n09999999/c.png": ("n09999999",),
        "test/d.png": (),
        "train/n01440764/a.png": ("tench", "Tinca tinca"),
        "val/n01443537/b.png": ("goldfish", "Carassius auratus"),
    }


def test_a_folder_of_a_family_is_no_imagenet(tmp_path: Path) -> None:
    """Names of albums become keywords only where somebody says so."""
    folder = str(write(tmp_path / "photos", {"1931/a.png": ONE, "1932/b.png": TWO}))
    assert importers.detected(folder) == "folder"
    assert told(importers.entries(folder))["1931/a.png"] == Provenance()
    assert told(importers.entries(folder, "imagenet"))["1931/a.png"].keywords == ("1931",)


COCO = {
    "licenses": [
        {"id": 4, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/2.0/"},
        {"id": 7, "name": "No known copyright restrictions", "url": "http://flickr.com/commons/usage/"},
    ],
    "images": [
        {
            "id": 9, "license": 4, "file_name": "000000000009.jpg", "height": 64, "width": 64,
            "coco_url": "http://images.cocodataset.org/val2017/000000000009.jpg",
            "flickr_url": "http://farm4.staticflickr.com/9.jpg", "date_captured": "2013-11-14 17:02:52",
        },
        {"id": 25, "license": 7, "file_name": "000000000025.jpg", "coco_url": "/local/25.jpg"},
        {"id": 30, "file_name": "gone.jpg"},
        {"id": 31, "file_name": "../../secret.png"},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 15, "name": "bench"}],
    "annotations": [
        {"image_id": 9, "category_id": 15}, {"image_id": 9, "category_id": 1}, {"image_id": 9, "category_id": 15},
        {"image_id": 9}, {"image_id": 77, "category_id": 1},
    ],
}  # fmt: skip


def test_coco_gives_licence_address_and_what_is_in_the_picture(tmp_path: Path) -> None:
    write(tmp_path, {"secret.png": THREE})
    files = {
        "annotations/instances_val2017.json": json.dumps(COCO).encode(),
        "annotations/captions_val2017.json": json.dumps({"images": COCO["images"], "annotations": []}).encode(),
        "annotations/notes.json": b"[]",
        "val2017/000000000009.jpg": ONE, "train2017/000000000009.jpg": THREE, "images/val2017/000000000025.jpg": TWO,
        "readme.txt": b"x", ".DS_Store": b"x",
    }  # fmt: skip
    folder = str(write(tmp_path / "coco", files))
    assert importers.detected(folder) == "coco"
    assert read(importers.entries(folder)) == {
        "../../secret.png": "listed in captions_val2017.json, but not there",
        "gone.jpg": "listed in captions_val2017.json, but not there",
        "images/val2017/000000000025.jpg": TWO,
        "readme.txt": "no annotation file lists it",
        "train2017/000000000009.jpg": "no annotation file lists it",
        "val2017/000000000009.jpg": ONE,
    }
    known = told(importers.entries(folder))
    assert known["val2017/000000000009.jpg"] == Provenance(
        "CC-BY-2.0", "", "http://farm4.staticflickr.com/9.jpg", ("bench", "person"),
        datetime(2013, 11, 14, 17, 2, 52, tzinfo=UTC),
    )  # fmt: skip
    assert known["images/val2017/000000000025.jpg"] == Provenance("no-known-restrictions")


def test_one_annotation_file_asks_for_what_it_lists_alone(tmp_path: Path) -> None:
    folder = write(
        tmp_path / "c", {"_annotations.coco.json": json.dumps(COCO).encode(), "000000000009.jpg": ONE, "x.png": TWO}
    )
    found = read(importers.entries(str(folder / "_annotations.coco.json")))
    assert found["000000000009.jpg"] == ONE
    assert "x.png" not in found
    assert read(importers.entries(str(folder)))["x.png"] == "no annotation file lists it"


def test_a_name_that_two_files_have_is_not_guessed_at(tmp_path: Path) -> None:
    told_twice = json.dumps({"images": [{"id": 1, "file_name": "a.png"}]}).encode()
    folder = write(tmp_path / "c", {"annotations/x.json": told_twice, "one/a.png": ONE, "two/a.png": TWO})
    found = read(importers.entries(str(folder)))
    assert found["a.png"] == "listed in x.json, but there are 2 files of that name"


@pytest.mark.parametrize("data", [b'{"images": [', b'{"images": [{}]}', b'["images"]', b'{"images": 7}'])
def test_annotations_that_cannot_be_read_are_said_before_anything_is_taken_in(tmp_path: Path, data: bytes) -> None:
    write(tmp_path, {"annotations/a.json": data})
    with pytest.raises(GgtError, match=r"a\.json cannot be read as COCO's annotations are"):
        importers.entries(str(tmp_path))
