"""Manifests. If these fail, a list gives the wrong licence, skips rows without a word, or reads files it must not."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import importers
from app.errors import BadImage, GgtError
from app.services.photograph import Provenance
from tests.integration.photographs import write
from tests.unit.importer_samples import ONE, THREE, TWO, read, told


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[str, bytes], str]:
    """Writes a manifest beside two photographs, returns its path."""
    write(tmp_path / "m", {"one.png": ONE, "sub/two, or 2.png": TWO})
    write(tmp_path, {"secret.png": THREE})

    def make(name: str, data: bytes) -> str:
        (tmp_path / "m" / name).write_bytes(data)
        return str(tmp_path / "m" / name)

    return make


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_csv_says_what_is_known_of_each_photograph(
    manifest: Callable[[str, bytes], str], delimiter: str, bom: bytes
) -> None:
    rows = [
        ["Path", "License", "author", "author_url", "url", "keywords", "date", "remark"],
        ["one.png", "CC BY 4.0", "Ada", "https://a.example", "https://b.example", '"rain;street; rain"', "2026-03-14", "x"],
        ['"sub/two, or 2.png"', "ask Ada", "", "", "", "", "", ""],
    ]
    place = manifest("list.csv", bom + "\r\n".join(delimiter.join(row) for row in rows).encode() + b"\r\n\r\n")
    assert read(importers.entries(place)) == {"one.png": ONE, "sub/two, or 2.png": TWO}
    day = datetime(2026, 3, 14, tzinfo=UTC)
    assert told(importers.entries(place)) == {
        "one.png": Provenance("CC-BY-4.0", "Ada", "https://b.example", ("rain", "street"), day, "https://a.example"),
        "sub/two, or 2.png": Provenance("ask Ada"),
    }


def test_each_row_that_is_none_is_told_with_its_line(manifest: Callable[[str, bytes], str]) -> None:
    lines = [
        b"path,url,date", b"one.png,,", b"gone.png,,", b"../secret.png,,", b"/etc/passwd,,", b"a,b,c,d", b"sub,,",
        b"caf\xe9.png,,", b",,2026-01-01", b"one.png,ftp://example.org/1,", b"one.png,,yesterday", b"x\0.png,,",
        b'"two', b'lines",,', b"sub/../one.png,,", b",https://example.org/" + b"x" * 1000 + b",",
    ]  # fmt: skip
    found = read(importers.entries(manifest("list.csv", b"\n".join(lines))))
    assert found == {
        "one.png": ONE,
        "gone.png": "line 3: unreadable: No such file or directory",
        "../secret.png": "line 4: outside the folder",
        "/etc/passwd": "line 5: outside the folder",
        "list.csv, line 6": "4 cells under 3 columns: put quotes around a text with the delimiter in it",
        "sub": "line 7: is a folder",
        "list.csv, line 8": "not UTF-8: save the manifest as UTF-8",
        "list.csv, line 9": "neither a path nor a url",
        "list.csv, line 10": "the address 'ftp://example.org/1' does not begin with http:// or https://",
        "list.csv, line 11": "a date that is not like 2026-03-14: 'yesterday'",
        "x\\x00.png": "line 12: embedded null byte",
        "two\\nlines": "line 13: unreadable: No such file or directory",
        "sub/../one.png": ONE,
        "list.csv, line 16": "an address of 1020 characters; at most 1000 are kept",
    }


def test_a_link_in_the_manifests_folder_leads_nowhere_else(manifest: Callable[[str, bytes], str], tmp_path: Path) -> None:
    (tmp_path / "m" / "out").symlink_to(tmp_path)
    (tmp_path / "m" / "link.png").symlink_to(tmp_path / "secret.png")
    found = read(importers.entries(manifest("list.csv", b"file\nout/secret.png\nlink.png\n")))
    assert found == {
        "out/secret.png": "line 2: outside the folder",
        "link.png": "line 3: a link that leads out of the folder",
    }


def test_an_authors_address_that_is_none_or_cannot_be_kept_is_told(manifest: Callable[[str, bytes], str]) -> None:
    """It becomes a link: one that runs a script, or half of one, must not be kept."""
    data = b"path,author_url\none.png,javascript:alert(1)\none.png,https://example.org/" + b"x" * 1000 + b"\n"
    assert read(importers.entries(manifest("list.csv", data))) == {
        "list.csv, line 2": "the address 'javascript:alert(1)' does not begin with http:// or https://",
        "list.csv, line 3": "an address of 1020 characters; at most 1000 are kept",
    }


def test_json_lines_say_the_same(manifest: Callable[[str, bytes], str]) -> None:
    first = {"file_name": "one.png", "licence": "PUBLIC DOMAIN", "keywords": ["rain", " ", None, "fog"], "author": 7}
    lines = [
        json.dumps(first),
        "", "[1, 2]", "{nonsense", '{"path": "sub/two, or 2.png", "fetched_at": "2026-03-14T12:00:00+02:00"}',
        '{"path": null, "url": NaN}', '{"path": "\\ud800.png"}', '{"path": ' + "[" * 100_000,
    ]  # fmt: skip
    place = manifest("list.jsonl", "\n".join(lines).encode())
    found = read(importers.entries(place))
    for name, reason in (
        ("list.jsonl, line 4", "not JSON: "),
        ("list.jsonl, line 8", "not JSON: "),
        ("\\ud800.png", "line 7: "),
    ):
        assert str(found.pop(name)).startswith(reason)
    assert found == {
        "one.png": ONE, "list.jsonl, line 3": "not a JSON object", "sub/two, or 2.png": TWO,
        "list.jsonl, line 6": "neither a path nor a url",
    }  # fmt: skip
    known = told(importers.entries(place))
    assert known["one.png"] == Provenance("PDM-1.0", "7", "", ("rain", "fog"))
    assert known["sub/two, or 2.png"].fetched_at == datetime(2026, 3, 14, 10, tzinfo=UTC)


def test_parquet_says_the_same(manifest: Callable[[str, bytes], str]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "path": ["one.png", None, "gone.png"],
            "licence": ["cc0", "x", None],
            "keywords": [["rain", "fog"], [], None],
            "date": [datetime(2026, 3, 14), None, None],
            "image": [b"x" * 1000] * 3,
        }
    )
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    place = manifest("list.parquet", buffer.getvalue())
    assert read(importers.entries(place)) == {
        "one.png": ONE,
        "list.parquet, row 2": "neither a path nor a url",
        "gone.png": "row 3: unreadable: No such file or directory",
    }
    known = told(importers.entries(place))["one.png"]
    assert known == Provenance("CC0-1.0", keywords=("rain", "fog"), fetched_at=datetime(2026, 3, 14, tzinfo=UTC))
    with pytest.raises(GgtError, match="cannot be read as parquet"):
        importers.entries(manifest("broken.parquet", buffer.getvalue()[:100]))


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.csv", b"", "has no column path, file or url. Its columns: none."),
        ("a.csv", b"name,size\nx,1\n", "Its columns: name, size."),
        ("a.csv", "path\none.png\n".encode("utf-16"), "is UTF-16. Save it as UTF-8."),
        ("a.jsonl", b'{"name": 1}\n', "Its columns: name."),
    ],
)
def test_what_is_no_manifest_is_said_before_anything_is_taken_in(
    manifest: Callable[[str, bytes], str], name: str, data: bytes, reason: str
) -> None:
    with pytest.raises(GgtError) as caught:
        importers.entries(manifest(name, data))
    assert reason in str(caught.value)


def test_a_line_without_end_does_not_fill_the_memory(manifest: Callable[[str, bytes], str]) -> None:
    data = b'{"path": "one.png"}\n{"path": "' + b"x" * (3 * 2**20) + b'"}\n{"path": "sub/two, or 2.png"}\n'
    found = read(importers.entries(manifest("list.jsonl", data)))
    assert str(found.pop("list.jsonl, line 2")).startswith("not JSON")
    assert found == {"one.png": ONE, "sub/two, or 2.png": TWO}


def test_a_manifest_that_somebody_sent_names_no_file_of_the_server(tmp_path: Path) -> None:
    sent = io.BytesIO(b"path,url\n/etc/passwd,\none.png,https://example.org/1.png\n,https://example.org/2.png\n")
    entries = importers.uploaded(sent, "list.csv")
    for line, name in ((2, "/etc/passwd"), (3, "one.png")):
        refused = next(entries)
        assert refused.name == f"list.csv, line {line}"
        with pytest.raises(BadImage, match=f"^{name} lies beside the manifest"):
            refused.read()
    taken = next(entries)
    assert (taken.name, taken.provenance.url, taken.remote) == ("https://example.org/2.png",) * 2 + (True,)
