"""Each platform's wire format against the stand-in. If these fail, photographs come in under a wrong licence or author, a
key leaks, or a platform is asked on although it said stop. No real platform was ever called: formats are as documented.
"""

import logging
from collections.abc import Iterator

import pytest

from app import politeness
from app.catalog.licences import LICENCES
from app.catalog.platforms import PLATFORMS
from app.errors import Later
from app.platforms import platform
from app.platforms.base import Found, KeyRefused, NotAnswered, address
from tests.platforms.library import Photo, photos
from tests.platforms.pointing import KEY, point
from tests.platforms.server import PlatformServer
from tests.platforms.web import Answer, Asked, WebServer
from tests.platforms.wires import WRONG_KEY

FREE = frozenset({"CC0-1.0", "PDM-1.0"})
EVERY = pytest.mark.parametrize("key", PLATFORMS)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlatformServer]:
    with PlatformServer(photos("rain", "fog", each=40)) as server:
        point(monkeypatch, server.url)
        yield server


def search(key: str, keyword: str = "rain", page: int = 1, per_page: int = 30) -> list[Found]:
    return list(platform(key).search(keyword, page, per_page, FREE | PLATFORMS[key].gives).found)


@EVERY
def test_a_page_of_results_tells_what_has_to_be_known_of_each(key: str, server: PlatformServer) -> None:
    results = platform(key).search("rain", 1, 30, FREE | PLATFORMS[key].gives)
    assert (results.total, len(results.found), results.more) == (120 if key == "pixabay" else 40, 30, True)
    found, photo = results.found[0], server.library[0]
    assert found.id == photo.id
    assert photo.id in found.page_url
    assert found.page_url.startswith(PLATFORMS[key].home)
    assert found.download_url.startswith(f"{server.url}/files/{key}/{photo.id}")
    assert found.author.replace(" ", "") == photo.author.replace(" ", "")
    assert found.author_url.startswith(PLATFORMS[key].home)
    assert found.licence == ("CC0-1.0" if key == "flickr" else key)
    assert found.licence in LICENCES
    assert (found.width, found.height, found.unfit) == (256, 192, "")
    assert found.tags == (() if key == "pexels" else ("rain", "stand-in"))


@EVERY
def test_results_end_and_no_page_beyond_them_is_asked_for(key: str, server: PlatformServer) -> None:
    second = platform(key).search("rain", 2, 30, FREE | PLATFORMS[key].gives)
    assert (len(second.found), second.more) == (10, False)
    nothing = platform(key).search("unheard of", 1, 30, FREE | PLATFORMS[key].gives)
    assert (nothing.total, nothing.found, nothing.more) == (0, (), False)


