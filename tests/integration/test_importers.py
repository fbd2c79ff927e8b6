"""Importers into the database. If these fail, the same photograph comes twice, without its licence, or not at all."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlmodel import col, func, select

from app import headless, importers
from app.db import reading, unit_of_work
from app.errors import Conflict, GgtError
from app.models import Image, Look, Patch, PatchState, Role, Run, RunState, Source, SourceFile, WorkItem
from app.services import ingest, ingest_folder, licence_policy
from app.services.ingest import SourceInput
from app.services.photograph import Entry
from tests import factories
from tests.conftest import forget
from tests.factories import picture
from tests.integration.photographs import png, wide, write
from tests.integration.places import EACH_LAYOUT, PHOTOS

pytestmark = pytest.mark.usefixtures("database")
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def take_in(location: str, layout: str = "auto", source: str = "archive", **more: Any) -> dict[str, Any]:
    return headless.ingest_location(location, "rain", SourceInput(source, "CC0-1.0"), layout=layout, **more)[1]


def files() -> list[SourceFile]:
    with reading() as session:
        return list(session.exec(select(SourceFile).order_by(col(SourceFile.id))).all())


def number_of(table: type[Image] | type[Patch] | type[SourceFile]) -> int:
    with reading() as session:
        return session.exec(select(func.count()).select_from(table)).one()


@pytest.mark.parametrize("layout", EACH_LAYOUT)
def test_each_layout_comes_in_once_and_is_known_the_second_time(tmp_path: Path, layout: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    location = EACH_LAYOUT[layout](place)
    first = take_in(location)
    assert (first["ingested"], first["files"], first["known"], first["duplicates"]) == (3, 3, 0, [])
    if layout != "folder":  # the others have files beside the photographs
        first["rejected"] = [row for row in first["rejected"] if row["file"] in PHOTOS]
    assert first["rejected"] == []
    second = take_in(location)
    assert (second["ingested"], second["files"], second["known"], second["duplicates"]) == (0, 0, 3, [])
    assert (number_of(SourceFile), number_of(Image)) == (3, 3)
    with reading() as session:
        assert {run.state for run in session.exec(select(Run))} == {RunState.FINISHED}


def test_what_is_known_of_a_photograph_is_on_record_with_it(tmp_path: Path) -> None:
    take_in(EACH_LAYOUT["coco"](tmp_path))
    first, *_ = files()
    assert (first.licence, first.url, first.keywords) == ("CC-BY-2.0", "https://example.org/a.png", ["rain"])


@on_sqlite
def test_what_is_known_already_is_neither_decoded_nor_stored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half an ingest of a million is taken up where it stopped in minutes, not in a day."""
    location = EACH_LAYOUT["tar"](tmp_path)
    take_in(location)
    monkeypatch.setattr(ingest_folder, "prepare", lambda *_: pytest.fail("decoded again"))
    assert take_in(location)["known"] == 3
    other = take_in(location, source="another")
    assert [(row["file"], row["kind"]) for row in other["duplicates"]] == [(name, "exact") for name in PHOTOS]


@on_sqlite
def test_nothing_is_read_far_ahead(tmp_path: Path) -> None:
    """Else a tar of 100 GB would be in memory while its first photographs are decoded."""
    asked: list[int] = []

    def found() -> Iterator[Entry]:
        for number in range(40):
            asked.append(number)
            yield Entry(f"{number}.png", lambda: PHOTOS["a.png"], held=10**9 if number > 20 else 1)

    with unit_of_work() as session:
        run = ingest.start_ingest(session, user_id=None, category="rain", source=SourceInput("x"), title="x")
        run_id = run.id or 0
    outcomes = ingest_folder.ingest_entries(run_id, found(), threads=2)
    assert next(outcomes).status == "added"
    assert len(asked) == 6, "three a thread"
    for _ in range(20):
        next(outcomes)
    assert len(asked) == 22, "one by one where each fills the memory"
    outcomes.close()
    assert len(asked) == 22
    with reading() as session:
        assert len(session.exec(select(WorkItem)).all()) == 21


@on_sqlite
def test_names_and_texts_that_no_database_takes_come_in_escaped(tmp_path: Path) -> None:
    row = {"path": "a.png", "author": "A\0B\ud800" + "x" * 300, "keywords": ["k\0" + "y" * 200] * 3, "licence": "z" * 200}
    write(tmp_path, PHOTOS | {"l.jsonl": json.dumps(row).encode()})
    assert take_in(str(tmp_path / "l.jsonl"))["ingested"] == 1
    (file,) = files()
    assert file.author.startswith("A\\x00B\\ud800xxx")
    assert (len(file.author), len(file.licence), [len(word) for word in file.keywords]) == (200, 100, [100])


