"""Pages from templates: one Jinja2 environment, the filters, and :func:`render`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from app.models import Role, utcnow

if TYPE_CHECKING:
    from app.web.viewer import Viewer

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"


@dataclass(frozen=True)
class NavItem:
    """One entry of the navigation. ``group`` is the small heading it stands under; ``roles`` see it.

    ``within`` are other pages that it stands for: it is the current one there as well.
    """

    title: str
    path: str
    group: str = ""
    roles: tuple[Role, ...] = (Role.ADMIN, Role.RESEARCHER, Role.ANNOTATOR)
    within: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether a page's path is this entry's, or below it."""
        if self.path == "/":
            return path == "/"
        return any(path == own or path.startswith(f"{own}/") for own in (self.path, *self.within))


COLLECTION = ("/looks", "/patches", "/composition", "/licences", "/gather")


NAV = (
    NavItem("Dashboard", "/"),
    NavItem("Collection", "/sources", roles=(Role.ADMIN, Role.RESEARCHER), within=COLLECTION),
    NavItem("Collection", "/looks", roles=(Role.ANNOTATOR,), within=COLLECTION),
    NavItem("Images", "/images"),
    NavItem("Review", "/review"),
    NavItem("Queues", "/queues", roles=(Role.ADMIN, Role.RESEARCHER)),
    NavItem("Adjudicate", "/adjudicate", roles=(Role.ADMIN, Role.RESEARCHER)),
    NavItem("Metric filter", "/filter"),
    NavItem("Judges", "/judges", roles=(Role.ADMIN, Role.RESEARCHER)),
    NavItem("Agreement", "/agreement", roles=(Role.ADMIN, Role.RESEARCHER)),
    NavItem("Calibration", "/calibration", roles=(Role.ADMIN, Role.RESEARCHER)),
    NavItem("Prompts", "/prompts"),
    NavItem("Benchmarks", "/benchmarks", roles=(Role.ADMIN, Role.RESEARCHER)),
    NavItem("Ingest", "/ingest", "Run", (Role.ADMIN, Role.RESEARCHER)),
    NavItem("Runs", "/runs", "Run"),
    NavItem("Providers", "/providers", "Run", (Role.ADMIN,)),
    NavItem("People", "/people", "Run", (Role.ADMIN,)),
    NavItem("Settings", "/settings", "Run", (Role.ADMIN,)),
)


def number(value: float) -> str:
    """12345 -> "12,345"; fractions keep two digits."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"


def short(value: int) -> str:
    """12345 -> "12k", 1200000 -> "1.2M", for where there is little room; below ten thousand as it is."""
    if value < 10_000:
        return f"{value:,}"
    return f"{value / 1000:.0f}k" if value < 999_500 else f"{value / 1_000_000:.1f}M"


def percent(share: float, digits: int = 1) -> str:
    """A share of one: 0.864 -> "86.4 %"."""
    return f"{share * 100:.{digits}f} %"


def duration(seconds: float) -> str:
    """5.2 -> "5.2 s", 312 -> "5 min 12 s", 90000 -> "1 d 1 h": the two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        big, small = (whole // 60, "min"), (whole % 60, "s")
    elif whole < 86400:
        big, small = (whole // 3600, "h"), (whole % 3600 // 60, "min")
    else:
        big, small = (whole // 86400, "d"), (whole % 86400 // 3600, "h")
    return f"{big[0]} {big[1]}" + (f" {small[0]} {small[1]}" if small[0] else "")


def ago(moment: datetime) -> str:
    """How long ago, or how far ahead: "just now", "5 min ago", "in 3 d"."""
    seconds = (utcnow() - moment).total_seconds()
    if abs(seconds) < 45:
        return "just now"
    text = duration(max(60, abs(seconds))).split(" ")
    amount = " ".join(text[:2])
    return f"{amount} ago" if seconds > 0 else f"in {amount}"


def when(moment: datetime) -> Markup:
    """A <time> element: relative in the text, exact on hover (the browser makes that local)."""
    exact = moment.isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, f"{moment:%Y-%m-%d %H:%M} UTC", ago(moment))


def file_size(size: int) -> str:
    """1536 -> "1.5 KB", in powers of 1024."""
    amount = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"


def asset(path: str) -> str:
    """The address of a file under static/, with its content hash, so that it can be kept for a year."""
    file = STATIC / path
    try:
        changed = file.stat().st_mtime_ns
    except FileNotFoundError:
        return f"/static/{path}"
    return f"/static/{path}?v={_hash_of(file, changed)}"


@lru_cache(maxsize=256)
def _hash_of(file: Path, _changed: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:10]


@lru_cache
def environment() -> Environment:
    """The Jinja2 environment: escapes everything, and an unknown name is an error, not an empty string."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update(
        number=number, short=short, percent=percent, duration=duration, ago=ago, when=when, bytes=file_size
    )  # fmt: skip
    made.globals.update(asset=asset)
    return made


def html(template: str, context: object, viewer: "Viewer | None", request_path: str, htmx: bool = False) -> str:
    """``template`` with ``context`` as ``page``."""
    nav = [item for item in NAV if viewer is not None and viewer.role in item.roles]
    return environment().get_template(template).render(
        page=context, viewer=viewer, nav=nav, request_path=request_path, csrf=viewer.csrf if viewer else "", htmx=htmx
    )  # fmt: skip


def render(
    request: Request,
    viewer: "Viewer | None",
    template: str,
    context: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Answer with a page. ``context`` is an instance of the page's frozen dataclass; the template sees it as ``page``."""
    htmx = request.headers.get("HX-Request") == "true"
    return HTMLResponse(html(template, context, viewer, request.url.path, htmx), status, headers)
