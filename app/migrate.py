"""Bringing a database to the newest migration, through Alembic. ``ggt up`` and the tests call this."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from app.catalog.metrics import METRICS
from app.config import settings
from app.db import WRITES, make_engine

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_LOCK = 7_162_318
"""Number of the PostgreSQL advisory lock: two that upgrade at once take turns. SQLite's BEGIN IMMEDIATE does the same."""


def upgrade(url: str | None = None, revision: str = "head") -> None:
    """Apply what is missing, all of it or nothing. ``url`` is a SQLAlchemy URL; None: the settings' database."""
    with _writing(url) as connection:
        command.upgrade(_config(connection), revision)
        if revision == "head":
            _index_metrics(connection)


METRIC_INDEX = "ix_metric_"


def _index_metrics(connection: Connection) -> None:
    """Indexes on each metric's value in the summaries. They follow the catalogue, so a new metric needs no migration.

    Two are of the candidates that images show, of all and by category; one of each method's latest, in its order. The
    expressions are those of ``app.services.metric_value``, or the database would not use the indexes.
    """
    value = {
        "sqlite": "json_extract(metrics, '$.{0}')",
        "postgresql": "CAST(metrics ->> '{0}' AS DOUBLE PRECISION)",
    }[connection.dialect.name]
    true = {"sqlite": " = 1", "postgresql": ""}[connection.dialect.name]
    for key in METRICS:
        expression = f"({value.format(key)}), candidate_id"
        for which, flag, columns in (
            ("current", "is_current", f"{expression}, image_id, source_id"),
            ("category", "is_current", f"category, {expression}, image_id, source_id"),
            ("latest", "is_latest", f"method_id, {expression}"),
        ):
            connection.exec_driver_sql(
                f"CREATE INDEX IF NOT EXISTS {METRIC_INDEX}{which}_{key} ON candidate_summary ({columns}) WHERE {flag}{true}"
            )
        if connection.dialect.name == "postgresql":  # it learns nothing about an expression from partial indexes
            connection.exec_driver_sql(
                f"CREATE STATISTICS IF NOT EXISTS metric_{key} ON ({value.format(key)}) FROM candidate_summary"
            )


def downgrade(url: str | None = None, revision: str = "base") -> None:
    """Take migrations back down to ``revision``. Data in dropped tables is lost.

    The indexes on metrics go, since SQLite drops no column that one names; the next upgrade makes them again.
    """
    with _writing(url) as connection:
        for key in METRICS:
            for which in ("current", "category", "latest"):
                connection.exec_driver_sql(f"DROP INDEX IF EXISTS {METRIC_INDEX}{which}_{key}")
        command.downgrade(_config(connection), revision)


def current_is_head(url: str | None = None) -> bool:
    """Whether the database is at the newest migration."""
    engine = make_engine(url or settings().sql_url)
    try:
        with engine.connect() as connection:
            now = MigrationContext.configure(connection).get_current_heads()
    finally:
        engine.dispose()
    return set(now) == set(ScriptDirectory.from_config(_config()).get_heads())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def _writing(url: str | None) -> Iterator[Connection]:
    """One transaction on a connection of its own, with foreign keys off on SQLite while tables are rebuilt."""
    engine = make_engine(url or settings().sql_url)
    try:
        with engine.connect().execution_options(**{WRITES: True}) as connection:
            sqlite = connection.dialect.name == "sqlite"
            if sqlite:  # before BEGIN: inside a transaction this pragma does nothing
                connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            with connection.begin():
                if not sqlite:
                    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
                yield connection
                if sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
                    raise RuntimeError(f"a migration left a row of {broken[0]} that points at a missing one of {broken[2]}")
    finally:
        engine.dispose()
