"""The web application: ``uvicorn --factory app.main:create_app``."""

from fastapi import FastAPI

from app import db
from app.config import settings
from app.processes import die_with_parent
from app.security import SecurityHeaders
from app.web import errors
from app.web.deps import SEAT
from app.web.routes import ROUTERS
from app.web.static import StaticAssets

MAX_BODY = 1_000_000
"""Largest request in bytes. A route that takes more (uploads) says so with ``max_body_size``."""


def create_app() -> FastAPI:
    """A new application with all routes. The OpenAPI document covers ``/api/v1`` and is served by ``app.web.api.schema``."""
    if settings().web_processes > 1:
        die_with_parent()
    db.engine()  # made here once: two first requests at once would make two
    app = FastAPI(
        title="GGT Studio", version="1", docs_url=None, redoc_url=None, openapi_url=None, max_body_size=MAX_BODY,
        dependencies=[SEAT],
        description="Turns a folder of degraded photographs into a verified LQ-HQ paired dataset.",
    )  # fmt: skip
    app.mount("/static", StaticAssets(), name="static")
    for router in ROUTERS:
        app.include_router(router, include_in_schema=router.prefix.startswith("/api/v1"))
    errors.install(app)
    app.add_middleware(SecurityHeaders, secure=settings().secure_cookies)
    return app