@EVERY
def test_a_wrong_key_is_told_with_the_setting_to_correct(
    key: str, server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    point(monkeypatch, server.url, WRONG_KEY)
    with pytest.raises(KeyRefused, match=PLATFORMS[key].key_setting) as caught:
        search(key)
    assert WRONG_KEY not in str(caught.value)
    point(monkeypatch, server.url, "")
    with pytest.raises(KeyRefused, match="missing"):
        search(key)
    point(monkeypatch, server.url, "kéy\r\nX: y")
    with pytest.raises(KeyRefused, match="no key has"):
        search(key)


@EVERY
def test_a_limit_that_is_reached_is_waited_for(key: str, server: PlatformServer) -> None:
    server.retry_seconds = "90"
    server.fail("search", "limit")
    with pytest.raises(Later, match="asks to wait") as caught:
        search(key)
    assert caught.value.seconds == (90.0 if key in ("flickr", "pixabay") else 30.0)  # the others do not say for how long
    asked = len(server.asked)
    with pytest.raises(Later, match="left alone"):
        search(key, "fog")
    assert len(server.asked) == asked


@EVERY
def test_trouble_over_there_is_waited_for_and_nonsense_is_not(key: str, server: PlatformServer) -> None:
    for fault in ("broken", "reset"):
        server.fail("search", fault)
        with pytest.raises(Later, match=PLATFORMS[key].title):
            search(key)
        politeness.forget()
    server.fail("search", "garbled", "gone")
    for told in ("cannot be read", "answered 404"):
        with pytest.raises(NotAnswered, match=told):
            search(key)


@EVERY
def test_the_key_gets_into_no_log_and_no_message(key: str, server: PlatformServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    search(key)
    server.fail("search", "reset")
    with pytest.raises(Later) as caught:
        search(key)
    assert KEY not in f"{caplog.text} {caught.value}"
    assert caught.value.__suppress_context__, "what httpx raised holds the address, and would be logged with it"


@EVERY
def test_the_key_follows_no_redirect(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(_: Asked) -> Answer:
        return Answer(status=302, headers={"Location": f"{thief.url}/"})

    with PlatformServer([]) as thief, WebServer(elsewhere) as server:
        point(monkeypatch, server.url)
        with pytest.raises(NotAnswered, match="answered 302"):
            search(key)
        assert thief.asked == []


def test_flickr_is_asked_for_the_allowed_licences_and_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flickr's numbers are data; a number nobody knows is no licence."""
    library = [Photo(n, ("rain",), licence) for n, licence in enumerate(("9", "4", "10", "0*", "99*"), 1)]
    with PlatformServer(library) as server:
        point(monkeypatch, server.url)
        results = platform("flickr").search("rain", 1, 30, FREE)
        asked = server.asked[-1].query
    assert (asked["license"], asked["safe_search"], asked["content_types"], asked["media"]) == ("9,10", "1", "0", "photos")
    assert [found.licence for found in results.found] == ["CC0-1.0", "PDM-1.0", "all-rights-reserved", ""]
    assert set(PLATFORMS["flickr"].licences.values()) <= set(LICENCES)


def test_flickr_gives_no_more_than_it_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 4,000 results it repeats itself, whatever number of pages it tells."""
    with PlatformServer(photos("rain", each=5000)) as server:
        point(monkeypatch, server.url)
        assert platform("flickr").search("rain", 15, 250, FREE).more
        assert not platform("flickr").search("rain", 16, 250, FREE).more


def test_flickr_without_an_original_gives_the_largest_size_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    library = [
        Photo(1, ("rain",), width=2100, height=1500, original=False),
        Photo(2, ("rain",), width=1400, height=1050, original=False),
        Photo(3, ("rain",), original=False),
    ]  # fmt: skip
    with PlatformServer(library) as server:
        point(monkeypatch, server.url)
        large, medium, small = search("flickr")
    assert large.download_url.endswith("_k.jpg")
    assert medium.download_url.endswith("_l.jpg")
    assert (small.download_url, small.unfit) == ("", "its owner offers no size of 1024 pixels or more")


def test_unsplash_is_told_of_downloads_with_the_key_at_its_own_address_only(server: PlatformServer) -> None:
    found = search("unsplash")[0]
    platform("unsplash").used(found)
    asked = server.asked[-1]
    assert (asked.path, asked.query) == (f"/photos/{found.id}/download", {"ixid": "x"})
    assert asked.headers["authorization"] == f"Client-ID {KEY}"
    for other in (
        "http://127.0.0.1:9/photos/1/download",
        f"{server.url}.evil.example/",
        "",
        f"{server.url}@evil.example/",
    ):
        with pytest.raises(NotAnswered, match="no address of its own"):
            platform("unsplash").used(Found("1", "", "", used_url=other))


def test_what_has_another_licence_or_is_no_photograph_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    library = [Photo(1, ("rain",), bought=True), Photo(2, ("rain",), generated=True), Photo(3, ("rain",), no_training=True)]
    with PlatformServer(library) as server:
        point(monkeypatch, server.url)
        assert "Unsplash+" in search("unsplash")[0].unfit
        assert [found.unfit for found in search("pixabay")] == [
            "", "it was made with a generator", "its author does not want it used for training",
        ]  # fmt: skip


def test_pixabay_gives_1280_pixels_where_the_account_has_no_originals(monkeypatch: pytest.MonkeyPatch) -> None:
    with PlatformServer([Photo(1, ("rain",), width=2560, height=1920, original=False)]) as server:
        point(monkeypatch, server.url)
        found = search("pixabay")[0]
    assert found.download_url.endswith("_1280.jpg")
    assert (found.width, found.height) == (1280, 960)


def test_no_link_of_a_platform_runs_a_script() -> None:
    assert address("javascript:alert(1)") == address(None) == address({}) == ""
    assert address(" https://a.example/ ") == "https://a.example/"
