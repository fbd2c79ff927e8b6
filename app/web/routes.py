"""All routers, a line a page. Pages come from ``app/web/pages``, the JSON API (prefix ``/api/v1``) from ``app/web/api``."""

from fastapi import APIRouter

from app.web.api import images as api_images
from app.web.api import overview as api_overview
from app.web.api import runs as api_runs
from app.web.api import schema
from app.web.pages import (
    account,
    adjudicate,
    agreement,
    bulk,
    calibration,
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
    queues,
    review,
    runs,
    set_aside,
    settings,
    sign_in,
    views,
)

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    sign_in.router,
    account.router,
    people.router,
    providers.router,
    queues.router,
    review.router,
    settings.router,
    dashboard.router,
    images.router,
    bulk.router,
    set_aside.router,
    image.router,
    views.router,
    filter.router,
    judges.router,
    agreement.router,
    adjudicate.router,
    calibration.router,
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
