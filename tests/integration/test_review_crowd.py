"""A crowd that behaves badly: what each decision survives alone must hold when all of it happens at once.

The large one, over HTTP, is benchmarks/soak_review.py.
"""

import random
import socket
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlmodel import Session, col, select, update

from app import db
from app.domain.review import Answer, Choice
from app.errors import Conflict
from app.models import Image, Review, ReviewLease, ReviewQueue, Stage, utcnow
from app.services import people as accounts
from app.services import queues, review, review_leases, review_queue
from app.services.review_leases import Held
from tests import factories
from tests.conftest import forget
from tests.integration.test_killed_web import server
from tests.integration.test_queues import people, queue, waiting

pytestmark = pytest.mark.usefixtures("database")


class Annotator:
    """Decides, skips, leaves without a word, sends twice and takes back, until nothing waits any more."""

    def __init__(self, user: int, made: list[ReviewQueue], another_connection: ThreadPoolExecutor) -> None:
        self.user, self.chance, self.another = user, random.Random(user), another_connection
        self.queues = [one for one in made if queues.open_to(one, user)]
        self.stands: set[str] = set()
        self.sent = 0

    def work(self) -> set[str]:
        """Returns the keys of the decisions that were acknowledged and not taken back."""
        until = time.monotonic() + 60
        while something_waits():
            assert time.monotonic() < until, "something waits that nobody is given"
            for held in db.together(self.ask):
                self.chance.choice([*[self.decide] * 8, self.skip, self.leave])(held)
        return self.stands

    def ask(self, session: Session) -> list[Held]:
        return review_queue.next_items(session, self.user, queues.filters(self.chance.choice(self.queues)), 3)

    def decide(self, held: Held) -> None:
        self.sent += 1
        key = f"crowd-{self.user:04}-{self.sent:04}"
        decision: Choice = self.chance.choice(["accept", "accept", "accept", "reject"])
        answer = Answer(decision, ("structure",) if decision == "reject" else ())

        def send() -> bool:
            try:
                db.together(
                    lambda session: review.decide(
                        session, user_id=self.user, key=key, image_id=held.image_id, candidate_id=held.candidate_id,
                        answer=answer,
                    )
                )  # fmt: skip
            except Conflict:  # somebody else had it meanwhile
                return False
            return True

        again = self.another.submit(send) if self.chance.random() < 0.2 else None
        stored = [send(), again.result() if again else False]
        if any(stored):
            self.stands.add(key)
            if self.chance.random() < 0.1:
                self.alone(lambda session: review.undo(session, user_id=self.user, review_key=key))
                self.stands.remove(key)

    def skip(self, held: Held) -> None:
        self.alone(lambda session: review_leases.release(session, self.user, [held.image_id]))

    def leave(self, _: Held) -> None:
        """What is held runs out; it is decided on all the same, as by a browser that was offline."""
        ended = update(ReviewLease).where(col(ReviewLease.user_id) == self.user)
        self.alone(lambda session: session.execute(ended.values(expires_at=utcnow() - timedelta(seconds=1))))

    def alone(self, work: Callable[[Session], object]) -> None:
        with db.unit_of_work() as session:
            work(session)


def something_waits() -> bool:
    with db.reading() as session:
        return session.exec(select(Image.id).where(col(Image.stage) == Stage.AWAITING).limit(1)).first() is not None


def test_each_pair_gets_exactly_the_decisions_it_needs_from_a_crowd_that_behaves_badly() -> None:
    """Work done twice, a decision that was acknowledged and is gone, a pair that nobody is given."""
    wanted = {image: n for n, category in ((1, "rain"), (2, "snow"), (3, "haze")) for image, _ in waiting(20, category)}
    crowd = people(8)
    made = [
        queue(name="Rain", filter="category=rain"),
        queue(name="Snow", filter="category=snow", overlap=2, order="random"),
        queue(name="Haze", filter="category=haze", overlap=3, people=tuple(crowd[::2])),
    ]
    with ThreadPoolExecutor(8) as others, ThreadPoolExecutor(8) as pool:
        acknowledged = set().union(*pool.map(lambda user: Annotator(user, made, others).work(), crowd))
    with db.reading() as session:
        standing: dict[int, list[Review]] = defaultdict(list)
        for row in session.exec(select(Review).where(col(Review.undone_at).is_(None))):
            standing[row.image_id].append(row)
        stages = {image: session.get_one(Image, image).stage for image in wanted}
    assert {row.key for rows in standing.values() for row in rows} == acknowledged
    for image, most in wanted.items():
        rows = standing[image]
        assert sorted(row.slot or 0 for row in rows) == list(range(most))
        assert len({row.user_id for row in rows}) == most
        said = {row.decision for row in rows}
        assert stages[image] == review.OUTCOME["disputed" if len(said) > 1 else said.pop()]


@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
def test_more_people_than_the_server_has_threads_may_write_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once they took every thread to wait for their turn to write, and whose turn it was found none to go on with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("GGT_PORT", str(port))
    forget()
    address = f"http://127.0.0.1:{port}"
    with db.unit_of_work() as session:
        token = accounts.sign_in(session, factories.make_user(session), "test")
    with (
        server(address),
        httpx.Client(base_url=address, cookies={"ggt_session": token}, timeout=20, trust_env=False) as browser,
        ThreadPoolExecutor(60) as pool,
    ):
        with db.unit_of_work():  # so that all of them come to wait
            asked = [pool.submit(browser.get, "/review") for _ in range(60)]
            time.sleep(2)
        assert [one.result().status_code for one in asked] == [200] * 60
