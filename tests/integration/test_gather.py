"""Collecting from platforms. If these fail, photographs come in without a licence, twice or not at all, or a run hangs."""

from collections.abc import Iterator

import pytest
from sqlmodel import col, func, select

from app.catalog.platforms import PLATFORMS
from app.db import reading, unit_of_work
from app.errors import Conflict, GgtError
from app.models import Event, Image, Patch, Role, Run, RunState, Source, SourceFile
from app.services import gather_steps, gathering, licence_policy
from app.services.licence_policy import LicencePolicy
from app.storage import storage
from tests import factories
from tests.conftest import forget
from tests.integration.gather_run import files, gather, items, rejected, start, work
from tests.platforms.library import Photo, photos
from tests.platforms.pointing import point
from tests.platforms.server import PlatformServer

pytestmark = pytest.mark.usefixtures("redis")
on_sqlite = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
PLATFORM_LICENCES = ("unsplash", "pexels", "pixabay")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlatformServer]:
    """Four photographs of rain and four of fog."""
    with PlatformServer(photos("rain", "fog", each=4)) as server:
        point(monkeypatch, server.url)
        yield server


def allow(*licences: str) -> None:
    """An admin lets these licences be collected as well."""
    with unit_of_work() as session:
        admin = factories.make_user(session, Role.ADMIN)
        licence_policy.change(session, admin, [*LicencePolicy().collect, *licences], LicencePolicy().release)


def rows(table: type[Image] | type[Patch] | type[SourceFile]) -> int:
    with reading() as session:
        return session.exec(select(func.count()).select_from(table)).one()


def test_photographs_come_in_with_everything_that_is_to_be_known_of_them(server: PlatformServer) -> None:
    with unit_of_work() as session:
        user_id = factories.make_user(session, Role.RESEARCHER, name="Ada")
    run = work(start(user_id=user_id, keywords=("rain", "fog")))
    assert (run.state, run.failed, run.params["taken"]) == (RunState.FINISHED, 0, 8)
    assert (run.params["report"]["files"], run.params["report"]["ingested"]) == (8, 8)
    found = files()
    assert [file.name for file in found] == [f"flickr/{photo.id}.jpg" for photo in server.library]
    first, photo = found[0], server.library[0]
    assert storage().get(first.file_sha256) == photo.jpeg()
    assert (first.licence, first.author) == ("CC0-1.0", photo.author)
    assert first.url == f"https://www.flickr.com/photos/{photo.number % 7}@N00/{photo.id}/"
    assert first.author_url == f"https://www.flickr.com/people/{photo.number % 7}@N00/"
    assert first.keywords == ["rain", "stand-in"]
    assert first.fetched_at is not None
    assert rows(Image) == 8
    with reading() as session:
        source = session.get_one(Source, first.source_id)
        assert (source.kind, source.licence, source.url) == ("internet", "", "https://www.flickr.com")
        assert source.terms.startswith("https://www.flickr.com/")
        started = session.exec(select(Event).where(col(Event.action) == "gather.started")).one()
        assert (started.user_id, started.subject) == (user_id, f"run:{run.id}")


@on_sqlite
def test_what_a_stand_in_gives_is_labelled_and_never_mixed_with_real_photographs(server: PlatformServer) -> None:
    run = gather(source="rain of the internet")
    assert run.title == "Gather: Flickr (stand-in), Rain"
    with reading() as session:
        source = session.exec(select(Source)).one()
    assert source.name == "rain of the internet (stand-in)"
    assert source.note == "Given by a stand-in on this machine: no photographs of the platform."


def test_no_more_are_taken_than_wanted_and_every_keyword_gives_some(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "LEAST_PAGE", 2)
    server.library = photos("rain", "fog", "mist", each=10)
    run = gather(keywords=("rain", "fog", "mist"), most=13)
    assert (run.params["taken"], len(files()), run.state) == (13, 13, RunState.FINISHED)
    assert server.counts()["file"] == 13
    assert server.searches() == [("rain", "1"), ("fog", "1"), ("mist", "1")]
    given = [sum(keyword in file.keywords for file in files()) for keyword in ("rain", "fog", "mist")]
    assert given == [5, 5, 3]


