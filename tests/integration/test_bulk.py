"""Acting on a whole gallery filter. If this fails, verified pairs are redone or candidates are judged, and paid, twice."""

from collections import Counter
from collections.abc import Callable

import pytest
from httpx2 import Response
from sqlmodel import Session, col, select

from app import db
from app.models import Candidate, CandidateSummary, Image, Method, Run, Stage, Verdict, WorkItem
from app.services import judge_again, planning, prompts
from app.services.judge_again import JudgeAgain
from app.services.recipes import Prompt, Setting, first_recipe, recipe_hash
from tests import factories
from tests.conftest import SignedIn, forget
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements

pytestmark = pytest.mark.usefixtures("redis")
one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
SETTING = Setting("nano-banana-2", "fix")
PAID = {"method": "nano-banana-2", "strategy": "fix", "judge": "local-measure"}
EACH, JUDGED = 67_000, 18_000
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def key(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_GEMINI_API_KEY", "x")
    forget()


def confirmed(micros: int) -> dict[str, str]:
    return {"spend": "1", "confirm_micros": str(micros)}


def made_before(session: Session, stage: Stage, extra: str = "") -> Image:
    """An image at ``stage`` whose current candidate is sample 0 of SETTING."""
    image = factories.make_image(session, stage)
    candidate = factories.make_candidate(session, image, method="nano-banana-2 / fix", stage=stage)
    method = session.get_one(Method, candidate.method_id)
    method.generator, method.strategy = SETTING.generator, SETTING.strategy
    used = prompts.in_use(session)["fix", "rain"]
    recipe = first_recipe(SETTING, "rain", Prompt(used.user, f"fix/{used.version}"), extra)
    candidate.recipe, candidate.recipe_hash = recipe, recipe_hash(recipe)
    session.flush()
    return image


def items(run_id: int, kind: str) -> list[WorkItem]:
    with db.reading() as session:
        found = session.exec(select(WorkItem).where(col(WorkItem.run_id) == run_id, col(WorkItem.kind) == kind))
        return sorted(found.all(), key=lambda item: item.id or 0)


def plan(run_id: int) -> None:
    with db.unit_of_work() as session:
        planning.plan_window(session, run_id, 0)


def test_regenerating_starts_a_new_chain_with_another_sample_and_leaves_pairs_alone(admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        waiting, rejected = (made_before(session, stage).id for stage in (Stage.AWAITING, Stage.REJECTED))
        for stage in (Stage.VERIFIED, Stage.REFINING):
            made_before(session, stage)
        new = factories.make_image(session).id
        factories.make_image(session, category="haze")
    page = admin.get("/images/regenerate?category=rain")
    assert "3 of 5 images will be taken up." in page.text
    assert "Left alone: 1 verified pair, 1 image in progress." in page.text
    refused = admin.post("/images/regenerate?category=rain", data=PAID | confirmed(3 * EACH - 1))
    assert refused.status_code == 409
    started = admin.post("/images/regenerate?category=rain", data=PAID | confirmed(3 * EACH))
    assert started.headers["location"] == "/runs/1"
    with db.reading() as session:
        run = session.get_one(Run, 1)
    assert run.title == "Regenerate: Rain"
    assert (run.params["query"], run.params["replace"], run.params["compare"]) == ({"category": "rain"}, True, False)
    plan(1)
    planned = {item.payload["image_id"]: item.payload for item in items(1, "generate")}
    assert {image: payload["sample"] for image, payload in planned.items()} == {waiting: 1, rejected: 1, new: 0}
    assert all(payload["chosen"] and payload["replaces"] and payload["parent_id"] is None for payload in planned.values())
    with db.reading() as session:
        assert len(session.exec(select(Candidate)).all()) == 4  # what was made before is still there


@one_engine
def test_an_extra_instruction_ends_every_prompt(admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        made_before(session, Stage.AWAITING)
    data = PAID | confirmed(EACH) | {"extra": "Keep the sign.\r\nKeep the lamp."}
    assert admin.post("/images/regenerate?stage=awaiting_verification", data=data).status_code == 303
    plan(1)
    [item] = items(1, "generate")
    assert item.payload["recipe"]["prompt"].endswith("Keep the sign.\nKeep the lamp.")
    assert item.payload["sample"] == 0  # another prompt is another recipe, with samples of its own
    for extra, method, told in (
        ("x" * 501, PAID, "500 is the most"),
        ("Keep it.", {"method": "local-nlm"}, "take no prompt"),
    ):
        answer = admin.post("/images/regenerate?category=rain", data=method | {"extra": extra})
        assert answer.status_code == 400
        assert told in answer.text
        assert extra in answer.text


@one_engine
def test_the_whole_collection_has_to_be_meant(admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        for niqe in (3.0, 4.0):
            factories.make_candidate(session, metrics={"niqe": niqe})
    local = {"method": "local-nlm", "judge": "none"}
    for path in ("/images/regenerate", "/images/regenerate?sort=niqe", "/images/judge", "/images/judge?sort=-niqe"):
        assert "Yes, all 2 images of the collection" in admin.get(path).text
        answer = admin.post(path, data=local | {"judge": "local-measure"})
        assert answer.status_code == 400
        assert "tick that" in answer.text
    assert "Yes, all" not in admin.get("/images/regenerate?category=rain").text
    assert admin.post("/images/regenerate?sort=niqe", data=local | {"everything": "1"}).status_code == 303


@one_engine
def test_choices_survive_a_mistake(admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        made_before(session, Stage.AWAITING)
    data = {"method": "nano-banana-2", "judge": "gemini-3.1-pro", "extra": "Keep <it>.", "batch": "1"}
    answer = admin.post("/images/regenerate?category=rain", data=data)
    assert answer.status_code == 400
    for told in ("needs a prompt strategy", 'value="nano-banana-2" data-prompted selected', "Keep &lt;it&gt;.</textarea>",
                 'value="gemini-3.1-pro" selected', 'name="batch" value="1" checked'):  # fmt: skip
        assert told in answer.text
    assert admin.get("/images/regenerate?niqe_max=x").status_code == 400


def judged(session: Session, image: Image, judge: str, *, stand_in: bool = False) -> None:
    session.add(
        Verdict(
            candidate_id=image.current_candidate_id or 0, judge=judge, version="1", raw="", decision="accept",
            rule_decision="accept", stand_in=stand_in,
        )
    )  # fmt: skip
    session.flush()


def plan_judging(run_id: int) -> None:
    """Plan all windows as a worker would, each twice."""
    planned = 0
    while True:
        waiting = items(run_id, "plan_judge")
        if planned == len(waiting):
            return
        for item in waiting[planned:]:
            for _ in range(2):
                with db.unit_of_work() as session:
                    judge_again.plan_window(session, run_id, item.payload["after"])
        planned = len(waiting)


def test_judging_again_plans_each_candidate_once(admin: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge_again, "PLAN_WINDOW", 2)
    with db.unit_of_work() as session:
        images = [made_before(session, stage) for stage in [Stage.AWAITING] * 5 + [Stage.VERIFIED, Stage.JUDGED_OUT]]
        wanted = {image.current_candidate_id for image in images[1:]}
        judged(session, images[0], "gemini-3.1-pro")
        judged(session, images[1], "gemini-3.1-pro", stand_in=True)  # not this judge's own word
        judged(session, images[2], "local-measure")
        factories.make_candidate(session, images[3], chosen=False)  # an older one, or one to compare
        factories.make_image(session)
        factories.make_candidate(session, factories.make_image(session, category="haze"))
    page = admin.post("/images/judge/estimate?category=rain", data={"judge": "gemini-3.1-pro"}, headers=HTMX).text
    for told in ("6 of 8 images will be judged.", "1 has a verdict of Gemini-3.1-Pro already.", "1 has no candidate yet.",
                 "about $0.11", "Spend about $0.11"):  # fmt: skip
        assert told in page
    for fields in ({}, confirmed(6 * JUDGED - 1)):
        answer = admin.post("/images/judge?category=rain", data={"judge": "gemini-3.1-pro"} | fields)
        assert answer.status_code == 409
        assert 'value="gemini-3.1-pro" selected' in answer.text
    started = admin.post("/images/judge?category=rain", data={"judge": "gemini-3.1-pro"} | confirmed(6 * JUDGED))
    assert started.headers["location"] == "/runs/1"
    plan_judging(1)
    planned = items(1, "judge")
    assert Counter(item.payload["candidate_id"] for item in planned) == Counter(wanted)
    assert all(item.payload["decides"] is False and item.payload["judge"] == "gemini-3.1-pro" for item in planned)
    assert all((item.queue, item.lane) == ("api", "gemini") for item in planned)
    with db.reading() as session:
        run = session.get_one(Run, 1)
        assert (run.title, run.total) == ("Judge again by Gemini-3.1-Pro: Rain", 6 + 4)
        assert session.exec(select(Image.stage).where(col(Image.id) == images[0].id)).one() == Stage.AWAITING


@one_engine
def test_a_judge_must_be_there(admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        made_before(session, Stage.AWAITING)
    for name, told in (("none", "Choose a judge"), ("x", "Choose a judge"), ("gpt-5.4-pro", "needs a key of OpenAI")):
        answer = admin.post("/images/judge?category=rain", data={"judge": name})
        assert answer.status_code == 400
        assert told in answer.text


@one_engine
def test_an_opinion_is_kept_and_moves_nothing(admin: SignedIn, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    from tests.integration.scripted import ScriptedJudge, drain
    from workers import runtime
    from workers.tasks import judge

    monkeypatch.setattr(judge, "judge", lambda _key: ScriptedJudge("reject"))
    with db.unit_of_work() as session:
        image_id = made_before(session, Stage.AWAITING).id
    assert admin.post("/images/judge?category=rain", data={"judge": "local-measure"}).status_code == 303
    drain()
    runtime.task_for.cache_clear()
    with db.reading() as session:
        image = session.get_one(Image, image_id)
        [verdict] = session.exec(select(Verdict)).all()
        run = session.get_one(Run, 1)
        summary = session.get_one(CandidateSummary, verdict.candidate_id)
    assert (image.stage, image.current_candidate_id) == (Stage.AWAITING, verdict.candidate_id)
    assert (verdict.judge, verdict.decision, summary.decision) == ("local-measure", "reject", None)
    assert (run.state, run.done, run.failed) == ("finished", 3, 0)
    with db.reading() as session:
        assert judge_again.quote(session, JudgeAgain("local-measure")).facts[0] == "0 of 1 image will be judged."


def test_the_pages_take_few_statements(admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        made_before(session, Stage.AWAITING)
    query = "?category=rain&niqe_max=9&method=nano-banana-2+%2F+fix&sort=niqe"
    calls: tuple[Callable[[], Response], ...] = (
        lambda: admin.get("/images/regenerate" + query),
        lambda: admin.post("/images/regenerate/estimate" + query, data=PAID, headers=HTMX),
        lambda: admin.get("/images/judge" + query),
        lambda: admin.post("/images/judge/estimate" + query, data={"judge": "gemini-3.1-pro"}),
        lambda: admin.get("/images" + query),
    )
    for call in calls:
        with statements() as seen:
            assert call().status_code == 200
        assert len(seen) <= MOST_STATEMENTS, "\n".join(seen)


@one_engine
def test_the_gallery_leads_there_with_its_filter(admin: SignedIn, annotator: SignedIn) -> None:
    with db.unit_of_work() as session:
        made_before(session, Stage.AWAITING)
    page = admin.get("/images?category=rain&stage=awaiting_verification").text
    assert 'href="/images/regenerate?category=rain&amp;stage=awaiting_verification"' in page
    assert 'href="/images/judge?category=rain&amp;stage=awaiting_verification"' in page
    assert "/images/regenerate" not in annotator.get("/images").text
    assert "/images/regenerate" not in admin.get("/images?category=snow").text
