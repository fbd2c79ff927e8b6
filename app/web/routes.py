"""All routers, a line a page. Pages come from ``app/web/pages``, the JSON API (prefix ``/api/v1``) from ``app/web/api``."""

from fastapi import APIRouter

from app.web.api import schema
from app.web.pages import account, health, people, settings, sign_in

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    sign_in.router,
    account.router,
    people.router,
    settings.router,
    schema.router,
)
