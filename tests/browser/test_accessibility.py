"""Every page for everybody: if these fail, somebody who sees, hears or moves otherwise cannot do a part of the work."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from app import db
from app.models import Role
from app.web.deps import COOKIE
from app.web.templating import STATIC
from tests.browser.collection import Collection, make_collection, make_empty
from tests.browser.pages import Visit, every_page, every_page_without_data, more_pages
from tests.conftest import forget

pytestmark = [
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
    pytest.mark.timeout(300),  # a whole walk through the application each
]
AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
DESK: ViewportSize = {"width": 1366, "height": 768}
PHONE: ViewportSize = {"width": 390, "height": 844}
TAB, MOTION = ((Path(__file__).parent / name).read_text() for name in ("tab.js", "motion.js"))
both_sizes = pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])

SETTLED = """() => {
    const has = (selector) => document.querySelector(selector) !== null;
    return !(has('main[aria-busy=true]') && has('#empty[hidden]')) && !(has('#compare.two') && has('#modes[hidden]'))
        && !(has('#rule') && !has('html[data-counting]'));
}"""
"""Whether the page's scripts have done what they do at the start: pictures painted, figures counted."""

LOOK = """async ([rules, within]) => {
    const { violations } = await axe.run(within ?? document, {
        runOnly: { type: 'tag', values: rules }, resultTypes: ['violations'], preload: false,
    });
    return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => {
        const told = [...node.any, ...node.all, ...node.none].map(({ message }) => message).join('; ');
        return `${id}: ${node.html.slice(0, 200)} (${help}: ${told})`;
    }));
}"""


class Site:
    """The application in a browser, a tab for each person. Axe comes by Playwright: the policy stays as people have it."""

    def __init__(self, browser: Browser, address: str, made: Collection, size: ViewportSize) -> None:
        self.browser, self.address, self.made, self.size = browser, address, made, size
        self.tabs: dict[Role | None, Page] = {}
        self.findings: list[str] = []

    def tab(self, who: Role | None) -> Page:
        if who not in self.tabs:
            context = self.browser.new_context(base_url=self.address, viewport=self.size, reduced_motion="reduce")
            if who:
                context.add_cookies([{"name": COOKIE, "value": self.made.tokens[who], "url": self.address}])
            self.tabs[who] = context.new_page()
        return self.tabs[who]

    def open(self, visit: Visit) -> Page:
        page = self.tab(visit.who)
        answer = page.goto(visit.path)
        assert answer is not None
        assert answer.status == visit.status, visit
        for _ in range(250):
            if page.evaluate(SETTLED):
                return page
            page.wait_for_timeout(20)
        pytest.fail(f"{visit} does not come to rest")

    def look(self, page: Page, what: object, within: str | None = None) -> None:
        """Let axe look at the page, and keep what it finds."""
        if not page.evaluate("'axe' in window"):
            page.evaluate(AXE.read_text())
        self.findings += [f"{what}: {found}" for found in page.evaluate(LOOK, [RULES, within])]

    def close(self) -> None:
        for page in self.tabs.values():
            page.context.close()  # before the server, which would wait for open streams


@pytest.fixture
def made(database: str, monkeypatch: pytest.MonkeyPatch) -> Collection:
    monkeypatch.setenv("GGT_GEMINI_API_KEY", "a key that nothing is sent with")
    forget()
    with db.unit_of_work() as session:
        return make_collection(session)


OpenSite = Callable[[ViewportSize], Site]


@pytest.fixture
def open_site(made: Collection, browser: Browser, address: str) -> Iterator[OpenSite]:
    assert AXE.is_file(), "axe-core is missing: type make setup-test"
    opened: list[Site] = []

    def make(size: ViewportSize) -> Site:
        opened.append(Site(browser, address, made, size))
        return opened[-1]

    yield make
    for site in opened:
        site.close()


def none(findings: list[str]) -> None:
    assert not findings, "\n" + "\n".join(findings)


def unfold(page: Page) -> None:
    """Open all that is folded, except what then lies over the rest."""
    lies_over = ".pop, .popup, .queue, .reasons-menu"
    page.evaluate(f"document.querySelectorAll('details:not({lies_over})').forEach((part) => {{ part.open = true; }})")


