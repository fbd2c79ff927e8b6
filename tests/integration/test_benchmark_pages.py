"""Benchmarks in the browser. If these fail, what is compared is not what was chosen, or money is spent unasked."""

import csv
import io
import json
import re
from collections.abc import Iterator

import pytest
from sqlmodel import Session, col, func, select

pytest.importorskip("torch")

from app import db
from app.imaging import encode_png
from app.models import Event, Image, ImageSet, ImageSetItem, Run, RunState, Source, SourceFile, Stage
from app.services import collection_counts, composition, funnel, image_sets, licence_preview, set_aside, sources, targets
from app.services.gallery_filter import GalleryFilter
from app.services.sources import SourcesFilter
from tests import factories
from tests.conftest import SignedIn, forget
from tests.integration import benchmark_run as bench
from tests.integration.scripted import ScriptedEngine, ScriptedJudge, drain
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements
from workers import runtime
from workers.pixels import stored_pixels
from workers.tasks import judge, score

pytestmark = [pytest.mark.usefixtures("database"), pytest.mark.xdist_group("torch")]
one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
HTMX = {"HX-Request": "true"}
NUMBERS = {"number.rain": "3", "number.haze": "2", "number.snow": "0", "number.low_light": "0", "number.old_photo": "0",
           "number.general_mixed": "0", "seed": "0", "source": ""}  # fmt: skip
EACH = 67_000
"""What an output of Nano-Banana-2 costs, in millionths of a dollar."""


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(score, "engine", lambda: ScriptedEngine())
    monkeypatch.setattr(judge, "judge", lambda _key: ScriptedJudge())
    yield
    runtime.task_for.cache_clear()
    stored_pixels.cache_clear()


