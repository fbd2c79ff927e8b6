"""Migrations on both engines: up, down, in agreement with the models, and safe when two processes start at once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import JSON, Column, DateTime, MetaData, inspect, text
from sqlmodel import SQLModel

from app import migrate
from app.db import make_engine
from tests.databases import PostgresServer

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        with server.new_database() as url:
            yield url


def tables(url: str) -> set[str]:
    engine = make_engine(url)
    try:
        return set(inspect(engine).get_table_names()) - {"alembic_version"}
    finally:
        engine.dispose()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_up_agrees_with_the_models_and_down_leaves_nothing(empty_url: str) -> None:
    assert not migrate.current_is_head(empty_url)
    migrate.upgrade(empty_url)
    assert migrate.current_is_head(empty_url)
    engine = make_engine(empty_url)
    with engine.connect() as connection:
        opts = {
            "compare_type": True,
            "include_object": lambda _item, name, *_: not (name or "").startswith(migrate.METRIC_INDEX),
        }
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, SQLModel.metadata) == []
    engine.dispose()
    migrate.upgrade(empty_url)  # again: nothing to do
    migrate.downgrade(empty_url)
    assert tables(empty_url) == set()
    assert not migrate.current_is_head(empty_url)
    migrate.upgrade(empty_url)
    assert tables(empty_url) == set(SQLModel.metadata.tables)


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")
def test_an_installation_with_rows_in_every_table_comes_up_to_date(empty_url: str) -> None:
    """A column added without a value for the rows there are stops the start of every installation but new ones."""
    migrate.upgrade(empty_url, "0001")
    engine = make_engine(empty_url)
    metadata = MetaData()
    metadata.reflect(engine)
    old = [table for table in metadata.sorted_tables if table.name != "alembic_version"]
    with engine.begin() as connection:
        for table in old:
            connection.execute(table.insert().values({column.name: something(column) for column in table.columns}))
    engine.dispose()
    migrate.upgrade(empty_url)
    engine = make_engine(empty_url)
    with engine.connect() as connection:
        kept = {t.name for t in old if connection.execute(text(f'SELECT count(*) FROM "{t.name}"')).scalar_one() == 1}
    engine.dispose()
    assert {table.name for table in old} - kept == {"review_lease"}  # leases of five minutes were given back


def something(column: Column[Any]) -> object:
    """A value that a column takes: 1 for numbers and so for every id and foreign key."""
    if isinstance(column.type, JSON):
        return {}
    if isinstance(column.type, DateTime):
        return datetime(2026, 1, 1, tzinfo=UTC)
    return {bool: False, int: 1, float: 1.0, str: "1"}[column.type.python_type]


def test_two_that_start_at_once_take_turns(empty_url: str) -> None:
    """Web and workers may start together; the second must wait and find the work done."""
    script = f"from app import migrate; migrate.upgrade({empty_url!r})"
    start = [sys.executable, "-c", script]
    with ThreadPoolExecutor(2) as pool:
        ends = list(pool.map(lambda _: subprocess.run(start, cwd=ROOT, capture_output=True, text=True), range(2)))
    assert [end.returncode for end in ends] == [0, 0], ends
    assert migrate.current_is_head(empty_url)


def test_foreign_keys_hold_after_a_migration(empty_url: str) -> None:
    """They are off while SQLite's tables are rebuilt, and must not stay off."""
    migrate.upgrade(empty_url)
    engine = make_engine(empty_url)
    insert = "INSERT INTO api_token (user_id, name, token_hash, created_at) VALUES (99, 'x', 'y', '2026-01-01')"
    with engine.connect() as connection, pytest.raises(Exception, match=r"(?i)foreign key"):
        connection.execute(text(insert))
    engine.dispose()


def test_a_failing_migration_changes_nothing(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def half_way(config: Config, revision: str) -> None:
        real(config, revision)
        raise RuntimeError("the power went off")

    real = command.upgrade
    monkeypatch.setattr(command, "upgrade", half_way)
    with pytest.raises(RuntimeError, match="power"):
        migrate.upgrade(empty_url)
    assert tables(empty_url) == set()


def test_the_alembic_command_works_from_the_checkout(tmp_path: Path) -> None:
    """Developers make migrations with it; its configuration is in pyproject.toml."""
    environment = {**os.environ, "GGT_DATA_DIR": str(tmp_path)}
    alembic = [sys.executable, "-m", "alembic"]
    end = subprocess.run([*alembic, "upgrade", "head"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert end.returncode == 0, end.stderr
    assert migrate.current_is_head(f"sqlite:///{tmp_path / 'ggt.sqlite3'}")
    check = subprocess.run([*alembic, "check"], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout + check.stderr
