"""Pages stay cheap as the collection grows, uploads go in one by one, live streams cost nothing when nobody listens."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlmodel import Session

from app import db
from app.imaging import encode_png
from app.models import Image, Review, Run, Score, SourceFile, Stage, Verdict
from app.services import events
from app.web.live import Broadcaster, TooManyListeners
from tests import factories
from tests.conftest import SignedIn

MOST_STATEMENTS = 8
one_engine = pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)


@contextmanager
def statements() -> Iterator[list[str]]:
    """The SQL that runs in the block; what opens and closes transactions is not counted."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA")):
            seen.append(statement)

    event.listen(db.engine(), "before_cursor_execute", note)
    yield seen
    event.remove(db.engine(), "before_cursor_execute", note)


def history(session: Session, user_id: int) -> int:
    """An image with two attempts, scores, verdicts, a review and an event; and some runs. Returns its id."""
    image = factories.make_image(session)
    parent = None
    for stage in (Stage.JUDGED_OUT, Stage.AWAITING):
        candidate = factories.make_candidate(session, image, metrics={"niqe": 4.0}, stage=stage, parent=parent)
        candidate.recipe = {"params": {"strength": 1.0 if parent else 0.6}, "prompt": "Remove <the rain>."}
        session.add(Score(pixel_sha256=candidate.pixel_sha256, metric="niqe", version="1", value=4.0))
        session.add(
            Verdict(
                candidate_id=candidate.id or 0, judge="local-measure", version="1", raw="", decision="reject",
                rule_decision="reject", scores={"object_consistency": 40},
                reasons={"object_consistency": "A lamp is missing."},
            )
        )  # fmt: skip
        parent = candidate
    assert parent is not None
    session.add(Review(key="k" * 8, candidate_id=parent.id or 0, image_id=image.id or 0, user_id=user_id, decision="accept"))
    events.record(session, user_id, "review.accepted", f"image:{image.id}")
    session.add_all(Run(kind="pipeline", title=f"run {number}", total=9) for number in range(5))
    session.flush()
    return image.id or 0


@pytest.mark.parametrize(
    "path",
    ["/", "/dashboard/funnel", "/dashboard/runs", "/images", "/images?category=rain&method=local-nlm&niqe_max=5&sort=niqe",
     "/images/more?sort=niqe", "/images?ids=1,2&verdict=none", "/images/set-aside?category=rain",
     "/images/take-back?niqe_max=5", "/images/actions", "/views?here=/images", "/views/menu?here=/images",
     "/images/{image}", "/images/{image}?sort=niqe&verdict=none", "/runs", "/runs/list", "/runs/1",
     "/runs/1/live", "/ingest", "/api/v1/images?sort=niqe", "/api/v1/images/{image}", "/api/v1/runs", "/api/v1/runs/1",
     "/api/v1/funnel", "/files/images/{image}/master", "/files/candidates/1/thumbnail"],
)  # fmt: skip
def test_a_page_takes_at_most_eight_statements(admin: SignedIn, path: str) -> None:
    with db.unit_of_work() as session:
        image_id = history(session, admin.user_id)
        history_of_another = factories.make_candidate(session)
        assert history_of_another.id
    with statements() as seen:
        answer = admin.get(path.format(image=image_id))
    assert answer.status_code == 200
    assert 1 <= len(seen) <= MOST_STATEMENTS, "\n".join(seen)


@one_engine
def test_an_image_page_tells_the_whole_story(admin: SignedIn) -> None:
    with db.unit_of_work() as session:
        image_id = history(session, admin.user_id)
    page = admin.get(f"/images/{image_id}").text
    for told in ("Attempt 1", "Attempt 2", "rejected for object consistency", "A lamp is missing.", "NIQE", "local-measure",
                 "Remove &lt;the rain&gt;.", "accepted", "review.accepted", "strength 0.6 → 1.0", "photo-"):  # fmt: skip
        assert told in page, told