@pytest.fixture
def key(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_GEMINI_API_KEY", "x")
    forget()


def collect(**numbers: int) -> None:
    with db.unit_of_work() as session:
        source = factories.make_source(session, "street")
        for category, number in numbers.items():
            for _ in range(number):
                factories.make_image(session, category=category, source=source, side=128)


def count(session: Session, table: type) -> int:
    return session.exec(select(func.count()).select_from(table)).one()


def ids_in(set_id: int) -> list[int]:
    return [image.id or 0 for image in bench.members(set_id)]


def test_a_perceptual_set_is_drawn_changed_and_frozen(researcher: SignedIn, redis: str) -> None:
    collect(rain=6, haze=4)
    page = researcher.get("/benchmarks/perceptual").text
    assert 'value="100"' in page, "the paper's numbers stand in the form"
    drawn = researcher.post("/benchmarks/perceptual", data=NUMBERS | {"name": "mine <b>"})
    assert drawn.headers["location"] == "/benchmarks/sets/1"
    page = researcher.get("/benchmarks/sets/1").text
    assert "mine &lt;b&gt;" in page
    assert "Rain 3, Haze 2" in page
    before = ids_in(1)
    assert len(before) == 5
    assert researcher.post("/benchmarks/sets/1/draw", data={"seed": "7"}).status_code == 303
    assert ids_in(1) != before
    assert len(ids_in(1)) == 5
    assert researcher.post("/benchmarks/sets/1/draw", data={"seed": "0"}).status_code == 303
    assert ids_in(1) == before, "the same seed draws the same images"
    assert researcher.post("/benchmarks/sets/1/take-out", data={"image_id": before[0]}).status_code == 303
    assert ids_in(1) == before[1:]
    assert "1 of those asked for is not in it" in researcher.get("/benchmarks/sets/1").text
    assert researcher.post("/benchmarks/sets/1/freeze").status_code == 303
    page = researcher.get("/benchmarks/sets/1").text
    assert "Take out" not in page
    assert "/benchmarks/evaluate?set=1" in page
    for action, data in (("take-out", {"image_id": before[1]}), ("draw", {"seed": "1"}), ("freeze", {}), ("remove", {})):
        assert researcher.post(f"/benchmarks/sets/1/{action}", data=data).status_code == 409, action
    assert ids_in(1) == before[1:]
    with db.reading() as session:
        actions = list(session.exec(select(Event.action).order_by(col(Event.id))))
    assert [one for one in actions if one.startswith("image_set.")] == ["image_set.drawn_again"] * 2 + [
        "image_set.reduced",
        "image_set.frozen",
    ]


@one_engine
def test_an_open_set_can_be_removed(researcher: SignedIn, redis: str) -> None:
    collect(rain=3, haze=2)
    researcher.post("/benchmarks/perceptual", data=NUMBERS | {"name": "mine"})
    assert researcher.post("/benchmarks/sets/1/remove").headers["location"] == "/benchmarks"
    assert researcher.get("/benchmarks/sets/1").status_code == 404
    with db.reading() as session:
        assert (count(session, ImageSet), count(session, ImageSetItem), count(session, Image)) == (0, 0, 5)


def test_what_is_short_is_named_and_can_be_lowered(researcher: SignedIn) -> None:
    collect(rain=2, haze=1)
    form = NUMBERS | {"name": "mine", "seed": "5"}
    answer = researcher.post("/benchmarks/perceptual", data=form)
    assert answer.status_code == 400
    assert "There are too few images of Rain, Haze." in answer.text
    assert 'value="mine"' in answer.text
    assert 'name="seed" type="number" min="0" step="1" required value="5"' in answer.text
    assert re.findall(r'name="fill" value="(\w+)"', answer.text) == ["rain", "haze", "all", "paper"]
    assert 'Take 2<span class="sr"> of Rain</span>' in answer.text
    lowered = researcher.post("/benchmarks/perceptual/numbers", data=form | {"fill": "rain"}).text
    assert wanted(lowered) == {"rain": "2", "haze": "2"}
    assert 'value="mine"' in lowered
    part = researcher.post("/benchmarks/perceptual/numbers", data=form | {"fill": "all"}, headers=HTMX).text
    assert wanted(part) == {"rain": "2", "haze": "1"}
    assert "<form" not in part
    paper = researcher.post("/benchmarks/perceptual/numbers", data=form | {"fill": "paper"}, headers=HTMX).text
    assert wanted(paper) == {key: str(number) for key, number in image_sets.PAPER_PERCEPTUAL.items()}
    with db.reading() as session:
        assert count(session, ImageSet) == 0


def wanted(page: str) -> dict[str, str]:
    """The numbers in the form that are not 0."""
    found = re.findall(r'name="number\.(\w+)"[^>]* value="([^"]*)"', page)
    return {key: number for key, number in found if number != "0"}


@one_engine
@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"name": "  "}, 400, "The set needs a name"),
        ({"name": "taken"}, 409, "There is an image set called"),
        ({"number.rain": "x"}, 400, "Rain is a whole number"),
        ({"number.rain": "-1"}, 400, "Rain is a whole number"),
        ({"number.rain": "9" * 30}, 400, "Rain is a whole number"),
        ({"number.rain": "0", "number.haze": ""}, 400, "A set has at least one image"),
        ({"seed": "1.5"}, 400, "The seed is a whole number"),
        ({"source": "x"}, 400, "too few images"),
    ],
)
def test_a_form_that_cannot_be_drawn_comes_back(
    researcher: SignedIn, fields: dict[str, str], status: int, told: str
) -> None:
    collect(rain=9, haze=3)
    researcher.post("/benchmarks/perceptual", data=NUMBERS | {"name": "taken"})
    answer = researcher.post("/benchmarks/perceptual", data=NUMBERS | {"name": "mine"} | fields)
    assert answer.status_code == status
    assert told in answer.text
    assert "New perceptual set" in answer.text
    with db.reading() as session:
        assert count(session, ImageSet) == 1


