"""Starting a run in the browser. If this fails, money is spent that nobody agreed to, or what was chosen is lost."""

import re
from collections.abc import Callable

import pytest
from httpx2 import Response
from sqlalchemy import func, select

from app import accounts, db
from app.models import Role, Run, Stage
from tests import factories
from tests.conftest import SignedIn, SignInAs, forget
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
PAID = {"category": "rain", "method": "nano-banana-2", "strategy": "fix", "judge": "local-measure"}
EACH = 67_000
HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def key(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_GEMINI_API_KEY", "x")
    forget()


def collect(number: int, stage: Stage = Stage.COLLECTED) -> None:
    with db.unit_of_work() as session:
        source = factories.make_source(session)
        for _ in range(number):
            factories.make_image(session, stage, source=source)


def runs() -> int:
    with db.reading() as session:
        return int(session.execute(select(func.count()).select_from(Run)).scalar_one())


def reprice(dollars: float) -> None:
    with db.unit_of_work() as session:
        accounts.ensure(session, "gemini").prices = {"gemini-3.1-flash-image": dollars}


def test_a_paid_run_never_starts_unconfirmed(admin: SignedIn, redis: str) -> None:
    collect(3)
    price = str(3 * EACH)
    unconfirmed = [
        {}, {"spend": "1"}, {"confirm_micros": price}, {"spend": "1", "confirm_micros": str(3 * EACH - 1)},
        {"spend": "1", "confirm_micros": "-999999999"}, {"spend": "1", "confirm_micros": "x"},
        {"spend": "1", "confirm_micros": "٣٣٣٣٣٣٣"},
    ]  # fmt: skip
    for fields in unconfirmed:
        answer = admin.post("/runs", data=PAID | fields)
        assert answer.status_code == 409, fields
        assert "3 images, about $0.20" in answer.text
    assert runs() == 0
    started = admin.post("/runs", data=PAID | {"spend": "1", "confirm_micros": price})
    assert started.status_code == 303
    assert started.headers["location"] == "/runs/1"
    with db.reading() as session:
        run = session.get_one(Run, 1)
    assert (run.params["method"], run.params["strategy"], run.params["compare"]) == ("nano-banana-2", "fix", False)
    assert run.created_by == admin.user_id


@one_engine
def test_the_api_asks_for_the_same_confirmation(admin: SignedIn, redis: str) -> None:
    collect(3)
    wanted = {"method": "nano-banana-2", "strategy": "fix", "compare": False}
    refused = admin.post("/api/v1/runs", json=wanted | {"confirm_usd": 0.2})
    assert refused.status_code == 409
    assert "about $0.20" in refused.json()["detail"]
    assert runs() == 0
    assert admin.post("/api/v1/runs", json=wanted | {"confirm_usd": 0.21}).status_code == 201


@one_engine
def test_a_free_run_needs_no_confirmation(admin: SignedIn, redis: str) -> None:
    collect(1)
    page = admin.get("/runs/new").text
    assert "Free: nothing here is paid for." in page
    assert 'name="spend"' not in page
    assert admin.post("/runs", data={"category": "rain", "compare": "1"}).status_code == 303


def chosen_in(page: str) -> set[str]:
    """The values of everything ticked or selected."""
    boxes = re.findall(r'<input type="checkbox"[^>]*value="([^"]*)"[^>]*\schecked', page)
    return set(boxes) | set(re.findall(r'<option value="([^"]*)"[^>]*\sselected', page))


def test_a_price_that_rose_comes_back_with_the_new_one_and_all_that_was_chosen(admin: SignedIn, redis: str) -> None:
    collect(2)
    wanted = {
        **PAID, "category": ["rain", "haze"], "strategy": "vlm-gemini", "judge": "gemini-3.1-pro", "compare": "1",
        "also": ["nano-banana-pro/fix-nc", "flux.2-dev/fix"], "judge_compared": "1", "batch": "1", "source": "1",
    }  # fmt: skip
    estimate = admin.post("/runs/estimate", data=wanted, headers=HTMX).text
    confirmed = re.search(r'name="confirm_micros" value="(\d+)"', estimate)
    assert confirmed
    reprice(5.0)
    answer = admin.post("/runs", data=wanted | {"spend": "1", "confirm_micros": confirmed[1]})
    assert answer.status_code == 409
    assert "The price is no longer $" in answer.text
    assert "$5.00" in answer.text
    assert 'name="spend" value="1" checked' not in answer.text  # the new price has not been agreed to
    assert chosen_in(answer.text) == {
        "rain", "haze", "1", "nano-banana-2", "vlm-gemini", "gemini-3.1-pro", "nano-banana-pro/fix-nc", "flux.2-dev/fix",
    }  # fmt: skip
    assert runs() == 0
    now = re.search(r'name="confirm_micros" value="(\d+)"', answer.text)
    assert now
    assert int(now[1]) > int(confirmed[1])
    assert admin.post("/runs", data=wanted | {"spend": "1", "confirm_micros": now[1]}).status_code == 303


@one_engine
@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"strategy": ""}, "Nano-Banana-2 needs a prompt strategy"),
        ({"method": "local-nlm"}, "takes no prompt, so it has no strategy"),
        ({"method": ""}, "A prompt strategy needs a method that takes prompts."),
        ({"category": []}, "Tick at least one category."),
        ({"category": ["fog"]}, "There is no category &#39;fog&#39;"),
        ({"method": "gpt-image-2"}, "GPT-Image-2 needs a key of OpenAI: set GGT_OPENAI_API_KEY"),
        ({"judge": "gpt-5.4-pro"}, "GPT-5.4-Pro needs a key of OpenAI"),
        ({"also": ["nonsense"]}, "There is no method &#39;nonsense&#39;"),
        ({"source": "own"}, "There is no source &#39;own&#39;"),
    ],
)
def test_choices_that_do_not_go_together_are_told_on_the_same_page(
    admin: SignedIn, fields: dict[str, str | list[str]], told: str
) -> None:
    collect(1)
    data = PAID | {"judge_compared": "1"} | fields
    for path, headers, status in (("/runs", {}, 400), ("/runs/estimate", {}, 200), ("/runs/estimate", HTMX, 200)):
        answer = admin.post(path, data=data, headers=headers)
        assert answer.status_code == status
        assert told in answer.text
        if not headers:
            assert 'name="judge_compared" value="1" checked' in answer.text
            assert "Start a pipeline" in answer.text
    assert runs() == 0


