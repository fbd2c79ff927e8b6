"""Sources and licences: what is on record is shown and counted by the licence that holds, and every change is an event."""

import pytest
from sqlmodel import Session, col, select

from app import db
from app.models import Event, Image, Pair, Review, Run, Setting, Source, SourceFile, Stage, utcnow
from app.services import licence_policy, licence_preview, source_photos, sources
from app.services.sources import SourcesFilter
from tests import factories
from tests.conftest import SignedIn
from tests.integration.test_pages_queries import MOST_STATEMENTS, statements

one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


def flickr(session: Session) -> Source:
    """A source of the Internet: three photographs with licences of their own, one without."""
    source = factories.make_source(session, "Flickr", "")
    source.kind, source.terms = "internet", "https://example.org/terms"
    for licence, author in (("CC0-1.0", "Ada"), ("CC0-1.0", "Bob"), ("CC-BY-2.0", "Ada"), ("", "")):
        factories.make_photograph(
            session, "", source=source, licence=licence, author=author, url="https://example.org/p", keywords=["rain"],
            exif={"make": "NIKON CORPORATION", "model": "NIKON D850", "datetime": "2019:01:31 10:00:00"},
            fetched_at=utcnow(),
        )  # fmt: skip
    return source


def pair(session: Session, source: Source) -> Image:
    image = factories.make_image(session, Stage.VERIFIED, "rain", source)
    candidate = factories.make_candidate(session, image, stage=Stage.VERIFIED)
    user = factories.make_user(session)
    review = Review(
        key=f"pair-{image.id}", candidate_id=candidate.id or 0, image_id=image.id or 0, user_id=user, decision="accept"
    )
    session.add(review)
    session.flush()
    session.add(Pair(image_id=image.id or 0, candidate_id=candidate.id or 0, review_id=review.id or 0))
    session.flush()
    return image


@pytest.mark.parametrize(
    "path", ["/sources", "/sources?released=some", "/sources/1", "/sources/1?licence=CC0-1.0&author=Ada", "/licences",
             "/licences?choice=paper", "/composition", "/composition/export.csv", "/composition/export.json", "/looks",
             "/looks?category=rain&source=1&state=kept", "/looks/tiles", "/looks/1", "/patches",
             "/patches?state=waiting&category=rain&source=1", "/patches/tiles?state=waiting", "/patches/1",
             "/patches/screen", "/patches/screen?category=rain", "/patches/draw",
             "/files/photographs/1/thumbnail", "/files/photographs/1/large", "/files/patches/1/file",
             "/files/patches/1/thumbnail"],
)  # fmt: skip
def test_a_page_takes_at_most_eight_statements(admin: SignedIn, path: str) -> None:
    with db.unit_of_work() as session:
        source = flickr(session)
        factories.make_photograph(session, category="snow", source=source)
        factories.make_image(session, category="rain", source=source)
        pair(session, factories.make_source(session))
        for state in ("flagged", "passed", "out"):
            factories.make_patch(session, state)
    with statements() as seen:
        answer = admin.get(path)
    assert answer.status_code == 200
    assert 1 <= len(seen) <= MOST_STATEMENTS, "\n".join(seen)