def test_a_fidelity_set_is_made_and_followed(researcher: SignedIn, annotator: SignedIn, redis: str) -> None:
    assert "--then clean" in researcher.get("/benchmarks/fidelity").text, "without clean photographs it says how to get some"
    source_id = bench.clean_photographs(3)
    page = researcher.get("/benchmarks/fidelity").text
    assert "clean (3)" in page
    form = {"name": "clean set", "source": str(source_id), "number": "", "seed": "0", "scale": "1"}
    refused = researcher.post("/benchmarks/fidelity", data=form | {"number": "4"})
    assert refused.status_code == 400
    assert "clean has 3 photographs" in refused.text
    assert 'value="clean set"' in refused.text
    assert researcher.post("/benchmarks/fidelity", data=form | {"source": "99"}).status_code == 400
    assert researcher.post("/benchmarks/fidelity", data=form | {"scale": "2"}).status_code == 400
    assert researcher.post("/benchmarks/fidelity", data=form).headers["location"] == "/benchmarks/sets/1"
    page = researcher.get("/benchmarks/sets/1").text
    assert 'data-live-run="' in page
    assert "Freeze" not in page.replace("Freeze this", "")
    assert "being made" in researcher.get("/benchmarks").text
    assert "0 of 3" in researcher.get("/benchmarks/sets/1/making").text
    for action, data in (("freeze", {}), ("draw", {"seed": "1"})):
        assert researcher.post(f"/benchmarks/sets/1/{action}", data=data).status_code == 409
    drain()
    assert researcher.get("/benchmarks/sets/1/making").headers["HX-Refresh"] == "true"
    page = annotator.get("/benchmarks/sets/1").text
    assert "Blur: " in page
    assert "JPEG " in page
    assert "Take out" not in page
    (first, *_) = ids_in(1)
    for kind, media in (("reference", "image/png"), ("reference-thumbnail", "image/webp")):
        file = annotator.get(f"/files/images/{first}/{kind}")
        assert (file.status_code, file.headers["content-type"]) == (200, media)
        assert (
            annotator.get(f"/files/images/{first}/{kind}", headers={"If-None-Match": file.headers["etag"]}).status_code
            == 304
        )
    assert f"/files/images/{first}/reference" in annotator.get(f"/images/{first}").text
    run = researcher.get("/runs/2").text
    assert "Real-ESRGAN, second order" in run
    assert 'href="/benchmarks/sets/1"' in run
    researcher.post("/benchmarks/sets/1/draw", data={"seed": "9"})
    assert ids_in(1) == []
    drain()
    assert len(ids_in(1)) == 3
    assert first not in ids_in(1)


@one_engine
def test_an_image_that_has_no_clean_one_says_so(annotator: SignedIn) -> None:
    collect(rain=1)
    assert annotator.get("/files/images/1/reference").status_code == 404
    assert annotator.get("/files/images/9/reference-thumbnail").status_code == 404


