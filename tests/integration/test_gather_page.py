"""Starting a collection in the browser. If this fails, people collect what they did not mean to, or cannot tell why nothing
can be collected.
"""

import re
from collections.abc import Iterator

import pytest

from app import db
from app.catalog.platforms import PLATFORMS
from app.models import Run
from app.services import licence_policy
from app.services.licence_policy import LicencePolicy
from tests.conftest import SignedIn, forget
from tests.integration.gather_run import work
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements
from tests.platforms.library import Photo, photos
from tests.platforms.pointing import KEY, point
from tests.platforms.server import PlatformServer

pytestmark = [pytest.mark.usefixtures("redis"), pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)]
CHOSEN = {"category": "rain", "platform": "flickr", "keywords": "rain\nfog", "most": "3", "source": "mine", "then": "look"}
HTMX = {"HX-Request": "true"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlatformServer]:
    with PlatformServer([*photos("rain", "fog", each=2), Photo(9, ("rain",), "4*")]) as server:
        point(monkeypatch, server.url)
        yield server


def radio(page: str, platform: str) -> str:
    found = re.search(rf'<input type="radio" name="platform" value="{platform}"[^>]*>', page)
    assert found
    return found[0]


def test_a_platform_without_a_key_is_shown_with_the_setting_to_set(researcher: SignedIn) -> None:
    page = researcher.get("/gather").text
    for key, spec in PLATFORMS.items():
        assert " disabled" in radio(page, key)
        assert f"It has no key here: set {spec.key_setting}." in page
        assert spec.terms_url in page
    assert "GGT_CONTACT" in page, "nobody is told that owners of sites cannot reach us"


def test_a_platform_whose_licence_may_not_be_collected_says_so(
    researcher: SignedIn, server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GGT_CONTACT", "lab@example.org")
    forget()
    page = researcher.get("/gather").text
    assert " disabled" not in radio(page, "flickr")
    assert " disabled" in radio(page, "unsplash")
    assert "come under the Unsplash Licence" in page
    assert "An admin can change it on the Licences page" in page
    assert 'href="/licences"' in page
    assert "CC0 1.0, Public Domain Mark 1.0" in page
    assert page.count(">stand-in</span>") == 4
    assert "GGT_CONTACT" not in page
    with db.unit_of_work() as session:
        licence_policy.change(session, researcher.user_id, [*LicencePolicy().collect, "unsplash"], [])
    assert " disabled" not in radio(researcher.get("/gather").text, "unsplash")


def test_keywords_are_the_categorys_until_somebody_writes_others(researcher: SignedIn) -> None:
    def lines(**fields: str) -> list[str]:
        page = researcher.get("/gather/keywords", params=fields).text
        found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
        assert found
        return found[1].splitlines()

    assert lines(category="rain") == ["rain", "rain streak", "heavy rain"]
    assert lines(category="haze", keywords="rain\r\nrain streak\r\nheavy rain") == ["haze", "fog", "mist", "smog"]
    assert lines(category="haze", keywords="my own <word>") == ["my own &lt;word&gt;"]
    assert lines(category="nonsense") == []
    assert "rain streak" in researcher.get("/gather?category=rain&platform=flickr").text


def test_the_preview_tells_what_there_is_and_fetches_no_photograph(researcher: SignedIn, server: PlatformServer) -> None:
    part = researcher.post("/gather/preview", data=CHOSEN, headers=HTMX).text
    assert "<html" not in part
    assert "2 of the first 3" in part
    assert "2 of the first 2" in part
    assert "https://www.flickr.com/photos/1@N00/50001/" in part
    assert "https://www.flickr.com/people/1@N00/" in part
    assert server.counts() == {"search": 2}
    assert "<img" not in part, "pictures of others are not shown here"
    whole = researcher.post("/gather/preview", data=CHOSEN).text
    assert "2 of the first 3" in whole
    assert re.search(r"<textarea[^>]*>rain\nfog</textarea>", whole), "what was typed is lost"
    assert 'value="mine"' in whole


@pytest.mark.parametrize(
    ("fields", "fault", "told"),
    [
        ({"platform": ""}, None, "There is no platform"), ({"keywords": "x" * 200}, None, "has 200 characters"),
        ({"category": "", "keywords": ""}, None, "Give at least one keyword"), ({}, "broken", "Flickr answered 500"),
        ({}, "limit", "Flickr asks to wait"), ({}, "garbled", "cannot be read"),
    ],
)  # fmt: skip
def test_a_preview_that_cannot_be_made_says_why(
    fields: dict[str, str], fault: str | None, told: str, researcher: SignedIn, server: PlatformServer
) -> None:
    server.fail("search", fault)  # type: ignore[arg-type]
    answer = researcher.post("/gather/preview", data=CHOSEN | fields, headers=HTMX)
    assert answer.status_code == 200
    assert told in answer.text


def test_a_start_leads_to_a_run_that_tells_how_far_it_is(researcher: SignedIn, server: PlatformServer) -> None:
    started = researcher.post("/gather", data=CHOSEN)
    assert (started.status_code, started.headers["location"]) == (303, "/runs/1")
    page = researcher.get("/runs/1").text
    assert "Gather: Flickr (stand-in), Rain" in page
    assert "0 of at most 3 photographs taken." in page
    assert ">Cancel</button>" in page
    run = work(1)
    assert (run.created_by, run.params["then"]) == (researcher.user_id, "look")
    page = researcher.get("/runs/1").text
    assert "3 of at most 3 photographs taken." in page
    assert "its licence (CC-BY-2.0) may not be collected" in page
    assert "gather flickr: rain, page 1" in page
    assert "1 rejected or failed" in page
    assert ">Retry" not in page, "there is nothing that could be retried"
    assert "1 rejected or failed" not in researcher.get("/").text.replace("\n", " "), "nobody has to do anything about it"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"most": "many"}, "is no number"), ({"most": "0"}, "between 1 and"), ({"then": "eat"}, "no way &#39;eat&#39;"),
        ({"platform": "pexels"}, "come under the Pexels Licence"), ({"category": ""}, "no category"),
        ({"source": "x" * 101}, "at most 100 characters"),
    ],
)  # fmt: skip
def test_what_cannot_be_started_comes_back_as_it_was_chosen(
    fields: dict[str, str], told: str, researcher: SignedIn, server: PlatformServer
) -> None:
    answer = researcher.post("/gather", data=CHOSEN | fields)
    assert answer.status_code == 400
    assert told in answer.text
    assert re.search(r"<textarea[^>]*>rain\nfog</textarea>", answer.text)
    with db.reading() as session:
        assert session.get(Run, 1) is None


def test_the_page_stays_cheap(researcher: SignedIn, server: PlatformServer) -> None:
    with statements() as seen:
        assert researcher.get("/gather").status_code == 200
    assert len(seen) <= MOST_STATEMENTS, "\n".join(seen)


def test_keys_are_on_no_page(researcher: SignedIn, admin: SignedIn, server: PlatformServer) -> None:
    for page in (researcher.get("/gather").text, admin.get("/settings").text):
        assert KEY not in page
    assert "GGT_FETCH_PRIVATE_HOSTS" in admin.get("/settings").text
