"""A day's work at the review page, from the first key to the settled dispute: what breaks here costs people their work."""

from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Page, Request, expect
from sqlmodel import col, select

from app import db
from app.domain.aspects import ASPECTS
from app.models import Image, Pair, Review, Role, Stage
from app.services import people, queues
from tests import factories
from tests.browser.conftest import OpenPage
from tests.browser.review_page import saved, shows, until

pytestmark = [
    pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:websockets"),
]

PAIRS = 30
FULLEST = ("m", "Enter", "Shift+X", "8", "4", "0", "6", "9", "Shift+Tab", "Shift+Tab", *"halo", "Enter")
"""A mark, a reason, five scores, and back over the buttons to a note."""
AGAIN = ("g", *"Keep the wet road", "Enter")
UNLIKE: dict[int, tuple[tuple[str, ...], str, list[str]]] = {
    2: (("x",), "reject", ["artifact"]),
    5: (("r", "1", "4", "Enter"), "reject", ["artifact", "color"]),
    9: (FULLEST, "reject", ["artifact"]),
    14: (("t",), "reject", ["structure"]),
    16: (("c",), "reject", ["content"]),
    21: (("r", "5", *"dull", "Enter"), "reject", ["other"]),
    29: (AGAIN, "regenerate", []),
}
"""The keys for some of the pairs, and what they mean; all others are accepted."""
OFFLINE = {f"Failed to load resource: net::{error}" for error in ("ERR_INTERNET_DISCONNECTED", "ERR_FAILED")}
"""What Chromium itself writes of a request that finds no network, or that a test blocks."""


def waiting(n: int) -> list[tuple[int, int]]:
    """n pairs that wait, as (image id, candidate id)."""
    with db.unit_of_work() as session:
        source = factories.make_source(session)
        images = [factories.make_image(session, Stage.AWAITING, "rain", source, side=128) for _ in range(n)]
        return [(image.id or 0, factories.make_candidate(session, image).id or 0) for image in images]


def signed_in(role: Role = Role.ANNOTATOR) -> str:
    with db.unit_of_work() as session:
        return people.sign_in(session, factories.make_user(session, role), "test")


def stored() -> list[Review]:
    with db.reading() as session:
        return list(session.exec(select(Review).order_by(col(Review.id))))


def stage(image_id: int) -> str:
    with db.reading() as session:
        return session.get_one(Image, image_id).stage


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def decide(page: Page, pairs: list[tuple[int, int]], first: int, last: int) -> None:
    """Decide on these pairs, each when it is painted."""
    for number in range(first, last + 1):
        shows(page, pairs[number])
        press(page, *UNLIKE.get(number, (("a",), "", []))[0])


