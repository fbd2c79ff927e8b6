"""Every setting, its value and where it comes from. Read-only: settings are changed in the environment. For admins."""

import re
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from app.config import Settings, settings
from app.web.deps import Admin
from app.web.templating import render

router = APIRouter()


@dataclass(frozen=True)
class Row:
    """One setting. ``set_here``: the environment sets it; else it is the default."""

    variable: str
    value: str
    set_here: bool
    description: str | None


@dataclass(frozen=True)
class SettingsPage:
    rows: list[Row]


EXAMPLES = {
    "settings/index.html": [
        SettingsPage([
            Row("GGT_PORT", "8000", False, "Port the web server listens on."),
            Row("GGT_DATABASE_URL", "postgresql+psycopg://ggt:•••@db/ggt", True, "SQLAlchemy URL."),
        ])
    ]
}  # fmt: skip

_PASSWORD = re.compile(r"(?<=://)([^/@\s]*?):[^/\s]*@")
_SECRET_PARAMETER = re.compile(r"(?i)([?&;][^=&;]*(?:password|secret|token|key|passwd|pwd|credential)[^=&;]*=)[^&;]+")


def masked(value: str) -> str:
    """``value`` without passwords in URLs and without secret query parameters."""
    return _SECRET_PARAMETER.sub(r"\1•••", _PASSWORD.sub(r"\1:•••@", value))


def rows() -> list[Row]:
    """All settings, in the order of the class, with the values in force (an empty URL stands for a default)."""
    now = settings()
    in_force = {
        "database_url": now.sql_url, "redis_url": now.broker_url, "storage_url": now.files_url, "public_url": now.base_url
    }  # fmt: skip
    # A second reading: settings() has put the absolute data folder in, which makes it look as if it had been set.
    given = Settings().model_fields_set
    return [
        Row(
            f"GGT_{name.upper()}",
            masked(str(in_force.get(name, getattr(now, name)))),
            name in given,
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


@router.get("/settings")
def index(request: Request, viewer: Admin) -> Response:
    return render(request, viewer, "settings/index.html", SettingsPage(rows()))