@one_engine
@pytest.mark.parametrize("address", ["https://example.org/bob", "javascript:alert(1)", ""])
def test_who_made_a_photograph_is_named_and_linked(admin: SignedIn, address: str) -> None:
    """Unsplash and Pexels want the author linked; what is no address of the web must not become a link."""
    with db.unit_of_work() as session:
        image = factories.make_image(session)
        file = session.get_one(SourceFile, image.source_file_id)
        file.author, file.author_url, file.licence, file.url = "Bob", address, "CC-BY-2.0", "https://example.org/1"
        session.add(file)
    page = admin.get(f"/images/{image.id}").text
    linked = f'<a href="{address}" rel="noopener noreferrer nofollow" target="_blank">Bob</a>'
    assert f"<dt>Author</dt><dd>{linked if address.startswith('https') else 'Bob'}</dd>" in page
    assert "javascript:" not in page
    assert "<dt>Licence</dt><dd>CC-BY-2.0</dd>" in page
    assert 'href="https://example.org/1"' in page


@one_engine
def test_an_upload_is_added_once_and_a_wrong_file_is_told(researcher: SignedIn) -> None:
    started = researcher.post("/ingest/start", data={"category": "old_photo", "source": "own", "licence": "CC0-1.0"})
    run_id = started.json()["run_id"]
    photo = encode_png(factories.picture(1, 200))

    def send(name: str, data: bytes) -> dict[str, object]:
        answer = researcher.post(f"/ingest/{run_id}/file", files={"file": (name, data)})
        assert answer.status_code == 200
        found: dict[str, object] = answer.json()
        return found

    assert send("a/one.png", photo)["status"] == "added"
    assert send("b/two.png", photo)["status"] == "duplicate"
    refused = send("../../etc/passwd", b"root:x:0:0")
    assert (refused["status"], refused["name"]) == ("rejected", "etc/passwd")
    assert refused["reason"]
    assert researcher.post(f"/ingest/{run_id}/finish").json() == {"run_id": run_id, "ingested": 1, "known": 0}
    assert researcher.post(f"/ingest/{run_id}/file", files={"file": ("c.png", photo)}).status_code == 409
    page = researcher.get(f"/runs/{run_id}").text
    assert "etc/passwd" in page
    assert "b/two.png" in page
    with db.reading() as session:
        assert session.get(Image, 2) is None


@one_engine
def test_an_upload_beyond_the_limit_is_refused_before_it_is_read(researcher: SignedIn) -> None:
    run_id = researcher.post("/ingest/start", data={"category": "rain", "source": "own"}).json()["run_id"]
    answer = researcher.post(
        f"/ingest/{run_id}/file", content=b"x",
        headers={"Content-Type": "multipart/form-data; boundary=b", "Content-Length": str(2**40)},
    )  # fmt: skip
    assert answer.status_code == 413


def test_nobody_is_polled_for_and_a_slow_listener_hears_once() -> None:
    """The poller must not read the database for nobody, and a client that stopped reading must not fill the memory."""

    async def scenario() -> None:
        figures = {"funnel": 0, "runs": 0}
        looks = 0

        def look() -> dict[str, str]:
            nonlocal looks
            looks += 1
            return {name: str(value) for name, value in figures.items()}

        live = Broadcaster(look, poll_seconds=0.005)
        assert not live.polling
        stream = live.stream()
        assert "listening" in await anext(stream)
        assert live.polling
        while looks < 2:
            await asyncio.sleep(0.005)
        for value in range(1, 6):
            figures["runs"] = value
            before = looks
            while looks < before + 2:
                await asyncio.sleep(0.005)
        assert await anext(stream) == "event: runs\ndata: changed\n\n"
        await stream.aclose()
        assert (live.listening, live.polling) == (0, False)
        await asyncio.sleep(0.02)
        after = looks
        await asyncio.sleep(0.03)
        assert looks == after

    run_apart(scenario)


def run_apart(scenario: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a coroutine in a thread of its own: Playwright keeps an event loop in the main one once a browser was open."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(scenario())).result()


def test_one_listener_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        live = Broadcaster(dict, poll_seconds=1)
        monkeypatch.setattr("app.web.live.MAX_LISTENERS", 1)
        live.admit()
        stream = live.stream()
        await anext(stream)
        with pytest.raises(TooManyListeners):
            live.admit()
        await stream.aclose()
        live.admit()

    run_apart(scenario)