def test_thirty_pairs_with_an_undo_a_lost_network_and_a_reload(open_page: OpenPage) -> None:
    pairs = waiting(PAIRS)
    page, problems = open_page(signed_in())
    made: set[str] = set()

    def note_key(request: Request) -> None:
        if request.url.endswith("/review/decide"):
            made.add(parse_qs(request.post_data or "")["key"][0])

    page.on("request", note_key)
    page.goto("/review")
    decide(page, pairs, 0, 6)
    shows(page, pairs[7])
    press(page, "z")
    shows(page, pairs[6])
    decide(page, pairs, 6, 11)
    shows(page, pairs[12])
    saved(page)
    assert problems == []

    ahead = [path for i, c in pairs[12:18] for path in (f"/images/{i}/master", f"/candidates/{c}/file")]
    here = "performance.getEntriesByType('resource').map((r) => r.name).join()"
    until(page, f"((all) => {ahead}.every((path) => all.includes(path)))({here})")
    page.context.set_offline(True)
    decide(page, pairs, 12, 15)
    shows(page, pairs[16])
    press(page, "z")
    shows(page, pairs[15])
    decide(page, pairs, 15, 15)
    shows(page, pairs[16])
    expect(page.locator("#saved")).to_have_text("6 waiting: no network")

    # The network is back before the server is: the tab is loaded anew with all of it still unsent.
    page.route("**/review/decide", lambda route: route.abort())
    page.context.set_offline(False)
    page.reload()
    shows(page, pairs[16])
    decide(page, pairs, 16, 16)
    shows(page, pairs[17])
    expect(page.locator("#saved")).to_have_text("7 waiting: the server does not answer")
    assert len(stored()) == 13
    page.context.set_offline(True)
    page.unroute("**/review/decide")
    page.context.set_offline(False)
    expect(page.locator("#saved")).to_have_text("Saved", timeout=40_000)  # a retry may have to wait for its turn
    assert set(problems) <= OFFLINE
    problems.clear()

    decide(page, pairs, 17, 29)
    expect(page.locator("#empty")).to_contain_text("Nothing waits for verification here")
    saved(page)
    expect(page.locator("[data-today]")).to_have_text("30 today")
    expect(page.locator("[data-left]")).to_have_text("0 left")
    assert problems == []

    rows = stored()
    assert len(rows) == len(made) == PAIRS + 2
    assert {row.key for row in rows} == made
    assert [row.image_id for row in rows if row.undone_at] == [pairs[6][0], pairs[15][0]]
    stands = {row.image_id: (row.decision, row.reasons) for row in rows if not row.undone_at}
    meant = {image: UNLIKE.get(number, ((), "accept", []))[1:] for number, (image, _) in enumerate(pairs)}
    assert stands == meant
    with db.reading() as session:
        accepted = {pair.candidate_id for pair in session.exec(select(Pair))}
    assert accepted == {candidate for image, candidate in pairs if meant[image][0] == "accept"}
    told = {row.image_id: row for row in rows if row.note}
    fullest = told.pop(pairs[9][0])
    assert (fullest.note, fullest.scores) == ("halo", dict(zip(ASPECTS, (80, 40, 100, 60, 90), strict=True)))
    assert len(fullest.marks) == 1
    assert {image: row.note for image, row in told.items()} == {pairs[21][0]: "dull", pairs[29][0]: "Keep the wet road"}
    assert stage(pairs[29][0]) == Stage.REQUESTED


def test_two_disagree_and_a_third_settles_it(open_page: OpenPage) -> None:
    [pair] = waiting(1)
    with db.unit_of_work() as session:
        wanted = queues.Wanted("Two opinions", overlap=2)
        queue = queues.create(session, wanted, factories.make_user(session, Role.RESEARCHER))
        queues.fill(session, queue)
    (one, troubles), (two, more) = (open_page(signed_in()) for _ in range(2))
    for page in (one, two):  # it is on both screens before either decides
        page.goto("/review")
        page.get_by_role("link", name="Two opinions").press("Enter")
        shows(page, pair)
    press(one, "a")
    saved(one)
    expect(one.locator("#empty")).to_contain_text("One waits for somebody else's independent decision")
    assert stage(pair[0]) == Stage.AWAITING
    press(two, "t")
    saved(two)
    assert stage(pair[0]) == Stage.DISPUTED

    page, problems = open_page(signed_in(Role.RESEARCHER))
    item, looks = f"**/adjudicate/{pair[0]}", page.locator("#modes")
    page.goto("/adjudicate")
    press(page, "n")
    page.wait_for_url(item)
    looks.wait_for()
    expect(page.locator(".answers")).to_contain_text("Structure changed")
    press(page, "a")
    page.wait_for_url("**/adjudicate")
    expect(page.locator("#undo")).to_contain_text(f"You accepted image {pair[0]}")
    page.goto(f"/adjudicate/{pair[0]}")
    expect(page.locator(".settle")).to_contain_text("accepted finally by Researcher")
    assert stage(pair[0]) == Stage.VERIFIED
    looks.wait_for()
    press(page, "z")
    page.locator("#settle").wait_for()
    assert stage(pair[0]) == Stage.DISPUTED
    looks.wait_for()
    press(page, "r", "2", "Enter")
    page.wait_for_url("**/adjudicate")
    assert stage(pair[0]) == Stage.REJECTED
    assert troubles == more == problems == []
    assert [(row.kind, row.decision, row.undone_at is None) for row in stored()] == [
        ("own", "accept", True), ("own", "reject", True), ("final", "accept", False), ("final", "reject", True)
    ]  # fmt: skip
    with db.reading() as session:
        assert session.exec(select(Pair)).all() == []
