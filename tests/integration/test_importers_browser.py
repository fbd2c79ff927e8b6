"""Archives and lists from the browser. If these fail, photographs vanish, or a browser reads what only the server can."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from app.config import settings
from app.db import reading, unit_of_work
from app.models import Run, RunState, Source, SourceFile
from app.services import ingest_report
from tests.conftest import SignedIn
from tests.integration.places import PHOTOS, in_tar, in_zip
from tests.integration.test_importers import files, number_of

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)]


@pytest.fixture
def run_id(researcher: SignedIn) -> int:
    answer = researcher.post("/ingest/start", data={"category": "rain", "source": "sent", "licence": "CC0-1.0"})
    found: int = answer.json()["run_id"]
    return found


def sent(browser: SignedIn, run_id: int, name: str, data: bytes) -> list[dict[str, Any]]:
    answer = browser.post(f"/ingest/{run_id}/archive", params={"name": name}, content=data)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "C:\\photos\\a.zip"])
def test_an_archive_is_sent_and_each_photograph_is_told(
    researcher: SignedIn, run_id: int, tmp_path: Path, name: str
) -> None:
    make = in_zip if name.endswith("zip") else in_tar
    data = Path(make(tmp_path / name.rpartition("\\")[2], PHOTOS | {"x.txt": b"x"})).read_bytes()
    outcomes = sent(researcher, run_id, name, data)
    assert [(row["name"], row["status"]) for row in outcomes] == [(n, "added") for n in PHOTOS] + [("x.txt", "rejected")]
    again = sent(researcher, run_id, name, data)
    assert [row["status"] for row in again] == ["known"] * 3 + ["rejected"]
    assert researcher.post(f"/ingest/{run_id}/finish").json() == {"run_id": run_id, "ingested": 3, "known": 0}
    assert list(settings().data_dir.glob("tmp*")) == []


def test_a_shard_is_sent_with_its_licences(researcher: SignedIn, run_id: int, tmp_path: Path) -> None:
    data = Path(in_tar(tmp_path / "s.tar", {"1.png": PHOTOS["a.png"], "1.json": b'{"license": "CC BY 4.0"}'})).read_bytes()
    assert [row["name"] for row in sent(researcher, run_id, "s.tar", data)] == ["s/1.png"]
    assert files()[0].licence == "CC-BY-4.0"


def test_a_sent_list_fetches_from_public_places_alone(researcher: SignedIn, run_id: int) -> None:
    data = b"url,path\nhttp://127.0.0.1:9/a.png,\n,/etc/passwd\nfile:///etc/passwd,\n"
    outcomes = sent(researcher, run_id, "l.csv", data)
    assert [row["status"] for row in outcomes] == ["rejected"] * 3
    assert "lies beside the manifest" in outcomes[1]["reason"]
    assert "does not begin with http:// or https://" in outcomes[2]["reason"]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.zip", b"no archive" * 100, "a.zip cannot be opened"),
        ("a.csv", b"x,y\n1,2\n", "a.csv has no column path, file or url"),
        ("a.parquet", b"PAR1", "manifests are taken as CSV or JSON Lines here"),
        ("../../etc/passwd", b"root:x:0:0", "passwd cannot be opened"),
        ("s3://lab/x", b"", "x cannot be opened (empty file)"),
    ],
)
def test_what_is_no_archive_is_refused_in_one_line(
    researcher: SignedIn, run_id: int, name: str, data: bytes, reason: str
) -> None:
    url = f"/ingest/{run_id}/archive"
    answer = researcher.post(url, params={"name": name}, content=data, headers={"Accept": "application/json"})
    assert answer.status_code == 400
    assert reason in answer.json()["detail"]
    assert number_of(SourceFile) == 0


def test_an_archive_for_a_run_that_is_over_is_refused(researcher: SignedIn, run_id: int) -> None:
    researcher.post(f"/ingest/{run_id}/finish")
    assert researcher.post(f"/ingest/{run_id}/archive?name=a.zip", content=b"x").status_code == 409
    assert researcher.post("/ingest/999/archive?name=a.zip", content=b"x").status_code == 404


def test_an_archive_beyond_the_limit_is_refused_before_it_is_read(researcher: SignedIn, run_id: int) -> None:
    headers = {"Content-Length": str(2**40)}
    answer = researcher.post(f"/ingest/{run_id}/archive?name=a.zip", content=b"x", headers=headers)
    assert answer.status_code == 413


def test_a_large_upload_keeps_its_run_open(researcher: SignedIn, run_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """4 GB over a slow line take longer than the half hour after which a silent ingest is closed."""
    sent(researcher, run_id, "a.csv", b"url\n")
    with reading() as session:
        assert session.get_one(Run, run_id).params[ingest_report.ARRIVING]
    monkeypatch.setattr(ingest_report, "ABANDONED_MINUTES", 0)

    def state_after(arrived: str) -> tuple[str, bool]:
        with unit_of_work() as session:
            run = session.get_one(Run, run_id)
            run.params = {**run.params, ingest_report.ARRIVING: arrived}
        with unit_of_work() as session:
            ingest_report.close_abandoned(session)
            run = session.get_one(Run, run_id)
            return run.state, ingest_report.ARRIVING in run.params

    assert state_after("2999-01-01T00:00:00+00:00") == (RunState.RUNNING, True)
    assert state_after("2001-01-01T00:00:00+00:00") == (RunState.FINISHED, False)


def test_the_form_says_what_then_and_how_patches_are_cut(researcher: SignedIn) -> None:
    form = {
        "category": "rain", "source": "set", "licence": "other", "licence_other": "cc by-sa 4.0", "terms": "https://x.example",
        "held_out": "true", "then": "look", "stride": "512", "max_per_photo": "3", "smaller": "drop",
    }  # fmt: skip
    run_id = researcher.post("/ingest/start", data=form).json()["run_id"]
    with reading() as session:
        run, source = session.get_one(Run, run_id), session.exec(select(Source)).one()
    assert run.params["policy"] == {"stride": 512, "max_per_photo": 3, "smaller": "drop"}
    assert run.params["then"] == "look"
    assert (source.licence, source.terms, source.held_out) == ("CC-BY-SA-4.0", "https://x.example", True)
    plain = {"category": "rain", "source": "plain", "licence": "", "stride": "", "max_per_photo": ""}
    other = researcher.post("/ingest/start", data=plain).json()["run_id"]
    with reading() as session:
        assert session.get_one(Run, other).params["policy"] == {}
    for wrong in ({"stride": "8"}, {"then": "nothing"}, {"smaller": "x"}, {"max_per_photo": "0"}):
        assert researcher.post("/ingest/start", data=plain | wrong).status_code == 422