@on_sqlite
def test_a_licence_of_a_country_stays_on_record(tmp_path: Path) -> None:
    written = "https://creativecommons.org/licenses/by/2.0/de/"
    coco = {"images": [{"id": 1, "file_name": "a.png", "license": 1, "author_url": "https://example.org/ada"}],
            "licenses": [{"id": 1, "url": written, "name": "CC"}]}  # fmt: skip
    write(tmp_path / "c", {"a.png": PHOTOS["a.png"], "annotations/x.json": json.dumps(coco).encode()})
    headless.ingest_location(str(tmp_path / "c"), "rain", SourceInput("one", written))
    (file,) = files()
    assert (file.licence, file.notes, file.author_url) == (
        "CC-BY-2.0", ["licence CC-BY-2.0-DE, kept as CC-BY-2.0"], "https://example.org/ada",
    )  # fmt: skip
    with reading() as session:
        source = session.exec(select(Source)).one()
    assert (source.licence, source.note) == ("CC-BY-2.0", "licence CC-BY-2.0-DE, kept as CC-BY-2.0")


def test_nul_in_a_name_stops_no_ingest(tmp_path: Path) -> None:
    """PostgreSQL takes no NUL in a text: the row must be refused, not the run ended."""
    write(tmp_path, PHOTOS | {"l.jsonl": b'{"path": "x\\u0000.png"}\n{"path": "a.png"}'})
    report = take_in(str(tmp_path / "l.jsonl"))
    assert report["rejected"] == [{"file": "x\\x00.png", "reason": "line 1: embedded null byte"}]
    assert report["ingested"] == 1


# --- addresses ----------------------------------------------------------------------------------------------------


@contextmanager
def site(pages: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, *, busy: int = 0) -> Iterator[tuple[str, list[str]]]:
    """A web site on this machine that may be fetched from. Yields its address and the paths it was asked for.

    The first ``busy`` times it wants to be asked again in a second.
    """
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = pages.get(self.path)
            if data:
                asked.append(self.path)
            wait = bool(data) and len(asked) <= busy
            self.send_response(429 if wait else 200 if data else 404)
            if wait:
                self.send_header("Retry-After", "1")
                data = b""
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    host = f"127.0.0.1:{server.server_port}"
    monkeypatch.setenv("GGT_FETCH_PRIVATE_HOSTS", host)
    monkeypatch.setenv("GGT_FETCH_DELAY", "0")
    forget()
    yield f"http://{host}", asked
    server.shutdown()
    server.server_close()
    thread.join()


@on_sqlite
def test_rows_with_an_address_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site({f"/{name}": data for name, data in PHOTOS.items()}, monkeypatch) as (address, asked):
        rows = [
            "url,page,licence,author",
            f"{address}/a.png,https://example.org/a,cc0,Ada",
            f"{address}/b.png,,,",
            f"{address}/gone.png,,,",
        ]
        write(tmp_path, {"l.csv": "\n".join(rows).encode()})
        report = take_in(str(tmp_path / "l.csv"))
        assert report["ingested"] == 2
        assert report["rejected"] == [{"file": f"{address}/gone.png", "reason": "line 4: its server answered 404"}]
        first, second = files()
        assert (first.url, first.licence, first.author) == ("https://example.org/a", "CC0-1.0", "Ada")
        assert (second.url, second.name) == (f"{address}/b.png",) * 2
        assert first.fetched_at is not None
        asked.clear()
        assert take_in(str(tmp_path / "l.csv"))["known"] == 2
        assert asked == []


def test_what_may_not_be_collected_is_not_fetched_and_what_is_here_comes_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a list from somewhere brings in from the Internet what an admin has ruled out."""
    with site({f"/{name}": data for name, data in PHOTOS.items()}, monkeypatch) as (address, asked):
        rows = ["path,url,licence", f",{address}/a.png,CC BY 4.0", f",{address}/b.png,ask Ada", "a.png,,ask Ada"]
        write(tmp_path, {"a.png": PHOTOS["a.png"], "l.csv": "\n".join(rows).encode()})
        report = take_in(str(tmp_path / "l.csv"))
        assert report["rejected"] == [
            {"file": f"{address}/a.png", "reason": "licence CC-BY-4.0 is not allowed by the policy; see /licences"},
            {"file": f"{address}/b.png", "reason": "licence ask Ada is not allowed by the policy; see /licences"},
        ]
        assert asked == []
        assert [(file.name, file.licence) for file in files()] == [("a.png", "ask Ada")]
        with unit_of_work() as session:
            admin = factories.make_user(session, Role.ADMIN)
            licence_policy.change(session, admin, ["CC-BY-4.0"], ())
        again = take_in(str(tmp_path / "l.csv"))
        assert [row["file"] for row in again["duplicates"]] == [f"{address}/a.png"], "allowed now, and so fetched"
        assert asked == ["/a.png"]


@on_sqlite
@pytest.mark.parametrize(
    ("licence", "reason"),
    [
        ("", "no licence is on record, of the photograph or its source, so it may not be fetched; see /licences"),
        ("pexels", "licence pexels is not allowed by the policy; see /licences"),
        ("own", ""),
    ],
)
def test_the_sources_licence_holds_where_a_row_says_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, licence: str, reason: str
) -> None:
    with site({"/a.png": PHOTOS["a.png"]}, monkeypatch) as (address, asked):
        write(tmp_path, {"l.jsonl": json.dumps({"url": f"{address}/a.png"}).encode()})
        report = headless.ingest_location(str(tmp_path / "l.jsonl"), "rain", SourceInput("one", licence))[1]
    assert [row["reason"] for row in report["rejected"]] == ([reason] if reason else [])
    assert len(asked) == report["ingested"] == (0 if reason else 1)


@on_sqlite
@pytest.mark.parametrize(("busy", "added"), [(2, 1), (9, 0)])
def test_a_host_that_asks_for_a_rest_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, busy: int, added: int) -> None:
    with site({"/a.png": PHOTOS["a.png"]}, monkeypatch, busy=busy) as (address, asked):
        write(tmp_path, {"l.jsonl": json.dumps({"url": f"{address}/a.png"}).encode()})
        report = take_in(str(tmp_path / "l.jsonl"))
    assert report["ingested"] == added
    assert len(asked) == 3
    if not added:
        (row,) = report["rejected"]
        assert row["reason"].startswith("line 1: 127.0.0.1 answered 429")
        assert "Take the manifest in again later" in row["reason"]


@on_sqlite
def test_an_address_on_a_private_network_is_not_asked(tmp_path: Path) -> None:
    """A list from somewhere must not make the lab's machines talk to each other."""
    write(tmp_path, {"l.jsonl": b'{"url": "http://127.0.0.1:9/x.png"}\n{"url": "http://[::1]/x.png"}'})
    report = take_in(str(tmp_path / "l.jsonl"))
    assert [row["file"] for row in report["rejected"]] == ["http://127.0.0.1:9/x.png", "http://[::1]/x.png"]
    assert report["ingested"] == 0