@on_sqlite
def test_the_next_page_of_each_keyword_is_asked_for_until_results_end(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "LEAST_PAGE", 4)
    server.library = [*photos("rain", each=5), *photos("fog", each=2, first=100)]
    run = gather(keywords=("rain", "fog", "nothing"), most=12)
    assert server.searches() == [("rain", "1"), ("fog", "1"), ("nothing", "1"), ("rain", "2")]
    assert run.params["taken"] == 7
    assert [item.key for item in items(run.id or 0)] == [
        "flickr: rain, page 1", "flickr: fog, page 1", "flickr: nothing, page 1", "flickr: rain, page 2",
    ]  # fmt: skip


def test_a_photograph_of_two_keywords_or_of_an_earlier_run_is_fetched_once(server: PlatformServer) -> None:
    server.library.append(Photo(90, ("rain", "fog")))
    first = gather(keywords=("rain", "fog"))
    assert (first.params["taken"], server.counts()["file"]) == (9, 9)
    second = gather(keywords=("rain", "fog"), source="another name")
    assert (second.params["taken"], server.counts()["file"]) == (0, 9)
    assert (second.params["report"]["known"], second.params["report"]["rejected"]) == (9, [])
    assert (second.total, second.done) == (11, 11)
    assert rows(SourceFile) == 9


@on_sqlite
def test_the_same_pixels_under_another_address_are_a_duplicate(server: PlatformServer) -> None:
    """People upload what others uploaded; and a held-out photograph must not come in by a side door."""
    allow(*PLATFORM_LICENCES)
    gather(keywords=("rain",))
    run = gather("pexels", keywords=("rain",))
    assert run.params["taken"] == 0
    assert [one["kind"] for one in run.params["report"]["duplicates"]] == ["exact"] * 4


@on_sqlite
@pytest.mark.parametrize("platform", PLATFORM_LICENCES)
def test_platforms_with_a_licence_of_their_own_give_nothing_until_an_admin_says_so(
    platform: str, server: PlatformServer
) -> None:
    with pytest.raises(GgtError, match=r"lets be collected: CC0 1\.0.* An admin can change it on the Licences page"):
        start(platform)
    assert server.asked == []
    allow(platform)
    run = gather(platform)
    assert run.params["taken"] == 4
    assert {file.licence for file in files()} == {platform}
    if platform == "unsplash":
        kinds = [asked.path.rsplit("/", 1)[-1] for asked in server.asked if "robots" not in asked.path]
        assert kinds == ["photos", *(word for photo in server.library[:4] for word in ("download", photo.id))]


@on_sqlite
@pytest.mark.parametrize("platform", PLATFORM_LICENCES)
def test_the_authors_page_comes_with_every_photograph(platform: str, server: PlatformServer) -> None:
    """Unsplash and Pexels ask that it is linked where a photograph is shown."""
    allow(platform)
    gather(platform, most=1)
    (file,) = files()
    assert file.author
    assert file.author_url.startswith(PLATFORMS[platform].home)


@on_sqlite
def test_an_authors_address_that_cannot_be_kept_whole_is_left_out(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather_steps, "LONGEST_ADDRESS", 43)
    allow("pixabay")
    gather("pixabay", most=1)
    (file,) = files()
    assert (len(file.url) <= 43, file.author != "", file.author_url) == (True, True, "")


@on_sqlite
def test_a_licence_that_is_not_allowed_is_not_even_fetched(server: PlatformServer) -> None:
    server.library = [
        Photo(1, ("rain",), "9"),
        Photo(2, ("rain",), "4*"),
        Photo(3, ("rain",), "77*"),
        Photo(4, ("rain",), "4"),
    ]
    run = gather()
    assert rejected(run) == {
        "flickr/50002.jpg": "its licence (CC-BY-2.0) may not be collected",
        "flickr/50003.jpg": "its licence (unknown) may not be collected",
    }
    assert server.counts()["file"] == 1
    allow("CC-BY-2.0")
    assert gather().params["taken"] == 2
    assert {file.licence for file in files()} == {"CC0-1.0", "CC-BY-2.0"}