@both_sizes
def test_no_page_has_a_barrier(open_site: OpenSite, made: Collection, address: str, size: ViewportSize) -> None:
    assert not [file for file in STATIC.rglob("*") if "axe" in file.name], "the tool is for tests and is served to nobody"
    site = open_site(size)
    for visit in [*every_page(address, made), *more_pages(made)]:
        page = site.open(visit)
        unfold(page)
        site.look(page, visit)
    none(site.findings)


# --- states that a person brings about ------------------------------------------------------------------------------


def keys_listed(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


def message_shown(page: Page) -> None:
    for kind in ("", "bad"):
        page.evaluate(
            f"document.dispatchEvent(new CustomEvent('toast', {{ detail: {{ message: 'Told.', kind: '{kind}' }} }}))"
        )


def views_listed(page: Page) -> None:
    page.locator("details.views summary").click()
    expect(page.get_by_label("Save what is shown as")).to_be_visible()


def token_made(page: Page) -> None:
    page.get_by_label("What it is for").fill("a script")
    page.get_by_role("button", name="Make a token").click()
    expect(page.locator("#new-token")).to_be_visible()


def link_made(page: Page) -> None:
    page.get_by_role("button", name="Make a link").click()
    expect(page.locator("#new-link")).to_be_visible()


def password_refused(page: Page) -> None:
    page.get_by_label("E-mail").fill("ada@example.org")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()


def prompt_refused(page: Page) -> None:
    page.get_by_role("button", name="Save as version").click()
    expect(page.get_by_role("alert")).to_be_visible()


def price_told(page: Page) -> None:
    page.locator("[data-method]").select_option("nano-banana-2")
    expect(page.locator("#estimate [name=spend]")).to_be_visible()


def policy_previewed(page: Page) -> None:
    page.get_by_label("Release MIT").check()
    expect(page.get_by_text("This changes")).to_be_visible()


def photograph_discarded(page: Page) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press("2")
    page.keyboard.press("k")
    expect(page.locator("#saved")).to_have_text("Saved")


def shown_large(page: Page) -> None:
    page.keyboard.press("ArrowRight")
    page.keyboard.press(" ")
    page.get_by_role("button", name="About").click()
    expect(page.locator("#large-about dl")).to_be_visible()


Act = Callable[[Page], None] | str
STATES: list[tuple[str, Role | None, Act, str | None]] = [
    ("/", Role.ADMIN, message_shown, "#toast"),
    ("/", Role.ADMIN, keys_listed, "#keys"),
    ("/images", Role.ADMIN, keys_listed, "#keys"),
    ("/images", Role.ADMIN, "details.pop summary", None),
    ("/images", Role.ADMIN, ".tick", None),
    ("/images", Role.ADMIN, views_listed, None),
    ("/filter", Role.ADMIN, keys_listed, "#keys"),
    ("/images/{image}", Role.ADMIN, keys_listed, "#keys"),
    ("/images/{image}", Role.ADMIN, "[data-mode=slider]", ".look"),
    ("/images/{image}", Role.ADMIN, "[data-mode=difference]", ".look"),
    ("/review", Role.ANNOTATOR, keys_listed, "#keys"),
    ("/review", Role.ANNOTATOR, ".queue summary", None),
    ("/review", Role.ANNOTATOR, "[data-info]", None),
    ("/review", Role.ANNOTATOR, "[data-mode=slider]", None),
    ("/review", Role.ANNOTATOR, "[data-answer=reject]", None),
    ("/account", Role.ADMIN, token_made, None),
    ("/people", Role.ADMIN, link_made, None),
    ("/sign-in", None, password_refused, None),
    ("/prompts/fix/rain", Role.ADMIN, prompt_refused, None),
    ("/runs/new", Role.ADMIN, price_told, None),
    ("/licences", Role.ADMIN, policy_previewed, None),
    ("/looks", Role.ANNOTATOR, keys_listed, "#keys"),
    ("/looks", Role.ANNOTATOR, "#reasons summary", None),
    ("/looks", Role.ANNOTATOR, photograph_discarded, None),
    ("/looks", Role.ANNOTATOR, shown_large, "#large"),
    ("/patches?state=out", Role.ADMIN, shown_large, "#large"),
]
"""Where, who, what is done (or clicked on), and the part to look at where the rest has not changed."""


@both_sizes
def test_nothing_that_opens_has_a_barrier(open_site: OpenSite, made: Collection, size: ViewportSize) -> None:
    site = open_site(size)
    for path, who, act, within in STATES:
        page = site.open(Visit(path.format(image=made.image_id), who))
        if isinstance(act, str):
            page.locator(act).first.click()
            unfold(page)
        else:
            act(page)
        site.look(page, f"{path} after {act if isinstance(act, str) else act.__name__}", within)
    if size is PHONE:
        page = site.open(Visit("/images"))
        page.get_by_role("button", name="Menu").click()
        expect(page.get_by_role("navigation", name="Main")).to_be_visible()
        site.look(page, "the menu")
    none(site.findings)


@both_sizes
def test_an_empty_collection_has_no_barrier(database: str, browser: Browser, address: str, size: ViewportSize) -> None:
    """The first thing that somebody sees."""
    with db.unit_of_work() as session:
        site = Site(browser, address, make_empty(session), size)
    for visit in every_page_without_data(address, site.made, Role.ADMIN if size is DESK else Role.ANNOTATOR):
        site.look(site.open(visit), visit)
    site.close()
    none(site.findings)


# --- the keyboard -----------------------------------------------------------------------------------------------------


def tab_through(page: Page) -> list[str]:
    """Press Tab until it has come round; returns what is wrong."""
    page.evaluate("document.activeElement.blur()")  # some pages begin in a field
    page.evaluate(TAB)
    for _ in range(page.evaluate("walk.count") // 5 + 6):
        for _ in range(10):
            page.keyboard.press("Tab")
        if page.evaluate("walk.rounds") > 1:
            break
    found: list[str] = page.evaluate("walk.found()")
    return found


@both_sizes
def test_tab_goes_everywhere_and_is_seen(open_site: OpenSite, made: Collection, address: str, size: ViewportSize) -> None:
    """Whoever uses no mouse must get to everything, in the order in which it is read, and see where they are."""
    site = open_site(size)
    for visit in every_page(address, made):
        page = site.open(visit)
        unfold(page)
        site.findings += [f"{visit}: {found}" for found in tab_through(page)]
    none(site.findings)


def test_the_first_stop_leads_past_the_navigation(open_site: OpenSite) -> None:
    """In each of the three frames that pages have; that it is the first stop of every page is looked at above."""
    site = open_site(DESK)
    for visit in (Visit("/filter"), Visit("/review"), Visit("/sign-in", None)):
        page = site.open(visit)
        skip = page.locator(".skip")
        skip.focus()
        expect(skip).to_be_in_viewport(ratio=1)
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#nav, .top, .skip') === null"), visit


def test_the_list_of_keys_gives_the_focus_back(open_site: OpenSite, made: Collection) -> None:
    """Whoever asks for the keys in the middle of the work goes on where they were."""
    site = open_site(DESK)
    for path in ("/images", "/filter", f"/images/{made.image_id}", "/review"):
        page = site.open(Visit(path))
        opener, keys = page.locator("[data-keys]"), page.locator("#keys")
        for key in ("Enter", "?"):
            opener.focus()
            page.keyboard.press(key)
            expect(keys).to_be_visible()
            for _ in range(4):
                page.keyboard.press("Tab")
                assert page.evaluate("document.activeElement.matches('body, #keys, #keys *')"), path
            page.keyboard.press("Escape")
            expect(keys).to_be_hidden()
            expect(opener).to_be_focused()


def test_what_lies_over_the_page_is_closed_by_escape(open_site: OpenSite) -> None:
    site = open_site(PHONE)
    page = site.open(Visit("/images"))
    for opener, inside in (
        (page.get_by_role("button", name="Menu"), page.get_by_role("navigation", name="Main")),
        (page.get_by_text("Metrics", exact=True), page.get_by_label("NIQE from")),
    ):
        opener.focus()
        page.keyboard.press("Enter")
        expect(inside).to_be_visible()
        if inside.get_attribute("aria-label") != "Main":
            inside.focus()
        page.keyboard.press("Escape")
        expect(inside).to_be_hidden()
        expect(opener).to_be_focused()


# --- motion -----------------------------------------------------------------------------------------------------------


def test_nothing_moves_for_who_asked_for_less_motion(open_site: OpenSite, made: Collection, address: str) -> None:
    site = open_site(DESK)
    for visit in every_page(address, made):
        page = site.open(visit)
        site.findings += [f"{visit}: {found}" for found in page.evaluate(MOTION, 0.01)]
    page.emulate_media(reduced_motion="no-preference")
    assert page.evaluate(MOTION, 0.01), "the search itself finds nothing any more"
    none(site.findings)