@one_engine
def test_the_list_of_a_set_says_what_is_in_it(researcher: SignedIn, annotator: SignedIn, redis: str) -> None:
    set_id = bench.fidelity(bench.clean_photographs(2), 2)
    with db.unit_of_work() as session:
        file = session.get_one(Image, ids_in(set_id)[0])
        source = session.get_one(SourceFile, file.source_file_id)
        source.name = "=cmd()"
        session.add(source)
    answer = researcher.get(f"/benchmarks/sets/{set_id}/images.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    images = bench.members(set_id)
    assert [row["position"] for row in rows] == ["0", "1"]
    assert [row["pixel_sha256"] for row in rows] == [image.pixel_sha256 for image in images]
    assert [row["reference_pixel_sha256"] for row in rows] == [image.reference_pixel_sha256 for image in images]
    assert [json.loads(row["degradation"]) for row in rows] == [image.degradation for image in images]
    assert rows[0]["file"] == "'=cmd()", "no spreadsheet runs it"
    assert annotator.get(f"/benchmarks/sets/{set_id}/images.csv").status_code == 403
    assert researcher.get("/benchmarks/sets/99/images.csv").status_code == 404


@one_engine
def test_large_sets_come_in_pages(researcher: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.set_views.PAGE_SIZE", 2)
    monkeypatch.setattr("app.web.pages.benchmark_set.PAGE_SIZE", 2)
    collect(rain=3, haze=2)
    researcher.post("/benchmarks/perceptual", data=NUMBERS | {"name": "mine"})
    pages = [researcher.get(f"/benchmarks/sets/1?page={number}").text for number in (1, 2, 3, 4)]
    found = [int(one) for page in pages for one in re.findall(r'id="image-(\d+)"', page)]
    assert found == ids_in(1)
    assert "?page=3" in pages[0]
    gone = researcher.post("/benchmarks/sets/1/take-out", data={"image_id": found[2], "page": "2"})
    assert gone.headers["location"] == "/benchmarks/sets/1?page=2"


@pytest.mark.usefixtures("scripted")
def test_an_evaluation_starts_with_what_was_chosen(researcher: SignedIn, annotator: SignedIn, redis: str) -> None:
    page = researcher.get("/benchmarks/evaluate").text
    assert "/benchmarks/perceptual" in page, "without a set it says what to do"
    fidelity, perceptual = bench.fidelity(bench.clean_photographs(2), 2), bench.perceptual()
    wanted = {"set": [str(fidelity), str(perceptual)], "also": ["local-nlm/none", "local-desnow/none"],
              "judge": "local-measure"}  # fmt: skip
    estimate = researcher.post("/benchmarks/evaluate/estimate", data=wanted, headers=HTMX)
    assert "5 images by 2 settings: 10 outputs." in estimate.text
    assert "Outputs of fidelity sets are measured and not judged" in estimate.text
    assert "How long it takes is not known" in estimate.text
    assert "Free: nothing here is paid for." in estimate.text
    address = estimate.headers["HX-Replace-Url"]
    page = researcher.get(address).text
    for value in (*wanted["set"], *wanted["also"]):
        assert f'value="{value}" checked' in page, value
    started = researcher.post("/benchmarks/evaluate", data=wanted)
    assert started.status_code == 303
    with db.reading() as session:
        run = session.exec(select(Run).where(col(Run.kind) == "evaluation")).one()
    assert run.title == "Evaluate on fidelity, perceptual"
    assert run.params["set_ids"] == [fidelity, perceptual]
    assert (run.params["compare"], run.params["judge_compared"]) == (False, True)
    drain()
    told = annotator.get(started.headers["location"]).text
    for words in ("Set fidelity", "Set perceptual", "/benchmarks/mfm", "Local measurement (not VLM-R)"):
        assert words in told, words
    overview = annotator.get("/benchmarks").text
    assert "Evaluate on fidelity, perceptual" in overview
    assert f'class="badge run-{RunState.FINISHED}"' in overview
    again = researcher.post("/benchmarks/evaluate/estimate", data=wanted, headers=HTMX).text
    assert "10 of them are here already and not made again." in again


def test_a_paid_evaluation_never_starts_unconfirmed(admin: SignedIn, key: None, redis: str) -> None:
    set_id = bench.perceptual()
    wanted = {"set": str(set_id), "also": ["nano-banana-2/fix", "nano-banana-2/fix-nc"], "judge": "none"}
    price = 3 * 2 * EACH
    shown = admin.post("/benchmarks/evaluate/estimate", data=wanted, headers=HTMX).text
    assert f'name="confirm_micros" value="{price}"' in shown
    for fields in ({}, {"spend": "1"}, {"confirm_micros": str(price)}, {"spend": "1", "confirm_micros": str(price - 1)}):
        answer = admin.post("/benchmarks/evaluate", data=wanted | fields)
        assert answer.status_code == 409, fields
        assert "3 images, about $0.40" in answer.text
        assert (
            'value="nano-banana-2/fix-nc" aria-label="Nano-Banana-2: Fixed prompt, no change of content" checked'
            in answer.text
        )
    with db.reading() as session:
        assert session.exec(select(Run).where(col(Run.kind) == "evaluation")).all() == []
    started = admin.post("/benchmarks/evaluate", data=wanted | {"spend": "1", "confirm_micros": str(price)})
    assert started.status_code == 303
    with db.reading() as session:
        run = session.exec(select(Run).where(col(Run.kind) == "evaluation")).one()
    assert (run.params["judge"], run.params["judge_compared"], run.created_by) == ("", False, admin.user_id)


def test_what_costs_money_is_an_admins_to_start(researcher: SignedIn, admin: SignedIn, key: None, redis: str) -> None:
    set_id = bench.perceptual()
    wanted = {"set": str(set_id), "also": ["nano-banana-2/fix"], "judge": "none"}
    shown = researcher.post("/benchmarks/evaluate/estimate", data=wanted, headers=HTMX)
    assert "3 images, about $0.20" in shown.text
    assert "an admin starts it" in shown.text
    assert 'name="spend"' not in shown.text
    answer = researcher.post("/benchmarks/evaluate", data=wanted | {"spend": "1", "confirm_micros": str(3 * EACH)})
    assert answer.status_code == 403
    assert "an admin starts it" in answer.text
    assert 'value="nano-banana-2/fix" aria-label="Nano-Banana-2: Fixed prompt" checked' in answer.text
    with db.reading() as session:
        assert session.exec(select(Run).where(col(Run.kind) == "evaluation")).all() == []
    page = admin.get(shown.headers["HX-Replace-Url"]).text
    assert f'name="confirm_micros" value="{3 * EACH}"' in page


@one_engine
def test_what_has_no_key_is_disabled_and_says_which(researcher: SignedIn) -> None:
    set_id = bench.perceptual()
    page = researcher.get("/benchmarks/evaluate").text
    assert "set GGT_GEMINI_API_KEY" in page
    assert re.search(r'value="nano-banana-2/fix"[^>]* disabled', page)
    assert not re.search(r'value="local-nlm/none"[^>]* disabled', page)
    assert "Local measurement (not VLM-R)" in page
    answer = researcher.post("/benchmarks/evaluate", data={"set": str(set_id), "also": "nano-banana-2/fix"})
    assert answer.status_code == 400
    assert "needs a key of Google Gemini" in answer.text


@one_engine
def test_judges_say_whether_they_are_vlm_r(researcher: SignedIn, key: None) -> None:
    bench.perceptual()
    page = researcher.get("/benchmarks/evaluate").text
    assert "Gemini-3.1-Pro: VLM-R" in page
    assert "Local measurement (not VLM-R)<" in page
    assert "Nobody: no VLM-R" in page


@one_engine
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"set": []}, "Choose at least one frozen set."),
        ({"set": ["9"]}, "There is no image set 9."),
        ({"set": ["x"]}, "There is no image set &#39;x&#39;."),
        ({"set": ["2"]}, "open is not frozen"),
        ({"also": []}, "Choose at least one setting."),
        ({"also": ["magic/fix"]}, "There is no method &#39;magic&#39;"),
        ({"also": ["local-nlm/fix"]}, "takes no prompt"),
        ({"judge": "magic"}, "There is no judge &#39;magic&#39;"),
    ],
)
def test_what_cannot_be_evaluated_is_told(researcher: SignedIn, fields: dict[str, str | list[str]], told: str) -> None:
    set_id = bench.perceptual()
    with db.unit_of_work() as session:
        image_sets.draw_perceptual(session, "open", {"rain": 1}, seed=0, user_id=None)
    data = {"set": [str(set_id)], "also": ["local-nlm/none"], "judge": "none"} | fields
    for path, headers, status in (("", {}, 400), ("/estimate", HTMX, 200), ("/estimate", {}, 200)):
        answer = researcher.post(f"/benchmarks/evaluate{path}", data=data, headers=headers)
        assert (answer.status_code, told in answer.text) == (status, True)
    with db.reading() as session:
        assert session.exec(select(Run).where(col(Run.kind) == "evaluation")).all() == []