# --- what is asked for --------------------------------------------------------------------------------------------


@on_sqlite
def test_patches_come_as_the_command_asks(tmp_path: Path) -> None:
    write(tmp_path / "p", {"wide.png": png(wide(510, 2304, 1024)), "small.png": png(picture(511, 96))})
    policy = {"stride": 256, "max_per_photo": 4, "smaller": "drop"}
    report = take_in(str(tmp_path / "p"), then="screen", policy=policy)
    assert report["rejected"] == [
        {"file": "small.png", "reason": "smaller than a patch: 96x96, and such photographs are dropped"}
    ]
    with reading() as session:
        patches = session.exec(select(Patch)).all()
    assert len(patches) == 4
    assert {patch.state for patch in patches} == {PatchState.WAITING}
    assert number_of(Image) == 0


@on_sqlite
def test_photographs_wait_for_a_look_where_that_is_asked_for(tmp_path: Path) -> None:
    take_in(EACH_LAYOUT["zip"](tmp_path), then="look")
    assert {file.look for file in files()} == {Look.WAITING}
    with reading() as session:
        assert {patch.state for patch in session.exec(select(Patch))} == {PatchState.HELD}


@on_sqlite
def test_a_test_set_is_never_taken_into_a_source_that_is_trained_on(tmp_path: Path) -> None:
    location = EACH_LAYOUT["folder"](tmp_path / "p")
    take_in(location, source="training")
    with pytest.raises(Conflict, match="'training' is on record as one that is trained on"):
        headless.ingest_location(location, "rain", SourceInput("training", held_out=True))
    with reading() as session:
        assert session.exec(select(Source)).one().held_out is False
        assert {run.state for run in session.exec(select(Run))} == {RunState.FINISHED}


@on_sqlite
def test_a_licence_is_the_same_however_it_is_written(tmp_path: Path) -> None:
    location = EACH_LAYOUT["folder"](tmp_path / "p")
    for written in ("cc by 4.0", "https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0"):
        headless.ingest_location(location, "rain", SourceInput("one", written))
    with reading() as session:
        assert session.exec(select(Source)).one().licence == "CC-BY-4.0"


@on_sqlite
def test_patches_that_lie_too_near_are_refused_before_anything_is_cut(tmp_path: Path) -> None:
    """Every pixel an own patch would be millions of them."""
    with pytest.raises(GgtError, match="at least 128 pixels apart"):
        take_in(EACH_LAYOUT["folder"](tmp_path / "p"), policy={"stride": 1})
    assert number_of(SourceFile) == 0


@on_sqlite
@pytest.mark.parametrize(
    ("location", "name"),
    [
        ("/data/photos", "photos"), ("/data/photos.tar.gz", "photos"), ("/data/list.csv", "list"), ("s3://lab", "lab"),
        ("s3://lab/rain/", "rain"), ("/data/shards/s-{000000..000003}.tar", "shards"), ("/data/scans.2026", "scans.2026"),
    ],
)  # fmt: skip
def test_a_source_that_nobody_named_is_called_after_its_place(location: str, name: str) -> None:
    assert headless.name_of(location) == name


@on_sqlite
def test_how_many_are_to_come_is_known_for_folders_alone(tmp_path: Path) -> None:
    assert importers.count(EACH_LAYOUT["folder"](tmp_path / "p")) == 3
    assert importers.count(EACH_LAYOUT["zip"](tmp_path)) is None
