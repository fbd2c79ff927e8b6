"""If these fail, more is spent than was allowed, a key shows on a page, or a provider that is broken looks well."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from sqlmodel import col, select

from app import accounts
from app.accounts import MICROS
from app.db import reading, unit_of_work
from app.errors import Conflict, NotFound
from app.models import ApiCall, CallState, Event, ProviderAccount, Role, Run
from app.services import provider_accounts, provider_checks, provider_views
from app.services.provider_accounts import Invalid
from tests.conftest import SignedIn, SignInAs, forget
from tests.integration.provider_run import KEY, row, serving, work
from tests.integration.test_cli import answer, complaint, quick
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements
from tests.providers.script import Fault

pytestmark = pytest.mark.usefixtures("redis")
one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
SECRETS = ("GGT_GEMINI_API_KEY", "GGT_OPENAI_API_KEY", "GGT_KLING_ACCESS_KEY", "GGT_KLING_SECRET_KEY", "GGT_ARK_API_KEY")


def change(provider: str = "gemini", **given: str) -> None:
    with unit_of_work() as session:
        provider_accounts.update(session, None, provider, given)


def reserve(micros: int, provider: str = "gemini") -> bool:
    with unit_of_work() as session:
        return accounts.reserve(session, provider, micros)


def book(reserved: int, cost: int, run_id: int | None = None) -> None:
    with unit_of_work() as session:
        accounts.book(session, "gemini", run_id, reserved=reserved, cost=cost)


def account(provider: str = "gemini") -> ProviderAccount:
    with reading() as session:
        return accounts.account(session, provider)


def spend(provider: str = "gemini") -> provider_views.Spend:
    with reading() as session:
        return provider_views.spends(session, [provider])[0]


def add_call(state: CallState, error: str = "", reason: str = "") -> None:
    with unit_of_work() as session:
        session.add(ApiCall(provider="gemini", model="m", purpose="judge", request_key="k", state=state, error=error,
                            reason=reason))  # fmt: skip


@pytest.fixture
def keyed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "sekrit")
    forget()


def test_a_budget_refuses_what_it_does_not_have() -> None:
    assert reserve(5), "without a budget everything is affordable"
    change(daily_budget="1", total_budget="1.5")
    assert reserve(MICROS - 5)
    assert not reserve(1), "beyond the daily budget"
    book(MICROS, 400_000)
    assert reserve(600_000)
    assert not reserve(1)
    assert (account().spent_micros, account().spent_today_micros, account().reserved_micros) == (400_000, 400_000, 600_000)
    assert spend().left_micros == 0


def test_a_new_day_starts_anew_and_the_total_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    change(daily_budget="1", total_budget="1.5")
    assert reserve(MICROS)
    book(MICROS, MICROS)
    assert not reserve(1)
    monkeypatch.setattr(accounts, "today", lambda: date(2100, 1, 1))
    assert spend().today_micros == 0
    assert reserve(500_000)
    assert not reserve(1), "beyond the total budget"
    book(500_000, 500_000)
    assert (account().spent_today_micros, account().spent_micros) == (500_000, 1_500_000)


@pytest.mark.parametrize("budget", ["daily_budget", "total_budget"])
def test_twenty_workers_at_once_never_overdraw(budget: str) -> None:
    change(**{budget: "1"})
    with ThreadPoolExecutor(20) as pool:
        granted = sum(pool.map(lambda _: reserve(70_000), range(60)))
    assert granted == 14
    assert account().reserved_micros == 14 * 70_000


def test_twenty_first_calls_at_once_make_one_account() -> None:
    with ThreadPoolExecutor(20) as pool:
        granted = sum(pool.map(lambda _: reserve(7), range(20)))
    assert granted, "the very first may find the row half made and be told to come back"
    assert account().reserved_micros == 7 * granted
    assert reserve(7)


def test_a_call_is_booked_with_its_provider_and_its_run() -> None:
    with unit_of_work() as session:
        run = Run(kind="pipeline", title="a run")
        session.add(run)
    for cost in (30_000, 0):
        reserve(50_000)
        book(50_000, cost, run.id)
    assert row(Run, run.id or 0).spent_micros == 30_000
    assert (account().reserved_micros, account().spent_micros) == (0, 30_000)


@pytest.mark.parametrize(
    ("field", "typed", "told"),
    [
        ("requests_per_minute", "0", "Requests per minute: '0' is not a whole number from 1 to 100,000."),
        ("images_per_minute", "1.5", "Images per minute: '1.5'"),
        ("concurrency", "-3", "Calls at once: '-3'"),
        ("concurrency", "9999999999", "Calls at once: '9999999999'"),
        ("daily_budget", "-1", "Daily budget: '-1' is not an amount in dollars from 0 to"),
        ("total_budget", "1,50", "Total budget: '1,50'"),
        ("total_budget", "nan", "Total budget: 'nan'"),
        ("daily_budget", "2000000000", "Daily budget: '2000000000'"),
        ("price-gemini-3-pro-image", "cheap", "Price of Nano-Banana-Pro: 'cheap'"),
        ("price-gpt-image-2", "1", "Google Gemini has no setting 'price-gpt-image-2'"),
        ("on_lost", "hope", "When an answer is lost: choose ask or retry, not 'hope'."),
        ("spent_micros", "0", "Google Gemini has no setting 'spent_micros'"),
    ],
)
@one_engine
def test_what_is_typed_wrong_is_told_with_its_field(field: str, typed: str, told: str) -> None:
    with pytest.raises(Invalid) as raised:
        change(**{"concurrency": "7", field: typed})
    assert told in str(raised.value)
    assert account().concurrency is None, "nothing of a refused form is kept"


def test_changes_hold_and_are_on_record() -> None:
    change(requests_per_minute=" 12 ", daily_budget="$0", on_lost="retry", **{"price-gemini-3-pro-image": "0.2"})
    change(requests_per_minute="12", daily_budget="0.1", on_lost="retry")
    change(requests_per_minute="", **{"price-gemini-3-pro-image": ""})
    change()
    kept = account()
    assert (kept.requests_per_minute, kept.daily_budget_micros, kept.on_lost, kept.prices) == (None, 100_000, "retry", {})
    with reading() as session:
        events = session.exec(select(Event).where(Event.action == "provider.changed").order_by(col(Event.id))).all()
        limits = accounts.limits(session)["gemini"]
    assert limits.requests_per_minute == 300, "the catalogue's"
    assert [event.subject for event in events] == ["provider:gemini"] * 3
    assert events[0].details["daily_budget"] == [None, 0.0]
    assert events[1].details == {"daily_budget": [0.0, 0.1]}
    assert events[2].details == {"requests_per_minute": [12, None], "price-gemini-3-pro-image": [0.2, None]}
    with pytest.raises(NotFound):
        change("deepmind")


@pytest.mark.usefixtures("keyed")
def test_the_page_shows_everything_but_secrets(admin: SignedIn) -> None:
    for number in range(5):
        add_call(CallState.FAILED, f"error <{number}>", "TEAPOT")
    add_call(CallState.ANSWERED)
    change(daily_budget="2")
    with statements() as seen:
        page = admin.get("/providers").text
    assert len(seen) <= MOST_STATEMENTS, "\n".join(seen)
    for path in ("/", "/providers/gemini/now", "/dashboard/spend", "/settings"):
        page += admin.get(path).text
    assert "sekrit" not in page
    for told in ("Google Gemini", "GGT_GEMINI_API_KEY", "5 failed", "1 answered", "error &lt;4&gt;", "TEAPOT", "ready",
                 "https://ai.google.dev/gemini-api/terms", "gemini-3-pro-image", "of $2.00", "third party"):  # fmt: skip
        assert told in page, told
    assert "error &lt;1&gt;" not in page, "only the newest are told"
    assert "No provider has a key yet" not in page


@one_engine
def test_without_keys_the_page_says_how_to_begin(admin: SignedIn) -> None:
    page = admin.get("/providers").text
    for told in ("No provider has a key yet", "export GGT_KLING_SECRET_KEY=", "ggt-fake-providers", "Set GGT_ARK_API_KEY"):
        assert told in page, told
    assert 'id="spend"' not in admin.get("/").text, "nothing about money where there is none"


@one_engine
@pytest.mark.usefixtures("keyed")
def test_forms_work_and_a_refused_one_keeps_what_was_typed(admin: SignedIn) -> None:
    saved = admin.post("/providers/kling", data={"csrf": admin.csrf, "concurrency": "3", "total_budget": "40"})
    assert (saved.status_code, saved.headers["location"]) == (303, "/providers?saved=kling#provider-kling")
    assert account("kling").concurrency == 3
    refused = admin.post("/providers/kling", data={"concurrency": "4", "total_budget": "<much>", "on_lost": "retry"})
    assert refused.status_code == 422
    assert "Total budget: &#39;&lt;much&gt;&#39; is not an amount" in refused.text
    for kept in ('value="4"', 'value="&lt;much&gt;"', 'value="retry" checked'):
        assert kept in refused.text
    assert account("kling").concurrency == 3
    assert admin.post("/providers/kling/pause", data={"reason": "too dear"}).status_code == 303
    assert "too dear" in admin.get("/providers").text
    assert admin.post("/providers/kling/check").status_code == 409
    assert admin.post("/providers/kling/resume").headers["location"] == "/providers#provider-kling"
    assert account("kling").paused == ""
    assert admin.post("/providers/nobody", data={"concurrency": "4"}).status_code == 404


@pytest.mark.usefixtures("keyed")
@one_engine
def test_each_role_sees_what_is_for_it(sign_in_as: SignInAs) -> None:
    researcher, annotator = sign_in_as(Role.RESEARCHER), sign_in_as(Role.ANNOTATOR)
    assert researcher.get("/providers").status_code == 403
    assert 'id="spend"' in researcher.get("/").text
    assert 'href="/providers' not in researcher.get("/").text
    assert 'id="spend"' not in annotator.get("/").text
    assert annotator.get("/dashboard/spend").status_code == 403


@one_engine
@pytest.mark.usefixtures("keyed")
def test_the_state_names_what_stands_in_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    assert spend().state.kind == "ready"
    change(total_budget="0")
    assert spend().state.kind == "budget spent"
    change(total_budget="0.01")
    with unit_of_work() as session, pytest.raises(Conflict, match=r"may cost \$0\.015, and its budget has \$0\.01 left"):
        provider_accounts.start_check(session, None, "gemini")
    monkeypatch.delenv("GGT_KLING_SECRET_KEY")
    forget()
    assert spend("kling").state.told == "Set GGT_KLING_SECRET_KEY where GGT Studio starts."
    monkeypatch.setenv("GGT_REDIS_URL", "redis+socket:///nowhere")
    forget()
    assert spend().state.kind == "Redis is silent"


@pytest.mark.parametrize(
    ("provider", "kind"), [("gemini", "text"), ("openai", "text"), ("kling", "image"), ("ark", "image")]
)
@one_engine
def test_a_check_is_one_real_call(provider: str, kind: str, monkeypatch: pytest.MonkeyPatch, admin: SignedIn) -> None:
    with serving(monkeypatch) as server:
        for number in (1, 2):
            assert admin.post(f"/providers/{provider}/check").status_code == 303
            run = work(number)
            assert (run.done, run.failed) == (1, 0)
        assert [call.kind for call in server.calls if call.kind in ("text", "image")] == [kind] * 2, "each is really sent"
        assert run.spent_micros == account(provider).spent_micros - row(Run, 1).spent_micros > 0
        assert "answered in" in admin.get(f"/runs/{run.id}").text
        page = admin.get(f"/providers/{provider}/now").text
    assert "answered in" in page
    assert KEY not in page


@pytest.mark.parametrize("fault", [Fault.BAD_KEY, Fault.SERVER_ERROR, Fault.RATE_LIMIT, Fault.RESET, Fault.SAFETY_PROMPT])
@one_engine
def test_a_failed_check_is_told_and_asked_once(fault: Fault, monkeypatch: pytest.MonkeyPatch, admin: SignedIn) -> None:
    with serving(monkeypatch) as server:
        server.script.push(fault)
        assert admin.post("/providers/gemini/check").status_code == 303
        assert admin.post("/providers/gemini/check").status_code == 409, "one at a time"
        run = work(1)
        assert (run.done, run.failed, run.unknown) == (0, 1, 0)
        assert len(server.calls) == 1
        with reading() as session:
            last = provider_checks.last(session)["gemini"]
        assert last.ok is False
        assert "badtext" in admin.get("/providers/gemini/now").text
        assert account().reserved_micros == 0


@one_engine
def test_the_command_line_lists_and_sets_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GGT_GEMINI_API_KEY", "sekrit")
    monkeypatch.setenv("GGT_ARK_BASE_URL", "http://me:sekrit@127.0.0.1:1/api/v3?key=sekrit")
    done = quick("providers", "budget", "gemini", "--daily", "2.5", "--total", "none")
    assert done.stdout == "Google Gemini: today $0.00 of $2.50; in all $0.00, no budget\n"
    rows = {one["name"]: one for one in answer(quick("providers", "list", "--json"))}
    assert rows["gemini"] | {"key_set": True, "daily_budget": 2.5, "state": "ready"} == rows["gemini"]
    assert rows["ark"] | {"stand_in": True, "address": "http://127.0.0.1:1/api/v3", "key_set": False} == rows["ark"]
    table = quick("providers", "list").stdout
    assert "$2.50 a day" in table
    assert "sekrit" not in table + str(rows)
    assert complaint(quick("providers", "budget", "gemini", "--daily", "x")).startswith("Daily budget: 'x'")
    assert "There is no provider bard" in complaint(quick("providers", "check", "bard"))