@one_engine
def test_an_address_prefills_the_form(admin: SignedIn) -> None:
    page = admin.get("/runs/new?method=nano-banana-2&strategy=vlm-gemini&category=rain").text
    assert chosen_in(page) == {"rain", "nano-banana-2", "vlm-gemini", "local-measure", "1"}
    assert chosen_in(admin.get("/runs/new?compare=0").text).isdisjoint({"1"})
    without_key = admin.get("/runs/new?method=gpt-image-2&strategy=fix").text
    assert "GPT-Image-2 needs a key of OpenAI" in without_key
    assert re.search(r'value="gpt-image-2" data-prompted selected>', without_key)  # disabled, it would not be sent at all


@one_engine
def test_what_lacks_its_key_cannot_be_chosen_and_stand_ins_are_named(
    admin: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GGT_GEMINI_BASE_URL", "http://127.0.0.1:9999")
    forget()
    collect(1)
    page = admin.get("/runs/new?method=nano-banana-2&strategy=fix").text
    assert "Google Gemini (stand-in at 127.0.0.1, not an MFM)" in page
    assert "is a stand-in on this machine" in page
    assert "OpenAI (no key: set GGT_OPENAI_API_KEY)" in page
    assert "GGT_KLING_ACCESS_KEY and GGT_KLING_SECRET_KEY" in page
    assert re.search(r'value="gpt-image-2" data-prompted disabled>', page)
    grid = re.findall(r'name="also" value="[^"]+" aria-label="[^"]+"( disabled)?', page)
    assert len(grid) == 36
    assert grid.count("") == 5 * 3  # two of Gemini's and three open models; GPT's prompts need the other key


def test_a_budget_that_would_be_exceeded_is_named(admin: SignedIn) -> None:
    collect(10)
    with db.unit_of_work() as session:
        account = accounts.ensure(session, "gemini")
        account.total_budget_micros, account.spent_micros, account.reserved_micros = 10_000_000, 9_000_000, 500_000
        account.daily_budget_micros, account.spent_today_micros, account.day = 1_000_000, 900_000, accounts.today()
    box = admin.post("/runs/estimate", data=PAID, headers=HTMX).text
    assert "its total budget has $0.50 left" in box
    assert "its budget of today (UTC) has $0.00 left" in box
    with db.unit_of_work() as session:
        accounts.ensure(session, "gemini").spent_micros = 1_000_000
    assert "its total budget" not in admin.post("/runs/estimate", data=PAID, headers=HTMX).text


@one_engine
def test_the_estimate_says_what_is_taken_up_and_what_is_left(admin: SignedIn) -> None:
    for number, stage in ((3, Stage.COLLECTED), (2, Stage.VERIFIED), (1, Stage.SCORED), (1, Stage.AWAITING)):
        collect(number, stage)
    box = admin.post("/runs/estimate", data=PAID | {"compare": "1"}, headers=HTMX).text
    assert "3 of 7 images will be taken up." in box
    assert "Left alone: 2 verified pairs, 1 image in progress, 1 image that waits for a person." in box
    assert "Candidates for comparison are made of all 7." in box
    assert "At most $0.60" in box


@one_engine
def test_only_admins_start_runs(sign_in_as: SignInAs) -> None:
    researcher = sign_in_as(Role.RESEARCHER)
    assert "/runs/new" not in researcher.get("/runs").text
    assert researcher.get("/runs/new").status_code == 403
    assert '/runs/new"' in sign_in_as(Role.ADMIN).get("/runs").text


def test_the_page_and_its_estimate_take_few_statements(admin: SignedIn, redis: str) -> None:
    collect(2)
    calls: tuple[Callable[[], Response], ...] = (
        lambda: admin.get("/runs/new?method=nano-banana-2&strategy=fix"),
        lambda: admin.post("/runs/estimate", data=PAID),
        lambda: admin.post("/runs/estimate", data=PAID, headers=HTMX),
    )
    for call in calls:
        with statements() as seen:
            assert call().status_code == 200
        assert len(seen) <= MOST_STATEMENTS, "\n".join(seen)
