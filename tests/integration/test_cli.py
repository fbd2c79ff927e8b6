"""The ``ggt`` command as people and scripts use it: one line per error, JSON that can be read, the main job end to end."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from app.catalog.categories import CATEGORIES
from app.catalog.metrics import METRICS
from app.cli import main
from tests.conftest import forget
from tests.factories import picture
from tests.integration.photographs import jpeg, png, write

ROOT = Path(__file__).resolve().parents[2]


def ggt(*arguments: object, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    """Run ``ggt`` in a process of its own, with the test's settings."""
    command = [sys.executable, "-c", "from app.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)


def quick(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``ggt`` in this process, which saves the start of another one (a second or more each)."""
    forget()
    command = ["ggt", *map(str, arguments)]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit) as ended:
            main()
    return subprocess.CompletedProcess(command, int(ended.value.code or 0), out.getvalue(), err.getvalue())


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    """What a successful ``--json`` command printed: one JSON object and nothing else."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line in which a command said what is wrong (a progress bar may stand before it)."""
    assert (done.returncode, done.stdout) == (1, "")
    *before, line = [line for line in done.stderr.splitlines() if line.strip()]
    assert all("━" in bar for bar in before)
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photographs and a broken one, in a folder whose name is not easy."""
    files = {f"{n}.png": png(picture(200 + n, 96)) for n in range(3)}
    return write(tmp_path / "photos [bold] & new", {**files, "broken.jpg": jpeg(picture(210, 128))[:1500]})


def test_the_first_command_of_a_new_installation_ingests(photos: Path, tmp_path: Path) -> None:
    command = ("ingest", photos, "--category", "old_photo", "--source", "attic", "--licence", "CC0-1.0", "--json")
    report = answer(ggt(*command))
    assert report["rejected"] == [{"file": "broken.jpg", "reason": "truncated: the JPEG ends before the image does"}]
    del report["rejected"]
    assert report == {"ingested": 3, "files": 3, "known": 0, "duplicates": []}
    again = answer(quick(*command))
    assert (again["ingested"], again["known"]) == (0, 3)
    told = answer(quick("status", "--json"))
    assert told["images"] == {"collected": 3}
    assert told["running"] is False
    assert told["data"] == str(tmp_path / "data")
    other_licence = complaint(quick(*command[:-2], "MIT", "--json"))
    assert other_licence.startswith("Source 'attic' is on record with licence 'CC0-1.0'")


def test_people_who_do_not_ask_for_json_get_the_same_in_words(photos: Path) -> None:
    done = quick("ingest", photos, "--category", "rain")
    assert done.returncode == 0, done.stderr
    assert "file: broken.jpg, reason: truncated" in done.stdout
    assert "Ingest photos [bold] & new" in done.stderr


def test_what_is_wrong_is_said_in_one_line(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    categories = ", ".join(CATEGORIES)
    assert complaint(ggt("ingest", photos, "--category", "fog")) == f"There is no category 'fog'; choose from {categories}."
    nowhere = complaint(quick("ingest", tmp_path / "no [/such]", "--category", "rain"))
    assert "no [/such] is not there. Name a folder, a zip or tar, a manifest" in nowhere
    no_layout = complaint(quick("ingest", photos, "--category", "rain", "--layout", "heap"))
    assert no_layout.startswith("There is no layout 'heap'; choose from auto, folder, archive")
    assert complaint(quick("pipeline", tmp_path / "none", "--category", "rain")).endswith("none is not a folder.")
    nothing = "No pair is verified yet, so there is nothing to export. Verify some at /review."
    assert complaint(quick("export", tmp_path / "dataset")) == nothing
    assert not (tmp_path / "dataset").exists()
    unknown = complaint(quick("pipeline", photos, "--category", "rain", "--method", "magic"))
    assert unknown.startswith("There is no method 'magic'; choose from local-")
    (tmp_path / "file").touch()
    monkeypatch.setenv("GGT_DATA_DIR", str(tmp_path / "file"))
    assert complaint(quick("status")).startswith("The database cannot be opened: ")


def test_weights_and_doctor_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = answer(quick("weights", "list", "--json"))
    assert {row["state"] for row in rows} == {"missing"}
    assert {metric for row in rows for metric in row["metrics"]} == {key for key, spec in METRICS.items() if spec.weights}
    assert all(row["origin"] and row["licence"] for row in rows)
    assert [row["file"] for row in rows if len(row["sha256"]) != 64] == ["hub/afine.pth"]  # nobody published its hash
    assert "Type: ggt weights fetch" in quick("weights", "list").stdout
    done = quick("doctor")
    assert done.returncode == 1
    found = dict(line[5:].split(": ", 1) for line in done.stdout.splitlines() if line.startswith("MISS"))
    assert found.keys() >= {"database", "redis", *(f"weights {row['file']}" for row in rows if not row["from_hub"])}
    assert "type ggt weights fetch" in found[f"weights {rows[0]['file']}"]
    assert "so musiq is left out; type ggt weights fetch" in done.stdout  # nothing is broken without it


@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
def test_doctor_finds_a_whole_installation_well(redis: str, weights: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "weights").symlink_to(weights)
    assert answer(quick("status", "--json"))["images"] == {}
    done = quick("doctor")
    assert (done.returncode, [line for line in done.stdout.splitlines() if line.startswith("MISS")]) == (0, [])


@pytest.mark.timeout(420)
@pytest.mark.xdist_group("torch")
def test_pipeline_does_the_main_job_and_doing_it_again_adds_nothing(photos: Path, tmp_path: Path, weights: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "weights").symlink_to(weights)
    command = ("pipeline", photos, "--category", "old_photo", "--source", "attic", "--method", "local-nlm")
    first = answer(ggt(*command, "--no-compare", "--json", seconds=200))
    keys = {"ingested", "rejected", "duplicates", "generated", "filtered", "judged", "regenerated", "awaiting_verification"}
    assert keys <= set(first)
    assert first["ingested"] == 3
    assert [row["file"] for row in first["rejected"]] == ["broken.jpg"]
    assert (first["duplicates"], first["failed"]) == ([], [])
    assert first["generated"] == 3 + first["regenerated"]
    assert first["generated"] == first["filtered"] + first["judged"]
    assert 0 <= first["awaiting_verification"] <= 3
    told = answer(ggt("status", "--json"))
    assert told["running"] is False
    assert sum(told["images"].values()) == 3
    assert set(told["images"]) <= {"awaiting_verification", "filtered_out", "judged_out"}
    assert told["images"].get("awaiting_verification", 0) == first["awaiting_verification"]
    again = answer(ggt(*command, "--no-compare", "--json", seconds=200))
    assert [again[key] for key in ("ingested", "generated", "filtered", "judged", "regenerated")] == [0] * 5
    assert (again["known"], again["awaiting_verification"]) == (3, first["awaiting_verification"])