@pytest.mark.parametrize(
    "path",
    ["/benchmarks", "/benchmarks/perceptual", "/benchmarks/fidelity", "/benchmarks/sets/{open}",
     "/benchmarks/sets/{frozen}", "/benchmarks/sets/{open}/making", "/benchmarks/sets/{frozen}/images.csv",
     "/benchmarks/evaluate", "/benchmarks/evaluate?set={frozen}&also=nano-banana-2/fix&judge=gemini-3.1-pro",
     "/runs/{degrade}", "/runs/{degrade}/live", "/runs/{evaluation}", "/files/images/{image}/reference"],
)  # fmt: skip
def test_a_page_takes_at_most_eight_statements(researcher: SignedIn, key: None, redis: str, path: str) -> None:
    frozen = bench.fidelity(bench.clean_photographs(3), 2)
    image = ids_in(frozen)[0]
    with db.unit_of_work() as session:
        made, degrade = image_sets.start_fidelity(session, "open", bench_source(session), 1, seed=4, scale=4, user_id=None)
        run = Run(kind="evaluation", title="Evaluate", params={"set_ids": [frozen], "also": [], "judge": "", "batch": False})
        session.add(run)
        session.flush()
        known = {"open": made.id, "degrade": degrade.id, "evaluation": run.id, "frozen": frozen, "image": image}
    with statements() as seen:
        answer = researcher.get(path.format(**known))
    assert answer.status_code == 200
    assert 1 <= len(seen) <= MOST_STATEMENTS, "\n".join(seen)


