"""Alembic's entry point: runs migrations on the connection of app.migrate, or (alembic command) on one of its own."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON, Connection
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

import app.models
from app.config import settings
from app.db import WRITES, make_engine
from app.migrate import METRIC_INDEX


def written(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """How a new migration writes our column types: with SQLAlchemy's own, so that it never needs today's code."""
    if kind != "type":
        return False
    if isinstance(item, AutoString):
        return f"sa.String({item.length})" if item.length else "sa.String()"
    if isinstance(item, app.models.UtcDateTime):
        return "sa.DateTime(timezone=True)"
    if isinstance(item, JSON):
        autogen.imports.add("from sqlalchemy.dialects import postgresql")
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


def ours(_item: Any, name: str | None, kind: str, *_: Any) -> bool:
    """The indexes on metrics follow the catalogue, not the models."""
    return not (kind == "index" and (name or "").startswith(METRIC_INDEX))


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        render_as_batch=True,
        compare_type=True,
        render_item=written,
        include_object=ours,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    settings().data_dir.mkdir(parents=True, exist_ok=True)
    with make_engine(settings().sql_url).execution_options(**{WRITES: True}).connect() as own:
        run(own)
