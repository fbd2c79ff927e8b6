"""Shared transactions: if this breaks, one thread's error undoes another's work, or a result is told before it is kept."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlmodel import Session, col, func, select

from app.db import reading, together, unit_of_work
from app.models import Event

pytestmark = pytest.mark.usefixtures("database")


def note(subject: str) -> str:
    """Adds an event; those that end in 7 raise after they have written."""

    def work(session: Session) -> str:
        session.add(Event(action="noted", subject=subject))
        session.flush()
        if subject.endswith("7"):
            raise LookupError(subject)
        return subject

    return together(work)


def kept() -> set[str]:
    with reading() as session:
        return set(session.exec(select(Event.subject)))


def test_each_gets_its_own_result_and_an_error_undoes_only_its_own_work() -> None:
    def attempt(number: int) -> str:
        try:
            return note(f"thing {number}")
        except LookupError as error:
            return f"refused {error}"

    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(attempt, range(100)))
    for number, answer in enumerate(told):
        expected = f"refused 'thing {number}'" if number % 10 == 7 else f"thing {number}"
        assert answer.replace("refused thing", "refused 'thing").rstrip("'") == expected.rstrip("'")
    assert kept() == {f"thing {number}" for number in range(100) if number % 10 != 7}


@pytest.mark.parametrize("engine_url", ["sqlite"], indirect=True)
def test_those_who_wait_share_one_transaction() -> None:
    """The point of it: sixteen small writes cost one commit."""
    holding, go = threading.Event(), threading.Event()

    def hold() -> None:
        with unit_of_work():
            holding.set()
            go.wait(5)

    transactions: set[int] = set()

    def work(session: Session) -> None:
        session.add(Event(action="noted", subject="x"))
        transactions.add(id(session))

    first = threading.Thread(target=hold)
    first.start()
    holding.wait(5)
    others = [threading.Thread(target=together, args=(work,)) for _ in range(16)]
    for other in others:
        other.start()
    go.set()
    for thread in (first, *others):
        thread.join(10)
    assert len(transactions) < 16
    with reading() as session:
        assert session.exec(select(func.count()).where(col(Event.action) == "noted")).one() == 16