def bench_source(session: Session) -> int:
    return session.exec(select(Image.source_id)).first() or 0


@one_engine
def test_annotators_look_and_change_nothing(annotator: SignedIn) -> None:
    assert "A researcher makes one." in annotator.get("/benchmarks").text
    set_id = bench.perceptual()
    page = annotator.get("/benchmarks").text
    assert "/benchmarks/evaluate" not in page
    assert "/benchmarks/fidelity" not in page
    page = annotator.get(f"/benchmarks/sets/{set_id}").text
    assert "images.csv" not in page
    assert 'action="/benchmarks' not in page


@one_engine
def test_images_of_benchmarks_are_no_part_of_the_dataset(researcher: SignedIn, redis: str) -> None:
    bench.fidelity(bench.clean_photographs(2), 2)
    collect(general_mixed=1)
    with db.reading() as session:
        assert funnel.totals(session).collected == 1
        (row,) = funnel.funnel(session).categories
        assert (row.counts.collected, row.sources) == (1, ("street",))
        assert sum(stages.total() for stages in collection_counts.image_stages(session).values()) == 1
        found = composition.accounting(session)
        assert [one.source for one in found.rows] == ["street"]
        assert (found.total.photographs, found.total.retained) == (1, 1)
        assert found.categories["general_mixed"].so_far().photographs == 1
        assert targets.current(session)["general_mixed"]
        lines = {line.name: line for line in sources.lines(session, SourcesFilter())}
        assert (lines["clean"].photographs, lines["clean"].images) == (2, 0)
        used = licence_preview.uses(session).of("CC0-1.0")
        assert (used.photographs, used.images) == (3, 1)
        groups = set_aside.preview(session, "set_aside", GalleryFilter(stage=Stage.BENCHMARK)).groups
        assert [(group.number, group.moves) for group in groups] == [(2, False)]
    assert "Benchmark" in researcher.get("/images?stage=benchmark").text


def test_clean_references_are_held_out_by_themselves(researcher: SignedIn, redis: str) -> None:
    about = {"category": "general_mixed", "source": "DIV2K", "licence": "CC0-1.0", "then": "clean"}
    run_id = researcher.post("/ingest/start", data=about).json()["run_id"]
    sent = researcher.post(f"/ingest/{run_id}/file", files={"file": ("a.png", encode_png(factories.picture(1, 200)))})
    assert (sent.json()["status"], sent.json()["images"]) == ("added", 0)
    researcher.post(f"/ingest/{run_id}/finish")
    page = researcher.get(f"/runs/{run_id}").text
    assert "1 photograph taken in as clean references" in page
    assert "patch" not in page.split("<h2>Files")[1].split("</section>")[0]
    with db.reading() as session:
        assert count(session, Image) == 0
        assert [source.held_out for source in session.exec(select(Source))] == [True]
    assert "DIV2K (1)" in researcher.get("/benchmarks/fidelity").text
