"""``ggt benchmark``: the benchmark without a browser. If these fail, a script evaluates something else, or pays unasked."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from sqlmodel import col, func, select

pytest.importorskip("torch")

from app import headless
from app.db import reading, unit_of_work
from app.models import Candidate, Image, Run, Source
from tests import factories
from tests.conftest import forget
from tests.integration import benchmark_run as bench
from tests.integration.photographs import png, write
from tests.integration.scripted import ScriptedEngine, drain
from tests.integration.test_cli import answer, complaint, quick
from workers import runtime
from workers.pixels import stored_pixels
from workers.tasks import score

pytestmark = [
    pytest.mark.usefixtures("database", "here"),
    pytest.mark.xdist_group("torch"),
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
]


@pytest.fixture
def here(redis: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Runs are worked on in this process, without weights."""

    def worked_on(run_id: int, _title: str, _supervisor: object) -> headless.RunCount:
        drain()
        return headless._count(run_id)

    monkeypatch.setattr(headless, "something_running", nullcontext)
    monkeypatch.setattr(headless, "wait_for", worked_on)
    monkeypatch.setattr(headless, "fetch_missing_weights", lambda: None)
    monkeypatch.setattr(score, "engine", lambda: ScriptedEngine())
    yield
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


def collect(**numbers: int) -> None:
    with unit_of_work() as session:
        source = factories.make_source(session, "street")
        for category, number in numbers.items():
            for _ in range(number):
                factories.make_image(session, category=category, source=source, side=128)


def evaluations() -> list[Run]:
    with reading() as session:
        return list(session.exec(select(Run).where(col(Run.kind) == "evaluation")))


def test_a_perceptual_set_is_drawn_and_frozen() -> None:
    assert "No image set yet" in quick("benchmark", "list").stdout
    collect(rain=4, low_light=2)
    made = answer(quick("benchmark", "perceptual", "mine", "--rain", 3, "--low-light", 2, "--seed", 5, "--json"))
    assert (made["name"], made["kind"], made["frozen"]) == ("mine", "perceptual", False)
    assert made["by_category"] == {"rain": 3, "low_light": 2}
    assert made["recipe"]["seed"] == 5
    told = complaint(quick("benchmark", "perceptual", "other", "--rain", 5))
    assert told == "Too few images to draw from. Rain: 5 wanted, 4 photographs here. Ask for fewer, or take in more."
    assert complaint(quick("benchmark", "perceptual", "other", "--paper")).count("wanted") == 6
    assert "not both" in complaint(quick("benchmark", "perceptual", "other", "--paper", "--rain", 1))
    assert complaint(quick("benchmark", "perceptual", "mine", "--rain", 1)).startswith("There is an image set called 'mine'")
    assert answer(quick("benchmark", "freeze", "mine", "--json"))["frozen"] is True
    assert complaint(quick("benchmark", "freeze", "other")) == "There is no image set 'other'; there are: mine."
    assert "mine" in (told := quick("benchmark", "list").stdout)
    assert "frozen" in told
    assert [row["images"] for row in answer(quick("benchmark", "list", "--json"))] == [5]


def test_clean_references_become_a_fidelity_set_that_is_evaluated(tmp_path: Path) -> None:
    folder = write(tmp_path / "DIV2K", {f"{n}.png": png(factories.picture(300 + n, 128)) for n in range(3)})
    done = quick("ingest", folder, "--category", "general_mixed", "--then", "clean")
    assert done.returncode == 0, done.stderr
    assert "taken in as clean references 3" in done.stdout
    assert "ingested" not in done.stdout
    with reading() as session:
        assert session.exec(select(Source.held_out)).all() == [True]
        assert session.exec(select(func.count()).select_from(Image)).one() == 0
    assert complaint(quick("benchmark", "fidelity", "f", "--source", "nowhere")) == "There is no source 'nowhere'."
    assert "ask for 1 to 3" in complaint(quick("benchmark", "fidelity", "f", "--source", "DIV2K", "--count", 4))
    made = answer(quick("benchmark", "fidelity", "f", "--source", "DIV2K", "--seed", 2, "--json"))
    assert (made["images"], made["being_made"], made["failed"]) == (3, False, 0)
    assert made["recipe"] == {"source_id": 1, "images": 3, "seed": 2, "scale": 1, "pipeline": "Real-ESRGAN"}
    unfrozen = complaint(quick("benchmark", "evaluate", "--set", "f", "--setting", "local-nlm"))
    assert unfrozen.startswith("f is not frozen")
    quick("benchmark", "freeze", "f")
    report = quick("benchmark", "evaluate", "--set", "f", "--setting", "local-nlm", "--judge", "none", "--json")
    assert "3 images by 1 setting: 3 outputs." in report.stderr
    assert (answer(report)["state"], answer(report)["failed"]) == ("finished", 0)
    with reading() as session:
        assert session.exec(select(func.count()).select_from(Candidate)).one() == 3
    again = quick("benchmark", "evaluate", "--set", "f", "--setting", "local-nlm", "--judge", "none")
    assert "3 of them are here already and not made again." in again.stderr
    assert evaluations()[0].title == "Evaluate on f"


def test_nothing_is_paid_for_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_GEMINI_API_KEY", "x")
    forget()
    bench.perceptual(name="real")
    command = ("benchmark", "evaluate", "--set", "real", "--setting", "nano-banana-2:fix", "--judge", "none")
    for more in ((), ("--spend", "0.1")):
        done = quick(*command, *more)
        assert (done.returncode, done.stdout) == (1, "")
        assert "This run costs money: 3 images, about $0.20" in done.stderr
    assert evaluations() == []
    monkeypatch.setattr(headless, "wait_for", lambda run_id, _title, _supervisor: headless._count(run_id))
    assert answer(quick(*command, "--yes", "--json"))["state"] == "running"
    assert answer(quick(*command, "--spend", "0.3", "--json"))["state"] == "running"
    (first, second) = evaluations()
    assert first.params["also"] == second.params["also"] == [["nano-banana-2", "fix"]]


def test_what_is_wrong_is_said_in_one_line() -> None:
    bench.perceptual(name="real")
    evaluate = ("benchmark", "evaluate", "--set", "real")
    assert complaint(quick(*evaluate)) == "Name settings: --setting GENERATOR:STRATEGY, --all-mfms or --local."
    assert "needs a key of" in complaint(quick(*evaluate, "--all-mfms"))
    assert complaint(quick(*evaluate, "--setting", "magic")).startswith("There is no method 'magic'")
    assert complaint(quick(*evaluate, "--local", "--judge", "magic")).startswith("There is no judge 'magic'")
    assert complaint(quick("benchmark", "evaluate", "--set", "gone", "--local")).startswith("There is no image set 'gone'")
    assert evaluations() == []
