"""All routers, a line a page. Pages come from ``app/web/pages``, the JSON API (prefix ``/api/v1``) from ``app/web/api``."""

from fastapi import APIRouter

from app.web.api import images as api_images
from app.web.api import overview as api_overview
from app.web.api import runs as api_runs
from app.web.api import schema
from app.web.pages import (
    account,
    bulk,
    dashboard,
    files,
    filter,
    health,
    image,
    images,
    ingest,
    judges,
    live,
    new_run,
    people,
    prompts,
    providers,
    review,
    runs,
    settings,
    sign_in,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    sign_in.router,
    account.router,
    people.router,
    providers.router,
    review.router,
    settings.router,
    dashboard.router,
    images.router,
    bulk.router,
    image.router,
    filter.router,
    judges.router,
    prompts.router,
    new_run.router,
    runs.router,
    ingest.router,
    files.router,
    live.router,
    api_images.router,
    api_runs.router,
    api_overview.router,
    schema.router,
)