def test_what_cannot_be_used_is_told_and_the_rest_goes_on(server: PlatformServer) -> None:
    server.library = [
        *photos("rain", each=5), Photo(6, ("rain",), original=False), Photo(7, ("rain",), width=300, height=50),
    ]  # fmt: skip
    server.fail("file", "gone", "no image", "cut", None, None)
    run = gather()
    assert rejected(run) == {
        "flickr/50001.jpg": "its server answered 404",
        "flickr/50002.jpg": "not a JPEG, PNG, WebP, TIFF or BMP image",
        "flickr/50006.jpg": "its owner offers no size of 1024 pixels or more",
        "flickr/50007.jpg": "too small: 300x50",
    }
    assert [file.name for file in files()] == ["flickr/50003.jpg", "flickr/50004.jpg", "flickr/50005.jpg"]
    assert (run.state, run.done, run.failed, run.total) == (RunState.FINISHED, 4, 4, 8)
    ranges = [asked.headers.get("range") for asked in server.asked if "50003" in asked.path]
    assert ranges[0] is None
    assert ranges[1] is not None, "a download that broke off starts over"


@on_sqlite
def test_robots_txt_of_the_file_server_is_kept_to(server: PlatformServer) -> None:
    server.robots = "User-agent: *\nDisallow: /files/\n"
    run = gather()
    assert set(rejected(run).values()) == {"the robots.txt of 127.0.0.1 does not let programs fetch it"}
    assert server.counts().get("file", 0) == 0


@on_sqlite
@pytest.mark.parametrize(("then", "images", "patches"), [("images", 4, 0), ("screen", 0, 4), ("look", 0, 4)])
def test_photographs_go_on_as_it_was_said(then: str, images: int, patches: int, server: PlatformServer) -> None:
    gather(then=then)
    assert (rows(Image), rows(Patch)) == (images, patches)
    assert {file.look for file in files()} == {"waiting" if then == "look" else ""}


@on_sqlite
def test_pixabays_answers_are_kept_for_a_day_as_it_asks(server: PlatformServer) -> None:
    allow("pixabay")
    gather("pixabay")
    gather("pixabay")
    assert len(server.searches()) == 1


@on_sqlite
@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"platform": "instagram"}, "no platform 'instagram'"), ({"category": "sand"}, "no category 'sand'"),
        ({"most": 0}, "between 1 and"), ({"keywords": (" ", "")}, "at least one keyword"),
        ({"keywords": ("x" * 101,)}, "101 characters"), ({"keywords": tuple(map(str, range(41)))}, "41 keywords"),
        ({"source": "s" * 100}, "this one has 111"), ({"policy": {"stride": 0}}, "cannot be cut like this"),
    ],
)  # fmt: skip
def test_what_cannot_be_collected_is_refused_before_anything_is_asked(
    wanted: dict[str, object], told: str, server: PlatformServer
) -> None:
    with pytest.raises(GgtError, match=told):
        start(**wanted)  # type: ignore[arg-type]
    assert server.asked == []
    with reading() as session:
        assert session.exec(select(func.count()).select_from(Run)).one() == 0


@on_sqlite
def test_nothing_is_collected_without_a_key_nor_into_a_test_set_nor_under_another_licence(
    server: PlatformServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unit_of_work() as session:
        session.add(Source(name="held (stand-in)", held_out=True))
        session.add(Source(name="mit (stand-in)", licence="MIT"))
    allow("pexels")
    with pytest.raises(GgtError, match="is a test set"):
        start(source="held")
    with pytest.raises(Conflict, match="on record with licence 'MIT'"):
        start("pexels", source="mit")
    monkeypatch.setenv("GGT_FLICKR_KEY", "")
    forget()
    with pytest.raises(GgtError, match="set GGT_FLICKR_KEY"):
        start()
