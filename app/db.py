"""The database: one engine per process, reading sessions, and the unit of work that is the only commit point.

On SQLite every writing transaction begins IMMEDIATE: one that reads first and writes later would otherwise fail at once
with "database is locked", whatever the timeout. ``synchronous=FULL`` keeps an acknowledged click through a power cut.
"""

import fcntl
import logging
import os
import select
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.sql.dml import ReturningInsert
from sqlmodel import Session, SQLModel

from app.config import settings

log = logging.getLogger("ggt.db")

WRITES = "ggt_writes"


def make_engine(url: str) -> Engine:
    """An engine for ``url`` with our transaction rules on it."""
    if not url.startswith("sqlite"):
        engine = create_engine(url, pool_size=20, max_overflow=40, pool_use_lifo=True)
        event.listen(engine, "checkout", _refuse_closed)
        return engine
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, pool_size=20, max_overflow=40)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have the pool replace a connection that the server has closed: its socket has something to say, unasked.

    A question to the server (``pool_pre_ping``) would tell the same and cost each request two more round trips.
    """
    socket = select.poll()
    if not connection.closed:
        socket.register(connection.fileno(), select.POLLIN)
    if connection.closed or socket.poll(0):
        raise DisconnectionError


@lru_cache
def engine() -> Engine:
    """The engine of this process."""
    return make_engine(settings().sql_url)


def dispose() -> None:
    """Forget the engine and its connections: a forked child must open its own."""
    global _writer, _lock_file
    _writer = threading.Lock()
    if _lock_file is not None:  # a lock on the parent's file would be the parent's as well
        os.close(_lock_file)
        _lock_file = None
    if engine.cache_info().currsize:
        engine().dispose(close=False)
    engine.cache_clear()


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """A writing session: committed when the block ends, rolled back when it raises."""
    with _turn(), _writing() as session:
        yield session


@contextmanager
def _writing() -> Iterator[Session]:
    with Session(engine().execution_options(**{WRITES: True}), expire_on_commit=False) as session, session.begin():
        yield session


_writer = threading.Lock()
_lock_file: int | None = None


@contextmanager
def _turn() -> Iterator[None]:
    """On SQLite one writer at a time: threads queue at a lock and processes at a lock file, and the next one is woken.

    SQLite itself would have them poll, with pauses of up to a tenth of a second. A lock file ends with its process.
    """
    global _lock_file
    if not settings().sqlite:
        yield
        return
    with _writer:
        if _lock_file is None:
            settings().data_dir.mkdir(parents=True, exist_ok=True)
            _lock_file = os.open(settings().data_dir / "write.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(_lock_file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(_lock_file, fcntl.LOCK_UN)


Result = TypeVar("Result")


class _Share(Generic[Result]):
    """One piece of work that shares a transaction, and what came of it."""

    def __init__(self, work: Callable[[Session], Result]) -> None:
        self.work, self.done = work, False
        self.result: Result | None = None
        self.error: BaseException | None = None


_waiting: list[_Share[Any]] = []


def together(work: Callable[[Session], Result]) -> Result:
    """Run ``work`` in a unit of work that it may share with what other threads of this process have to write.

    For small writes of many threads on SQLite, where writers take turns: whoever has the turn does the work of all who wait
    and commits once. Should any of it raise, nothing is kept, and each piece is run once more in a unit of work of its own:
    so ``work`` must do nothing but write, and an error reaches its own piece alone. The result is returned after the commit.
    On PostgreSQL it is a unit of work of its own from the start.
    """
    if not settings().sqlite:
        with unit_of_work() as session:
            return work(session)
    share = _Share(work)
    _waiting.append(share)
    with _turn():
        if not share.done:
            shares = _waiting[:]
            del _waiting[: len(shares)]
            _commit(shares)
    if share.error is not None:
        raise share.error
    return cast(Result, share.result)


def _commit(shares: Sequence[_Share[Any]]) -> None:
    try:
        with _writing() as session:
            results = [share.work(session) for share in shares]
    except BaseException as error:
        if len(shares) == 1:
            shares[0].error, shares[0].done = error, True
            return
        for share in shares:
            _commit([share])
    else:
        for share, result in zip(shares, results, strict=True):
            share.result, share.done = result, True


@contextmanager
def reading() -> Iterator[Session]:
    """A session that only reads. Flushing a change in it is a mistake in the code and raises.

    On PostgreSQL without a transaction: there each statement sees the newest state either way, and the ROLLBACK that would
    end one makes psycopg forget all statements that it has prepared on the connection.
    """
    options = {} if settings().sqlite else {"isolation_level": "AUTOCOMMIT"}
    with Session(engine().execution_options(**options), expire_on_commit=False) as session:
        event.listen(session, "before_flush", _refuse_flush)
        yield session


PAUSES = (0.1, 0.5, 2.0, 5.0, 15.0)
"""Seconds between attempts to record what is paid for, when the database does not take it."""


def surely(record: Callable[[Session], None]) -> None:
    """A unit of work that must not be lost: tried again while the database is away, or broke it off to end a deadlock."""
    for pause in PAUSES:
        try:
            together(record)
            return
        except (DBAPIError, NoConnection):
            log.exception("the database did not take the outcome of a paid call; it is tried again")
            time.sleep(pause)
    together(record)


def insert_ignore(session: Session, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Insert rows, leaving out those that a unique constraint already holds. Returns the ids of the new ones."""
    if not rows:
        return []
    statement = _insert_ignore(session.get_bind().dialect.name, table)
    return list(session.execute(statement, [dict(row) for row in rows]).scalars())


@cache
def _insert_ignore(dialect: str, table: type[SQLModel]) -> ReturningInsert[tuple[int]]:
    """Without the rows in it: then SQLAlchemy compiles it once, which costs more than most inserts."""
    into = table.__table__  # type: ignore[attr-defined]
    insert = (postgresql if dialect == "postgresql" else sqlite).insert(into)
    statement: ReturningInsert[tuple[int]] = insert.on_conflict_do_nothing().returning(into.primary_key.columns[0])
    return statement


def _refuse_flush(session: Session, *_: object) -> None:
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("a reading session must not change anything; use unit_of_work()")
