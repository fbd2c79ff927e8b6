"""A metric's value in the summary's JSON, written the same way every time, so that an index on the expression serves it."""

from typing import Any

from sqlalchemy import Float, literal_column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.catalog.metrics import METRICS
from app.models import CandidateSummary, table_of


class metric_value(FunctionElement[float]):
    """``metrics ->> key`` as a number. The key stands in the SQL itself: no index matches a bound parameter."""

    name = "metric_value"
    inherit_cache = True
    type = Float()


def metric_of_summary(key: str) -> metric_value:
    """The value of ``key``, which must be in the catalogue (it becomes part of the statement). Raises KeyError."""
    return metric_value(table_of(CandidateSummary).c.metrics, literal_column(f"'{METRICS[key].key}'"))


@compiles(metric_value, "sqlite")
def _sqlite(element: metric_value, compiler: SQLCompiler, **options: Any) -> str:
    column, key = element.clauses
    name = compiler.process(key, **options).strip("'")
    return f"json_extract({compiler.process(column, **options)}, '$.{name}')"


@compiles(metric_value, "postgresql")
def _postgresql(element: metric_value, compiler: SQLCompiler, **options: Any) -> str:
    column, key = element.clauses
    return f"CAST({compiler.process(column, **options)} ->> {compiler.process(key, **options)} AS DOUBLE PRECISION)"
