"""The metric filter's page in a real browser: the counts that follow the line must be those of the filter itself."""

import random
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from app import db
from app.catalog.quality import filter_rule
from app.models import Role
from app.services import filter_preview, filter_rules, people
from tests import factories
from tests.browser.conftest import OpenPage

pytestmark = [
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
]


@pytest.fixture
def candidates(database: str) -> None:
    """Two hundred chosen candidates with gains on either side of the thresholds, one value in eight missing."""
    choose = random.Random(3)
    with db.unit_of_work() as session:
        image = factories.make_image(session)
        for _ in range(200):
            metrics: dict[str, float | None] = {}
            for key, spread in (("niqe", 1.0), ("piqe", 10.0), ("brisque", 10.0)):
                metrics[f"{key}_lq"] = choose.gauss(5 * spread, spread)
                metrics[key] = choose.gauss(5 * spread, spread) if choose.random() < 7 / 8 else None
            factories.make_candidate(session, image, metrics=metrics)


def opened(open_page: OpenPage, role: Role) -> tuple[Page, list[str]]:
    with db.unit_of_work() as session:
        token = people.sign_in(session, factories.make_user(session, role), "test")
    page, problems = open_page(token)
    page.goto("/filter?category=rain")
    expect(page.locator("html[data-counting]")).to_have_count(1)
    return page, problems


@pytest.fixture
def page(open_page: OpenPage, candidates: None) -> Iterator[Page]:
    """An admin's page; a script error or a blocked style fails the test."""
    made, problems = opened(open_page, Role.ADMIN)
    yield made
    assert problems == []


def shown(page: Page) -> dict[str, int]:
    names = ("excluded", "now", "more", "fewer", "undecided")
    return {name: int(page.locator(f"[data-count={name}]").inner_text().replace(",", "")) for name in names}


def counted(query: dict[str, str]) -> dict[str, int]:
    """The same by the service."""
    with db.reading() as session:
        in_force = filter_rules.in_force(session, "rain")
        rule = filter_preview.parse_rule(query, in_force)
        found = filter_preview.compare(filter_preview.sample(session, "rain"), rule, in_force)
    return {name: getattr(found, name) for name in ("excluded", "now", "more", "fewer", "undecided")}


def query(page: Page) -> dict[str, str]:
    return dict(part.split("=") for part in page.url.partition("?")[2].split("&"))


def drag(page: Page, metric: str, share: float) -> None:
    """Take the line of ``metric`` and move it to ``share`` of the plot's width."""
    plot = page.locator(f"[data-metric={metric}] svg")
    box, knob = plot.bounding_box(), plot.locator("circle").bounding_box()
    assert box is not None
    assert knob is not None
    page.mouse.move(knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + share * box["width"], box["y"] + 60, steps=8)
    page.mouse.up()


def threshold(page: Page, metric: str) -> Locator:
    return page.locator(f"[data-metric={metric}] .threshold")


def test_the_counts_follow_the_line_and_are_the_services(page: Page) -> None:
    assert shown(page) == counted({})
    before = shown(page)["excluded"]
    drag(page, "niqe", 0.8)
    page.wait_for_url("**niqe=*")
    page.get_by_label("Must improve").select_option("2")
    page.wait_for_url("**min_passing=2**")
    assert query(page)["niqe"] == threshold(page, "niqe").input_value() != "0.1"
    assert shown(page) == counted(query(page))
    assert shown(page)["excluded"] > before
    assert shown(page)["undecided"] > 0, "the test must reach missing values"
    page.locator("[data-metric=brisque] [type=checkbox]").uncheck()
    page.wait_for_url(re.compile("^(?!.*brisque)"))
    assert shown(page) == counted(query(page))
    expect(page.get_by_label("Must improve").locator("option:disabled")).to_have_text(["3"])
    link = page.url
    page.goto(link)  # whoever gets the link sees the same
    expect(page.locator("html[data-counting]")).to_have_count(1)
    assert shown(page) == counted(query(page))


def test_keys_move_a_line_and_a_field_takes_a_number(page: Page) -> None:
    slider = page.get_by_role("slider", name="Smallest gain in PIQE")
    slider.focus()
    page.keyboard.press("Home")
    smallest = float(threshold(page, "piqe").input_value())
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert float(threshold(page, "piqe").input_value()) == pytest.approx(12 * smallest)
    expect(slider).to_have_attribute("aria-valuenow", threshold(page, "piqe").input_value())
    threshold(page, "niqe").fill("0.123456789")
    page.wait_for_url("**niqe=0.123456789**")
    assert shown(page) == counted(query(page))
    threshold(page, "niqe").fill("-1")
    threshold(page, "niqe").blur()
    expect(page.get_by_text("a number above 0")).to_be_visible()
    expect(threshold(page, "niqe")).to_have_value("0.123456789")


def test_examples_follow_when_the_line_rests(page: Page) -> None:
    expect(page.locator("#examples .pair")).to_have_count(12)
    drag(page, "niqe", 0.9)
    expect(page.get_by_role("heading", name="Outcome changes")).to_be_visible()
    expect(page.locator("#examples .pair .badge", has_text="newly excluded").first).to_be_visible()
    expect(page.locator("#examples.stale")).to_have_count(0)


def test_an_admin_applies_after_having_read_what_changes(page: Page) -> None:
    questions: list[str] = []

    def answer(dialog: Dialog) -> None:
        questions.append(dialog.message)
        dialog.accept()

    page.on("dialog", answer)
    threshold(page, "niqe").fill("0.7")
    page.wait_for_url("**niqe=0.7**")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url("**/filter?category=rain#history")
    assert "NIQE 0.1 → 0.7" in questions[0]
    assert "scored from now on" in questions[0]
    with db.reading() as session:
        assert filter_rules.in_force(session, "rain").min_improvement["niqe"] == 0.7
    expect(page.locator("#history tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Use again").click()
    expect(threshold(page, "niqe")).to_have_value("0.1")
    with db.reading() as session:
        assert filter_preview.parse_rule(query(page), filter_rule("haze")) == filter_rule("rain")


def test_an_annotator_looks_but_cannot_apply(open_page: OpenPage, candidates: None) -> None:
    page, problems = opened(open_page, Role.ANNOTATOR)
    drag(page, "piqe", 0.9)
    expect(page.locator("#apply")).to_contain_text("PIQE 1 →")
    expect(page.get_by_role("button", name="Apply")).to_have_count(0)
    assert problems == []