def test_a_source_is_told_with_its_licences_and_counts(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        source = flickr(session)
        pair(session, source)
        factories.make_patch(session, "out", source=source, step="artifact")
        factories.make_source(session, "own <b>", "own").held_out = True
        factories.make_source(session, "scans", "")
    with db.reading() as session:
        lines = {line.name: line for line in sources.lines(session)}
        line = lines["Flickr"]
        assert (line.photographs, line.waiting, line.passed, line.out, line.images, line.pairs) == (6, 4, 0, 1, 1, 1)
        assert [(licence.key, licence.number, licence.released) for licence in line.licences] == [
            ("", 3, False), ("CC0-1.0", 2, True), ("CC-BY-2.0", 1, False)
        ]  # fmt: skip
        assert (line.released, lines["own <b>"].released, lines["scans"].released) == ("some", "yes", "none")
        for query, names in (
            ({"released": "none"}, ["scans"]), ({"held_out": "yes"}, ["own <b>"]), ({"q": "FLI"}, ["Flickr"]),
            ({"kind": "internet", "released": "some"}, ["Flickr"]), ({"kind": "synthetic"}, []),
        ):  # fmt: skip
            assert [one.name for one in sources.lines(session, SourcesFilter.parse(query))] == names, query
    page = researcher.get("/sources").text
    for told in ("own &lt;b&gt;", "held out", "no licence on record", "CC0 1.0", 'href="https://example.org/terms"'):
        assert told in page, told
    assert "No source matches" in researcher.get("/sources?q=nothing").text
    assert researcher.get("/sources?kind=other").status_code == 400


@one_engine
def test_sources_without_any_say_what_to_do(researcher: SignedIn) -> None:
    assert 'href="/ingest"' in researcher.get("/sources").text
    assert researcher.get("/sources/7").status_code == 404


def test_a_sources_photographs_are_paged_and_filtered(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        source = flickr(session)
        session.add(Run(kind="ingest", title="Ingest: Flickr", params={"source_id": source.id}))
        session.add(Run(kind="ingest", title="Of another", params={"source_id": 99}))
        ids = [file.id or 0 for file in session.exec(select(SourceFile).order_by(col(SourceFile.id)))]
        source_id = source.id or 0
    with db.reading() as session:
        source = sources.get(session, source_id)
        first = source_photos.photographs(session, source, size=3)
        assert [photo.id for photo in first.photos] == ids[:0:-1]
        assert first.next_after == ids[1]
        rest = source_photos.photographs(session, source, size=3, after=first.next_after)
        assert ([photo.id for photo in rest.photos], rest.next_after) == (ids[:1], None)
        for licence, author, expected in (
            ("CC0-1.0", "", ids[:2]), ("-", "", ids[3:]), ("", "Ada", [ids[0], ids[2]]), ("CC0-1.0", "Bob", [ids[1]]),
        ):  # fmt: skip
            found = source_photos.photographs(session, source, licence=licence, author=author)
            assert sorted(photo.id for photo in found.photos) == expected, (licence, author)
        assert (first.photos[0].camera, first.photos[0].taken) == ("NIKON D850", "2019-01-31")
    page = researcher.get(f"/sources/{source_id}?licence=CC-BY-2.0").text
    assert "Ingest: Flickr" in page
    assert "Of another" not in page
    for told in ("CC BY 2.0, by Ada", 'rel="noopener noreferrer"', "taken 2019-01-31", "fetched", "Remove filter CC BY 2.0"):
        assert told in page, told
    assert page.count('class="thumb"') == 1


def test_changing_a_source_is_an_event_and_a_used_licence_is_asked_about(researcher: SignedIn) -> None:
    with db.unit_of_work() as session:
        source = factories.make_source(session, "own", "CC0-1.0")
        pair(session, source)
        source_id = source.id or 0
    form = {"licence": "CC BY 4.0", "author": "Ada", "url": "https://example.org", "terms": "", "note": ""}
    asked = researcher.post(f"/sources/{source_id}", data=form)
    assert asked.status_code == 409
    assert "1 pair of this source could be released under CC0 1.0 until now" in asked.text
    assert 'name="sure"' in asked.text
    assert 'value="CC BY 4.0"' in asked.text
    assert researcher.post(f"/sources/{source_id}", data=form | {"sure": "true"}).status_code == 303
    assert researcher.post(f"/sources/{source_id}", data=form).status_code == 303  # nothing changes any more
    with db.reading() as session:
        source = sources.get(session, source_id)
        assert (source.licence, source.author, source.held_out) == ("CC-BY-4.0", "Ada", False)
        [event] = session.exec(select(Event).where(col(Event.action) == "source.changed"))
        assert (event.subject, event.user_id) == (f"source:{source_id}", researcher.user_id)
        assert "licence: CC0-1.0 → CC-BY-4.0" in event.why
        assert event.details["before"]["licence"] == "CC0-1.0"
    wrong = researcher.post(f"/sources/{source_id}", data=form | {"url": "ftp://example.org"})
    assert (wrong.status_code, "begins with https://" in wrong.text) == (400, True)
    held = researcher.post(f"/sources/{source_id}", data=form | {"held_out": "true"})
    assert held.status_code == 303
    assert "held out" in researcher.get(f"/sources/{source_id}").text


def test_the_policy_is_previewed_and_every_change_is_an_event(admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        source = flickr(session)
        source.licence = "pexels"
        pair(session, source)  # of a photograph without a licence of its own
        own = factories.make_source(session, "own", "own")
        pair(session, own)
        factories.make_source(session, "scans", "")
        factories.make_photograph(session, "", source=factories.make_source(session, "odd", "ask <me>"))
    with db.reading() as session:
        uses = licence_preview.uses(session)
        assert (uses.of("CC0-1.0").photographs, uses.of("CC0-1.0").images) == (2, 0)
        assert (uses.of("pexels").photographs, uses.of("pexels").images, uses.of("pexels").pairs) == (2, 1, 1)
        assert (uses.of("own").images, uses.of("own").pairs) == (1, 1)
        assert [(stray.licence, stray.source, stray.photographs) for stray in uses.strays] == [("ask <me>", "odd", 1)]
    page = admin.get("/licences").text
    assert "ask &lt;me&gt;" in page
    assert page.count("paper&#39;s choice</span>") + page.count("paper's choice</span>") == 1
    form = {"collect": ["CC0-1.0", "own"], "release": ["CC0-1.0", "pexels"]}
    preview = admin.post("/licences/preview", data=form, headers={"HX-Request": "true"}).text
    for told in ("Pexels Licence", "may be released", "<b>2</b> photographs", "do not let copies be passed on",
                 "stays inside", "is collected no more"):  # fmt: skip
        assert told in preview, told
    assert "This changes" in admin.post("/licences/preview", data=form).text  # the whole page without a script
    with db.reading() as session:
        assert licence_policy.current(session).may_release("own")
    assert admin.post("/licences", data=form).status_code == 303
    with db.reading() as session:
        assert licence_policy.current(session).release == ("CC0-1.0", "pexels")
        [event] = session.exec(select(Event).where(col(Event.action) == "licences.changed"))
        assert event.user_id == admin.user_id
        assert session.get(Setting, "licences") is not None
    back = admin.get("/licences?choice=paper").text
    assert "Public Domain Mark 1.0</b>" in back.replace("\n", "")
    assert admin.post("/licences", data={"collect": ["made up"]}).status_code == 400


@one_engine
def test_a_researcher_sees_the_policy_and_cannot_change_it(researcher: SignedIn, annotator: SignedIn) -> None:
    page = researcher.get("/licences").text
    assert 'name="release"' not in page
    assert "An admin can change" in page
    assert researcher.post("/licences", data={}).status_code == 403
    assert annotator.get("/licences").status_code == annotator.get("/sources").status_code == 403
